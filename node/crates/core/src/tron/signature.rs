//! Signatures of transactions and blocks.

use core::fmt;

use k256::ecdsa::{RecoveryId, VerifyingKey};

use super::{Address, TronError};
use crate::Hash;

/// A signature of secp256k1 with what finds its key: r ‖ s ‖ v, 65 bytes.
///
/// v is 27 or 28 as wallets write it, or 0 or 1 as java-tron does in block headers
/// (`ECKey.Base64toBytes`); the bytes are kept as they came, for a block's tree is over them. s is in
/// the lower half of the group's order, as every signer of TRON makes it: else each signature would
/// have a second form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; Self::BYTES]);

impl Signature {
    /// Bytes of a signature.
    pub const BYTES: usize = 65;

    /// Reads a signature.
    ///
    /// # Errors
    /// [`TronError::Signature`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TronError> {
        let this = Self(bytes.try_into().map_err(|_| TronError::Signature)?);
        this.parts().map(|_| this)
    }

    /// A signature that was just made, v as 27 or 28.
    ///
    /// # Errors
    /// [`TronError::Signature`] where s is in the upper half, or the point is beyond the order.
    pub fn new(signature: &k256::ecdsa::Signature, id: RecoveryId) -> Result<Self, TronError> {
        let mut bytes = [0; Self::BYTES];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + id.to_byte();
        Self::from_bytes(&bytes)
    }

    /// Its bytes, as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The same signature with v as 0 or 1.
    #[must_use]
    pub fn with_small_v(mut self) -> Self {
        if self.0[64] >= 27 {
            self.0[64] -= 27;
        }
        self
    }

    /// The address whose key signed `hash`.
    ///
    /// # Errors
    /// [`TronError::Unrecoverable`] where no key can have.
    pub fn signer(&self, hash: &Hash) -> Result<Address, TronError> {
        let (signature, id) = self.parts()?;
        let key = VerifyingKey::recover_from_prehash(hash.as_bytes(), &signature, id);
        Ok(Address::of_key(&key.map_err(|_| TronError::Unrecoverable)?))
    }

    fn parts(&self) -> Result<(k256::ecdsa::Signature, RecoveryId), TronError> {
        let (rs, v) = self.0.split_at(64);
        let signature = k256::ecdsa::Signature::from_slice(rs).map_err(|_| TronError::Signature)?;
        if signature.normalize_s() != signature {
            return Err(TronError::Signature);
        }
        let id = match v[0] {
            0 | 27 => RecoveryId::new(false, false),
            1 | 28 => RecoveryId::new(true, false),
            _ => return Err(TronError::Signature),
        };
        Ok((signature, id))
    }
}

/// In hex, as TRON's HTTP API has it.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
