//! APDUs over a Ledger's USB interface: packets of 64 bytes.
//!
//! A packet is channel (2 bytes) ‖ tag (1) ‖ sequence (2) ‖ data (59), numbers big-endian. The first
//! one's data begins with the length of the whole (2 bytes), so that the reader knows where the
//! padding of the last one begins. The sequence is 0 in the first packet and grows by one. The same
//! holds in both directions (LedgerHQ/ledgerjs, `packages/devices/src/hid-framing.js`, with the
//! channel and the tag of Ledger's desktop programs).
//!
//! This module leaves to others what an APDU says, and which file the packets go through. A packet
//! that is not the expected one is an error: nothing is guessed, skipped or put in order.

use std::time::Duration;

use super::LedgerError;

/// The bytes of a packet, both ways.
pub const PACKET_BYTES: usize = 64;
/// What tells this exchange from another program's.
const CHANNEL: [u8; 2] = [0x01, 0x01];
/// Packets that carry APDUs.
const TAG: u8 = 0x05;
/// Channel, tag and sequence.
const HEADER_BYTES: usize = 5;
/// The length before the first packet's data.
const LENGTH_BYTES: usize = 2;
/// How long a packet that continues an answer may take: the device has it ready.
const NEXT_PACKET: Duration = Duration::from_secs(5);

/// Where packets go and come from.
pub trait Transport {
    /// Sends a packet.
    ///
    /// # Errors
    /// [`LedgerError::Unreachable`] where it cannot.
    fn write(&mut self, packet: &[u8; PACKET_BYTES]) -> Result<(), LedgerError>;

    /// Waits for a packet, no longer than `timeout`.
    ///
    /// # Errors
    /// [`LedgerError::TimedOut`] where none came, [`LedgerError::Unreachable`] where none can.
    fn read(
        &mut self,
        packet: &mut [u8; PACKET_BYTES],
        timeout: Duration,
    ) -> Result<(), LedgerError>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn write(&mut self, packet: &[u8; PACKET_BYTES]) -> Result<(), LedgerError> {
        (**self).write(packet)
    }

    fn read(
        &mut self,
        packet: &mut [u8; PACKET_BYTES],
        timeout: Duration,
    ) -> Result<(), LedgerError> {
        (**self).read(packet, timeout)
    }
}

/// Sends an APDU and reads the answer, whose first packet may take `timeout`.
///
/// # Errors
/// The transport's, and [`LedgerError::Garbled`].
pub fn exchange<T: Transport>(
    transport: &mut T,
    apdu: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, LedgerError> {
    for packet in packets(apdu)? {
        transport.write(&packet)?;
    }
    let mut packet = [0; PACKET_BYTES];
    transport.read(&mut packet, timeout)?;
    let mut answer = Answer::begin(&packet)?;
    while !answer.is_whole() {
        transport.read(&mut packet, NEXT_PACKET)?;
        answer.go_on(&packet)?;
    }
    Ok(answer.bytes)
}

/// Cuts an APDU into packets, the last one padded with zeros.
///
/// # Errors
/// [`LedgerError::MessageTooLong`] where the length does not fit into 16 bits.
pub fn packets(apdu: &[u8]) -> Result<Vec<[u8; PACKET_BYTES]>, LedgerError> {
    let too_long = |_| LedgerError::MessageTooLong(apdu.len());
    let length = u16::try_from(apdu.len()).map_err(too_long)?;
    let data = [&length.to_be_bytes(), apdu].concat();
    let parts = data.chunks(PACKET_BYTES - HEADER_BYTES);
    Ok((0_u16..).zip(parts).map(|(sequence, part)| packet(sequence, part)).collect())
}

fn packet(sequence: u16, part: &[u8]) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    let header = header(sequence);
    packet[..HEADER_BYTES].copy_from_slice(&header);
    packet[HEADER_BYTES..HEADER_BYTES + part.len()].copy_from_slice(part);
    packet
}

fn header(sequence: u16) -> [u8; HEADER_BYTES] {
    let [high, low] = sequence.to_be_bytes();
    [CHANNEL[0], CHANNEL[1], TAG, high, low]
}

/// An answer of which packets are still to come. Its length is 16 bits, so it ends.
struct Answer {
    bytes: Vec<u8>,
    /// How many bytes it will have.
    length: usize,
    /// The next packet's.
    sequence: u16,
}

impl Answer {
    fn begin(packet: &[u8; PACKET_BYTES]) -> Result<Self, LedgerError> {
        let data = data_of(packet, 0)?;
        let (length, data) = data.split_at(LENGTH_BYTES);
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let mut answer = Self { bytes: Vec::with_capacity(length), length, sequence: 1 };
        answer.take(data);
        Ok(answer)
    }

    fn go_on(&mut self, packet: &[u8; PACKET_BYTES]) -> Result<(), LedgerError> {
        let data = data_of(packet, self.sequence)?;
        // 65535 bytes are in 1111 packets.
        self.sequence += 1;
        self.take(data);
        Ok(())
    }

    /// Takes what is not padding. What the padding is made of, devices do not agree on.
    fn take(&mut self, data: &[u8]) {
        let missing = self.length - self.bytes.len();
        self.bytes.extend_from_slice(&data[..data.len().min(missing)]);
    }

    fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }
}

fn data_of(packet: &[u8; PACKET_BYTES], sequence: u16) -> Result<&[u8], LedgerError> {
    let (found, data) = packet.split_at(HEADER_BYTES);
    let expected = header(sequence);
    if found[..2] != expected[..2] {
        return Err(LedgerError::Garbled("a packet of another channel"));
    }
    if found[2] != expected[2] {
        return Err(LedgerError::Garbled("a packet with another tag"));
    }
    if found[3..] != expected[3..] {
        return Err(LedgerError::Garbled("a packet out of sequence"));
    }
    Ok(data)
}
