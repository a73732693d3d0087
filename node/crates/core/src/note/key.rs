//! Names and keys: who signs a note, and how that is checked (c2sp.org/signed-note).

use core::{fmt, str::FromStr};

use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, Signer};

use super::{NoteError, NoteSignature, cosignature, line};
use crate::{Hash, hash::parse_lower_hex};

/// A key's name, which is also a log's origin: not empty, without Unicode spaces, plus signs and
/// control characters. By custom a URL without its scheme, such as `example.com/log`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`NoteError::KeyName`].
    pub fn new(name: impl Into<String>) -> Result<Self, NoteError> {
        let name = name.into();
        // A control character could not stand in the note that the key signs.
        let refused = |c: char| c == '+' || c < ' ' || c.is_whitespace();
        if name.is_empty() || name.contains(refused) {
            return Err(NoteError::KeyName);
        }
        Ok(Self(name))
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        Self::new(text)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Four bytes that tell a signer's keys apart: the start of H(name ‖ `\n` ‖ type ‖ public key).
/// Not a strong hash; the key it stands for must be known beforehand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a signature is over, by its type byte in keys and key ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SignatureType {
    /// Ed25519 over the note's text: what a log signs with.
    Ed25519 = 0x01,
    /// Ed25519 over the time and a checkpoint: what a witness signs with (c2sp.org/tlog-cosignature).
    CosignatureV1 = 0x04,
}

impl SignatureType {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureV1].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A public key under its name, as `<name>+<hex key id>+<base64 of type and key>` (a *vkey*).
///
/// The text has one spelling; [`Display`](fmt::Display) writes it, [`FromStr`] takes no other.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    kind: SignatureType,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    /// The verifier key for the 32 bytes of an Ed25519 public key (RFC 8032).
    ///
    /// # Errors
    ///
    /// [`NoteError::PublicKey`] where the bytes are no point, not its canonical encoding, or a point
    /// of small order, for which signatures prove nothing.
    pub fn new(
        name: KeyName,
        kind: SignatureType,
        key: &[u8; PUBLIC_KEY_LENGTH],
    ) -> Result<Self, NoteError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| NoteError::PublicKey)?;
        if key.is_weak() || key.to_edwards().compress().as_bytes() != key.as_bytes() {
            return Err(NoteError::PublicKey);
        }
        Ok(Self::of_sound_key(name, kind, key))
    }

    fn of_sound_key(name: KeyName, kind: SignatureType, key: ed25519_dalek::VerifyingKey) -> Self {
        let text = [name.as_str().as_bytes(), b"\n", &[kind as u8], key.as_bytes()];
        let [a, b, c, d, ..] = Hash::of_parts(&text).0;
        Self { name, id: KeyId([a, b, c, d]), kind, key }
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The 32 bytes of the Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_LENGTH] {
        self.key.as_bytes()
    }

    /// Name and key id, for messages.
    pub(super) fn label(&self) -> String {
        format!("{}+{}", self.name, self.id)
    }

    /// Whether `signature` carries this key's name and id; whether it verifies is another matter.
    pub(super) fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.id == signature.id() && self.name == *signature.name()
    }

    /// Checks `signature`, the bytes after the key id, over a note's `text`. Gives the time in POSIX
    /// seconds that a cosignature states.
    pub(super) fn check(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let verified = match self.kind {
            SignatureType::Ed25519 => {
                self.check_message(text.as_bytes(), signature).then_some(None)
            }
            SignatureType::CosignatureV1 => cosignature::check(self, text, signature).map(Some),
        };
        verified.ok_or_else(|| NoteError::BadSignature { key: self.label() })
    }

    /// Whether `signature` is this key's over `message`, by the strict rules.
    pub(super) fn check_message(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, line::base64(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    /// # Errors
    ///
    /// [`NoteError::VerifierKey`], [`NoteError::KeyName`], [`NoteError::SignatureType`],
    /// [`NoteError::PublicKey`], [`NoteError::KeyId`].
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteError::VerifierKey);
        let (name, id, key) = (part()?, part()?, part()?);
        let name = KeyName::new(name)?;
        let id = parse_lower_hex(id).map(KeyId).ok_or(NoteError::VerifierKey)?;
        let key = line::decode_base64(key).ok_or(NoteError::VerifierKey)?;
        let (&kind, key) = key.split_first().ok_or(NoteError::VerifierKey)?;
        let kind = SignatureType::from_byte(kind).ok_or(NoteError::SignatureType(kind))?;
        let key = key.try_into().map_err(|_| NoteError::VerifierKey)?;
        let verifier = Self::new(name, kind, key)?;
        if verifier.id != id {
            return Err(NoteError::KeyId { name: verifier.name });
        }
        Ok(verifier)
    }
}

/// An Ed25519 private key under its name, as [`SigningKey`] and [`CosigningKey`](super::CosigningKey)
/// use it. `ed25519_dalek` zeroizes it when dropped; there is no `Debug`.
#[derive(Clone)]
pub(super) struct KeyPair {
    pub(super) verifier: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

impl KeyPair {
    pub(super) fn new(name: KeyName, kind: SignatureType, seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        // A key made from a seed is a multiple of the base point by a clamped scalar: canonical, and
        // never of small order.
        let verifier = VerifierKey::of_sound_key(name, kind, key.verifying_key());
        Self { verifier, key }
    }

    /// The 64 bytes of the signature over `message`.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; Signature::BYTE_SIZE] {
        self.key.sign(message).to_bytes()
    }
}

/// A log's private key: signs notes as type 0x01. Deterministic (RFC 8032); zeroized when dropped.
#[derive(Clone)]
pub struct SigningKey(KeyPair);

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032, §5.1.5), which the caller keeps and wipes.
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        Self(KeyPair::new(name, SignatureType::Ed25519, seed))
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        self.0.verifier.name()
    }

    /// The public half.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// The signature over a note's `text`.
    #[must_use]
    pub fn sign(&self, text: &str) -> NoteSignature {
        NoteSignature::of_key(&self.0.verifier, &self.0.sign(text.as_bytes()))
    }
}
