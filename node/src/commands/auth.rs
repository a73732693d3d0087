//! `auth`: signing in without a wallet at hand, for operators and scripts.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueHint};
use lucid_auth::sign::WalletKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

/// No challenge and no key file is longer.
const INPUT_BYTES_MAX: u64 = 64 << 10;

/// Signing in with a key file.
#[derive(Subcommand, Debug)]
pub enum Auth {
    /// Make a new wallet: 64 hex digits in a file that only you can read
    New(KeyArg),
    /// Print the TRON address of a wallet
    Address(KeyArg),
    /// Sign a challenge: reads what /auth/challenge answered, prints what /auth/login takes
    Sign(KeyArg),
}

/// A wallet's key.
#[derive(Args, Debug)]
pub struct KeyArg {
    /// The file with the wallet's private key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: PathBuf,
}

/// What `/auth/challenge` answers, as far as it is signed.
#[derive(Deserialize)]
struct Challenge {
    message: String,
    nonce: String,
    address: Option<String>,
}

#[derive(Serialize)]
struct Login {
    address: String,
    signature: String,
    nonce: String,
}

#[derive(Serialize)]
struct Wallet {
    address: String,
}

impl Auth {
    /// Does it.
    ///
    /// # Errors
    /// Where the key or the challenge is none, or cannot be read.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::New(KeyArg { key }) => {
                write_key(&key)?;
                let wallet = Wallet { address: read_key(&key)?.address().to_string() };
                context.output.print(&wallet, |wallet| wallet.address.clone())?;
            }
            Self::Address(KeyArg { key }) => {
                let wallet = Wallet { address: read_key(&key)?.address().to_string() };
                context.output.print(&wallet, |wallet| wallet.address.clone())?;
            }
            Self::Sign(KeyArg { key }) => {
                let key = read_key(&key)?;
                let mut text = String::new();
                io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
                let challenge: Challenge = serde_json::from_str(&text).map_err(|error| {
                    Failure::usage(format!("standard input is no challenge: {error}"))
                })?;
                let address = key.address().to_string();
                if let Some(other) = challenge.address.filter(|other| *other != address) {
                    return Err(Failure::usage(format!(
                        "the challenge is for {other}, and the key is that of {address}"
                    )));
                }
                let signature = key.sign(&challenge.message).to_hex();
                let login = Login { address, signature, nonce: challenge.nonce };
                // For the next program, whatever was asked for.
                crate::output::Output { json: true }.print(&login, |_| String::new())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read_key(path: &Path) -> Outcome<WalletKey> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    let read = File::open(path).and_then(|file| file.take(256).read_to_string(&mut text));
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    read.map_err(|error| Failure::io(fault(&error)))?;
    WalletKey::parse(&text).map_err(|error| Failure::usage(fault(&error)))
}

fn write_key(path: &Path) -> Outcome {
    let mut text = WalletKey::generate()?;
    text.push('\n');
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written =
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::io(format!("{}: {error}", path.display())))
}
