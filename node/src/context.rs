//! What every command works with: the configuration, where to print, the clock, and the way to the
//! store.

use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use lucid_core::{Policy, SessionId, Timestamp, keys::Dek};
use lucid_pipeline::{aead, ingest::Control, wraps, wraps::Keepers};
use lucid_store::{
    Ciphers, CreateOptions, Disk, KekSource, OpenOptions, Recovery, Store, StoreError,
};

use crate::{
    config::Config,
    failure::{Class, Failure, Outcome},
    output::{Output, notice},
    ports::PipelineCiphers,
    progress::{Mode, Progress, Unit},
};

/// What every command works with.
pub struct Context {
    /// The configuration in force.
    pub config: Config,
    /// Where results go.
    pub output: Output,
    /// How progress is shown.
    pub progress: Mode,
    /// Set by SIGINT and SIGTERM once [`Context::catch_signals`] was called.
    pub cancel: Arc<AtomicBool>,
    /// Whether this waits for somebody outside in a way that does not look at `cancel`: see
    /// [`Context::waiting`].
    pub waits: Arc<AtomicBool>,
}

/// Largest age identity file that is read, in bytes: hundreds of identities.
const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// The time by the system's clock; one before 1970 counts as 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Says what a start repaired, and what it found that it cannot repair.
pub fn tell(recovery: &Recovery) {
    for repair in &recovery.repairs {
        notice(&format!("repaired: {repair}"));
    }
    for (session, reason) in &recovery.damaged {
        notice(&format!("session {session} is damaged: {reason}"));
    }
    if let Some(text) = recovery.unknown_text() {
        notice(&format!("WARNING: {text}; what to do says: lucid-node doctor"));
    }
}

