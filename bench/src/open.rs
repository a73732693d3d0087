//! `open`: how long a data folder with a long ledger takes to open, and in how much memory.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Result, ensure};
use clap::Args;
use lucid_core::{
    Hash, NodeId, Policy, SessionId, Timestamp,
    chunk::Suite,
    entry::{Entry, SessionOpened, SessionSealed},
};
use lucid_store::{CreateOptions, Disk, KekSource, Log, NoCiphers, Secrets, Store};
use serde::{Deserialize, Serialize};

use crate::{
    machine::{self, Machine},
    process::{self, Finished, Input, Output, Usage},
    report::{Report, Table, digits, mebibytes, spread},
    samples::Spread,
};

/// Entries that are appended together: those of 2,048 sessions.
const GROUP: u64 = 4096;

/// Arguments of `open`.
#[derive(Args)]
pub(crate) struct Open {
    /// The folder in which the data folder is made, or found from an earlier run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Entries in the log
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(4096..))]
    entries: u64,
    /// How often it is opened
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Measured {
    entries: u64,
    /// Seconds to append them, where that was done now.
    appended_s: Option<f64>,
    /// The first opening after that, which makes the database.
    projected: Option<Usage>,
    /// `lucid-node list --limit 1`, which opens the whole store.
    pub(crate) list: Vec<Usage>,
    /// `lucid-node ledger head`, which opens the log only.
    pub(crate) head: Vec<Usage>,
}

/// What `ledger head --json` prints, as far as it is needed.
#[derive(Deserialize)]
struct Head {
    log_size: u64,
}

impl Open {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        let node = process::node(node)?;
        fs::create_dir_all(&self.folder)?;
        let machine = Machine::here(&self.folder)?;
        let measured = measure(node, &self.folder, self.entries, self.runs)?;
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("open", &measured)?;
        measured.tables(&mut report);
        Ok(report)
    }
}

/// Opens a data folder with so many entries `runs` times.
pub(crate) fn measure(node: PathBuf, folder: &Path, entries: u64, runs: u32) -> Result<Measured> {
    let data = place(folder, entries);
    let appended_s = if data.exists() {
        None
    } else {
        Some(make(&data, entries, &|_, _, session| Ok(sealed(session)))?)
    };
    let program = Program { node, data, processors: machine::processors()? };
    let projected = match appended_s {
        Some(_) => Some(program.list()?.usage),
        None => None,
    };
    let (mut list, mut head) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        list.push(program.list()?.usage);
        let opened = program.head()?;
        let found: Head = serde_json::from_slice(&opened.stdout)?;
        ensure!(found.log_size >= entries, "the log has only {} entries", found.log_size);
        head.push(opened.usage);
    }
    Ok(Measured { entries, appended_s, projected, list, head })
}

fn place(folder: &Path, entries: u64) -> PathBuf {
    folder.join(format!("entries-{entries}"))
}

/// What seals a session: does what else belongs to it in the data folder of this node, and gives the entry.
pub(crate) type Seal<'a> = dyn Fn(&Path, NodeId, SessionId) -> Result<SessionSealed> + 'a;

/// Makes the data folder under another name until it is whole. Gives the seconds that appending took.
pub(crate) fn make(data: &Path, entries: u64, seal: &Seal<'_>) -> Result<f64> {
    let part = data.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    let (kek, disk) = (KekSource::Folder, Disk::default());
    let (reserve_bytes, ciphers) = (None, Arc::new(NoCiphers));
    let options = CreateOptions { kek, at: at(), reserve_bytes, disk: disk.clone(), ciphers };
    drop(Store::create(&part, options)?);
    let secrets = Secrets::load(&part.join("secrets"), None)?;
    let node = NodeId::of_public_key(secrets.log_key().verifier_key().public_key());
    let mut log = Log::open(&part.join("log"), secrets.log_key().clone(), disk)?;
    let start = Instant::now();
    let mut sessions = 0_u64..;
    while log.size() < entries {
        let pairs = GROUP.min(entries - log.size()).div_ceil(2);
        let ids = sessions.by_ref().take(usize::try_from(pairs)?).map(session);
        let sealed: Vec<_> = ids.map(|id| seal(&part, node, id)).collect::<Result<_>>()?;
        log.append(&group(sealed)?)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(log);
    fs::rename(part, data)?;
    Ok(seconds)
}

/// Entries of sessions that are opened, then the same ones sealed.
fn group(sealed: Vec<SessionSealed>) -> Result<Vec<Vec<u8>>> {
    let sessions: Vec<_> = sealed.iter().map(|sealed| sealed.session_id).collect();
    let opened = sessions.into_iter().map(|session| Entry::SessionOpened(opened(session)));
    let sealed = sealed.into_iter().map(Entry::SessionSealed);
    Ok(opened.chain(sealed).map(|entry| entry.to_bytes()).collect::<Result<_, _>>()?)
}

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_795_396_045_123)
}

