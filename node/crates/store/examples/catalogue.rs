//! What the index of sessions costs on this machine: time to make it, to open it and to ask it, and its size.
//!
//! ```text
//! catalogue make DIR SESSIONS CHUNKS   an index of so many sealed sessions with so many chunks each
//! catalogue ask DIR SESSIONS           opens it, and asks it what somebody would
//! ```
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lucid_core::{
    EntryIndex, Hash, Owner, Policy, SessionId, Timestamp,
    chunk::Suite,
    entry::{Entry, SessionOpened, SessionSealed},
};
use lucid_store::{
    Catalogue, CatalogueFilter, Disk, Order, State,
    catalogue::{CHUNK_ROOTS_MAX, ReadChunks},
};

/// Entries that the log gives at once.
const PAGE: u64 = 1000;
/// Owners that the sessions are of.
const OWNERS: u64 = 50;
/// Questions of each kind.
const QUESTIONS: u64 = 1000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["make", dir, sessions, chunks] => make(dir.as_ref(), sessions.parse()?, chunks.parse()?),
        ["ask", dir, sessions] => ask(dir.as_ref(), sessions.parse()?),
        _ => bail!("catalogue make DIR SESSIONS CHUNKS | ask DIR SESSIONS"),
    }
}

fn hash(what: &str, number: u64, index: u64) -> Hash {
    Hash::of_parts(&[what.as_bytes(), &number.to_be_bytes(), &index.to_be_bytes()])
}

fn session(number: u64) -> SessionId {
    let hash = hash("session", number, 0);
    SessionId::from_random(*hash.0.first_chunk().expect("a hash has 32 bytes"))
}

fn owner(number: u64) -> Owner {
    // Of the length of a wallet's address.
    let owner = format!("T{:033}", number % OWNERS);
    owner.parse().expect("letters and digits")
}

fn at(number: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_795_396_045_123 + number * 1000)
}

/// The entries of a session.
fn entries(number: u64, chunks: u32) -> Result<[Vec<u8>; 2]> {
    let policy = Policy::new(8 << 20, 3, Suite::Aes256Gcm)?;
    let opened = SessionOpened {
        at: at(number),
        kind: Default::default(),
        media_type: "application/octet-stream".parse()?,
        owner: owner(number),
        policy,
        session_id: session(number),
        v: Default::default(),
    };
    let sealed = SessionSealed {
        at: at(number),
        chunk_count: chunks,
        kind: Default::default(),
        manifest_hash: hash("manifest", number, 0),
        merkle_root: hash("root", number, 0),
        owner: owner(number),
        plain_bytes: u64::from(chunks) << 23,
        policy_hash: policy.hash(),
        session_id: session(number),
        v: Default::default(),
    };
    Ok([Entry::SessionOpened(opened).to_bytes()?, Entry::SessionSealed(sealed).to_bytes()?])
}

fn make(dir: &Path, sessions: u64, chunks: u32) -> Result<()> {
    let (catalogue, _) = Catalogue::open(dir, &Disk::default())?;
    ensure!(catalogue.progress().head.size == 0, "there is an index in {}", dir.display());
    let (mut taking, mut reading) = (Duration::ZERO, Duration::ZERO);
    for first in (0..sessions).step_by(PAGE as usize / 2) {
        let numbers = first..sessions.min(first + PAGE / 2);
        let page = numbers.map(|number| entries(number, chunks)).collect::<Result<Vec<_>>>()?;
        let begun = Instant::now();
        catalogue.take_entries(page.iter().flatten().map(Vec::as_slice))?;
        taking += begun.elapsed();
        let begun = Instant::now();
        read_chunks(&catalogue, first)?;
        reading += begun.elapsed();
    }
    let begun = Instant::now();
    catalogue.flush()?;
    let flushing = begun.elapsed();
    let rate = |count: u64, time: Duration| count as f64 / time.as_secs_f64();
    println!("entries       {:.0} sessions/s (two entries each)", rate(sessions, taking));
    println!("chunk roots   {:.0} sessions/s, {chunks} chunks each", rate(sessions, reading));
    println!("together      {:.0} sessions/s", rate(sessions, taking + reading + flushing));
    println!("last flush    {:.3} s", flushing.as_secs_f64());
    drop(catalogue);
    let mut bytes = 0;
    for file in fs::read_dir(dir)? {
        bytes += file?.metadata()?.len();
    }
    println!("size          {} bytes a session", bytes / sessions.max(1));
    println!("peak memory   {} KiB", peak_kib()?);
    Ok(())
}

