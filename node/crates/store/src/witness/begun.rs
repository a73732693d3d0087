//! Which logs a witness has begun to witness, so that it knows what it must remember.
//!
//! `secrets/witness.logs`, beside the witness's key and apart from what it remembers: a line for each log, the
//! hex of H(origin), a space, the origin. It is written after what was cosigned first, before anybody is told;
//! a log whose memory was there first (of an earlier version, or after a crash) is taken up at the start.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lucid_core::{Hash, note::KeyName};

use super::hash_of;
use crate::{
    disk::Disk,
    error::{Doing, StoreError, damaged},
};

pub(super) struct Begun {
    path: PathBuf,
    logs: Mutex<BTreeMap<Hash, KeyName>>,
}

impl Begun {
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.doing("read", &path)?,
        };
        let logs = parse(&text).map_err(|reason| {
            damaged(
                &path,
                format!(
                    "{reason}. This witness does not know which logs it must remember: put the file back from \
                     a backup"
                ),
            )
        })?;
        Ok(Self { path, logs: Mutex::new(logs) })
    }

    /// Whether a log was begun.
    pub(super) fn has(&self, log: &KeyName) -> bool {
        self.lock().contains_key(&hash_of(log))
    }

    /// Takes a log up, durably when this returns.
    pub(super) fn add(&self, log: &KeyName, disk: &Disk) -> Result<(), StoreError> {
        let mut logs = self.lock();
        let hash = hash_of(log);
        if logs.contains_key(&hash) {
            return Ok(());
        }
        let mut with = logs.clone();
        with.insert(hash, log.clone());
        let text: String = with.iter().map(|(hash, log)| format!("{hash} {log}\n")).collect();
        disk.write_file(&self.path, text.as_bytes()).doing("write", &self.path)?;
        *logs = with;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, KeyName>> {
        // It is replaced as a whole, once the file is.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<Hash, KeyName>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("it ends within a line".to_owned());
    }
    let mut logs = BTreeMap::new();
    for line in text.lines() {
        let malformed =
            || format!("the line {line:?} is not the hash of a log's origin and that origin");
        let (hash, log) = line.split_once(' ').ok_or_else(malformed)?;
        let log: KeyName = log.parse().map_err(|_| malformed())?;
        if hash_of(&log).to_string() != hash {
            return Err(malformed());
        }
        logs.insert(hash_of(&log), log);
    }
    Ok(logs)
}
