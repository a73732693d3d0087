//! Signing a challenge with a Ledger: for operators whose key never leaves the device.
//!
//! This module owns what is asked of the device's TRON app ([`apdu`]), how it travels ([`hid`]), and
//! that no answer is believed: the address must be that of the key beside it, and the signature that
//! of the address for the text. It leaves to others which device is opened (`device`, in builds with
//! the feature `ledger`) and what the person is told while the device waits.
//!
//! The app signs the TIP-191 form, [`message::hash_v2`], of a message
//! (LedgerHQ/app-tron, `src/handlers/sign_personal_message.c`), and shows the person that hash, not
//! the text: all of it on a Stax or Flex, its first and last two bytes on a Nano. Versions of the app
//! from before it kept its state between commands sign something else where a message takes more than
//! one (tronprotocol/tronweb#660); the check finds it. Later ones sign only with "Sign by hash" allowed in
//! their settings.
//!
//! Nothing here panics on what a device answers, and nothing is kept: a crash loses nothing.

pub mod apdu;
#[cfg(feature = "ledger")]
pub mod device;
mod error;
pub mod hid;
mod path;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use error::LedgerError;
pub use hid::Transport;
pub use path::{Path, PathError};

use crate::{
    Address,
    message::{self, WalletSignature},
};

/// The longest message that is given to a device: more than any challenge, and seconds of USB.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// How long an answer without a person may take: deriving a key takes a device under a second.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a person may take to compare a hash and press the buttons.
const CONFIRMATION: Duration = Duration::from_mins(1);

/// A Ledger with its TRON app open.
pub struct Ledger<T> {
    transport: T,
}

impl<T: Transport> Ledger<T> {
    /// The Ledger at the other end of `transport`.
    #[must_use]
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// The address of a path. With `confirm` the device shows it and waits for the person.
    ///
    /// # Errors
    /// What the device answered, or [`LedgerError::WrongAddress`] where the key beside the address
    /// has another.
    pub fn address(&mut self, path: &Path, confirm: bool) -> Result<Address, LedgerError> {
        let timeout = if confirm { CONFIRMATION } else { ANSWER };
        let answer = self.exchange(&apdu::get_public_key(path, confirm), timeout)?;
        let (key, named) = apdu::read_public_key(apdu::data_of(&answer)?)?;
        let of_key = Address::of_key(&key);
        if named != of_key {
            return Err(LedgerError::WrongAddress { named, of_key });
        }
        Ok(named)
    }

    /// Signs a text as `signMessageV2` does, once the person confirms on the device. The signature is
    /// that of the path's address for this text.
    ///
    /// # Errors
    /// What the device answered, or [`LedgerError::WrongSignature`].
    pub fn sign(&mut self, path: &Path, text: &str) -> Result<WalletSignature, LedgerError> {
        let commands = apdu::sign_message(path, text.as_bytes())?;
        let signer = self.address(path, false)?;
        let parts = commands.len();
        let mut signature = None;
        for (place, command) in (1..).zip(&commands) {
            let last = place == parts;
            let answer = self.exchange(command, if last { CONFIRMATION } else { ANSWER })?;
            let data = apdu::data_of(&answer)?;
            match last {
                true => signature = Some(apdu::read_signature(data)?),
                false if data.is_empty() => {}
                false => return Err(LedgerError::Garbled("a signature before the message's end")),
            }
        }
        let signed = |found: &WalletSignature| found.signer(&message::hash_v2(text)) == Ok(signer);
        signature.filter(signed).ok_or(LedgerError::WrongSignature { signer, parts })
    }

    fn exchange(&mut self, command: &[u8], timeout: Duration) -> Result<Vec<u8>, LedgerError> {
        hid::exchange(&mut self.transport, command, timeout)
    }
}