fn read_chunks(catalogue: &Catalogue, first: u64) -> Result<()> {
    let mut gathered = Vec::new();
    let mut roots = 0;
    for (number, of) in (first..).zip(catalogue.unread(EntryIndex(0), PAGE as usize)?) {
        ensure!(of.session == session(number), "sessions come in order");
        let all =
            (0..u64::from(of.chunk_count)).map(|index| hash("chunk", number, index)).collect();
        let stored_bytes = Some(u64::from(of.chunk_count) << 23);
        roots += of.chunk_count as usize;
        gathered.push(ReadChunks { of, first: 0, roots: all, stored_bytes });
        if roots >= CHUNK_ROOTS_MAX {
            catalogue.take_chunks(&std::mem::take(&mut gathered))?;
            roots = 0;
        }
    }
    catalogue.take_chunks(&gathered)?;
    Ok(())
}

fn ask(dir: &Path, sessions: u64) -> Result<()> {
    let before = resident_kib()?;
    let begun = Instant::now();
    let (catalogue, anew) = Catalogue::open(dir, &Disk::default())?;
    println!("open          {:.3} s", begun.elapsed().as_secs_f64());
    println!("memory of it  {} KiB", resident_kib()?.saturating_sub(before));
    ensure!(anew.is_none(), "it was made anew");
    let any = |question: u64| question.wrapping_mul(0x9e37_79b9_7f4a_7c15) % sessions;
    time("hash, any", |question| {
        let wanted = hash("root", any(question), 0);
        let found = catalogue.search(&wanted.into(), None, None, 50)?;
        ensure!(found.len() == 1, "it is there once");
        Ok(())
    })?;
    time("chunk, own", |question| {
        let number = any(question);
        let prefix = hash("chunk", number, 0).to_string()[..16].parse()?;
        let found = catalogue.search(&prefix, Some(&owner(number)), None, 50)?;
        ensure!(found.len() == 1 && found[0].session == session(number), "it is there once");
        Ok(())
    })?;
    time("no such hash", |question| {
        let found = catalogue.search(&hash("nothing", question, 0).into(), None, None, 50)?;
        ensure!(found.is_empty(), "it is not there");
        Ok(())
    })?;
    time("policy, 50 own", |question| {
        let policy = Policy::new(8 << 20, 3, Suite::Aes256Gcm)?.hash();
        let found = catalogue.search(&policy.into(), Some(&owner(any(question))), None, 50)?;
        ensure!(!found.is_empty(), "it is there");
        Ok(())
    })?;
    time("list of 50", |question| {
        let filter = CatalogueFilter {
            owner: Some(owner(question)),
            anchored: None,
            state: Some(State::Sealed),
            from: Some(at(any(question) / 2)),
            until: None,
            order: Order::OldestFirst,
        };
        ensure!(!catalogue.list(&filter, None, 50)?.is_empty(), "there are some");
        Ok(())
    })?;
    time("sums", |question| {
        ensure!(catalogue.totals(Some(&owner(question)))?.sealed > 0, "there are some");
        Ok(())
    })
}

/// Asks often, and says how long half of the questions took at the most, and a hundredth at the least.
fn time(what: &str, ask: impl Fn(u64) -> Result<()>) -> Result<()> {
    let mut times = Vec::new();
    for question in 0..QUESTIONS {
        let begun = Instant::now();
        ask(question)?;
        times.push(begun.elapsed());
    }
    times.sort();
    let micros = |place: usize| times[times.len() * place / 100].as_secs_f64() * 1e6;
    println!("{what:14}{:.0} µs, 99 %: {:.0} µs", micros(50), micros(99));
    Ok(())
}

fn resident_kib() -> Result<u64> {
    status("VmRSS:")
}

fn peak_kib() -> Result<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let number = line.trim().split(' ').next().context("no number")?;
    Ok(number.parse()?)
}
