//! Ed25519 cosignatures of checkpoints (c2sp.org/tlog-cosignature, type 0x04).
//!
//! The signature's bytes are a big-endian u64 of POSIX seconds and 64 bytes of Ed25519 over
//! `cosignature/v1\n`, `time <seconds>\n` and the checkpoint's body. The first line keeps it from
//! passing for a note's signature.

use super::{
    Checkpoint, KeyName, NoteError, NoteSignature, SignatureType, VerifierKey, key::KeyPair,
};

/// The latest time a cosignature may state.
const SECONDS_MAX: u64 = i64::MAX as u64;

/// A witness's private key: signs checkpoints as type 0x04. Zeroized when dropped.
///
/// The signed message does not say who signed it, so a seed must not serve two witnesses; a log's
/// seed must not serve a witness either.
#[derive(Clone)]
pub struct CosigningKey(KeyPair);

impl CosigningKey {
    /// The key of a 32-byte seed (RFC 8032, §5.1.5), which the caller keeps and wipes.
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        Self(KeyPair::new(name, SignatureType::CosignatureV1, seed))
    }

    /// The public half.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// States that at `seconds` (POSIX) `checkpoint` was the largest consistent one seen of its log.
    /// Whether that is so is for the caller to have checked.
    ///
    /// # Errors
    ///
    /// [`NoteError::Time`] beyond 2^63 - 1 seconds.
    pub fn cosign(
        &self,
        checkpoint: &Checkpoint,
        seconds: u64,
    ) -> Result<NoteSignature, NoteError> {
        if seconds > SECONDS_MAX {
            return Err(NoteError::Time { seconds });
        }
        let signature = self.0.sign(&message(&checkpoint.to_body(), seconds));
        let bytes = [&seconds.to_be_bytes(), signature.as_slice()].concat();
        Ok(NoteSignature::of_key(&self.0.verifier, &bytes))
    }
}

/// The time that `signature` states over the checkpoint `body`, where it is a cosignature by `key`.
pub(super) fn check(key: &VerifierKey, body: &str, signature: &[u8]) -> Option<u64> {
    let (seconds, signature) = signature.split_first_chunk()?;
    let seconds = u64::from_be_bytes(*seconds);
    let verified = seconds <= SECONDS_MAX && key.check_message(&message(body, seconds), signature);
    verified.then_some(seconds)
}

fn message(body: &str, seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{body}").into_bytes()
}