impl Context {
    /// From here on the first SIGINT or SIGTERM asks long work to stop at the next chunk; the second
    /// ends the process as if this had not been called.
    ///
    /// # Errors
    /// The operating system's.
    pub fn catch_signals(&self) -> Outcome {
        use signal_hook::{
            consts::{SIGINT, SIGTERM},
            flag,
        };
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&self.cancel))?;
            flag::register(signal, Arc::clone(&self.cancel))?;
            // After the one above, so that `waiting` misses no signal: it looks the other way round.
            let interrupted = i32::from(Class::Io.code());
            flag::register_conditional_shutdown(signal, interrupted, Arc::clone(&self.waits))?;
        }
        Ok(())
    }

    /// A closed terminal and Ctrl-\ ask for the end, too: for what has something to put back first.
    ///
    /// # Errors
    /// The operating system's.
    pub fn catch_hangup(&self) -> Outcome {
        use signal_hook::{
            consts::{SIGHUP, SIGQUIT},
            flag,
        };
        for signal in [SIGHUP, SIGQUIT] {
            flag::register(signal, Arc::clone(&self.cancel))?;
        }
        Ok(())
    }

    /// Does what may wait for ever for somebody outside, such as opening a pipe that nobody writes to:
    /// a signal ends the process at once, with the exit code of an interruption. Nothing may be half
    /// done then that the next start does not repair.
    ///
    /// # Errors
    /// Where it was interrupted before.
    pub fn waiting<T>(&self, wait: impl FnOnce() -> T) -> Outcome<T> {
        self.waits.store(true, Ordering::SeqCst);
        if self.cancel.load(Ordering::SeqCst) {
            return Err(Failure::io("interrupted"));
        }
        let done = wait();
        self.waits.store(false, Ordering::SeqCst);
        Ok(done)
    }

    /// Opens the data folder; what a crash left is repaired, and told.
    ///
    /// # Errors
    /// The store's.
    pub fn open_store(&self) -> Outcome<Store> {
        let (store, recovery) = Store::open(&self.config.data, self.open_options())?;
        tell(&recovery);
        Ok(store)
    }

    /// Opens the data folder for a command that only looks: one that was restored from a backup stays as it is.
    ///
    /// # Errors
    /// The store's.
    pub fn look_at_store(&self) -> Outcome<Store> {
        let (store, recovery) = Store::look_at(&self.config.data, self.open_options())?;
        tell(&recovery);
        Ok(store)
    }

    /// How the data folder is opened.
    #[must_use]
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            kek: self.config.master_key.clone(),
            at: now(),
            reserve_bytes: self.config.reserve_bytes,
            disk: Disk::default(),
            ciphers: self.ciphers(),
        }
    }

    /// Opens the data folder, and makes it first where nothing is there, or where its making was cut
    /// short.
    ///
    /// # Errors
    /// The store's.
    pub fn open_or_create_store(&self) -> Outcome<Store> {
        if !self.config.data.exists() {
            return self.create_store();
        }
        self.open_store().or_else(|failure| match failure.error.downcast_ref() {
            // Making refuses, with the same error, what is neither empty nor begun by itself.
            Some(StoreError::Unfinished { .. } | StoreError::NotADataFolder { .. }) => {
                self.create_store()
            }
            _ => Err(failure),
        })
    }

    /// Makes the data folder, and says where its keys are.
    ///
    /// # Errors
    /// The store's.
    pub fn create_store(&self) -> Outcome<Store> {
        let path = &self.config.data;
        let kek = self.kek_source();
        let in_folder = matches!(kek, KekSource::Folder);
        let (at, disk) = (now(), Disk::default());
        let (reserve_bytes, ciphers) = (self.config.reserve_bytes, self.ciphers());
        let options = CreateOptions { kek, at, reserve_bytes, disk, ciphers };
        let store = Store::create(path, options)?;
        notice(&format!("made the data folder {}", path.display()));
        if in_folder {
            let secrets = path.join("secrets");
            notice(&format!("its keys are in {}: back them up, apart from it", secrets.display()));
        }
        Ok(store)
    }

    /// Where the master key of a new folder comes from.
    #[must_use]
    pub fn kek_source(&self) -> KekSource {
        match &self.config.master_key {
            Some(kek) => KekSource::Given(kek.clone()),
            None if self.config.write_only => KekSource::None,
            None => KekSource::Folder,
        }
    }

    /// What seals and opens for the store.
    #[must_use]
    pub fn ciphers(&self) -> Arc<dyn Ciphers> {
        Arc::new(PipelineCiphers { recipients: self.config.age_recipients.clone() })
    }

    /// The policy of new sessions.
    ///
    /// # Errors
    /// A parameter out of its bounds.
    pub fn policy(&self) -> Outcome<Policy> {
        let suite = self.config.suite.unwrap_or_else(aead::best_suite);
        Ok(Policy::new(self.config.chunk_bytes, self.config.zstd_level, suite)?)
    }

    /// Who can read new sessions.
    ///
    /// # Errors
    /// Where there would be nobody.
    pub fn keepers(&self, store: &Store) -> Outcome<Keepers> {
        let recipients = self.config.age_recipients.clone();
        let master = store.local()?.master_key();
        let kek = match master.kek_id() {
            Some(_) => Some(master.kek()?.clone()),
            None if recipients.is_empty() => {
                return Err(Failure::usage(
                    "this node is write-only and no age recipient is configured: give it one with \
                     --age-recipient or age_recipients",
                ));
            }
            None => None,
        };
        Ok(Keepers { kek, recipients })
    }

    /// A session's key: by an age identity file where one is given, else by the node's own.
    ///
    /// # Errors
    /// Where neither opens it.
    pub fn session_key(
        &self,
        store: &Store,
        session: SessionId,
        identity: Option<&Path>,
    ) -> Outcome<Dek> {
        let vault = store.local()?;
        let file = vault.keys().get(session)?;
        let Some(path) = identity else {
            return Ok(file.unwrap_with(vault.master_key().kek()?, &session)?);
        };
        let mut text = zeroize::Zeroizing::new(Vec::new());
        // It may be a pipe from a program that asks for a passphrase.
        let read = self.waiting(|| {
            File::open(path).and_then(|file| file.take(IDENTITY_BYTES_MAX).read_to_end(&mut text))
        })?;
        read.map_err(|error| {
            Failure::io(format!("the identity file {} cannot be read: {error}", path.display()))
        })?;
        Ok(wraps::unwrap_with_identities(&file, &wraps::parse_identities(&text)?)?)
    }

    /// Begins showing the progress of long work.
    #[must_use]
    pub fn progress(&self, doing: &'static str, unit: Unit, total: Option<u64>) -> Progress {
        Progress::new(self.progress, doing, unit, total)
    }

    /// Runs pipeline work under this context's workers, progress and cancellation.
    pub fn with_control<T>(&self, progress: &Progress, work: impl FnOnce(&Control<'_>) -> T) -> T {
        let progress = |bytes| progress.add(bytes);
        let control =
            Control { workers: self.config.workers, progress: &progress, cancel: &self.cancel };
        work(&control)
    }
}
