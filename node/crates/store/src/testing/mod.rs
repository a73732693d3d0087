//! What this crate's tests share: scripted disks, and chunk files that are sound in form.

mod power;

use std::{
    fs, io,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use lucid_core::{
    ChunkIndex, Hash, NodeId, SessionId, Timestamp,
    chunk::{
        ChunkHeader, ChunkSummary, Codec, Commitment, MessageKeys, PREFIX_BYTES,
        SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Salt, Suite,
    },
    keys::{ChunkKey, Dek, Kek, KeyFile},
    manifest::{Manifest, ManifestChunk, Streamed, Totals},
    merkle,
};

pub(crate) use self::power::PowerCut;
use crate::{
    disk::{Faults, Op},
    vault::{Ciphers, Verdict},
};

/// A disk's script: which operations fail.
#[derive(Default)]
pub(crate) struct Script {
    always: Mutex<Vec<Op>>,
    nth: Mutex<Option<(u64, bool)>>,
    count: AtomicU64,
}

impl Script {
    /// From now on these operations fail, and no others.
    pub(crate) fn fail(&self, ops: &[Op]) {
        *self.always.lock().unwrap() = ops.to_vec();
    }

    /// The `nth` operation from now on (counted from zero) fails; where `dead`, so do all after it,
    /// as if the process had been killed there.
    pub(crate) fn fail_nth(&self, nth: u64, dead: bool) {
        *self.nth.lock().unwrap() = Some((self.count.load(Ordering::SeqCst) + nth, dead));
    }

    /// Operations so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Faults for Script {
    fn before(&self, op: Op, path: &Path) -> io::Result<()> {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let scripted = match *self.nth.lock().unwrap() {
            Some((nth, dead)) => count == nth || (dead && count > nth),
            None => false,
        };
        if scripted || self.always.lock().unwrap().contains(&op) {
            return Err(io::Error::other(format!("scripted fault: {op:?} {}", path.display())));
        }
        Ok(())
    }
}

/// A folder for a test that makes hundreds of data folders: in memory, where a sync costs nothing.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

/// Copies a folder as its files are now, whatever is still in the memory of who writes them. No other program does it: a process
/// that is being made has the locks of all folders that tests beside this one hold, until it is another program.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

pub(crate) fn session(seed: u8) -> SessionId {
    SessionId::from_random([seed; 16])
}

fn header(session: SessionId, index: u32, plain_bytes: u32) -> ChunkHeader {
    ChunkHeader {
        suite: Suite::Aes256Gcm,
        codec: Codec::Stored,
        session,
        index: ChunkIndex(index),
        plain_bytes,
        payload_bytes: plain_bytes,
    }
}

/// The data key of [`session`]`(seed)` in these tests.
pub(crate) fn dek(seed: u8) -> Dek {
    Dek::new([seed; 32])
}

/// A chunk's summary without a file behind it, with the commitment to its session's key.
pub(crate) fn summary(session: SessionId, index: u32, plain_bytes: u32) -> ChunkSummary {
    summary_under(&dek(session.as_bytes()[0]), session, index, plain_bytes)
}

fn summary_under(dek: &Dek, session: SessionId, index: u32, plain_bytes: u32) -> ChunkSummary {
    let (header, salt) = (header(session, index, plain_bytes), Salt([index as u8; 24]));
    let key = dek.chunk_key(&session, header.index);
    let commitment = MessageKeys::of_chunk(&key, &salt, &header).commitment();
    ChunkSummary { header, salt, commitment, chunk_root: Hash::of(&index.to_be_bytes()) }
}

/// A chunk file of the right form, whose segments are no ciphertext of anything.
pub(crate) fn chunk_bytes(
    session: SessionId,
    index: u32,
    plain_bytes: u32,
) -> (ChunkSummary, Vec<u8>) {
    chunk_bytes_under(&dek(session.as_bytes()[0]), session, index, plain_bytes)
}

/// The same, under whatever key.
pub(crate) fn chunk_bytes_under(
    dek: &Dek,
    session: SessionId,
    index: u32,
    plain_bytes: u32,
) -> (ChunkSummary, Vec<u8>) {
    let mut chunk = summary_under(dek, session, index, plain_bytes);
    let mut bytes = chunk.header.to_bytes().to_vec();
    bytes.extend_from_slice(&chunk.salt.0);
    bytes.extend_from_slice(&chunk.commitment.0);
    bytes.resize(usize::try_from(chunk.layout().file_bytes()).unwrap(), index as u8);
    chunk.chunk_root = chunk_root(&bytes);
    (chunk, bytes)
}

fn chunk_root(file: &[u8]) -> Hash {
    let leaves: Vec<Hash> =
        file[PREFIX_BYTES..].chunks(SEALED_SEGMENT_BYTES).map(merkle::leaf_hash).collect();
    merkle::root(&leaves)
}

/// What the pipeline does for a vault, as far as these tests' files go: a segment is authentic where it
/// has the bytes that [`chunk_bytes`] gave it, and keys are wrapped under the master key.
pub(crate) struct TestCiphers;

impl Ciphers for TestCiphers {
    fn authenticate(&self, file: &Path, key: &ChunkKey) -> Verdict {
        let bytes = fs::read(file).map_err(|error| error.to_string())?;
        let prefix: &[u8; PREFIX_BYTES] = bytes.first_chunk().ok_or("it is too short")?;
        let header =
            ChunkHeader::parse(prefix.first_chunk().unwrap()).map_err(|e| e.to_string())?;
        header.layout().check_file_bytes(bytes.len() as u64).map_err(|error| error.to_string())?;
        let (salt, commitment) = (
            Salt(prefix[48..72].try_into().unwrap()),
            Commitment(prefix[72..].try_into().unwrap()),
        );
        if !MessageKeys::of_chunk(key, &salt, &header).commits_to(&commitment) {
            return Err("the key commitment does not match".to_owned());
        }
        if bytes[PREFIX_BYTES..].iter().any(|byte| *byte != header.index.0 as u8) {
            return Err("a segment does not authenticate".to_owned());
        }
        Ok(ChunkSummary { header, salt, commitment, chunk_root: chunk_root(&bytes) })
    }

    fn new_key(&self, session: SessionId, kek: Option<&Kek>) -> Result<KeyFile, String> {
        let kek = kek.ok_or("there is no master key")?;
        let seed = session.as_bytes()[0];
        Ok(KeyFile::new(vec![kek.wrap(&session, &dek(seed), [seed; 12])]))
    }
}

/// A manifest of these chunks.
pub(crate) fn manifest(
    session: SessionId,
    chunks: impl Iterator<Item = io::Result<ManifestChunk>>,
) -> Manifest<Streamed<impl Iterator<Item = io::Result<ManifestChunk>>>> {
    let chunks: Vec<_> = chunks.collect();
    let mut totals = Totals::default();
    for chunk in chunks.iter().flatten() {
        totals.add(&chunk.header(session, Suite::Aes256Gcm)).unwrap();
    }
    Manifest {
        chunk_count: totals.chunk_count,
        chunks: Streamed::new(chunks.into_iter()),
        complete: true,
        created_at: Timestamp::from_unix_millis(1),
        media_type: "application/octet-stream".parse().unwrap(),
        merkle_root: merkle::EMPTY_ROOT,
        node_id: NodeId::of_public_key(&[0; 32]),
        owner: "local".parse().unwrap(),
        plain_bytes: totals.plain_bytes,
        policy_hash: Hash::of(b"policy"),
        sealed_at: Timestamp::from_unix_millis(2),
        segment_bytes: SEGMENT_BYTES as u32,
        session_id: session,
        software: "lucid-store tests".into(),
        stored_bytes: totals.stored_bytes,
        suite: Suite::Aes256Gcm,
        version: 1,
    }
}
