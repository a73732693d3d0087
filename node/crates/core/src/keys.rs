//! Keys and how they are kept: the node's KEK wraps each session's DEK, from which each chunk's key
//! is derived. No key type shows its content in `Debug`, and each is zeroized when dropped.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, KeyInit, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    ChunkIndex, Hash, SessionId,
    chunk::{self, NONCE_BYTES, TAG_BYTES},
    hash::parse_lower_hex,
    json::{self, JsonError, base64_bytes},
};

/// Why a key or a wrap cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key's text form is not 64 hex digits.
    #[error("a key is 64 lower-case hex digits and nothing else")]
    Text,
    /// The key file is malformed.
    #[error("the key file is damaged: {0}")]
    File(#[from] JsonError),
    /// The key file has no wrap.
    #[error("the key file is damaged: it has no wrap")]
    NoWrap,
    /// The key file is of a later version.
    #[error("key file version {0} is not known here (1 is)")]
    Version(u32),
    /// Another KEK sealed the wrap.
    #[error("the session's key is wrapped under master key {wrapped_by}; this node has {have}")]
    OtherKek {
        /// The id in the wrap.
        wrapped_by: String,
        /// The id of the key at hand.
        have: String,
    },
    /// The wrap was altered, or is another session's.
    #[error("the wrapped session key does not authenticate: altered, or another session's")]
    Wrap,
}

macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// A key of these bytes.
            #[must_use]
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The key's bytes. They never go into a log, an error or the ledger.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads 64 lower-case hex digits.
            ///
            /// # Errors
            /// [`KeyError::Text`], which does not repeat the text.
            pub fn from_hex(text: &str) -> Result<Self, KeyError> {
                parse_lower_hex(text).map(Self).ok_or(KeyError::Text)
            }

            /// The key as 64 hex digits, in a text that is zeroized when dropped.
            #[must_use]
            pub fn to_hex(&self) -> Zeroizing<String> {
                Zeroizing::new(hex::encode(self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

key_type!(
    /// The node's master key (key-encryption key): wraps the sessions' keys.
    Kek
);
key_type!(
    /// A session's data key: 32 random bytes, kept only wrapped.
    Dek
);
key_type!(
    /// One chunk's key: what an owner hands out to disclose that chunk and no other.
    ChunkKey
);

impl Kek {
    /// Names the key without giving it away: hex of the first 8 bytes of H(`lucid/v1/kek` ‖ KEK).
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(&Hash::of_parts(&[b"lucid/v1/kek", &self.0]).0[..8])
    }

    /// Wraps `dek`: AES-256-GCM, AAD = `lucid/v1/dek` ‖ session id. `nonce` is 12 random bytes,
    /// never used twice with one KEK.
    ///
    /// # Panics
    /// Never: 32 bytes are far below the cipher's limit.
    #[must_use]
    pub fn wrap(&self, session: &SessionId, dek: &Dek, nonce: [u8; NONCE_BYTES]) -> Wrap {
        let aad = wrap_aad(session);
        let payload = Payload { msg: &dek.0, aad: &aad };
        let sealed = self.cipher().encrypt(&nonce.into(), payload).expect("a short message");
        let ct = sealed.try_into().expect("32 bytes and a 16-byte tag");
        Wrap::Kek { kek_id: self.id(), nonce, ct }
    }

    /// Opens what [`Kek::wrap`] made.
    ///
    /// # Errors
    /// [`KeyError::OtherKek`] where another key made it, [`KeyError::Wrap`] where it does not
    /// authenticate for this session. An `age` wrap is an `OtherKek` too.
    pub fn unwrap(&self, session: &SessionId, wrap: &Wrap) -> Result<Dek, KeyError> {
        let (kek_id, nonce, ct) = match wrap {
            Wrap::Kek { kek_id, nonce, ct } => (kek_id, nonce, ct),
            Wrap::Age { recipient, .. } => {
                let wrapped_by = recipient.clone();
                return Err(KeyError::OtherKek { wrapped_by, have: self.id() });
            }
        };
        if *kek_id != self.id() {
            return Err(KeyError::OtherKek { wrapped_by: kek_id.clone(), have: self.id() });
        }
        let aad = wrap_aad(session);
        let payload = Payload { msg: ct, aad: &aad };
        let opened = self.cipher().decrypt(&(*nonce).into(), payload).map(Zeroizing::new);
        let opened = opened.map_err(|_| KeyError::Wrap)?;
        let bytes = opened.as_slice().try_into().map_err(|_| KeyError::Wrap)?;
        Ok(Dek(bytes))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }
}

fn wrap_aad(session: &SessionId) -> Vec<u8> {
    [b"lucid/v1/dek".as_slice(), session.as_bytes()].concat()
}

impl Dek {
    /// The chunk's key: HKDF-Expand-SHA-512(DEK, `lucid/v1/chunk` ‖ session id ‖ chunk index as
    /// u32), 32 bytes.
    #[must_use]
    pub fn chunk_key(&self, session: &SessionId, index: ChunkIndex) -> ChunkKey {
        let mut key = [0; 32];
        let info = [b"lucid/v1/chunk".as_slice(), session.as_bytes(), &index.0.to_be_bytes()];
        chunk::hkdf_expand_sha512(&self.0, &info, &mut key);
        ChunkKey(key)
    }
}

/// One way to a session's DEK.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Wrap {
    /// Under the node's master key.
    Kek {
        /// Which master key, see [`Kek::id`].
        kek_id: String,
        /// The AES-256-GCM nonce.
        #[serde(with = "base64_bytes")]
        nonce: [u8; NONCE_BYTES],
        /// The sealed DEK, tag appended.
        #[serde(with = "base64_bytes")]
        ct: [u8; 32 + TAG_BYTES],
    },
    /// To a recipient of the age format (<https://age-encryption.org/v1>), X25519.
    Age {
        /// The recipient, `age1…`.
        recipient: String,
        /// An age file, binary, whose content is the DEK's 32 bytes.
        #[serde(with = "base64_bytes")]
        ct: Vec<u8>,
    },
}

/// `keys/<session>.json`: the DEK's wraps, compact JSON with its fields in this order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    version: u32,
    /// The ways to the DEK; at least one.
    pub wraps: Vec<Wrap>,
}

