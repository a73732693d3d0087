//! Who may reach a service: client authorization (rend-spec-v3 §G.1).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use curve25519_dalek::MontgomeryPoint;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::OnionAddress;

/// Longest name of a client in bytes.
const NAME_BYTES_MAX: usize = 32;

/// A text that is no client's name or key. The text is not repeated: it may be the private one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// No name.
    #[error("a client's name is 1 to 32 characters of A-Z a-z 0-9 _ -")]
    Name,
    /// No key.
    #[error(
        "a client's public key is 52 characters of A-Z and 2-7: x25519 in base32 without padding"
    )]
    Key,
}

/// What a client is called.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientName(String);

impl ClientName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientName {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_one) {
            true => Ok(Self(text)),
            false => Err(ClientError::Name),
        }
    }
}

impl FromStr for ClientName {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        Self::try_from(text.to_owned())
    }
}

impl From<ClientName> for String {
    fn from(name: ClientName) -> Self {
        name.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client's public key: the service encrypts its descriptor for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientPublic([u8; 32]);

impl FromStr for ClientPublic {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| ClientError::Key)?;
        Ok(Self(bytes.try_into().map_err(|_| ClientError::Key)?))
    }
}

impl fmt::Display for ClientPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0))
    }
}

impl TryFrom<String> for ClientPublic {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        text.parse()
    }
}

impl From<ClientPublic> for String {
    fn from(key: ClientPublic) -> Self {
        key.to_string()
    }
}

/// A client's private key, which the node makes for it and does not keep. Wiped when dropped; no `Debug`.
pub struct ClientKey(Zeroizing<[u8; 32]>);

impl ClientKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> ClientPublic {
        ClientPublic(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    /// The line of a file `NAME.auth_private` in a client's `ClientOnionAuthDir`:
    /// `<label>:descriptor:x25519:<base32 of the private key>`.
    #[must_use]
    pub fn auth_private(&self, address: OnionAddress) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(160));
        text.push_str(&address.label());
        text.push_str(":descriptor:x25519:");
        BASE32_NOPAD.encode_append(self.0.as_slice(), &mut text);
        text
    }

    /// As `ONION_CLIENT_AUTH_ADD` takes it: `x25519:` and base64.
    pub(crate) fn blob(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str("x25519:");
        STANDARD.encode_string(self.0.as_slice(), &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_those_of_rfc_7748() {
        // §6.1, Alice and Bob.
        for (secret, public) in [
            (
                "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            ),
            (
                "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            ),
        ] {
            let mut bytes = Zeroizing::new([0; 32]);
            hex::decode_to_slice(secret, bytes.as_mut_slice()).unwrap();
            let key = ClientKey::from_bytes(bytes);
            assert_eq!(hex::encode(key.public().0), public);
            let text = key.public().to_string();
            assert_eq!((text.len(), text.parse()), (52, Ok(key.public())));
        }
    }

    #[test]
    fn what_is_no_name_or_key_is_refused() {
        for text in ["", "a b", "a:b", "é", &"a".repeat(33)] {
            assert_eq!(text.parse::<ClientName>(), Err(ClientError::Name), "{text}");
        }
        let good = ClientKey::from_bytes(Zeroizing::new([7; 32])).public().to_string();
        for text in [String::new(), good.to_lowercase(), good.clone() + "A", good[1..].into()] {
            assert_eq!(text.parse::<ClientPublic>(), Err(ClientError::Key), "{text}");
        }
    }
}
