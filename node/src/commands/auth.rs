//! `auth`: signing in from a command line, with a key file or a Ledger, for operators and scripts.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use lucid_auth::{
    Address,
    ledger::{self, Ledger, Transport},
    message::{self, WalletSignature},
    sign::WalletKey,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::notice,
};

/// No challenge and no key file is longer.
const INPUT_BYTES_MAX: u64 = 64 << 10;

/// Signing in with a key file or a Ledger.
#[derive(Subcommand, Debug)]
pub enum Auth {
    /// Make a new wallet: 64 hex digits in a file that only you can read
    New(KeyArg),
    /// Print the TRON address of a wallet
    Address(AddressArgs),
    /// Sign a challenge: reads what /auth/challenge answered, prints what /auth/login takes
    Sign(WalletArgs),
}

/// A wallet's key.
#[derive(Args, Debug)]
pub struct KeyArg {
    /// The file with the wallet's private key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: PathBuf,
}

/// A wallet: a key file or a Ledger.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("wallet").required(true).args(["key", "ledger"]))]
pub struct WalletArgs {
    /// The file with the wallet's private key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// Use the Ledger that is plugged in, with its TRON app open
    #[arg(long)]
    ledger: bool,
    /// Which of the Ledger's keys, as a BIP-32 path
    #[arg(long, value_name = "PATH", requires = "ledger", conflicts_with = "key", default_value_t)]
    path: ledger::Path,
}

/// Whose address, and whether the device shows it.
#[derive(Args, Debug)]
pub struct AddressArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Show the address on the Ledger too, and wait until it is confirmed there
    #[arg(long, requires = "ledger", conflicts_with = "key")]
    confirm: bool,
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
            Self::Address(AddressArgs { wallet, confirm }) => {
                let address = Signer::open(wallet)?.address(confirm)?.to_string();
                context.output.print(&Wallet { address }, |wallet| wallet.address.clone())?;
            }
            Self::Sign(wallet) => {
                let mut signer = Signer::open(wallet)?;
                let mut text = String::new();
                io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
                let challenge: Challenge = serde_json::from_str(&text).map_err(|error| {
                    Failure::usage(format!("standard input is no challenge: {error}"))
                })?;
                let address = signer.address(false)?.to_string();
                if let Some(other) = challenge.address.filter(|other| *other != address) {
                    return Err(Failure::usage(format!(
                        "the challenge is for {other}, and the key is that of {address}"
                    )));
                }
                let signature = signer.sign(&challenge.message)?.to_hex();
                let login = Login { address, signature, nonce: challenge.nonce };
                // For the next program, whatever was asked for.
                crate::output::Output { json: true }.print(&login, |_| String::new())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What signs.
enum Signer {
    File(WalletKey),
    Ledger(Ledger<Box<dyn Transport>>, ledger::Path),
}

impl Signer {
    fn open(wallet: WalletArgs) -> Outcome<Self> {
        match wallet.key {
            Some(key) => read_key(&key).map(Self::File),
            None => Ok(Self::Ledger(Ledger::new(open_ledger()?), wallet.path)),
        }
    }

    fn address(&mut self, confirm: bool) -> Outcome<Address> {
        match self {
            Self::File(key) => Ok(key.address()),
            Self::Ledger(ledger, path) => {
                let address = ledger.address(path, false)?;
                if !confirm {
                    return Ok(address);
                }
                notice(&format!("confirm on the Ledger, where it shows {address}"));
                Ok(ledger.address(path, true)?)
            }
        }
    }

    fn sign(&mut self, text: &str) -> Outcome<WalletSignature> {
        match self {
            Self::File(key) => Ok(key.sign(text)),
            Self::Ledger(ledger, path) => {
                let hash = hex::encode_upper(message::hash_v2(text));
                notice(&format!(
                    "confirm on the Ledger, where it shows the message hash {hash} (a Nano shows \
                     {}...{})",
                    &hash[..4],
                    &hash[60..]
                ));
                Ok(ledger.sign(path, text)?)
            }
        }
    }
}

#[cfg(feature = "ledger")]
fn open_ledger() -> Outcome<Box<dyn Transport>> {
    Ok(Box::new(ledger::device::Device::open()?))
}

#[cfg(not(feature = "ledger"))]
fn open_ledger() -> Outcome<Box<dyn Transport>> {
    Err(Failure::usage(
        "this build has no Ledger support; one that has is built by \
         `cargo build --release --features ledger`",
    ))
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
