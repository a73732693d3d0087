//! `tron`: the node's account on TRON, and spending from it.

pub mod spend;
mod usdt;

use std::{process::ExitCode, sync::Arc};

use clap::Subcommand;
use lucid_core::tron::{Address, Sun};
use lucid_tron::Key;
use serde::Serialize;

use super::online::Online;
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::table,
};

/// What on TRON.
#[derive(Subcommand, Debug)]
pub enum Tron {
    /// Show what the node's account has: TRX, bandwidth, energy, and what things cost now
    Balance,
    /// Send USDT (TRC-20): show what it costs, and with --yes send it
    TransferUsdt(usdt::TransferUsdt),
}

#[derive(Serialize)]
struct Purse {
    network: &'static str,
    account: Address,
    exists: bool,
    balance_sun: u64,
    free_bandwidth: u64,
    staked_bandwidth: u64,
    energy: u64,
    /// Prices in sun.
    price_of_byte: u64,
    price_of_energy: u64,
    price_of_memo: u64,
}

impl Tron {
    /// Does it.
    ///
    /// # Errors
    /// Where no network or key is configured; the TRON node's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        match self {
            Self::Balance => balance(context),
            Self::TransferUsdt(command) => command.run(context),
        }
    }
}

/// The configured key.
///
/// # Errors
/// Where there is none.
pub fn key(online: &Online) -> Outcome<Arc<Key>> {
    online.config().key.clone().ok_or_else(|| {
        Failure::usage(
            "no key is configured: name a file with a TRON account's private key in \
             LUCID_TRON_PRIVATE_KEY_FILE",
        )
    })
}

fn balance(context: &Context) -> Outcome<ExitCode> {
    let online = Online::new(context)?;
    let address = key(&online)?.address();
    let asked = online.ask(async |tron| {
        tokio::try_join!(tron.account(address), tron.resources(address), tron.parameters())
    });
    let (account, resources, parameters) = asked.map_err(|error| Failure::io(error.to_string()))?;
    let purse = Purse {
        network: online.config().network.name,
        account: address,
        exists: account.is_some(),
        balance_sun: account.map_or(0, |account| account.balance.get()),
        free_bandwidth: resources.free_bandwidth,
        staked_bandwidth: resources.staked_bandwidth,
        energy: resources.energy,
        price_of_byte: parameters.byte.get(),
        price_of_energy: parameters.energy.get(),
        price_of_memo: parameters.memo.get(),
    };
    context.output.print(&purse, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(purse: &Purse) -> String {
    let sun = |sun: u64| Sun::new(sun).to_string();
    let there = if purse.exists { "" } else { " (no account yet: it begins with the first TRX)" };
    table(&[
        ("network", purse.network.to_owned()),
        ("account", format!("{}{there}", purse.account)),
        ("balance", sun(purse.balance_sun)),
        ("free bandwidth", format!("{} bytes", purse.free_bandwidth)),
        ("staked bandwidth", format!("{} bytes", purse.staked_bandwidth)),
        ("staked energy", purse.energy.to_string()),
        ("a byte costs", sun(purse.price_of_byte)),
        ("energy costs", sun(purse.price_of_energy)),
        ("a memo costs", sun(purse.price_of_memo)),
    ])
}
