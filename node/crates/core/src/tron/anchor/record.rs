//! The file in which a node keeps an anchor of its log.

use serde::{Deserialize, Serialize};

use super::proof::{HEADER_BYTES_MAX, PATH_STEPS_MAX, TRANSACTION_BYTES_MAX};
use super::{AnchorClaims, AnchorFinding, AnchorPins, AnchorProof, Genesis, Step};
use crate::{
    Hash,
    hash::parse_lower_hex_bytes,
    json::{self, JsonError},
    note::{Checkpoint, NoteError, SignedNote, VerifierKey},
    tron::Address,
};

/// Why bytes are no anchor that a node keeps, or one that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Malformed or not canonical.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Of a later version.
    #[error("an anchor's file of version {0} is not known here (1 is)")]
    Version(u32),
    /// A field that is not in its form.
    #[error("its field {0} is not in the form of one")]
    Field(&'static str),
    /// Too long.
    #[error("an anchor's file has at most {max} bytes", max = AnchorRecord::BYTES_MAX)]
    TooLong,
    /// The checkpoint is none, or not this log's.
    #[error("its checkpoint: {0}")]
    Checkpoint(NoteError),
    /// What it says does not hold.
    #[error("it does not hold: {0}")]
    Anchor(AnchorFinding),
}

/// A checkpoint of this log as a signed note, and the proof of where it is in TRON's blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorRecord {
    note: SignedNote,
    checkpoint: Checkpoint,
    proof: AnchorProof,
}

/// The file's JSON, RFC 8785: fields in the order of their names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    checkpoint: String,
    genesis: Genesis,
    header: String,
    network: String,
    path: Vec<FileStep>,
    signer: Address,
    transaction: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    hash: Hash,
    side: Side,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Left,
    Right,
}

impl AnchorRecord {
    /// Bytes of a file at most: a whole note, and as much as a proof can have.
    pub const BYTES_MAX: usize = 128 << 10;

    const VERSION: u32 = 1;

    /// A record of `checkpoint`, a signed note, with where it is anchored. Nothing is verified here.
    ///
    /// # Errors
    /// [`RecordError::Checkpoint`] where the text is no signed checkpoint, [`RecordError::TooLong`].
    pub fn new(checkpoint: &str, proof: AnchorProof) -> Result<Self, RecordError> {
        let note = SignedNote::parse(checkpoint).map_err(RecordError::Checkpoint)?;
        let checkpoint = Checkpoint::parse_body(note.text()).map_err(RecordError::Checkpoint)?;
        let record = Self { note, checkpoint, proof };
        if record.to_bytes().len() > Self::BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        Ok(record)
    }

    /// Reads a file: what parses is written as the same bytes.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let version = json::version_of(bytes)?;
        if version != Self::VERSION {
            return Err(RecordError::Version(version));
        }
        let file: File = json::from_canonical(bytes)?;
        if file.network != file.genesis.name() {
            return Err(RecordError::Field("network"));
        }
        if file.path.len() > PATH_STEPS_MAX as usize {
            return Err(RecordError::Field("path"));
        }
        let hex = |name, text: &str, bytes_max| {
            parse_lower_hex_bytes(text, bytes_max).ok_or(RecordError::Field(name))
        };
        let step = |FileStep { hash, side }| match side {
            Side::Left => Step::Left(hash),
            Side::Right => Step::Right(hash),
        };
        let proof = AnchorProof {
            genesis: file.genesis,
            transaction: hex("transaction", &file.transaction, TRANSACTION_BYTES_MAX)?,
            header: hex("header", &file.header, HEADER_BYTES_MAX)?,
            signer: file.signer,
            path: file.path.into_iter().map(step).collect(),
        };
        Self::new(&file.checkpoint, proof)
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let AnchorProof { genesis, transaction, header, signer, path } = &self.proof;
        let step = |step: &Step| match *step {
            Step::Left(hash) => FileStep { hash, side: Side::Left },
            Step::Right(hash) => FileStep { hash, side: Side::Right },
        };
        json::to_canonical(&File {
            checkpoint: self.note.to_string(),
            genesis: *genesis,
            header: hex::encode(header),
            network: genesis.name().to_owned(),
            path: path.iter().map(step).collect(),
            signer: *signer,
            transaction: hex::encode(transaction),
            version: Self::VERSION,
        })
    }

    /// What is anchored. Nobody has vouched for it before [`verify`](Self::verify).
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint as a signed note, with all its signatures.
    #[must_use]
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Where it is anchored.
    #[must_use]
    pub fn proof(&self) -> &AnchorProof {
        &self.proof
    }

    /// Checks that `log` signed the checkpoint, and that the proof is of it.
    ///
    /// # Errors
    /// [`RecordError::Checkpoint`], [`RecordError::Anchor`].
    pub fn verify(
        &self,
        log: &VerifierKey,
        pins: &AnchorPins,
    ) -> Result<(Checkpoint, AnchorClaims), RecordError> {
        let checkpoint =
            Checkpoint::verify(&self.note.to_string(), log).map_err(RecordError::Checkpoint)?;
        let claims = self.proof.verify(&checkpoint, pins).map_err(RecordError::Anchor)?;
        Ok((checkpoint, claims))
    }
}
