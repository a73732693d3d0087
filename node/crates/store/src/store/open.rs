//! Making and opening a store: over a folder with everything in it, or over a vault that is elsewhere.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use lucid_core::{Timestamp, keys::Kek};

use super::{Recovery, Repair, Store, group::Queue, node_event, remove_leftovers};
use crate::{
    data::{DataFolder, FolderKind, RESTORED, is_empty},
    db::{self, Database},
    disk::Disk,
    error::{Doing, StoreError},
    log::Log,
    remake::UNFINISHED,
    secrets::{KekSource, NodeKey, Secrets},
    sessions::SessionFolders,
    vault::{Ciphers, FolderVault, Vault, VaultOptions},
};

/// How a data folder is made.
pub struct CreateOptions {
    /// Where the master key comes from.
    pub kek: KekSource,
    /// The time, by the node's clock.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
    /// What seals and opens.
    pub ciphers: Arc<dyn Ciphers>,
}

/// How a data folder is opened.
pub struct OpenOptions {
    /// The master key, where it comes from outside.
    pub kek: Option<Kek>,
    /// The time, by the node's clock: that of the entries that recovery writes.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
    /// What seals and opens.
    pub ciphers: Arc<dyn Ciphers>,
}

/// How the folder of a ledger whose vault is elsewhere is made and opened.
pub struct LedgerOptions {
    /// The time, by the node's clock: that of the entries that are written meanwhile.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
}

/// A node's folder, its signing key, and where its keys and chunks are.
struct Parts {
    folder: Arc<DataFolder>,
    node: NodeKey,
    vault: Arc<dyn Vault>,
    local: Option<Arc<FolderVault>>,
}

/// What a folder is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To write to it, or to serve it.
    GoOn,
    /// To read what is in it.
    Look,
}

/// A node is made once. Where there are sessions or chunks there was a log, and where one was being read back, too; one
/// that begins anew under the same key would be a fork of it.
fn check_no_log(folder: &DataFolder) -> Result<(), StoreError> {
    if folder.join("log").join("head").exists() {
        return Err(StoreError::AlreadyThere { path: folder.path().to_owned() });
    }
    for name in ["sessions", "chunks", UNFINISHED] {
        let path = folder.join(name);
        if path.exists() && !is_empty(&path)? {
            return Err(StoreError::LogLost { path: folder.path().to_owned() });
        }
    }
    Ok(())
}

impl Store {
    /// Makes a data folder and a node in it, or finishes what an interrupted making began.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where a node is there, [`StoreError::PartLost`] where a part of it is not, those of [`DataFolder::create`] and
    /// [`Secrets::create`], the disk's.
    pub fn create(path: &Path, options: CreateOptions) -> Result<Self, StoreError> {
        let CreateOptions { kek, at, reserve_bytes, disk, ciphers } = options;
        let folder = Arc::new(DataFolder::create(path, FolderKind::Node, &disk)?);
        check_no_log(&folder)?;
        let (master, node) = Secrets::create(&folder.join("secrets"), &disk, kek)?.split();
        let vault = VaultOptions { reserve_bytes, disk: disk.clone(), ciphers };
        let vault = Arc::new(FolderVault::within(Arc::clone(&folder), master, vault)?);
        let parts = Parts { folder, node, vault: vault.clone(), local: Some(vault) };
        Self::begin(parts, LedgerOptions { at, reserve_bytes, disk })
    }

    /// Opens a data folder and repairs what a crash left; what was repaired is also in the log, as
    /// `node.event` entries.
    ///
    /// # Errors
    /// Those of [`DataFolder::open`] and [`Secrets::load`], before anything is written; those of the
    /// log, which is the truth and cannot be guessed; the disk's.
    pub fn open(path: &Path, options: OpenOptions) -> Result<(Self, Recovery), StoreError> {
        Self::open_to(Purpose::GoOn, path, options)
    }