impl KeyFile {
    /// A key file of these wraps.
    #[must_use]
    pub fn new(wraps: Vec<Wrap>) -> Self {
        Self { version: 1, wraps }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::NoWrap`] or [`KeyError::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let version = json::version_of(bytes)?;
        if version != 1 {
            return Err(KeyError::Version(version));
        }
        let file: Self = json::from_canonical(bytes)?;
        if file.wraps.is_empty() { Err(KeyError::NoWrap) } else { Ok(file) }
    }

    /// The DEK, through the wrap that this KEK made.
    ///
    /// # Errors
    /// [`KeyError::OtherKek`] where no wrap is under this KEK, [`KeyError::Wrap`] where it is but
    /// does not authenticate.
    pub fn unwrap_with(&self, kek: &Kek, session: &SessionId) -> Result<Dek, KeyError> {
        let mut refusal = KeyError::OtherKek { wrapped_by: "none".into(), have: kek.id() };
        for wrap in &self.wraps {
            match kek.unwrap(session, wrap) {
                Ok(dek) => return Ok(dek),
                Err(KeyError::Wrap) => return Err(KeyError::Wrap),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(seed: u8) -> SessionId {
        SessionId::from_random([seed; 16])
    }

    #[test]
    fn a_wrap_opens_for_its_key_and_session_only() {
        let (kek, dek) = (Kek::new([1; 32]), Dek::new([2; 32]));
        let wrap = kek.wrap(&session(3), &dek, [4; 12]);
        assert!(kek.unwrap(&session(3), &wrap).unwrap() == dek);
        assert!(matches!(kek.unwrap(&session(5), &wrap), Err(KeyError::Wrap)));
        let other = Kek::new([9; 32]);
        assert!(matches!(other.unwrap(&session(3), &wrap), Err(KeyError::OtherKek { .. })));
        let Wrap::Kek { kek_id, nonce, ct } = wrap else { panic!("a KEK wrap") };
        for bit in 0..ct.len() * 8 {
            let mut altered = ct;
            altered[bit / 8] ^= 1 << (bit % 8);
            let wrap = Wrap::Kek { kek_id: kek_id.clone(), nonce, ct: altered };
            assert!(matches!(kek.unwrap(&session(3), &wrap), Err(KeyError::Wrap)), "bit {bit}");
        }
    }

    #[test]
    fn key_files_have_one_form() {
        let kek = Kek::new([1; 32]);
        let age = Wrap::Age { recipient: "age1x".into(), ct: b"any".to_vec() };
        let file = KeyFile::new(vec![age, kek.wrap(&session(3), &Dek::new([2; 32]), [4; 12])]);
        let bytes = file.to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let start = r#"{"version":1,"wraps":[{"kind":"age","recipient":"age1x","ct":"YW55"},{"kind":"kek","kek_id":""#;
        assert!(text.starts_with(start), "{text}");
        assert_eq!(KeyFile::parse(&bytes).unwrap(), file);
        assert!(file.unwrap_with(&kek, &session(3)).unwrap() == Dek::new([2; 32]));
        assert!(KeyFile::parse(text.replace(":1,", ": 1,").as_bytes()).is_err());
        assert!(KeyFile::parse(text.replace("YW55", "YW5=").as_bytes()).is_err());
        let newer = KeyFile::parse(text.replace("version\":1", "version\":2").as_bytes());
        assert!(matches!(newer, Err(KeyError::Version(2))));
        let newer = KeyFile::parse(br#"{"version":3,"ways":[]}"#);
        assert!(matches!(newer, Err(KeyError::Version(3))), "not damaged, but of a later version");
        let none = KeyFile::parse(br#"{"version":1,"wraps":[]}"#);
        assert!(matches!(none, Err(KeyError::NoWrap)));
    }

    #[test]
    fn keys_are_not_shown() {
        let kek = Kek::new([0xab; 32]);
        assert_eq!(format!("{kek:?}"), "Kek(..)");
        assert!(Kek::from_hex(&kek.to_hex()).unwrap() == kek);
        let error = Kek::from_hex("abab").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("abab"));
    }

    #[test]
    fn chunk_keys_are_independent() {
        let dek = Dek::new([7; 32]);
        let key = |s, i| dek.chunk_key(&session(s), ChunkIndex(i));
        assert!(key(1, 0) == key(1, 0));
        assert!(key(1, 0) != key(1, 1));
        assert!(key(1, 0) != key(2, 0));
    }
}
