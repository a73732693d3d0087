//! What a TRON wallet signs when it is shown a text, and who signed it.
//!
//! Two forms are in use, and both are accepted:
//! - `signMessageV2` (TIP-191, and a Ledger's TRON app): Keccak-256 of `"\x19TRON Signed Message:\n"` ‖
//!   the length of the text in bytes, in decimal ‖ the text;
//! - the older `sign` of TronLink and TronWeb over the text's bytes: the same with `32` in the place of
//!   the length, whatever the length is.
//!
//! A signature is r ‖ s ‖ v, 65 bytes in hex. v is 27 or 28, or 0 or 1 as some wallets have it. s is in
//! the lower half of the group's order, as every wallet makes it: with either half, each signature
//! would have a second form (EIP-2).

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

use crate::Address;

const HEADER: &[u8] = b"\x19TRON Signed Message:\n";

/// A signature with the number that says which of the possible keys made it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WalletSignature {
    signature: Signature,
    recovery: RecoveryId,
}

/// A text that is no signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a signature is 65 bytes r, s, v in hex, s in the lower half, v one of 0, 1, 27, 28")]
pub struct SignatureError;

/// The hash that `signMessageV2` signs.
#[must_use]
pub fn hash_v2(text: &str) -> [u8; 32] {
    let length = text.len().to_string();
    Keccak256::new().chain_update(HEADER).chain_update(length).chain_update(text).finalize().into()
}

/// The hash that the older `sign` signs.
#[must_use]
pub fn hash_v1(text: &str) -> [u8; 32] {
    Keccak256::new().chain_update(HEADER).chain_update(b"32").chain_update(text).finalize().into()
}

impl WalletSignature {
    /// A signature that was just made.
    #[must_use]
    pub fn new(signature: Signature, recovery: RecoveryId) -> Self {
        Self { signature, recovery }
    }

    /// Reads a signature, with or without `0x`.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 65];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureError)?;
        Self::from_bytes(&bytes)
    }

    /// Reads a signature's bytes, r ‖ s ‖ v.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn from_bytes(bytes: &[u8; 65]) -> Result<Self, SignatureError> {
        let (rs, v) = bytes.split_at(64);
        let signature = Signature::from_slice(rs).map_err(|_| SignatureError)?;
        if signature.normalize_s() != signature {
            return Err(SignatureError);
        }
        let recovery = match v[0] {
            0 | 27 => RecoveryId::new(false, false),
            1 | 28 => RecoveryId::new(true, false),
            _ => return Err(SignatureError),
        };
        Ok(Self { signature, recovery })
    }

    /// The signature in hex, as wallets give it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let v = 27 + u8::from(self.recovery.is_y_odd());
        format!("0x{}{v:02x}", hex::encode(self.signature.to_bytes()))
    }

    /// The address whose key signed `hash`.
    ///
    /// # Errors
    /// [`SignatureError`] where no key can have.
    pub fn signer(&self, hash: &[u8; 32]) -> Result<Address, SignatureError> {
        let key = VerifyingKey::recover_from_prehash(hash, &self.signature, self.recovery);
        Ok(Address::of_key(&key.map_err(|_| SignatureError)?))
    }

    /// Whether `address` signed `text`, in either form.
    #[must_use]
    pub fn is_by(&self, address: Address, text: &str) -> bool {
        [hash_v2(text), hash_v1(text)].iter().any(|hash| self.signer(hash) == Ok(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::WalletKey;

    #[test]
    fn both_forms_are_their_signers_and_nobody_elses() {
        let key = WalletKey::parse(&"11".repeat(32)).unwrap();
        for text in ["", "hello", "grüße, 世界", &"x".repeat(1000)] {
            let signature = key.sign(text);
            assert!(signature.is_by(key.address(), text));
            assert!(!signature.is_by(key.address(), &format!("{text}.")));
            let read = WalletSignature::parse(&signature.to_hex()).unwrap();
            assert!(read == signature);
            assert!(WalletSignature::parse(&signature.to_hex()[2..]).unwrap() == signature);
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let good = WalletKey::parse(&"11".repeat(32)).unwrap().sign("text").to_hex();
        let body = &good[2..130];
        // n - s in the place of s, which recovers to the same key with the other v.
        let (r, s) = body.split_at(64);
        let signature = Signature::from_slice(&hex::decode(body).unwrap()).unwrap();
        let high = -*signature.s();
        let high = format!("{r}{}", hex::encode(high.to_bytes()));
        assert_ne!(high, format!("{r}{s}"));
        for text in [
            String::new(),
            "0x".to_owned(),
            format!("0x{body}"),
            format!("0x{body}1d"),
            format!("0x{body}ff"),
            format!("0x{body}1b00"),
            format!("0x0x{body}1b"),
            format!("{high}1b"),
            format!("{high}1c"),
            format!("{}1b", "00".repeat(64)),
            format!("{}1b", "ff".repeat(64)),
            format!("{}gg1b", &body[..126]),
        ] {
            assert!(WalletSignature::parse(&text).is_err(), "{text}");
        }
    }
}
