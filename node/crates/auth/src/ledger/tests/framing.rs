//! Packets at their edges, and packets of noise.

use std::time::Duration;

use super::{
    Ledger, LedgerError, Path, Transport, apdu,
    hid::{self, PACKET_BYTES},
};

#[test]
fn a_command_fills_its_packets() {
    // 57 bytes fit into the first packet, 59 into each other.
    for (bytes, count) in [(0, 1), (1, 1), (57, 1), (58, 2), (116, 2), (117, 3), (65535, 1111)] {
        let command: Vec<u8> = (0..bytes).map(|place| place as u8 | 1).collect();
        let packets = hid::packets(&command).unwrap();
        assert_eq!(packets.len(), count, "{bytes}");
        let mut whole = Vec::new();
        for (place, packet) in packets.iter().enumerate() {
            assert_eq!(packet[..3], [1, 1, 5]);
            assert_eq!(packet[3..5], (place as u16).to_be_bytes());
            whole.extend_from_slice(&packet[5..]);
        }
        let padding = whole.split_off(2 + bytes);
        assert!(padding.iter().all(|byte| *byte == 0));
        assert_eq!(whole[..2], (bytes as u16).to_be_bytes());
        assert_eq!(whole[2..], command);
    }
    assert_eq!(hid::packets(&vec![0; 65536]), Err(LedgerError::MessageTooLong(65536)));
}

/// A device that says anything. One packet in four is noise all through; the others have the header,
/// and often the length and status, that lead on.
struct Noise {
    state: u64,
    next: u16,
}

impl Noise {
    /// Steele and Vigna's SplitMix64, so that a failure can be had again.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Transport for Noise {
    fn write(&mut self, _: &[u8; PACKET_BYTES]) -> Result<(), LedgerError> {
        self.next = 0;
        Ok(())
    }

    fn read(&mut self, packet: &mut [u8; PACKET_BYTES], _: Duration) -> Result<(), LedgerError> {
        for part in packet.chunks_mut(8) {
            part.copy_from_slice(&self.draw().to_le_bytes());
        }
        let choice = self.draw();
        if choice.is_multiple_of(32) {
            return Err(LedgerError::TimedOut(0));
        }
        if !choice.is_multiple_of(4) {
            packet[..3].copy_from_slice(&[1, 1, 5]);
            packet[3..5].copy_from_slice(&self.next.to_be_bytes());
        }
        if self.next == 0 && choice & 0x100 != 0 {
            // Short answers, most with a good status.
            let length = (choice >> 16) as usize % 57;
            packet[5..7].copy_from_slice(&(length as u16).to_be_bytes());
            if length >= 2 && choice & 0x600 != 0 {
                packet[5 + length..7 + length].copy_from_slice(&[0x90, 0]);
            }
        }
        self.next = self.next.wrapping_add(1);
        Ok(())
    }
}

#[test]
fn noise_is_an_error_and_nothing_worse() {
    let text = "x".repeat(300);
    let mut statuses = 0;
    for seed in 0..50_000 {
        let mut ledger = Ledger::new(Noise { state: seed, next: 0 });
        assert!(ledger.address(&Path::default(), true).is_err());
        assert!(ledger.sign(&Path::default(), &text).is_err());
        let answer = hid::exchange(&mut ledger.transport, &[0xe0], Duration::ZERO);
        if let Ok(answer) = answer {
            statuses += usize::from(apdu::data_of(&answer).is_ok());
        }
    }
    assert!(statuses > 1000, "noise that never gets past the frames tests nothing: {statuses}");
}

#[test]
fn noise_after_a_good_status_is_an_error_and_nothing_worse() {
    let mut noise = Noise { state: 7, next: 0 };
    let mut keys = 0;
    for _ in 0..50_000 {
        let mut data: Vec<u8> = (0..noise.draw() % 120).map(|_| noise.draw() as u8).collect();
        let _ = apdu::read_signature(&data);
        data.resize(101, 0x31);
        (data[0], data[1], data[66]) = (65, 4, 34);
        keys += usize::from(apdu::read_public_key(&data).is_ok());
        data[noise.draw() as usize % 101] = noise.draw() as u8;
        let _ = apdu::read_public_key(&data[..noise.draw() as usize % 102]);
        data.resize(65, 0);
        data[64] = noise.draw() as u8 % 4;
        // Recovering a key from it may fail, and must do no more.
        if let Ok(signature) = apdu::read_signature(&data) {
            let _ = signature.signer(&[0x5a; 32]);
        }
    }
    assert_eq!(keys, 0, "no noise is a key and its address");
}
