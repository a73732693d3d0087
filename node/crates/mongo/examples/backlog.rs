//! How fast a backlog goes into the real mongod, and how much memory that takes.
//!
//! `cargo run --release -p lucid-mongo --example backlog -- [ENTRIES] [CHUNKS] [BATCH]`: a log of so many entries, two for
//! each session of so many chunks, is made while it is read. mongod is a replica set of one, on this machine.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lucid_core::{
    ChunkIndex, EntryIndex, Hash, NodeId, Policy, SessionId, Timestamp,
    chunk::{Codec, Suite},
    entry::{Entry, SessionOpened, SessionSealed},
    manifest::{Manifest, ManifestChunk},
    merkle::{EMPTY_ROOT, TreeHead},
    note::{Checkpoint, KeyName, SigningKey},
};
use lucid_mongo::{
    Collection, Cursor, Cursors, Identity, ManifestHead, MongoUrl, Options, Page, PortError,
    Source, Sync,
};
use lucid_mongo_testing::{ReplicaSet, SetOptions};
use tokio_util::sync::CancellationToken;

/// A log that is nowhere: an entry is made of its index when it is asked for.
struct Made {
    identity: Identity,
    key: SigningKey,
    size: u64,
    chunks: u32,
    /// The texts of both kinds, of which the session's id is replaced.
    opened: String,
    sealed: String,
    head: ManifestHead,
}

const ID: &str = "6f1d9c1e-3a52-4c0e-9d0b-5a1f6f1f7a10";

impl Made {
    fn new(size: u64, chunks: u32) -> Self {
        let seeded = |name: String| {
            let name = KeyName::new(name).expect("a name without spaces");
            SigningKey::from_seed(name, &[7; 32])
        };
        let node_id = NodeId::of_public_key(seeded("any".into()).verifier_key().public_key());
        let key = seeded(node_id.log_origin());
        let identity =
            Identity { node_id, key: key.verifier_key().clone(), software: "backlog".to_owned() };
        let session: SessionId = ID.parse().expect("an id");
        let policy = Policy::with_suite(Suite::Aes256Gcm);
        let head = head(node_id, session, chunks);
        let opened = Entry::SessionOpened(SessionOpened {
            at: head.created_at,
            kind: Default::default(),
            media_type: head.media_type.clone(),
            owner: head.owner.clone(),
            policy,
            session_id: session,
            v: Default::default(),
        });
        let sealed = Entry::SessionSealed(SessionSealed {
            at: head.sealed_at,
            chunk_count: chunks,
            kind: Default::default(),
            manifest_hash: Hash::of(b"manifest"),
            merkle_root: head.merkle_root,
            owner: head.owner.clone(),
            plain_bytes: head.plain_bytes,
            policy_hash: head.policy_hash,
            session_id: session,
            v: Default::default(),
        });
        let text = |entry: Entry| {
            String::from_utf8(entry.to_bytes().expect("an entry")).expect("entries are UTF-8")
        };
        Self { identity, key, size, chunks, opened: text(opened), sealed: text(sealed), head }
    }

    fn entry(&self, index: u64) -> Vec<u8> {
        let mut id = String::with_capacity(36);
        // Spread as random ids are, so that indexes grow as they do in life.
        let spread = (index / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (a, b) = (spread >> 32, (spread >> 16) & 0xffff);
        write!(id, "{a:08x}-{b:04x}-4000-8000-{:012x}", index / 2).expect("a text takes all");
        let text = if index.is_multiple_of(2) { &self.opened } else { &self.sealed };
        text.replace(ID, &id).into_bytes()
    }
}

fn head(node_id: NodeId, session: SessionId, chunks: u32) -> ManifestHead {
    Manifest {
        chunk_count: chunks,
        chunks: (),
        complete: true,
        created_at: Timestamp::from_unix_millis(1_770_000_000_000),
        media_type: "application/octet-stream".parse().expect("a media type"),
        merkle_root: Hash::of(b"root"),
        node_id,
        owner: "local".parse().expect("an owner"),
        plain_bytes: u64::from(chunks) * 65_536,
        policy_hash: Hash::of(b"policy"),
        sealed_at: Timestamp::from_unix_millis(1_770_000_000_001),
        segment_bytes: 16_384,
        session_id: session,
        software: "backlog".to_owned(),
        stored_bytes: u64::from(chunks) * 65_656,
        suite: Suite::Aes256Gcm,
        version: 1,
    }
}

#[async_trait]
impl Source for Made {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn head(&self) -> Result<TreeHead, PortError> {
        Ok(TreeHead { size: self.size, root: EMPTY_ROOT })
    }

