//! What the store costs on this machine: time and memory to open a long ledger, bytes written to
//! record a session.
//!
//! ```text
//! figures make DIR SESSIONS   a data folder whose log has two entries for each session
//! figures open DIR            opens it
//! figures record DIR MIB      records a session of chunks of 8 MiB, each acknowledged by itself
//! ```
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::{fs, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, bail};
use lucid_core::{
    ChunkIndex, Hash, Policy, SessionId, Timestamp,
    chunk::{ChunkHeader, ChunkSummary, Codec, Commitment, Salt, Suite},
    entry::{Entry, SessionOpened, SessionSealed},
    keys::{Dek, Kek, KeyFile},
};
use lucid_store::{
    CreateOptions, Disk, KekSource, Lease, Log, NoCiphers, OpenOptions, SealRequest, Secrets, Store,
};

const CHUNK_BYTES: u32 = 8 << 20;
const LEASE: Lease = Lease(1);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["make", dir, sessions] => make(dir.as_ref(), sessions.parse()?),
        ["open", dir] => open(dir.as_ref()).map(drop),
        ["record", dir, mib] => record(dir.as_ref(), mib.parse()?),
        _ => bail!("figures make DIR SESSIONS | open DIR | record DIR MIB"),
    }
}

fn kek() -> Kek {
    Kek::new([1; 32])
}

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_795_396_045_123)
}

fn session(number: u64) -> SessionId {
    let hash = Hash::of(&number.to_be_bytes());
    SessionId::from_random(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

fn make(dir: &Path, sessions: u64) -> anyhow::Result<()> {
    let disk = Disk::default();
    let kek_source = KekSource::Given(kek());
    let options = CreateOptions {
        kek: kek_source,
        at: at(),
        reserve_bytes: None,
        disk: disk.clone(),
        ciphers: Arc::new(NoCiphers),
    };
    drop(Store::create(dir, options)?);
    let secrets = Secrets::load(&dir.join("secrets"), Some(kek()))?;
    let mut log = Log::open(&dir.join("log"), secrets.log_key().clone(), disk)?;
    let started = Instant::now();
    for first in (0..sessions).step_by(4096) {
        let some = first..sessions.min(first + 4096);
        let opened = some.clone().map(|number| Entry::SessionOpened(opened(session(number))));
        let sealed = some.map(|number| Entry::SessionSealed(sealed(session(number))));
        let entries: Vec<_> =
            opened.chain(sealed).map(|entry| entry.to_bytes()).collect::<Result<_, _>>()?;
        log.append(&entries)?;
    }
    println!("{} entries appended in {:?}", log.size(), started.elapsed());
    drop(log);
    open(dir).map(drop)
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn opened(session_id: SessionId) -> SessionOpened {
    SessionOpened {
        at: at(),
        kind: Default::default(),
        media_type: "application/octet-stream".parse().expect("a media type"),
        owner: "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse().expect("an owner"),
        policy: Policy::with_suite(Suite::Aes256Gcm),
        session_id,
        v: Default::default(),
    }
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn sealed(session_id: SessionId) -> SessionSealed {
    SessionSealed {
        at: at(),
        chunk_count: 12,
        kind: Default::default(),
        manifest_hash: Hash::of(session_id.as_bytes()),
        merkle_root: Hash::of(b"root"),
        owner: "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse().expect("an owner"),
        plain_bytes: 100_000_000,
        policy_hash: Policy::with_suite(Suite::Aes256Gcm).hash(),
        session_id,
        v: Default::default(),
    }
}

fn open(dir: &Path) -> anyhow::Result<Store> {
    let started = Instant::now();
    let options = OpenOptions {
        kek: Some(kek()),
        at: at(),
        reserve_bytes: None,
        disk: Disk::default(),
        ciphers: Arc::new(NoCiphers),
    };
    let (store, recovery) = Store::open(dir, options)?;
    let time = started.elapsed();
    for repair in &recovery.repairs {
        println!("repaired: {repair}");
    }
    let size = store.with_log(|log| Ok(log.size()))?;
    println!("{size} entries open in {time:?}, {}", process()?);
    Ok(store)
}

fn record(dir: &Path, mib: u32) -> anyhow::Result<()> {
    let store = open(dir)?;
    let size = store.with_log(|log| Ok(log.size()))?;
    let session = session(u64::MAX - size);
    let keys = KeyFile::new(vec![kek().wrap(&session, &Dek::new([2; 32]), [3; 12])]);
    let started = Instant::now();
    store.open_session(opened(session), Some(&keys))?;
    store.hold(session, LEASE)?;
    for index in 0..mib.div_ceil(8) {
        let chunk = summary(session, index);
        let mut writer = store.chunk_writer(session, LEASE, ChunkIndex(index))?;
        let mut bytes = vec![0; usize::try_from(chunk.layout().file_bytes())?];
        bytes[..48].copy_from_slice(&chunk.header.to_bytes());
        writer.write(&bytes)?;
        writer.commit()?;
        store.acknowledge(session, &[chunk])?;
    }
    let request = SealRequest { complete: true, at: at(), software: "figures".into() };
    let stored = store.seal(session, &request)?.stored_bytes;
    println!("{stored} bytes recorded in {:?}", started.elapsed());
    drop(store);
    println!("closed; {}", process()?);
    Ok(())
}

fn summary(session: SessionId, index: u32) -> ChunkSummary {
    let header = ChunkHeader {
        suite: Suite::Aes256Gcm,
        codec: Codec::Stored,
        session,
        index: ChunkIndex(index),
        plain_bytes: CHUNK_BYTES,
        payload_bytes: CHUNK_BYTES,
    };
    let (salt, commitment) = (Salt([1; 24]), Commitment([2; 32]));
    ChunkSummary { header, salt, commitment, chunk_root: Hash::of(b"chunk") }
}

/// Peak memory and bytes sent to the disk, as the kernel counts them.
fn process() -> anyhow::Result<String> {
    let field = |file: &str, name: &str| -> anyhow::Result<u64> {
        let text = fs::read_to_string(file)?;
        let line = text.lines().find(|line| line.starts_with(name)).context("no such field")?;
        let number = line.split_whitespace().nth(1).context("no number")?;
        Ok(number.parse()?)
    };
    let peak = field("/proc/self/status", "VmHWM:")? / 1024;
    let written = field("/proc/self/io", "write_bytes:")?;
    Ok(format!("peak memory {peak} MiB, {written} bytes written"))
}
