//! A session that a command fills: opened or taken up again, filled, sealed.

use std::{path::Path, time::Instant};

use lucid_core::{
    ChunkIndex, Hash, MediaType, SessionId, Timestamp, counted, entry::SessionOpened,
    manifest::Totals,
};
use lucid_pipeline::{
    ingest::{self, End},
    seal::SealContext,
    source::Source,
};
use lucid_store::{SealRequest, Store};
use serde::Serialize;
use serde_json::{Value, json};

use super::prove;
use crate::{
    SOFTWARE,
    context::{Context, now},
    failure::{Failure, Outcome},
    output::{human_rate, table},
    policy,
    ports::{COMMAND_LEASE, SessionPort},
    progress::Progress,
    source::{CompareError, compare_prefix},
};

/// An open session and the key to it.
pub struct OpenSession<'a> {
    store: &'a Store,
    seal: SealContext,
    media_type: MediaType,
    before: Totals,
    started: Instant,
}

/// That all of the source is acknowledged.
pub struct Filled(());

/// A session that was sealed, as `ingest`, `record` and `seal` print it.
#[derive(Serialize, Debug)]
pub struct Recorded {
    /// The session.
    pub session_id: SessionId,
    /// Root of its tree.
    pub merkle_root: Hash,
    /// Hash of its manifest.
    pub manifest_hash: Hash,
    /// Number of chunks.
    pub chunk_count: u32,
    /// Plaintext bytes.
    pub plain_bytes: u64,
    /// Bytes of its chunk files.
    pub stored_bytes: u64,
    /// Whether it had its end mark.
    pub complete: bool,
    /// What the stream is.
    pub media_type: MediaType,
    /// Place of its entry in the log.
    pub log_index: u64,
    /// Entries in the log.
    pub log_size: u64,
    /// The checkpoint that covers the entry, a signed note.
    pub checkpoint: String,
    /// From opening to sealed.
    pub seconds: f64,
    /// Sockets and the like that were left out of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<usize>,
    /// The evidence file that was written and checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// How a recorded command ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<String>,
}

/// A fresh session id.
///
/// # Errors
/// Where the operating system has no randomness.
pub fn new_id() -> Result<SessionId, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(SessionId::from_random(bytes))
}

impl<'a> OpenSession<'a> {
    /// Opens a new session: its key's wraps and its entry in the log are durable.
    ///
    /// # Errors
    /// The store's.
    pub fn begin(context: &Context, store: &'a Store, media_type: MediaType) -> Outcome<Self> {
        let started = Instant::now();
        let policy = policy::of_new_session(context.policy()?, store)?;
        let session = new_id()?;
        let (dek, key_file) = context.keepers(store)?.new_key(&session)?;
        let opened = SessionOpened {
            at: now(),
            kind: Default::default(),
            media_type: media_type.clone(),
            owner: context.config.owner.clone(),
            policy,
            session_id: session,
            v: Default::default(),
        };
        store.open_session(opened, Some(&key_file))?;
        store.hold(session, COMMAND_LEASE)?;
        let seal = SealContext { session, dek, policy };
        Ok(Self { store, seal, media_type, before: Totals::default(), started })
    }

    /// Takes up a session that was interrupted.
    ///
    /// # Errors
    /// Where it is not open, or this node cannot read what it has.
    pub fn resume(context: &Context, store: &'a Store, session: SessionId) -> Outcome<Self> {
        let started = Instant::now();
        let before = store.hold(session, COMMAND_LEASE)?;
        let SessionOpened { policy, media_type, .. } = store.opened(session)?;
        let dek = context.session_key(store, session, None).map_err(|failure| {
            let doing =
                format!("session {session} cannot go on; close it with: lucid-node seal {session}");
            failure.context(doing)
        })?;
        let seal = SealContext { session, dek, policy };
        Ok(Self { store, seal, media_type, before, started })
    }

