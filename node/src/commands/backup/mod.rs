//! `backup`: everything but chunks in one encrypted file, whether such a file is whole, and a data folder of it.

mod keys;
mod said;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueHint};
use lucid_archive::backup::{self, Expected, Extra, WriteOptions};
use lucid_core::{NodeId, evidence::Evidence};
use lucid_store::Disk;

use self::{
    keys::{LockArgs, OpenArgs},
    said::{Read, Written},
};
use crate::{
    context::{Context, now},
    failure::{Failure, Outcome},
    output::notice,
    progress::{Progress, Unit},
};

/// Bytes of a file that a checkpoint is looked for in: evidence with chunks in it may have more, and another piece will do.
const CHECKPOINT_BYTES_MAX: u64 = 16 << 20;

/// The subcommands of `backup`.
#[derive(Subcommand, Debug)]
pub enum Backup {
    /// Write a backup of the data folder; the node must not run meanwhile
    Create(Create),
    /// Read a backup to its end, and say what it is one of
    Check(Check),
    /// Make the data folder of a backup
    Restore(Check),
}

/// Arguments of `backup create`.
#[derive(Args, Debug)]
pub struct Create {
    /// The file to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    lock: LockArgs,
    /// Another file to put into it, beside the configuration; can be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    with: Vec<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// Arguments of `backup check` and `backup restore`.
#[derive(Args, Debug)]
pub struct Check {
    /// The backup
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    open: OpenArgs,
    /// It must be a backup of this node
    #[arg(long, value_name = "ID")]
    node: Option<NodeId>,
    /// A checkpoint of the node's log that is known elsewhere (a witness, MongoDB, an export): the backup's log must have
    /// it; can be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    newer_checkpoint: Vec<PathBuf>,
}

impl Backup {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Those of [`backup::write`], [`backup::check`] and [`backup::restore`].
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::Create(create) => create.run(context),
            Self::Check(check) => check.run(context, None),
            Self::Restore(check) => check.run(context, Some(&context.config.data)),
        }
    }
}

impl Create {
    fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let mut paths = self.with.clone();
        paths.extend(configuration(context));
        let mut bar = counting(context, "writing the backup");
        let options = WriteOptions {
            keepers: self.lock.keepers(context)?,
            trial: self.lock.trial(context)?,
            extras: paths.into_iter().map(extra).collect::<Outcome<_>>()?,
            replace: self.force,
            at: now(),
            software: concat!("lucid-node ", env!("CARGO_PKG_VERSION")).to_owned(),
            disk: Disk::default(),
            progress: &mut bar,
        };
        let written = backup::write(&context.config.data, &self.file, options)?;
        drop(bar);
        context.output.print(&Written::of(&self.file, written), Written::text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Check {
    fn run(&self, context: &Context, to: Option<&Path>) -> Outcome<ExitCode> {
        let checkpoints = self.newer_checkpoint.iter().map(|path| checkpoint(path));
        let expected =
            Expected { node: self.node, checkpoints: checkpoints.collect::<Outcome<_>>()? };
        let opener = self.open.opener(context)?;
        let mut bar = counting(context, "reading the backup");
        let disk = Disk::default();
        let read = match to {
            None => backup::check(&self.file, &opener, &expected, &mut bar)?,
            Some(to) => backup::restore(&self.file, &opener, to, &expected, &disk, &mut bar)?,
        };
        drop(bar);
        context.output.print(&Read::of(read, to), Read::text)?;
        if to.is_some_and(|data| data.join("tunnels").join("list").exists()) {
            notice(
                "the onion services of that time are published again at the next start, also those that were taken down or \
                 rotated away since: see them with lucid-node tunnel list, end them with tunnel teardown",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The configuration file, where one is read.
fn configuration(context: &Context) -> Option<PathBuf> {
    let file = context.config.settings.iter().find(|setting| setting.name == "config")?;
    file.value.as_ref().map(PathBuf::from)
}

/// A file under its own name, where a backup takes such a name.
fn extra(path: PathBuf) -> Outcome<Extra> {
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name.ok_or_else(|| {
        Failure::usage(format!("{} has no name that a backup can hold", path.display()))
    })?;
    Ok(Extra { name, path })
}

fn checkpoint(path: &Path) -> Outcome<String> {
    let wrong = |why: String| Failure::usage(format!("the checkpoint {}: {why}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.len() > CHECKPOINT_BYTES_MAX {
        return Err(wrong("it is too long for one".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let none = "it is neither a checkpoint, nor evidence, nor what a command of this program printed with one in it";
    checkpoint_in(&text).ok_or_else(|| wrong(none.to_owned()))
}

/// The checkpoint in a text that has one: a note, evidence, or what `ledger head` and `sync read-back` print.
fn checkpoint_in(text: &str) -> Option<String> {
    if let Ok(evidence) = Evidence::parse(text) {
        return Some(evidence.proof.checkpoint_text());
    }
    if let Ok(printed) = serde_json::from_str::<serde_json::Value>(text) {
        return printed["checkpoint"].as_str().map(str::to_owned);
    }
    let from = match text.starts_with("lucid/") {
        true => 0,
        false => text.find("\nlucid/")? + 1,
    };
    // A note's last lines are its signatures.
    let note = text.get(from..)?;
    let end = note.rfind("\n\u{2014} ")? + 1;
    let end = note[end..].find('\n').map_or(note.len(), |line| end + line + 1);
    Some(note[..end].to_owned())
}

/// Progress whose total is known only once the work has begun.
fn counting<'a>(context: &'a Context, doing: &'static str) -> impl FnMut(u64, u64) + use<'a> {
    let mut progress: Option<Progress> = None;
    move |done, total| {
        let begin = || context.progress(doing, Unit::Bytes, Some(total));
        progress.get_or_insert_with(begin).set(done);
    }
}

#[cfg(test)]
mod tests {
    use super::checkpoint_in;

    #[test]
    fn a_checkpoint_is_found_where_it_was_printed() {
        let note = "lucid/00\n3\nroot\n\n\u{2014} lucid/00 sig\n\u{2014} w sig\n";
        let json = serde_json::json!({ "checkpoint": note }).to_string();
        for text in [note.to_owned(), format!("size 3\n\n{note}\nafter\n"), json] {
            assert_eq!(checkpoint_in(&text).as_deref(), Some(note), "{text}");
        }
        for text in ["", "lucid/00\n", "{}", "x\nlucid/00\n3\n"] {
            assert_eq!(checkpoint_in(text), None, "{text}");
        }
    }
}
