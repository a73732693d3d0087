//! The private key of an account.

use k256::ecdsa::SigningKey;
use lucid_core::tron::{Address, Body, Transaction, TronError};
use zeroize::Zeroizing;

/// A private key. Wiped when dropped; it has no `Debug`.
pub struct Key {
    key: SigningKey,
    address: Address,
}

/// A text that is no private key. It is not repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no private key of TRON: 64 hex digits, as wallets export them")]
pub struct KeyError;

impl Key {
    /// Reads a key: 64 hex digits, with or without `0x`, white space around them.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_| KeyError)?;
        let key = SigningKey::from_slice(bytes.as_slice()).map_err(|_| KeyError)?;
        let address = Address::of_key(key.verifying_key());
        Ok(Self { key, address })
    }

    /// The key's account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a transaction of this account. The same body gives the same bytes each time (RFC 6979).
    ///
    /// # Errors
    /// [`TronError::Signer`] where the account is another's; [`TronError::Field`], [`TronError::TooLong`]
    /// where no transaction can say this.
    pub fn sign(&self, body: &Body) -> Result<Transaction, TronError> {
        Transaction::sign(body, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_in_the_forms_that_wallets_write() {
        let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let address = Key::parse(digits).unwrap().address();
        let upper = digits.to_uppercase();
        for text in [&format!("0x{digits}"), &format!(" {digits}\n"), &upper] {
            assert_eq!(Key::parse(text).unwrap().address(), address);
        }
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let bad: [&str; 8] =
            ["", "0x", &digits[1..], &format!("{digits}0"), &"0".repeat(64), order, "0x0x", "g"];
        for text in bad {
            let error = Key::parse(text).err().unwrap();
            assert!(text.len() < 8 || !format!("{error} {error:?}").contains(&text[..8]));
        }
    }
}
