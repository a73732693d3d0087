//! Who can open a backup, on the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use lucid_archive::backup::{Keepers, Opener, SecretString};
use zeroize::Zeroizing;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

/// No identity file and no passphrase is longer.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Whom a backup is encrypted for, and who tries it.
#[derive(Args, Debug)]
pub(super) struct LockArgs {
    #[command(flatten)]
    keepers: KeepersArgs,
    /// Open the backup with this age identity file and read it to its end before it gets its name: one of the
    /// recipients must be that of the file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file", value_hint = ValueHint::FilePath)]
    identity: Option<PathBuf>,
}

/// Whom a backup is encrypted for.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct KeepersArgs {
    /// Encrypt it for the holder of this age recipient (age1…); can be given several times
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Vec<String>,
    /// Encrypt it under the passphrase in this file; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
}

/// What a backup is opened with.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct OpenArgs {
    /// An age identity file, as age-keygen writes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    identity: Option<PathBuf>,
    /// The file with the passphrase; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
}

impl LockArgs {
    /// # Errors
    /// Where a recipient or the passphrase is of no use.
    pub(super) fn keepers(&self, context: &Context) -> Outcome<Keepers> {
        let KeepersArgs { recipient, passphrase_file } = &self.keepers;
        match passphrase_file {
            Some(path) => Ok(Keepers::passphrase(passphrase(context, path)?)?),
            None => Ok(Keepers::recipients(recipient)?),
        }
    }

    /// What it is tried with, where that is asked for.
    ///
    /// # Errors
    /// Where the identities are of no use.
    pub(super) fn trial(&self, context: &Context) -> Outcome<Option<Opener>> {
        let identity = self.identity.as_deref();
        identity.map(|path| Ok(Opener::identities(&read(context, path)?)?)).transpose()
    }
}

impl OpenArgs {
    /// # Errors
    /// Where the identities or the passphrase are of no use.
    pub(super) fn opener(&self, context: &Context) -> Outcome<Opener> {
        match (&self.identity, &self.passphrase_file) {
            (Some(path), _) => Ok(Opener::identities(&read(context, path)?)?),
            (None, Some(path)) => Ok(Opener::passphrase(passphrase(context, path)?)?),
            (None, None) => Err(Failure::usage("give --identity or --passphrase-file")),
        }
    }
}

/// The file's text without its last newline.
fn passphrase(context: &Context, path: &Path) -> Outcome<SecretString> {
    let bytes = read(context, path)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Failure::usage("the passphrase is no text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned().into())
}

/// A small secret file, or standard input. It may be a pipe from a program that asks somebody.
fn read(context: &Context, path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = SECRET_BYTES_MAX + 1;
    let read = context.waiting(|| match path.as_os_str() == "-" {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    })?;
    read.map_err(|error| Failure::io(format!("{} cannot be read: {error}", path.display())))?;
    match bytes.len() as u64 > SECRET_BYTES_MAX {
        true => Err(Failure::usage(format!("{} is too long for a key", path.display()))),
        false => Ok(bytes),
    }
}
