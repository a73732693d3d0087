//! `sync`: what the log says, in MongoDB too.

mod read_back;

use std::{
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use clap::{Args, Subcommand, ValueHint};
use lucid_api::ports::SyncState;
use lucid_core::counted;
use lucid_mongo::{Difference, DifferenceKind, Report, Setup};
use serde::Serialize;
use zeroize::Zeroizing;

use super::remote::{self, Reach};
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    output::table,
    progress::{Progress, Unit},
    serving::{mongo_options, sync_of},
};

/// No password is longer.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// What about the sync.
#[derive(Subcommand, Debug)]
pub enum SyncCommand {
    /// Show how far a running node's sync is, and what went wrong last
    Status(Reach),
    /// Compare every document of this node in MongoDB with what it should be; the node is not running meanwhile
    Verify(Compare),
    /// The same, and put right what is missing or altered; what is right, and what other nodes have, stays as it is
    Rebuild(Compare),
    /// Make log, manifests and indexes anew in a data folder that has its secrets and no log; say what is gone
    ReadBack(read_back::ReadBackArgs),
    /// Make a new mongod ready, from its own machine: replica set, administrator, the node's user. Done again, it
    /// changes nothing but that user's password, and the administrator's where the former one is given
    Setup(SetUp),
}

/// Arguments of `sync setup`.
#[derive(Args, Debug)]
pub struct SetUp {
    /// Where mongod is, at an address of loopback
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:27017")]
    at: SocketAddr,
    /// The administrator's password is in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    root_password_file: PathBuf,
    /// Where that one is new: the one that the administrator has until now is in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    former_root_password_file: Option<PathBuf>,
    /// How long mongod, and then its election, are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// What `sync setup` did.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing was done")]
struct Ready {
    database: String,
    replica_set_made: bool,
    administrator_made: bool,
    administrator_password_changed: bool,
    user_made: bool,
}

/// Arguments of `sync verify` and `sync rebuild`.
#[derive(Args, Debug)]
pub struct Compare {}

#[derive(Serialize)]
struct Compared {
    log_size: u64,
    collections: Vec<Both>,
    differences: Vec<Named>,
    /// All of them; the first 1,000 are named.
    differences_count: u64,
    mended: u64,
    /// The first 1,000 sealed sessions of which the manifest could not be read: they were not compared.
    unreadable: Vec<lucid_core::SessionId>,
    /// All of them.
    unreadable_count: u64,
}

/// A collection, on both sides.
#[derive(Serialize)]
struct Both {
    collection: &'static str,
    expected: u64,
    stored: u64,
    expected_digest: lucid_core::Hash,
    stored_digest: lucid_core::Hash,
}

#[derive(Serialize)]
struct Named {
    collection: &'static str,
    id: String,
    kind: &'static str,
}

impl SyncCommand {
    /// Does it.
    ///
    /// # Errors
    /// The node's, the store's, and the database's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::Status(reach) => {
                let state: SyncState = reach.open(context)?.get("/api/v1/admin/sync")?;
                context.output.print(&state, status_text)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Verify(Compare {}) => compare(context, false),
            Self::Rebuild(Compare {}) => compare(context, true),
            Self::ReadBack(args) => args.run(context),
            Self::Setup(set_up) => set_up.run(context),
        }
    }
}

