//! A device that holds a key. It reads packets and commands as LedgerHQ/app-tron does
//! (`sign_personal_message.c`, `get_public_key.c`), stricter where the app is lax, and shares no code
//! with the host's side but the curve and the hash.

use std::{collections::VecDeque, time::Duration};

use k256::ecdsa::SigningKey;
use sha3::{Digest, Keccak256};

use super::{LedgerError, Transport};
use crate::Address;

/// How the device and its person behave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// The person presses the other button.
    Refuses,
    /// Nobody is there: no answer where one waits for a person.
    Away,
    /// It was locked since its address was read.
    Locks,
    /// It signs with another key than it named.
    OtherKey,
    /// It signs another text than it was given.
    OtherText,
    /// An app that hashes only what came in the last command.
    Forgets,
    /// It answers with the signature before it was given the whole message.
    Hasty,
}

/// A message of which parts are to come.
struct Pending {
    hash: Keccak256,
    missing: usize,
}

pub(super) struct Signer {
    key: SigningKey,
    path: Vec<u8>,
    mood: Mood,
    command: Vec<u8>,
    next: u16,
    answers: VecDeque<[u8; 64]>,
    pending: Option<Pending>,
    /// How many commands it was given.
    pub(super) commands: usize,
}

impl Signer {
    pub(super) fn new(seed: u8, path: &[u32], mood: Mood) -> Self {
        let levels = path.iter().flat_map(|level| level.to_be_bytes());
        let path = std::iter::once(path.len() as u8).chain(levels).collect();
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let (command, answers) = (Vec::new(), VecDeque::new());
        Self { key, path, mood, command, next: 0, answers, pending: None, commands: 0 }
    }

    pub(super) fn address(&self) -> String {
        Address::of_key(self.key.verifying_key()).to_string()
    }

    fn answer(&mut self, data: &[u8], status: u16) {
        let length = (data.len() as u16 + 2).to_be_bytes();
        let bytes = [&length, data, &status.to_be_bytes()].concat();
        for (place, part) in bytes.chunks(59).enumerate() {
            // What comes after the end is not zero on every device.
            let mut packet = [0xa5; 64];
            packet[..5].copy_from_slice(&[1, 1, 5, 0, place as u8]);
            packet[5..5 + part.len()].copy_from_slice(part);
            self.answers.push_back(packet);
        }
    }

    fn run(&mut self, command: &[u8]) {
        self.commands += 1;
        let &[0xe0, instruction, p1, 0, length, ref data @ ..] = command else {
            return self.answer(&[], 0x6e00);
        };
        assert_eq!(data.len(), usize::from(length), "what a command says of its length");
        match (instruction, p1) {
            (2, 0 | 1) if data == self.path => {
                let key = self.key.verifying_key().to_sec1_point(false);
                let address = self.address();
                let answer = [&[65], key.as_bytes(), &[34], address.as_bytes()].concat();
                self.answer(&answer, 0x9000);
            }
            (2, 0 | 1) => self.answer(&[], 0x6a8a),
            (8, 0 | 0x80) if self.mood == Mood::Locks => self.answer(&[], 0x5515),
            (8, 0) => match data.strip_prefix(self.path.as_slice()) {
                Some(data) => self.begin(data),
                None => self.answer(&[], 0x6a8a),
            },
            (8, 0x80) => self.go_on(data),
            _ => self.answer(&[], 0x6b00),
        }
    }

    fn begin(&mut self, data: &[u8]) {
        let (length, part) = data.split_first_chunk().expect("a length");
        let missing = u32::from_be_bytes(*length) as usize;
        let hash = Keccak256::new().chain_update(b"\x19TRON Signed Message:\n");
        let hash = hash.chain_update(missing.to_string());
        self.pending = Some(Pending { hash, missing });
        self.go_on(part);
    }

    fn go_on(&mut self, part: &[u8]) {
        let mut pending = self.pending.take().expect("a message has begun");
        assert!(part.len() <= pending.missing, "a message is no longer than it says");
        if self.mood == Mood::Forgets && self.commands > 2 {
            pending.hash = Keccak256::new();
        }
        pending.hash.update(part);
        pending.missing -= part.len();
        if pending.missing > 0 && self.mood != Mood::Hasty {
            self.pending = Some(pending);
            return self.answer(&[], 0x9000);
        }
        match self.mood {
            Mood::Refuses => return self.answer(&[], 0x6985),
            Mood::Away => return,
            Mood::OtherText => pending.hash.update(b"."),
            Mood::OtherKey => self.key = SigningKey::from_slice(&[0x77; 32]).unwrap(),
            Mood::Good | Mood::Locks | Mood::Forgets | Mood::Hasty => {}
        }
        let hash: [u8; 32] = pending.hash.finalize().into();
        let (signature, recovery) = self.key.sign_prehash_recoverable(&hash);
        let v = u8::from(recovery.is_y_odd());
        self.answer(&[signature.to_bytes().as_slice(), &[v]].concat(), 0x9000);
    }
}

impl Transport for Signer {
    fn write(&mut self, packet: &[u8; 64]) -> Result<(), LedgerError> {
        assert!(self.answers.is_empty(), "the host waits for the answer");
        let [1, 1, 5, high, low, data @ ..] = packet else { panic!("a strange packet") };
        assert_eq!(u16::from_be_bytes([*high, *low]), self.next, "the sequence");
        self.next += 1;
        self.command.extend_from_slice(data);
        let whole = 2 + usize::from(u16::from_be_bytes([self.command[0], self.command[1]]));
        if self.command.len() >= whole {
            let padded = std::mem::take(&mut self.command);
            assert!(padded[whole..].iter().all(|byte| *byte == 0), "padding is zeros");
            assert!(padded.len() - whole < 59, "no packet is only padding");
            self.next = 0;
            self.run(&padded[2..whole]);
        }
        Ok(())
    }

    fn read(&mut self, packet: &mut [u8; 64], timeout: Duration) -> Result<(), LedgerError> {
        *packet = self.answers.pop_front().ok_or(LedgerError::TimedOut(timeout.as_secs()))?;
        Ok(())
    }
}
