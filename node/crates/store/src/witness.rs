//! What a witness remembers of each log it witnesses, and the one place where it cosigns.
//!
//! One file a log, `witness/<hex of H(origin)>`: the checkpoint that was cosigned last, as a signed note
//! with the log's signature and this witness's. It is the witness's memory and, verbatim, what monitors
//! ask for (C2SP tlog-witness). Which logs there are files of stands apart from them, in
//! `secrets/witness.logs` (module `begun`).
//!
//! Invariants:
//! - what is cosigned is durable before the cosignature leaves this module, so no crash makes a witness
//!   forget what it said;
//! - one request a log at a time: what the last cosigned checkpoint is, whether the next follows from it,
//!   and that it is written, is one step;
//! - a memory that cannot be read, or that is missing of a log that was begun, is an error, never a
//!   beginning: who begins anew says yes to a fork.
//!
//! A crash loses nothing that was answered. What was written and not answered may be remembered.

mod begun;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use lucid_core::{
    Hash, NodeId,
    note::{
        AddCheckpoint, Checkpoint, CosigningKey, KeyName, NoteError, NoteSignature, SignedNote,
        VerifierKey, WitnessRefusal,
    },
};

use self::begun::Begun;
use crate::{
    disk::Disk,
    error::{Doing, StoreError, damaged},
    secrets,
};

/// A witness: its key, and what it remembers.
pub struct Witness {
    key: CosigningKey,
    logs: Vec<Witnessed>,
    begun: Begun,
    disk: Disk,
}

/// One log, and what was cosigned of it last.
struct Witnessed {
    log: VerifierKey,
    path: PathBuf,
    latest: Mutex<Option<Latest>>,
}

struct Latest {
    checkpoint: Checkpoint,
    note: SignedNote,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// It could not remember what it would have said.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Witness {
    /// The witness in a data folder, with a key of its own: made where there is none yet, under the name
    /// `lucid-witness/` and the hex of the first 8 bytes of H(public key). It witnesses `logs`, each of
    /// which signs under its origin as name.
    ///
    /// # Errors
    /// Those of [`secrets::load_or_make`]; [`StoreError::Damaged`] where what it remembers of one of the
    /// logs is not what it wrote, or is not there and should be; the disk's.
    pub fn open(folder: &Path, logs: &[VerifierKey], disk: &Disk) -> Result<Self, StoreError> {
        let seed = secrets::load_or_make(&folder.join("secrets").join("witness.key"), disk)?;
        let key = key_of(&seed);
        let memory = folder.join("witness");
        if !logs.is_empty() {
            disk.make_folder(&memory).doing("create", &memory)?;
        }
        let begun = Begun::open(folder.join("secrets").join("witness.logs"))?;
        let logs = logs.iter().map(|log| {
            let known = Witnessed::open(&memory, log.clone(), key.verifier_key())?;
            match (known.lock().is_some(), begun.has(log.name())) {
                (true, false) => begun.add(log.name(), disk)?,
                (false, true) => return Err(forgotten(&known)),
                (true, true) | (false, false) => {}
            }
            Ok(known)
        });
        let logs = logs.collect::<Result<_, StoreError>>()?;
        Ok(Self { logs, key, begun, disk: disk.clone() })
    }

