//! `anchor deploy`: `LucidAnchors` onto TRON.

use std::process::ExitCode;

use clap::Args;
use lucid_core::tron::{Address, Sun};
use lucid_tron::{NewContract, read_abi};
use serde::Serialize;

use crate::{
    commands::{
        online::Online,
        tron::spend::{self, Spending},
    },
    context::Context,
    failure::{Failure, Outcome},
    output::table,
};

/// What it may cost where nobody says more. Its code is some 5 kB, of which each byte takes 200 energy.
const CAP_TRX: u64 = 500;
/// The energy of one call that whoever deployed it pays where the caller's part leaves it anything: none.
const OWNER_ENERGY_MAX: u32 = 10_000_000;

/// Arguments of `anchor deploy`.
#[derive(Args, Debug)]
pub struct Deploy {
    /// The most that it may cost
    #[arg(long, value_name = "TRX", default_value_t = CAP_TRX)]
    fee_max: u64,
    /// Deploy it; without this, what it costs is shown
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Deployed {
    /// Where the contract is, once it was deployed.
    contract: Option<Address>,
    #[serde(flatten)]
    spending: Spending,
}

impl Deploy {
    /// Shows what it costs, and deploys it where that was asked for.
    ///
    /// # Errors
    /// Where there is too little TRX, or it would cost more; the TRON node's.
    pub(super) fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let online = Online::new(context)?;
        let artefact = lucid_chain::contracts::anchors_artefact();
        let artefact = artefact.map_err(|error| Failure::check(error.to_string()))?;
        let abi = read_abi(&artefact.abi).map_err(|error| Failure::check(error.to_string()))?;
        let new = NewContract {
            name: "LucidAnchors".to_owned(),
            abi,
            bytecode: artefact.init_code,
            // The registrar, who is nobody: see the contract's own words.
            arguments: vec![0; 32],
            // Whoever anchors pays.
            caller_percent: 100,
            owner_energy_max: OWNER_ENERGY_MAX,
        };
        let cap = Sun::new(self.fee_max.saturating_mul(Sun::PER_TRX));
        let ready = spend::ready(&online, cap, |terms| terms.create(new.clone()))?;
        let created = ready.transaction.body().creates();
        let spending = match self.yes {
            true => ready.send(&online)?,
            false => ready.spending,
        };
        let contract = created.filter(|_| spending.sent);
        context.output.print(&Deployed { contract, spending }, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(deployed: &Deployed) -> String {
    let mut rows = spend::rows(&deployed.spending);
    if let Some(contract) = deployed.contract {
        rows.push(("contract", contract.to_string()));
        rows.push((
            "next",
            format!("put it into the configuration: tron_contract = \"{contract}\""),
        ));
    }
    table(&rows)
}