    /// Opens a data folder to look at it: as [`Store::open`] does, but in one that was restored from a backup, and in which
    /// nobody has gone on, nothing is repaired but the database, and nothing is written into the log.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn look_at(path: &Path, options: OpenOptions) -> Result<(Self, Recovery), StoreError> {
        Self::open_to(Purpose::Look, path, options)
    }

    fn open_to(
        purpose: Purpose,
        path: &Path,
        options: OpenOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let OpenOptions { kek, at, reserve_bytes, disk, ciphers } = options;
        let folder = Arc::new(DataFolder::open(path, FolderKind::Node)?);
        // The last of the secrets to be made; a log that was never begun says so itself.
        if !folder.join("secrets").join("kek_id").exists() {
            return Err(folder.lacks("secrets/kek_id"));
        }
        let (master, node) = Secrets::load(&folder.join("secrets"), kek)?.split();
        let vault = VaultOptions { reserve_bytes, disk: disk.clone(), ciphers };
        let vault = Arc::new(FolderVault::within(Arc::clone(&folder), master, vault)?);
        let parts = Parts { folder, node, vault: vault.clone(), local: Some(vault) };
        Self::take_up(purpose, parts, LedgerOptions { at, reserve_bytes, disk })
    }

    /// Makes the folder of a ledger over a vault that is elsewhere, or finishes what an interrupted
    /// making began. The vault is not asked.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where a ledger is there, those of [`DataFolder::create`] and
    /// [`NodeKey::create`], the disk's.
    pub fn create_with(
        path: &Path,
        vault: Arc<dyn Vault>,
        options: LedgerOptions,
    ) -> Result<Self, StoreError> {
        let folder = Arc::new(DataFolder::create(path, FolderKind::Ledger, &options.disk)?);
        check_no_log(&folder)?;
        let node = NodeKey::create(&folder.join("secrets"), &options.disk)?;
        Self::begin(Parts { folder, node, vault, local: None }, options)
    }

    /// Opens the folder of a ledger over a vault that is elsewhere, as [`Store::open`] does. The vault is
    /// asked for what a crash left of sessions; where it cannot be reached, that is the error, and this
    /// can be called again.
    ///
    /// # Errors
    /// Those of [`Store::open`], and the vault's.
    pub fn open_with(
        path: &Path,
        vault: Arc<dyn Vault>,
        options: LedgerOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let folder = Arc::new(DataFolder::open(path, FolderKind::Ledger)?);
        if !folder.join("secrets").join("node.key").exists() {
            return Err(folder.lacks("secrets/node.key"));
        }
        let node = NodeKey::load(&folder.join("secrets"))?;
        Self::take_up(Purpose::GoOn, Parts { folder, node, vault, local: None }, options)
    }

    /// Begins the log of a new node.
    fn begin(parts: Parts, options: LedgerOptions) -> Result<Self, StoreError> {
        let LedgerOptions { at, reserve_bytes, disk } = options;
        let key = parts.node.log_key().clone();
        let log = Log::create(&parts.folder.join("log"), key, disk.clone())?;
        let db = db::open(&parts.folder.join("db"), &disk, &*log)?.database;
        let store = Self::assemble(parts, log, db, reserve_bytes, disk)?;
        store.begin_log(at)?;
        Ok(store)
    }

    /// Opens what is there, and repairs it.
    fn take_up(
        purpose: Purpose,
        parts: Parts,
        options: LedgerOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let LedgerOptions { at, reserve_bytes, disk } = options;
        let mark = parts.folder.join(RESTORED);
        let is_restored = mark.exists();
        let looks = is_restored && purpose == Purpose::Look;
        let mut recovery = Recovery::default();
        if !looks {
            remove_leftovers(&parts.folder, &disk, &mut recovery.repairs)?;
        }
        let key = parts.node.log_key().clone();
        let log = Log::open(&parts.folder.join("log"), key, disk.clone())?;
        recovery.repairs.extend(log.repairs().iter().cloned().map(Repair::Log));
        let opened = db::open(&parts.folder.join("db"), &disk, &*log)?;
        let rebuilt = opened.rebuilt.map(|rebuilt| Repair::Database(rebuilt.to_string()));
        recovery.repairs.extend(rebuilt);
        let store = Self::assemble(parts, log, opened.database, reserve_bytes, disk)?;
        if looks {
            return Ok((store, recovery));
        }
        if is_restored {
            recovery.repairs.push(Repair::Restored);
        }
        store.begin_log(at)?;
        store.recover(&mut recovery, at)?;
        if is_restored {
            // After the entry that says so: a crash between the two says it again.
            store.disk.remove(&mark).doing("remove", &mark)?;
            store.disk.sync_folder(store.path()).doing("sync", store.path())?;
        }
        Ok((store, recovery))
    }

    fn assemble(
        parts: Parts,
        log: Log,
        db: Database,
        reserve_bytes: Option<u64>,
        disk: Disk,
    ) -> Result<Self, StoreError> {
        let Parts { folder, node, vault, local } = parts;
        let reserve_bytes = match reserve_bytes {
            Some(bytes) => bytes,
            None => folder.reserve_bytes()?,
        };
        Ok(Self {
            log: Mutex::new(log),
            queue: Queue::default(),
            db,
            live: Mutex::default(),
            vault,
            local,
            sessions: SessionFolders::new(folder.join("sessions"), disk.clone()),
            node,
            reserve_bytes,
            disk,
            folder,
        })
    }

    /// A log begins with the entry that says so.
    fn begin_log(&self, at: Timestamp) -> Result<(), StoreError> {
        if self.with_log(|log| Ok(log.size()))? > 0 {
            return Ok(());
        }
        let detail = self.node_id().log_origin();
        self.append(&[node_event("log.created", detail, at)]).map(|_| ())
    }
}