    /// The key under which it cosigns.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        self.key.verifier_key()
    }

    /// Decides about `request` (C2SP tlog-witness, `add-checkpoint`), remembers the checkpoint, and then
    /// gives the cosignature of it, made at `seconds` (POSIX).
    ///
    /// # Errors
    /// [`WitnessError`]. Nothing was then cosigned.
    pub fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
        seconds: u64,
    ) -> Result<NoteSignature, WitnessError> {
        let claimed = request.claimed().map_err(WitnessRefusal::Malformed)?;
        let known = self.logs.iter().find(|known| *known.log.name() == claimed.origin);
        let known = known.ok_or(WitnessRefusal::UnknownLog)?;
        let mut latest = known.lock();
        let before = latest.as_ref().map(|latest| &latest.checkpoint);
        let checkpoint = request.judge(&known.log, before)?;
        let refused = WitnessRefusal::Malformed;
        let cosignature = self.key.cosign(&checkpoint, seconds).map_err(refused)?;
        // Of the log's, which was verified, and ours: others' lines would stand here unread.
        let note = request.checkpoint.signed_by(&[&known.log]);
        let mut note = note.ok_or(WitnessRefusal::Untrusted(NoteError::Untrusted))?;
        note.add(cosignature.clone()).map_err(refused)?;
        let written = self.disk.write_file(&known.path, note.to_string().as_bytes());
        written.doing("write", &known.path)?;
        // Until it stands here, too, nobody is told.
        self.begun.add(known.log.name(), &self.disk)?;
        *latest = Some(Latest { checkpoint, note });
        Ok(cosignature)
    }

    /// The checkpoint that was cosigned last of the log whose origin has the hash `origin`.
    #[must_use]
    pub fn latest(&self, origin: Hash) -> Option<String> {
        let known = self.logs.iter().find(|known| hash_of(known.log.name()) == origin)?;
        known.lock().as_ref().map(|latest| latest.note.to_string())
    }

    /// The logs, by their origins, and how many entries were cosigned last.
    #[must_use]
    pub fn sizes(&self) -> Vec<(String, Option<u64>)> {
        let size = |known: &Witnessed| known.lock().as_ref().map(|latest| latest.checkpoint.size);
        self.logs.iter().map(|known| (known.log.name().to_string(), size(known))).collect()
    }
}

impl Witnessed {
    fn open(memory: &Path, log: VerifierKey, own: &VerifierKey) -> Result<Self, StoreError> {
        let path = memory.join(hash_of(log.name()).to_string());
        let latest = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(Latest::read(&read.doing("read", &path)?, log.name(), own).map_err(
                |reason| {
                    damaged(
                        &path,
                        format!(
                            "{reason}. This witness does not know what it has cosigned, and does not \
                             begin anew by itself: put the file back from a backup"
                        ),
                    )
                },
            )?),
        };
        Ok(Self { log, path, latest: Mutex::new(latest) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Latest>> {
        // It is replaced as a whole, once the file is.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    /// What this witness wrote is believed by its own cosignature: the log's key may have been changed.
    fn read(bytes: &[u8], origin: &KeyName, own: &VerifierKey) -> Result<Self, String> {
        let note = SignedNote::from_bytes(bytes).map_err(|error| error.to_string())?;
        note.verify(&[own]).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse_body(note.text()).map_err(|error| error.to_string())?;
        match checkpoint.origin == *origin {
            true => Ok(Self { checkpoint, note }),
            false => Err(format!("it is about {}", checkpoint.origin)),
        }
    }
}

/// That what was cosigned of a log is not there.
fn forgotten(known: &Witnessed) -> StoreError {
    damaged(
        &known.path,
        format!(
            "it is not there, and this witness has cosigned {}. It does not know what, and does not begin anew \
             by itself: put the file back from a backup, or become another witness, with another key, by moving \
             secrets/witness.key and secrets/witness.logs away",
            known.log.name()
        ),
    )
}

fn key_of(seed: &[u8; 32]) -> CosigningKey {
    let unnamed = KeyName::new("lucid-witness").expect("it is letters and a hyphen");
    let public = *CosigningKey::from_seed(unnamed, seed).verifier_key().public_key();
    let id = NodeId::of_public_key(&public);
    let name = KeyName::new(format!("lucid-witness/{id}")).expect("letters, a slash and digits");
    CosigningKey::from_seed(name, seed)
}

fn hash_of(origin: &KeyName) -> Hash {
    Hash::of(origin.as_str().as_bytes())
}

#[cfg(test)]
mod tests;
