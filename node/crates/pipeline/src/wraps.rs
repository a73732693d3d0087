//! A session's data key and the wraps it is kept in: under the node's master key, to age recipients,
//! or both. With recipients only, the node is *write-only*: it seals, and cannot read what it stored.

use lucid_core::{
    SessionId,
    chunk::NONCE_BYTES,
    keys::{Dek, Kek, KeyError, KeyFile, Wrap},
};
use zeroize::{Zeroize, Zeroizing};

/// Why a session's key cannot be made or had.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// No way to keep the key was given.
    #[error("no master key and no age recipient: a session's key could not be kept")]
    NoKeeper,
    /// The operating system has no randomness.
    #[error("no random bytes can be had from the operating system: {0}")]
    Random(#[from] getrandom::Error),
    /// A recipient's text is malformed.
    #[error("{0:?} is no age X25519 recipient (age1…): {1}")]
    Recipient(String, &'static str),
    /// An identity file is malformed.
    #[error("the identity file has no usable age identity (AGE-SECRET-KEY-1…): {0}")]
    Identity(String),
    /// age could not encrypt.
    #[error("age could not wrap the session's key: {0}")]
    Age(#[from] age::EncryptError),
    /// None of the identities opens any wrap.
    #[error("none of the given identities opens the session's key")]
    NoIdentity,
    /// The key file itself.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Who can read what the node stores: the node itself, age recipients, or both.
#[derive(Clone, Default)]
pub struct Keepers {
    /// The node's master key; absent on a write-only node.
    pub kek: Option<Kek>,
    /// age recipients.
    pub recipients: Vec<Recipient>,
}

/// An age X25519 recipient with the text it came in.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    recipient: age::x25519::Recipient,
}

impl std::str::FromStr for Recipient {
    type Err = WrapError;

    fn from_str(text: &str) -> Result<Self, WrapError> {
        match text.parse() {
            Ok(recipient) => Ok(Self { text: text.to_owned(), recipient }),
            Err(why) => Err(WrapError::Recipient(text.to_owned(), why)),
        }
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Keepers {
    /// Draws a new data key and wraps it for every keeper.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn new_key(&self, session: &SessionId) -> Result<(Dek, KeyFile), WrapError> {
        if self.kek.is_none() && self.recipients.is_empty() {
            return Err(WrapError::NoKeeper);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        let dek = Dek::new(*bytes);
        let mut wraps = Vec::with_capacity(1 + self.recipients.len());
        if let Some(kek) = &self.kek {
            let mut nonce = [0; NONCE_BYTES];
            getrandom::fill(&mut nonce)?;
            wraps.push(kek.wrap(session, &dek, nonce));
        }
        for Recipient { text, recipient } in &self.recipients {
            let ct = age::encrypt(recipient, dek.as_bytes())?;
            wraps.push(Wrap::Age { recipient: text.clone(), ct });
        }
        Ok((dek, KeyFile::new(wraps)))
    }
}

/// The identities of an age identity file, as `age-keygen` writes it.
///
/// # Errors
/// [`WrapError::Identity`].
pub fn parse_identities(file: &[u8]) -> Result<Vec<age::x25519::Identity>, WrapError> {
    let text = std::str::from_utf8(file).map_err(|_| WrapError::Identity("not a text".into()))?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    // The line itself is a secret: an error names its place only.
    let identities: Result<Vec<_>, _> = lines
        .enumerate()
        .map(|(place, line)| {
            let parsed = line.parse::<age::x25519::Identity>();
            parsed.map_err(|why| WrapError::Identity(format!("identity {}: {why}", place + 1)))
        })
        .collect();
    match identities? {
        none if none.is_empty() => Err(WrapError::Identity("it is empty".into())),
        some => Ok(some),
    }
}

/// The data key, through any age wrap that one of these identities opens.
///
/// # Errors
/// [`WrapError::NoIdentity`] where none does.
pub fn unwrap_with_identities(
    file: &KeyFile,
    identities: &[age::x25519::Identity],
) -> Result<Dek, WrapError> {
    for wrap in &file.wraps {
        let Wrap::Age { ct, .. } = wrap else { continue };
        for identity in identities {
            let Ok(mut bytes) = age::decrypt(identity, ct) else { continue };
            let key = <[u8; 32]>::try_from(bytes.as_slice());
            bytes.zeroize();
            if let Ok(mut key) = key {
                let dek = Dek::new(key);
                key.zeroize();
                return Ok(dek);
            }
        }
    }
    Err(WrapError::NoIdentity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    fn session() -> SessionId {
        SessionId::from_random([1; 16])
    }

    #[test]
    fn each_keeper_can_open() {
        let identity = age::x25519::Identity::generate();
        let kek = Kek::new([1; 32]);
        let keepers = Keepers {
            kek: Some(kek.clone()),
            recipients: vec![identity.to_public().to_string().parse().unwrap()],
        };
        let (dek, file) = keepers.new_key(&session()).unwrap();
        assert_eq!(file.wraps.len(), 2);
        assert!(file.unwrap_with(&kek, &session()).unwrap() == dek);
        let text = format!("# created by age-keygen\n\n{}\n", identity.to_string().expose_secret());
        let identities = parse_identities(text.as_bytes()).unwrap();
        assert!(unwrap_with_identities(&file, &identities).unwrap() == dek);
        let stranger = [age::x25519::Identity::generate()];
        assert!(matches!(unwrap_with_identities(&file, &stranger), Err(WrapError::NoIdentity)));
        let (other, _) = keepers.new_key(&session()).unwrap();
        assert!(other != dek, "each session's key is new");
    }

    #[test]
    fn a_write_only_node_cannot_open() {
        let identity = age::x25519::Identity::generate();
        let recipients = vec![identity.to_public().to_string().parse().unwrap()];
        let keepers = Keepers { kek: None, recipients };
        let (_, file) = keepers.new_key(&session()).unwrap();
        assert!(matches!(file.wraps[..], [Wrap::Age { .. }]));
        let refused = file.unwrap_with(&Kek::new([0; 32]), &session());
        assert!(matches!(refused, Err(KeyError::OtherKek { .. })));
        assert!(matches!(Keepers::default().new_key(&session()), Err(WrapError::NoKeeper)));
    }

    #[test]
    fn malformed_texts_are_refused_without_repeating_secrets() {
        assert!("age1qqq".parse::<Recipient>().is_err());
        assert!("AGE-SECRET-KEY-1X".parse::<Recipient>().is_err());
        for bad in ["", "# nothing\n", "AGE-SECRET-KEY-1BROKEN", "\u{0}"] {
            let error = parse_identities(bad.as_bytes()).err().unwrap().to_string();
            assert!(!error.contains("BROKEN"), "{error}");
        }
        assert!(parse_identities(&[0xff]).is_err());
    }
}