impl SetUp {
    fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let options = mongo_options(context)?;
        if !self.at.ip().is_loopback() {
            return Err(Failure::usage(format!(
                "--at {} is no address of loopback: MongoDB takes its first user from its own machine alone",
                self.at
            )));
        }
        let root_password = read_password(&self.root_password_file)?;
        let former = self.former_root_password_file.as_deref().map(read_password).transpose()?;
        let setup = Setup {
            options,
            at: self.at.to_string(),
            root_password,
            former_root_password: former,
            patience: Duration::from_secs(self.wait),
        };
        let done = remote::runtime()?
            .block_on(setup.run())
            .map_err(|fault| Failure::io(format!("MongoDB is not set up: {fault}")))?;
        let ready = Ready {
            database: self.at.to_string(),
            replica_set_made: done.replica_set,
            administrator_made: done.administrator,
            administrator_password_changed: done.root_password,
            user_made: done.user,
        };
        context.output.print(&ready, |ready| {
            let made = |made, there| if made { "made" } else { there };
            let administrator = match ready.administrator_password_changed {
                true => "has its new password",
                false => "was there",
            };
            format!(
                "MongoDB at {} is ready: replica set {}, administrator {}, the node's user {}",
                ready.database,
                made(ready.replica_set_made, "was there"),
                made(ready.administrator_made, administrator),
                made(ready.user_made, "was there and has its password"),
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The password in a file: one line of printable characters. Nothing of it is in the message.
fn read_password(path: &Path) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX as usize + 1));
    let read = File::open(path).and_then(|f| f.take(PASSWORD_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| Failure::io(format!("{}: {error}", path.display())))?;
    let password = Zeroizing::new(text.trim().to_owned());
    match !password.is_empty() && password.bytes().all(|c| c.is_ascii_graphic()) {
        true => Ok(password),
        false => Err(Failure::usage(format!(
            "{} holds no password: one line of printable characters (make one with: openssl rand -hex 32)",
            path.display()
        ))),
    }
}

fn compare(context: &Context, mends: bool) -> Outcome<ExitCode> {
    let sync = sync_of(context, context.open_store()?)?;
    let runtime = remote::runtime()?;
    let bar = Progress::new(context.progress, "comparing", Unit::Items, None);
    // Each collection is counted by itself.
    let before = Mutex::new((None, 0, 0));
    let tell = |progress: lucid_mongo::Progress| {
        let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
        let (collection, sum, last) = *before;
        let sum = if collection == Some(progress.collection) { sum } else { sum + last };
        *before = (Some(progress.collection), sum, progress.documents);
        bar.set(sum + progress.documents);
    };
    let report = runtime.block_on(async {
        let report = sync.compare(mends, &tell).await;
        sync.close().await;
        report
    });
    let report = report.map_err(Failure::io)?;
    drop(bar);
    let is_right = report.is_right() || (mends && report.mended == report.differences_count);
    // Nobody said of what was not compared that it is right.
    let is_right = is_right && report.unreadable_count == 0;
    context.output.print(&compared(report), text)?;
    Ok(if is_right { ExitCode::SUCCESS } else { Class::Check.into() })
}

fn compared(report: Report) -> Compared {
    let collection = |of: lucid_mongo::CollectionReport| Both {
        collection: of.collection.name(),
        expected: of.expected,
        stored: of.stored,
        expected_digest: of.expected_digest,
        stored_digest: of.stored_digest,
    };
    let named = |Difference { collection, id, kind }| Named {
        collection: lucid_mongo::Collection::name(collection),
        id,
        kind: match kind {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Extra => "extra",
            DifferenceKind::Altered => "altered",
            DifferenceKind::Foreign => "foreign",
        },
    };
    Compared {
        log_size: report.log_size,
        collections: report.collections.into_iter().map(collection).collect(),
        differences: report.differences.into_iter().map(named).collect(),
        differences_count: report.differences_count,
        mended: report.mended,
        unreadable: report.unreadable,
        unreadable_count: report.unreadable_count,
    }
}

fn text(compared: &Compared) -> String {
    let mut lines = String::new();
    for of in &compared.collections {
        let same = if of.expected_digest == of.stored_digest { "the same" } else { "DIFFERENT" };
        let (name, stored) = (of.collection, counted(of.stored, "document"));
        lines.push_str(&format!("{name:12}  {stored} of {}, {same}\n", of.expected));
    }
    for Named { collection, id, kind } in &compared.differences {
        lines.push_str(&format!("{kind}: {collection} {id}\n"));
    }
    let more = compared.differences_count.saturating_sub(compared.differences.len() as u64);
    if more > 0 {
        lines.push_str(&format!("and {more} more\n"));
    }
    if compared.unreadable_count > 0 {
        let sessions = counted(compared.unreadable_count, "session");
        lines.push_str(&format!(
            "not compared: {sessions} whose manifest cannot be read here; put it back and compare again\n"
        ));
        for session in &compared.unreadable {
            lines.push_str(&format!("not compared: session {session}\n"));
        }
    }
    if compared.mended > 0 {
        lines.push_str(&format!("{} put right\n", counted(compared.mended, "document")));
    }
    lines
}

fn status_text(state: &SyncState) -> String {
    if !state.enabled {
        return "nothing is synced: no database is configured (mongo_url_file)\n".to_owned();
    }
    let well = match state.is_well {
        None => "not connected yet",
        Some(true) => "going well",
        Some(false) => "STANDING STILL",
    };
    let lag = format!("{}, {} s", counted(state.lag_entries, "entry"), state.lag_seconds);
    let mut rows = vec![
        ("sync", well.to_owned()),
        ("log", counted(state.log_size, "entry")),
        ("behind", lag),
        ("failures", counted(state.faults, "failure")),
    ];
    let failed = state.last_fault.as_ref().zip(state.last_fault_at);
    rows.extend(failed.map(|(what, at)| ("the last", format!("{at}: {what}"))));
    if state.manifests_unreadable > 0 {
        let count = counted(state.manifests_unreadable, "session");
        let text = format!("{count} passed over since the start, as the log says; see sync verify");
        rows.push(("manifests", text));
    }
    rows.extend(state.not_set_up.iter().map(|what| ("not set up", what.clone())));
    let mut text = table(&rows);
    for of in &state.collections {
        let (name, sent) = (&of.collection, counted(of.documents, "document"));
        text.push_str(&format!("{name:12}  up to entry {}, {sent} sent\n", of.entries));
    }
    text
}
