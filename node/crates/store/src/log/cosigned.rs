//! The file `cosigned`: the latest checkpoint that witnesses have cosigned, as a signed note with their
//! cosignatures.
//!
//! It is one checkpoint of this log, the current one or an earlier one, signed by this node and then by
//! those witnesses; so it never has less than a witness was shown, and a log that has less was rolled
//! back. Who the witnesses are, and how many are enough, is the caller's to know: here a cosignature is a
//! line.
//!
//! A crash loses the cosignatures that were not yet written. They are asked for again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex,
    note::{Checkpoint, NoteError, NoteSignature, SignedNote, TlogProof, VerifierKey},
};

use super::{Log, LogReader, error::LogError};

/// A checkpoint and what witnesses said of it.
#[derive(Clone, Debug)]
pub struct Cosigned {
    checkpoint: Checkpoint,
    note: SignedNote,
}

pub(super) fn cosigned_path(dir: &Path) -> PathBuf {
    dir.join("cosigned")
}

/// The cosigned checkpoint in `dir`, or none where nobody has cosigned one.
///
/// # Errors
/// [`LogError::CheckpointRefused`], [`LogError::Io`].
pub(super) fn read(dir: &Path, key: &VerifierKey) -> Result<Option<Cosigned>, LogError> {
    let path = cosigned_path(dir);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(LogError::io("read", &path))?,
    };
    let refused = |source| LogError::CheckpointRefused { path: path.clone(), source };
    let note = SignedNote::from_bytes(&bytes).map_err(refused)?;
    Cosigned::of(note, key).map(Some).map_err(refused)
}

impl Cosigned {
    fn of(note: SignedNote, key: &VerifierKey) -> Result<Self, NoteError> {
        Ok(Self { checkpoint: Checkpoint::verify(&note.to_string(), key)?, note })
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note: the log's signature first, then the cosignatures.
    #[must_use]
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Those of `witnesses` whose cosignatures verify.
    #[must_use]
    pub fn witnesses<'k>(&self, witnesses: &'k [VerifierKey]) -> Vec<&'k VerifierKey> {
        let signed = |key: &&VerifierKey| self.note.verify(&[key]).is_ok();
        witnesses.iter().filter(signed).collect()
    }
}

impl LogReader {
    /// The latest checkpoint that witnesses have cosigned. It may be of fewer entries than the current
    /// one, never of more.
    #[must_use]
    pub fn cosigned(&self) -> Option<&Cosigned> {
        self.cosigned.as_ref()
    }

    /// The current checkpoint with the cosignatures it has: the resource `checkpoint` of C2SP tlog-tiles.
    #[must_use]
    pub fn published(&self) -> String {
        match &self.cosigned {
            Some(cosigned) if cosigned.checkpoint.size == self.size() => cosigned.note.to_string(),
            _ => self.checkpoint_text().to_owned(),
        }
    }

    /// What proves to a stranger that the entry at `index` is in the log, with what witnesses said: under
    /// the cosigned checkpoint where it covers the entry, else as [`LogReader::tlog_proof`].
    ///
    /// # Errors
    /// As [`LogReader::inclusion_proof`].
    pub fn witnessed_proof(&self, index: EntryIndex) -> Result<TlogProof, LogError> {
        match &self.cosigned {
            Some(Cosigned { checkpoint, note }) if checkpoint.size > index.0 => {
                let path = self.inclusion_proof(index, checkpoint.size)?;
                Ok(TlogProof::new(index.0, path, &note.to_string())?)
            }
            _ => self.tlog_proof(index),
        }
    }

    /// Holds the cosigned checkpoint against the log.
    ///
    /// # Errors
    /// [`LogError::CosignedAhead`]; [`LogError::RootMismatch`]; where a tile is damaged.
    pub(super) fn check_cosigned(&self) -> Result<(), LogError> {
        let Some(Cosigned { checkpoint, .. }) = &self.cosigned else { return Ok(()) };
        let path = cosigned_path(self.dir());
        let Checkpoint { size: cosigned, root: signed, .. } = *checkpoint;
        if cosigned > self.size() {
            return Err(LogError::CosignedAhead { path, cosigned, size: self.size() });
        }
        let computed = self.root_at(cosigned)?;
        if computed != signed {
            return Err(LogError::RootMismatch { path, size: cosigned, signed, computed });
        }
        Ok(())
    }
}

impl Log {
    /// Keeps cosignatures of `checkpoint`, a signed checkpoint of this log, for good; gives whether they
    /// are of use: those of an earlier checkpoint than the one that is kept are not. A cosignature
    /// replaces an earlier one by the same key. The caller has verified them.
    ///
    /// # Errors
    /// [`LogError::NotOurs`] where the checkpoint is none of this log's, or says something else than it;
    /// [`LogError::Note`] where there are too many; [`LogError::Io`]: then nothing has changed.
    pub fn keep_cosignatures(
        &mut self,
        checkpoint: &str,
        cosignatures: Vec<NoteSignature>,
    ) -> Result<bool, LogError> {
        let own = Checkpoint::verify(checkpoint, &self.reader.key).ok();
        let own = own.filter(|own| own.size <= self.size());
        let Some(own) = own else { return Err(LogError::NotOurs) };
        if self.root_at(own.size)? != own.root {
            return Err(LogError::NotOurs);
        }
        let note = match &self.reader.cosigned {
            Some(kept) if kept.checkpoint.size > own.size => return Ok(false),
            Some(kept) if kept.checkpoint.size == own.size => Some(kept.note.clone()),
            _ => None,
        };
        let mut note = match note {
            Some(note) => note,
            // Only what this node signed of it: others' lines were verified by nobody.
            None => SignedNote::parse(&own.sign(&self.key)?)?,
        };
        cosignatures.into_iter().try_for_each(|cosignature| note.add(cosignature))?;
        let path = cosigned_path(self.dir());
        let written = self.disk.write_file(&path, note.to_string().as_bytes());
        written.map_err(LogError::io("write", &path))?;
        self.reader.cosigned = Some(Cosigned { checkpoint: own, note });
        Ok(true)
    }
}
