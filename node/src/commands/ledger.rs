//! `ledger`: the log's head, its full check, what can be made anew, and its export.
//!
//! These hold the data folder's lock and open the log for themselves: a store that is opened repairs,
//! and a log that is damaged opens no store.

mod blocks;
mod check;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Subcommand, ValueHint};
use lucid_core::{
    EntryIndex, Hash, NodeId, counted,
    entry::{Entry, UserChanged},
};
use lucid_store::{
    DataFolder, Disk, FolderKind, LogReader, Secrets, StoreError, accounts, db, log,
};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::table,
    progress::{Progress, Unit},
};

/// The subcommands of `ledger`.
#[derive(Subcommand, Debug)]
pub enum Ledger {
    /// Print the node's log key, the log's size and root, and the signed checkpoint
    Head,
    /// Check every entry and tile against the signed root, execute every block again, and list what is wrong
    Check(check::Check),
    /// Make again what comes from the entries: the log's tiles, the database, and altered accounts
    Rebuild,
    /// Write the log as files of the C2SP tlog-tiles layout, for any static web server
    Export {
        /// The folder; one with an earlier export of this log is brought up to date
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
}

impl Ledger {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// The store's and the log's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::Head => head(context),
            Self::Check(check) => check.run(context),
            Self::Rebuild => rebuild(context),
            Self::Export { folder } => export(context, folder),
        }
    }
}

/// A data folder that is locked, and its keys; its log need not open.
struct Locked {
    folder: DataFolder,
    secrets: Secrets,
}

impl Locked {
    fn open(context: &Context) -> Result<Self, StoreError> {
        let folder = DataFolder::open(&context.config.data, FolderKind::Node)?;
        let secrets = folder.join("secrets");
        // The last of the secrets to be made.
        if !secrets.join("kek_id").exists() {
            return Err(folder.lacks("secrets/kek_id"));
        }
        let secrets = Secrets::load(&secrets, context.config.master_key.clone())?;
        Ok(Self { folder, secrets })
    }

    fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn accounts_folder(&self) -> PathBuf {
        self.folder.join("auth")
    }

    fn log(&self) -> Result<LogReader, StoreError> {
        let key = self.secrets.log_key().verifier_key();
        Ok(LogReader::open(&self.log_folder(), key)?)
    }
}

/// Gives `each` the log's changes of accounts and their places, in order. What no entry can be is none.
fn read_changes(
    log: &LogReader,
    each: &mut dyn FnMut(EntryIndex, &UserChanged),
) -> Result<(), StoreError> {
    for (index, bytes) in
        (0..).map(EntryIndex).zip(log.entries(EntryIndex(0)..EntryIndex(log.size()))?)
    {
        if let Ok(Entry::UserChanged(change)) = Entry::parse(&bytes?) {
            each(index, &change);
        }
    }
    Ok(())
}

/// Progress whose total is known only once the work has begun.
fn counting<'a>(context: &'a Context, doing: &'static str) -> impl FnMut(u64, u64) + use<'a> {
    let mut progress: Option<Progress> = None;
    move |done, total| {
        let begin = || context.progress(doing, Unit::Items, Some(total));
        progress.get_or_insert_with(begin).set(done);
    }
}

#[derive(Serialize)]
struct Head {
    node_id: NodeId,
    log_key: String,
    log_size: u64,
    root: Hash,
    checkpoint: String,
    /// Entries of the latest checkpoint that witnesses have cosigned.
    cosigned_size: Option<u64>,
    /// Those of the configured witnesses that did.
    cosigned_by: Vec<String>,
    /// How many of them make it count; 0 where none is configured.
    witness_quorum: u32,
    /// Whether so many have.
    witnessed: bool,
}