/// The session with this number in a ledger made here.
pub(crate) fn session(number: u64) -> SessionId {
    let hash = Hash::of(&number.to_be_bytes());
    SessionId::from_random(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn opened(session_id: SessionId) -> SessionOpened {
    SessionOpened {
        at: at(),
        kind: Default::default(),
        media_type: "application/octet-stream".parse().expect("a media type"),
        owner: "local".parse().expect("an owner"),
        policy: Policy::with_suite(Suite::Aes256Gcm),
        session_id,
        v: Default::default(),
    }
}

/// What the log says of a session that was sealed.
#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
pub(crate) fn sealed(session_id: SessionId) -> SessionSealed {
    SessionSealed {
        at: at(),
        chunk_count: 12,
        kind: Default::default(),
        manifest_hash: Hash::of(session_id.as_bytes()),
        merkle_root: Hash::of(b"root"),
        owner: "local".parse().expect("an owner"),
        plain_bytes: 100_000_000,
        policy_hash: Policy::with_suite(Suite::Aes256Gcm).hash(),
        session_id,
        v: Default::default(),
    }
}

/// The real program on the data folder.
struct Program {
    node: PathBuf,
    data: PathBuf,
    processors: Vec<usize>,
}

impl Program {
    fn list(&self) -> Result<Finished> {
        self.run(&["list", "--limit", "1"])
    }

    fn head(&self) -> Result<Finished> {
        self.run(&["ledger", "head"])
    }

    fn run(&self, words: &[&str]) -> Result<Finished> {
        let mut command = vec![self.node.as_os_str()];
        command.extend(words.iter().map(OsStr::new));
        command.extend(["--json", "--data"].map(OsStr::new));
        command.push(self.data.as_os_str());
        process::run(&command, &[], &self.processors, Input::None, Output::Kept)
    }
}

impl Measured {
    fn tables(&self, report: &mut Report) {
        let Self { entries, appended_s, projected, list, head } = self;
        let heading = format!("A data folder with {entries} log entries");
        let mut table = Table::new(&["", "s, median (min to max)", "CPU s, likewise", "peak MiB"]);
        let all = |usages: &[Usage], figure: fn(&Usage) -> f64| {
            spread(Spread::of(usages.iter().map(figure)))
        };
        let peak =
            |usages: &[Usage]| usages.iter().map(|usage| usage.peak_bytes).max().unwrap_or(0);
        let mut row = |name: &str, usages: &[Usage]| {
            table.row([
                name.to_owned(),
                all(usages, |usage| usage.wall_s),
                all(usages, |usage| usage.user_s + usage.system_s),
                mebibytes(peak(usages) as f64),
            ]);
        };
        row("the whole store: lucid-node list --limit 1", list);
        row("the log alone: lucid-node ledger head", head);
        if let Some(projected) = projected {
            row("once: the whole store, its database made from the log", &[*projected]);
        }
        report.table(&heading, &table);
        if let Some(seconds) = appended_s {
            let rate = *entries as f64 / seconds;
            report.paragraph(format!("Appended in {} s, {rate:.0} a second.", digits(*seconds)));
        }
        let slowest = list.iter().map(|usage| usage.wall_s).fold(0.0, f64::max);
        let peak = peak(list) as f64 / f64::from(1 << 20);
        let mut targets = Table::new(&["target", "wanted", "measured (worst)", "met"]);
        for (name, wanted, found) in [("open, s", 1.0, slowest), ("peak memory, MiB", 150.0, peak)]
        {
            let met = if found < wanted { "yes" } else { "**no**" };
            targets.row([name.into(), format!("below {wanted}"), digits(found), met.into()]);
        }
        report.table("Targets", &targets);
    }
}
