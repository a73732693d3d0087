//! What can be wrong with a note.

use super::{
    KeyName,
    proof::{PROOF_BYTES_MAX, PROOF_PATH_MAX},
    signed::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX},
};
use crate::merkle::ProofError;

/// Why a text of this module's formats was refused, or could not be made.
///
/// None is worth a retry: the same text and keys are refused again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A name is empty, or has a Unicode space, a plus or a control character.
    #[error("not a key name: empty, or with a space, a plus or a control character")]
    KeyName,
    /// A verifier key is not `<name>+<8 hex digits>+<base64>`.
    #[error("not a verifier key: `<name>+<hex id>+<base64 key>` is expected")]
    VerifierKey,
    /// A verifier key's id is not the one its name, type and public key give.
    #[error("the verifier key of {name} has a key id that is not its own")]
    KeyId {
        /// The key's name.
        name: KeyName,
    },
    /// A verifier key is of a type that this crate does not verify.
    #[error("signature type {0:#04x} is not supported")]
    SignatureType(u8),
    /// A public key is no point of the curve, is not in its one encoding, or has small order.
    #[error("not a sound Ed25519 public key")]
    PublicKey,

    /// The bytes are not UTF-8.
    #[error("a note is UTF-8 text")]
    NotUtf8,
    /// The note is too long.
    #[error("a note has at most {NOTE_BYTES_MAX} bytes, not {bytes}")]
    NoteTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The note has a control character other than a newline.
    #[error("the note has a control character at byte {at}")]
    ControlCharacter {
        /// Where the first one is.
        at: usize,
    },
    /// The note has no blank line after its text, or does not end in a newline.
    #[error("a note is a text, a blank line and signature lines, each ended by a newline")]
    NoteShape,
    /// A signature line is not `— <name> <base64>`.
    #[error("line {line} below the note's text is no signature")]
    SignatureLine {
        /// Counted from 1.
        line: usize,
    },
    /// The note has no signature, or more than are accepted.
    #[error("a note has 1 to {NOTE_SIGNATURES_MAX} signatures, not {count}")]
    SignatureCount {
        /// How many it has.
        count: usize,
    },

    /// Two different trusted keys have the same name and key id.
    #[error("two trusted keys are called {key}")]
    AmbiguousKey {
        /// Name and key id.
        key: String,
    },
    /// A signature that claims to be a trusted key's is not.
    #[error("the signature of {key} does not verify")]
    BadSignature {
        /// Name and key id.
        key: String,
    },
    /// No trusted key signed the note.
    #[error("the note has no signature of a trusted key")]
    Untrusted,
    /// A key has the wrong signature type for its use: logs sign as 0x01, witnesses as 0x04.
    #[error("key {key} has the wrong signature type for this use")]
    WrongKeyType {
        /// Name and key id.
        key: String,
    },
    /// A cosignature's time is more than 2^63 - 1 seconds.
    #[error("a cosignature's time is at most 2^63 - 1 seconds, not {seconds}")]
    Time {
        /// POSIX seconds.
        seconds: u64,
    },

    /// A checkpoint's body is not three lines, each ended by a newline.
    #[error("a checkpoint is three lines: origin, size, root hash")]
    CheckpointShape,
    /// A checkpoint's origin is no key name, so no key can have signed for it.
    #[error("a checkpoint's origin must be a key name")]
    CheckpointOrigin,
    /// A checkpoint's size is no canonical decimal u64.
    #[error("a checkpoint's size must be a decimal number without leading zeros")]
    CheckpointSize,
    /// A checkpoint's root is not 32 bytes in canonical base64.
    #[error("a checkpoint's root must be a SHA-256 hash in base64")]
    CheckpointRoot,
    /// A checkpoint has lines after its root; no monitor could audit them.
    #[error("extension lines in a checkpoint are not accepted")]
    ExtensionLine,
    /// A checkpoint is signed by a log of another name.
    #[error("a checkpoint of {origin} cannot be verified with the key of {key}")]
    OriginMismatch {
        /// The checkpoint's first line.
        origin: KeyName,
        /// The key's name.
        key: KeyName,
    },

    /// A proof is too long.
    #[error("a log proof has at most {PROOF_BYTES_MAX} bytes, not {bytes}")]
    ProofTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A proof does not start with its format's name.
    #[error("the first line of a log proof is `c2sp.org/tlog-proof@v1`")]
    ProofHeader,
    /// A proof's extra line is empty or not canonical base64.
    #[error("the extra data of a log proof must be base64, and not empty")]
    ProofExtra,
    /// A proof has no canonical index line.
    #[error("a log proof must have a line `index <decimal number>`")]
    ProofIndex,
    /// A line of a proof's path is not 32 bytes in canonical base64.
    #[error("hash {line} of a log proof's path is not a SHA-256 hash in base64")]
    ProofHash {
        /// Counted from 1.
        line: usize,
    },
    /// A proof's path is longer than any tree is high.
    #[error("a log proof's path has at most {PROOF_PATH_MAX} hashes")]
    ProofPath,
    /// A request to a witness does not begin with the size it last cosigned.
    #[error("a request to a witness begins with a line `old <decimal number>`")]
    WitnessOldSize,
    /// A proof's path is well-formed, and does not lead from the leaf to the checkpoint's root.
    #[error("the log proof does not prove the leaf")]
    Inclusion(#[from] ProofError),
}