fn head(context: &Context) -> Outcome<ExitCode> {
    let locked = Locked::open(context)?;
    let log = locked.log()?;
    let services = &context.config.services;
    let keys: Vec<_> = services.witnesses.iter().map(|witness| witness.key.clone()).collect();
    let by = log.cosigned().map(|cosigned| cosigned.witnesses(&keys)).unwrap_or_default();
    let quorum = services.quorum();
    let head = Head {
        node_id: locked.secrets.node_id(),
        log_key: locked.secrets.log_key().verifier_key().to_string(),
        log_size: log.size(),
        root: log.root(),
        checkpoint: log.published(),
        cosigned_size: log.cosigned().map(|cosigned| cosigned.checkpoint().size),
        cosigned_by: by.iter().map(|key| key.name().to_string()).collect(),
        witness_quorum: quorum,
        witnessed: quorum > 0 && by.len() >= quorum as usize,
    };
    context.output.print(&head, |head| {
        let mut rows = vec![
            ("node", head.node_id.to_string()),
            ("log key", head.log_key.clone()),
            ("size", head.log_size.to_string()),
            ("root", head.root.to_string()),
        ];
        if let Some(size) = head.cosigned_size {
            let by = match head.cosigned_by.as_slice() {
                [] => "none of the configured witnesses".to_owned(),
                names => names.join(", "),
            };
            rows.push(("cosigned", format!("{} by {by}", counted(size, "entry"))));
        }
        if head.witness_quorum > 0 {
            let enough = if head.witnessed { "yes" } else { "no" };
            rows.push(("witnessed", format!("{enough}: {} are asked for", head.witness_quorum)));
        }
        let rows = table(&rows);
        format!("{rows}\n{}", head.checkpoint)
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Rebuilt {
    tiles: u64,
    tiles_rewritten: u64,
    /// Where the database that was there is now.
    database_aside: Option<String>,
    /// Where the accounts are that were there and were not those of the log.
    accounts_aside: Option<String>,
    log_size: u64,
}

fn rebuild(context: &Context) -> Outcome<ExitCode> {
    let locked = Locked::open(context)?;
    let key = locked.secrets.log_key().verifier_key();
    let disk = Disk::default();
    let mut progress = counting(context, "entries");
    let report = log::rebuild_tiles(&locked.log_folder(), key, &disk, &mut progress)?;
    drop(progress);
    let aside = db::set_aside(&locked.folder, &disk)?;
    let log = locked.log()?;
    let altered =
        accounts::check(&locked.accounts_folder(), &disk, &log, |each| read_changes(&log, each))?;
    let accounts_aside = match altered {
        Some(_) => accounts::set_aside(&locked.folder, &disk)?,
        // Sign-ins are in them alone.
        None => None,
    };
    drop(locked);
    // A store that finds it set aside makes it anew from the log, and says so there.
    let store = context.open_store()?;
    let rebuilt = Rebuilt {
        tiles: report.tiles,
        tiles_rewritten: report.rewritten,
        database_aside: aside.map(|path| path.display().to_string()),
        accounts_aside: accounts_aside.map(|path| path.display().to_string()),
        log_size: store.with_log(|log| Ok(log.size()))?,
    };
    context.output.print(&rebuilt, |rebuilt| {
        let Rebuilt { tiles, tiles_rewritten, database_aside, accounts_aside, log_size } = rebuilt;
        let aside = match database_aside {
            Some(path) => format!("; the old one is {path}, and can be removed"),
            None => String::new(),
        };
        let tiles = format!("{tiles_rewritten} of {tiles} were missing or wrong, and are written");
        let database = format!("made anew from {}{aside}", counted(*log_size, "entry"));
        let mut rows = vec![("tiles", tiles), ("database", database)];
        rows.extend(accounts_aside.as_ref().map(|path| {
            let text = "they were not those of the log: the next start makes them anew; the old ones \
                        are";
            ("accounts", format!("{text} {path}"))
        }));
        table(&rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Exported {
    folder: String,
    log_size: u64,
    root: Hash,
    written: u64,
    kept: u64,
}

fn export(context: &Context, folder: &Path) -> Outcome<ExitCode> {
    let locked = Locked::open(context)?;
    let log = locked.log()?;
    let mut progress = counting(context, "files");
    let report = log.export(folder, &mut progress)?;
    drop(progress);
    let exported = Exported {
        folder: folder.display().to_string(),
        log_size: log.size(),
        root: log.root(),
        written: report.written,
        kept: report.kept,
    };
    context.output.print(&exported, |exported| {
        let Exported { folder, log_size, root, written, kept } = exported;
        table(&[
            ("exported", format!("{} to {folder}", counted(*log_size, "entry"))),
            ("files", format!("{written} written, {kept} kept from an earlier export")),
            ("root", root.to_string()),
        ])
    })?;
    Ok(ExitCode::SUCCESS)
}
