//! Signing a challenge with a key file: for operators and scripts, where there is no wallet.

use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

use crate::{
    Address,
    message::{self, WalletSignature},
};

/// A wallet's private key. Wiped when dropped.
pub struct WalletKey(SigningKey);

/// A text that is no private key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no private key: 64 hex digits, as wallets export them")]
pub struct WalletKeyError;

impl WalletKey {
    /// Reads a key: 64 hex digits, with or without `0x`, white space around them.
    ///
    /// # Errors
    /// [`WalletKeyError`].
    pub fn parse(text: &str) -> Result<Self, WalletKeyError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| WalletKeyError)?;
        SigningKey::from_slice(bytes.as_slice()).map(Self).map_err(|_| WalletKeyError)
    }

    /// A new key of random bytes, in the form that [`WalletKey::parse`] reads.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub fn generate() -> Result<Zeroizing<String>, getrandom::Error> {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(bytes.as_mut_slice())?;
            // All but one in 2^127 are below the group's order.
            if SigningKey::from_slice(bytes.as_slice()).is_ok() {
                return Ok(Zeroizing::new(hex::encode(bytes.as_slice())));
            }
        }
    }

    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::of_key(self.0.verifying_key())
    }

    /// Signs a text as `signMessageV2` does.
    #[must_use]
    pub fn sign(&self, text: &str) -> WalletSignature {
        let hash = message::hash_v2(text);
        let (signature, recovery) = self.0.sign_prehash_recoverable(&hash);
        WalletSignature::new(signature, recovery)
    }
}