    async fn checkpoint(&self) -> Result<String, PortError> {
        let origin = self.key.name().clone();
        let checkpoint = Checkpoint { origin, size: self.size, root: EMPTY_ROOT };
        checkpoint.sign(&self.key).map_err(|error| PortError(error.to_string()))
    }

    async fn entries(&self, from: EntryIndex, page: Page) -> Result<Vec<Vec<u8>>, PortError> {
        let end = self.size.min(from.0 + u64::from(page.count_max));
        Ok((from.0..end).map(|index| self.entry(index)).collect())
    }

    async fn manifest(&self, session: SessionId) -> Result<Option<ManifestHead>, PortError> {
        Ok(Some(ManifestHead { session_id: session, ..self.head.clone() }))
    }

    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        count_max: u32,
    ) -> Result<Vec<ManifestChunk>, PortError> {
        let chunk = |index: u32| ManifestChunk {
            chunk_root: Hash::of_parts(&[session.as_bytes(), &index.to_be_bytes()]),
            codec: Codec::Stored,
            index: ChunkIndex(index),
            payload_bytes: 65_536,
            plain_bytes: 65_536,
        };
        Ok((from.0..self.chunks.min(from.0 + count_max)).map(chunk).collect())
    }
}

#[derive(Default)]
struct Kept(Mutex<HashMap<Collection, Cursor>>);

#[async_trait]
impl Cursors for Kept {
    async fn get(&self, of: Collection) -> Result<Cursor, PortError> {
        let kept = self.0.lock().map_err(|error| PortError(error.to_string()))?;
        Ok(kept.get(&of).copied().unwrap_or_default())
    }

    async fn put(&self, of: Collection, cursor: Cursor) -> Result<(), PortError> {
        let mut kept = self.0.lock().map_err(|error| PortError(error.to_string()))?;
        kept.insert(of, cursor);
        Ok(())
    }
}

/// A line of `/proc/self/status`, in MiB.
fn memory_mib(line: &str) -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.split_whitespace().next());
    Ok(value.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let size: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let chunks: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let batch: u32 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let with_cache = SetOptions { cache_gib: Some("2"), ..SetOptions::default() };
    let set = ReplicaSet::start(1, &with_cache).await?;
    let mut options = Options::new(MongoUrl::parse(&set.url())?, "lucid_backlog")?;
    options.batch.documents_max = batch;
    let source = Arc::new(Made::new(size, chunks));
    let sync = Arc::new(Sync::open(options, source, Arc::new(Kept::default())));
    let stop = CancellationToken::new();
    let (token, running) = (stop.clone(), Arc::clone(&sync));
    let (begun, before) = (Instant::now(), memory_mib("VmRSS:")?);
    let task = tokio::spawn(async move { running.run(&token).await });
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{size} entries, {chunks} chunks a session, batches of {batch}; {before} MiB before"
    )?;
    let mut told = begun;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = sync.status();
        let documents: u64 = status.collections.iter().map(|of| of.documents).sum();
        let is_done = status.collections.iter().all(|of| of.cursor.entry == size);
        if is_done || told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            let seconds = begun.elapsed().as_secs_f64();
            let rate = documents as f64 / seconds;
            let (now, peak) = (memory_mib("VmRSS:")?, memory_mib("VmHWM:")?);
            let faults: u64 = status.faults.iter().sum();
            writeln!(
                out,
                "{seconds:6.1} s  {documents} documents  {rate:.0}/s  {now} MiB (peak {peak})  {faults} faults"
            )?;
        }
        if is_done {
            break;
        }
    }
    stop.cancel();
    task.await?;
    Ok(())
}
