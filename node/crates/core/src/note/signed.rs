//! Signed notes: a text and who stands behind it (c2sp.org/signed-note).

use core::{fmt, str::FromStr};

use super::{Checkpoint, CosigningKey, KeyId, KeyName, NoteError, SigningKey, VerifierKey, line};

/// Bytes a note may have, text and signatures together. A checkpoint with 16 post-quantum
/// cosignatures, the most that every verifier must accept, has about 55 KiB.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Signature lines a note may have. The format asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// What a signature line starts with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// One signature line: `— <name> <base64 of key id and signature>`.
///
/// It may be of any type and by anyone; a [`VerifierKey`] says which ones mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The signature `bytes` under the name and id of `key`.
    pub(super) fn of_key(key: &VerifierKey, bytes: &[u8]) -> Self {
        Self { name: key.name().clone(), id: key.id(), bytes: bytes.to_vec() }
    }

    /// The name of the key that is said to have signed.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key that is said to have signed.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The signature itself, without the key id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn read(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let signature = line::decode_base64(signature)?;
        let (id, bytes) = signature.split_first_chunk()?;
        if bytes.is_empty() {
            return None;
        }
        Some(Self { name: KeyName::new(name).ok()?, id: KeyId(*id), bytes: bytes.to_vec() })
    }
}

/// The line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [&self.id.0, self.bytes.as_slice()].concat();
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, line::base64(signature))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads one line without its newline, as a witness answers it.
    ///
    /// # Errors
    ///
    /// [`NoteError::SignatureLine`].
    fn from_str(line: &str) -> Result<Self, NoteError> {
        Self::read(line).ok_or(NoteError::SignatureLine { line: 1 })
    }
}

/// A trusted key whose signature on a note verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// When it was signed, in POSIX seconds, where the signature says so (cosignatures do).
    pub seconds: Option<u64>,
}

/// A note: a text, a blank line, and 1 to 64 signature lines; UTF-8 without control characters but
/// newlines, at most 64 KiB.
///
/// The text ends in a newline and may have blank lines: the last one of the note separates it from
/// the signatures. Its bytes are [`to_string`](ToString::to_string); parsing them gives the same
/// note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Reads a note.
    ///
    /// # Errors
    ///
    /// [`NoteError::NoteTooLong`], [`NoteError::ControlCharacter`], [`NoteError::NoteShape`],
    /// [`NoteError::SignatureCount`], [`NoteError::SignatureLine`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        check_length(note.len())?;
        check_characters(note)?;
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::NoteShape)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::NoteShape)?;
        check_count(signatures.split('\n').count())?;
        let signatures = signatures
            .split('\n')
            .zip(1..)
            .map(|(text, line)| NoteSignature::read(text).ok_or(NoteError::SignatureLine { line }))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Reads a note from bytes.
    ///
    /// # Errors
    ///
    /// [`NoteError::NotUtf8`], and as [`parse`](Self::parse).
    pub fn from_bytes(note: &[u8]) -> Result<Self, NoteError> {
        Self::parse(core::str::from_utf8(note).map_err(|_| NoteError::NotUtf8)?)
    }

    /// The note of `text`, signed with `key`.
    ///
    /// # Errors
    ///
    /// [`NoteError::NoteShape`] unless `text` ends in a newline, [`NoteError::ControlCharacter`],
    /// [`NoteError::NoteTooLong`].
    pub fn sign(text: impl Into<String>, key: &SigningKey) -> Result<Self, NoteError> {
        let text = text.into();
        if !text.ends_with('\n') {
            return Err(NoteError::NoteShape);
        }
        check_characters(&text)?;
        let signature = key.sign(&text);
        let note = Self { text, signatures: vec![signature] };
        check_length(note.to_string().len())?;
        Ok(note)
    }

    /// Adds `signature` as the last line, in place of one by the same key. It is not checked here:
    /// [`verify`](Self::verify) is.
    ///
    /// # Errors
    ///
    /// [`NoteError::SignatureCount`], [`NoteError::NoteTooLong`]; the note is then unchanged.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|old| (old.id, &old.name) != (signature.id, &signature.name));
        signatures.push(signature);
        check_count(signatures.len())?;
        let note = Self { text: self.text.clone(), signatures };
        check_length(note.to_string().len())?;
        *self = note;
        Ok(())
    }

    /// Adds a witness's cosignature, made at `seconds` (POSIX), to a checkpoint.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::parse_body`] where the note is no checkpoint, [`NoteError::Time`], and
    /// as [`add`](Self::add).
    pub fn cosign(&mut self, key: &CosigningKey, seconds: u64) -> Result<(), NoteError> {
        let checkpoint = Checkpoint::parse_body(&self.text)?;
        self.add(key.cosign(&checkpoint, seconds)?)
    }

    /// The note with those of its signatures alone that carry the name and id of one of `keys`; nothing
    /// where there are none. Whether they verify is another matter.
    #[must_use]
    pub fn signed_by(&self, keys: &[&VerifierKey]) -> Option<Self> {
        let named = |signature: &&NoteSignature| keys.iter().any(|key| key.is_named_by(signature));
        let signatures: Vec<_> = self.signatures.iter().filter(named).cloned().collect();
        (!signatures.is_empty()).then(|| Self { text: self.text.clone(), signatures })
    }

    /// The text, its last newline included. Nobody has vouched for it before
    /// [`verify`](Self::verify).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in order, of whatever type and by whomever.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks the note's signatures by the `known` keys, and gives those keys, each once, in the
    /// order of their (first) signatures. There is at least one.
    ///
    /// Signatures by other keys are ignored, even where they share a name or an id with a known one.
    /// Every signature of a known key must verify, a repeated one too.
    ///
    /// # Errors
    ///
    /// [`NoteError::AmbiguousKey`], [`NoteError::BadSignature`], [`NoteError::Untrusted`].
    pub fn verify<'k>(&self, known: &[&'k VerifierKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let mut named = known.iter().copied().filter(|key| key.is_named_by(signature));
            let Some(key) = named.next() else { continue };
            if named.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey { key: key.label() });
            }
            let seconds = key.check(&self.text, &signature.bytes)?;
            if verified.iter().all(|earlier| earlier.key != key) {
                verified.push(Verified { key, seconds });
            }
        }
        if verified.is_empty() { Err(NoteError::Untrusted) } else { Ok(verified) }
    }
}

/// The note's bytes.
impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

fn check_length(bytes: usize) -> Result<(), NoteError> {
    if bytes > NOTE_BYTES_MAX { Err(NoteError::NoteTooLong { bytes }) } else { Ok(()) }
}

fn check_count(count: usize) -> Result<(), NoteError> {
    if (1..=NOTE_SIGNATURES_MAX).contains(&count) {
        Ok(())
    } else {
        Err(NoteError::SignatureCount { count })
    }
}

/// ASCII control characters are those below U+0020; a newline ends lines.
fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.bytes().position(|byte| byte < b' ' && byte != b'\n') {
        Some(at) => Err(NoteError::ControlCharacter { at }),
        None => Ok(()),
    }
}