    /// The session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.seal.session
    }

    /// The data folder that it is in.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        self.store.path()
    }

    /// Plaintext bytes that were acknowledged before it was taken up.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.before.plain_bytes
    }

    /// What is acknowledged now.
    ///
    /// # Errors
    /// The store's.
    pub fn acknowledged(&self) -> Outcome<Totals> {
        Ok(self.store.totals(self.id())?)
    }

    /// Tells programs the id, before anything else.
    #[must_use]
    pub fn opened_event(&self) -> Value {
        json!({"event": "opened", "session_id": self.id()})
    }

    fn port(&self) -> SessionPort<'a> {
        SessionPort { store: self.store, session: self.id() }
    }

    /// Checks that `source` begins with what is acknowledged already, and moves it to where the
    /// ingest goes on.
    ///
    /// # Errors
    /// Where it does not.
    pub fn compare(&self, context: &Context, source: &mut dyn Source) -> Outcome {
        let mut damage = None;
        let chunks = self.store.index(self.id())?.map_while(|chunk| match chunk {
            Ok(chunk) => Some(chunk),
            Err(error) => {
                damage = Some(error);
                None
            }
        });
        let (dek, plain_bytes, cancel) = (&self.seal.dek, self.before.plain_bytes, &context.cancel);
        let compared = compare_prefix(source, &self.port(), chunks, dek, plain_bytes, cancel);
        if let Some(error) = damage {
            return Err(error.into());
        }
        compared.map_err(|error| match &error {
            CompareError::Source(_) | CompareError::Cancelled => Failure::io(error.to_string()),
            CompareError::Chunk(..) => Failure::check(error.to_string()),
            CompareError::Short { .. } | CompareError::Differs { .. } => {
                Failure::usage(error.to_string())
            }
        })
    }

    /// Seals all of `source` into chunks; when this returns well, all of it is acknowledged.
    ///
    /// # Errors
    /// The source's, the store's, or that the user stopped it; what was acknowledged stays.
    pub fn fill(
        &self,
        context: &Context,
        source: &mut dyn Source,
        progress: &Progress,
    ) -> Outcome<Filled> {
        let first = ChunkIndex(self.before.chunk_count);
        let plain_bytes = self.before.plain_bytes;
        let report = context.with_control(progress, |control| {
            ingest::ingest(source, &self.seal, &self.port(), first, plain_bytes, control)
        });
        match report.outcome? {
            End::Complete => Ok(Filled(())),
            End::Cancelled => Err(Failure::io("interrupted")),
        }
    }

    /// Seals the session.
    ///
    /// # Errors
    /// The store's.
    pub fn seal(self, _: Filled, complete: bool) -> Outcome<Recorded> {
        seal(self.store, self.id(), self.media_type, complete, self.started)
    }
}

/// Seals an open session over what is acknowledged.
///
/// # Errors
/// The store's.
pub fn seal(
    store: &Store,
    session: SessionId,
    media_type: MediaType,
    complete: bool,
    started: Instant,
) -> Outcome<Recorded> {
    let at: Timestamp = now();
    let sealed = store.seal(session, &SealRequest { complete, at, software: SOFTWARE.into() })?;
    Ok(Recorded {
        session_id: session,
        merkle_root: sealed.merkle_root,
        manifest_hash: sealed.manifest_hash,
        chunk_count: sealed.chunk_count,
        plain_bytes: sealed.plain_bytes,
        stored_bytes: sealed.stored_bytes,
        complete,
        media_type,
        log_index: sealed.entry.0,
        log_size: sealed.log_size,
        checkpoint: sealed.checkpoint,
        seconds: started.elapsed().as_secs_f64(),
        skipped: None,
        proof: None,
        exit_status: None,
    })
}

impl Recorded {
    /// Writes evidence about the session to `path`, where one is given, and checks it as its reader
    /// will: with the node's key, and nothing else of the node's.
    ///
    /// # Errors
    /// Where it cannot be written or does not hold. The session is sealed all the same.
    pub fn prove(&mut self, store: &Store, path: Option<&Path>) -> Outcome {
        let Some(path) = path else { return Ok(()) };
        prove::prove_session(store, self.session_id, path)
            .map_err(|failure| failure.context(format!("session {} is sealed", self.session_id)))?;
        self.proof = Some(path.display().to_string());
        Ok(())
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output's.
    pub fn print(&self, context: &Context) -> Outcome {
        context.output.print(self, |recorded| {
            let rate = human_rate(recorded.plain_bytes, recorded.seconds);
            let mut rows = vec![
                ("session", recorded.session_id.to_string()),
                ("root", recorded.merkle_root.to_string()),
                ("manifest", recorded.manifest_hash.to_string()),
                (
                    "recorded",
                    format!(
                        "{} in {}, {} stored, {:.2} s, {rate}",
                        counted(recorded.plain_bytes, "byte"),
                        counted(recorded.chunk_count, "chunk"),
                        counted(recorded.stored_bytes, "byte"),
                        recorded.seconds,
                    ),
                ),
                ("complete", if recorded.complete { "yes" } else { "no" }.to_owned()),
                ("log", format!("entry {} of {}", recorded.log_index, recorded.log_size)),
            ];
            rows.extend(recorded.proof.clone().map(|path| ("proof", format!("{path}, checked"))));
            rows.extend(recorded.exit_status.clone().map(|status| ("command", status)));
            format!("{}checkpoint\n{}", table(&rows), indent(&recorded.checkpoint))
        })
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
