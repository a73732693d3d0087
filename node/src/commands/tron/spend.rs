//! Spending: what a transaction costs is shown first, and nothing is sent without a word.

use std::time::{Duration, Instant};

use lucid_core::tron::{Address, Body, Contract, Sun, Transaction, TransactionId};
use lucid_tron::{
    Asked, Next, Terms, Tron,
    fees::{self, Cost},
};
use serde::Serialize;

use crate::{
    commands::online::Online,
    failure::{Failure, Outcome},
    output::notice,
};

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Longer than it can take to be in a solid block, or in none.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// What a transaction would cost, and what came of it where it was sent.
#[derive(Serialize)]
pub struct Spending {
    /// The network.
    pub network: &'static str,
    /// Who pays.
    pub account: Address,
    /// What it has, in sun.
    pub balance_sun: u64,
    /// Bytes of bandwidth that it takes.
    pub bandwidth: u64,
    /// Energy that it takes.
    pub energy: u64,
    /// The most that its energy may cost, in sun.
    pub fee_limit_sun: u64,
    /// What it costs, in sun.
    pub cost_sun: u64,
    /// Its id.
    pub tx_id: TransactionId,
    /// Whether it was sent.
    pub sent: bool,
    /// The solid block that has it.
    pub block_number: Option<u64>,
    /// What it did cost, in sun.
    pub paid_sun: Option<u64>,
}

/// A transaction that is ready to be sent.
pub struct Ready {
    /// What it costs.
    pub spending: Spending,
    /// What is sent.
    pub transaction: Transaction,
}

/// Makes a transaction ready: `make` gives its body under terms, whose fee limit is at most `cap`.
///
/// # Errors
/// Where no key is configured, the account has too little, or it would cost more; the TRON node's.
pub fn ready(online: &Online, cap: Sun, make: impl Fn(&Terms) -> Body) -> Outcome<Ready> {
    let key = super::key(online)?;
    let owner = key.address();
    let prepared = online.ask(async |tron| prepare(tron, owner, cap, &make).await);
    let (body, cost, balance) = prepared?;
    let transaction = key.sign(&body).map_err(|error| Failure::check(error.to_string()))?;
    let spending = Spending {
        network: online.config().network.name,
        account: owner,
        balance_sun: balance.get(),
        bandwidth: cost.bandwidth,
        energy: cost.energy,
        fee_limit_sun: body.fee_limit.get(),
        cost_sun: cost.total().get(),
        tx_id: transaction.id(),
        sent: false,
        block_number: None,
        paid_sun: None,
    };
    Ok(Ready { spending, transaction })
}

async fn prepare(
    tron: &dyn Tron,
    owner: Address,
    cap: Sun,
    make: &impl Fn(&Terms) -> Body,
) -> Outcome<(Body, Cost, Sun)> {
    let io = |error: lucid_tron::ClientError| Failure::io(error.to_string());
    let asked = tokio::try_join!(
        tron.head(),
        tron.solid_head(),
        tron.parameters(),
        tron.resources(owner),
        tron.account(owner)
    );
    let (head, solid, parameters, resources, account) = asked.map_err(io)?;
    let body = make(&Terms::of_now(owner, &head, &solid));
    let asked = match &body.contract {
        Contract::Transfer(_) => None,
        Contract::Call(call) => Some(Asked::from(call)),
        Contract::Create(creation) => Some(Asked::from(creation)),
    };
    let energy = match asked {
        None => 0,
        Some(asked) => tron.energy(&asked).await.map_err(io)?.units,
    };
    let fee_limit = fees::fee_limit(energy, cap, &parameters)
        .map_err(|error| Failure::check(error.to_string()))?;
    let body = Body { fee_limit: if energy > 0 { fee_limit } else { Sun::ZERO }, ..body };
    let cost = fees::cost(&body, energy, false, &parameters, &resources);
    let balance = account.map_or(Sun::ZERO, |account| account.balance);
    Ok((body, cost, balance))
}

impl Ready {
    /// Sends it, and waits until a solid block has it.
    ///
    /// # Errors
    /// Where it is refused, fails in its block, or expires; the TRON node's. Its id is told before it is sent.
    pub fn send(mut self, online: &Online) -> Outcome<Spending> {
        if self.spending.balance_sun < self.spending.cost_sun {
            let (has, costs) = (self.spending.balance_sun, self.spending.cost_sun);
            let (has, costs) = (Sun::new(has), Sun::new(costs));
            return Err(Failure::check(format!(
                "{} has {has}, and this costs {costs}: send TRX to it",
                self.spending.account
            )));
        }
        let id = self.transaction.id();
        notice(&format!("sending transaction {id}; in a minute or so its block is solid"));
        let said = online.ask(async |tron| tron.broadcast(&self.transaction).await);
        match said {
            Ok(said) => match said.code.next() {
                Next::Wait | Next::LookUp | Next::Unknown => {}
                Next::Again | Next::Rebuild | Next::Refused => {
                    let (code, said) = (said.code.name(), said.said);
                    return Err(Failure::check(format!("TRON refuses it: {code} {said}")));
                }
            },
            // Whether it was sent is not known: it is looked for.
            Err(error) if error.retry() == lucid_tron::Retry::Unknown => {
                notice(&format!("{error}; it may have been sent, and is looked for"));
            }
            Err(error) => return Err(Failure::io(error.to_string())),
        }
        self.spending.sent = true;
        let begun = Instant::now();
        while begun.elapsed() < WAIT_MAX {
            std::thread::sleep(LOOK_EVERY);
            // Whoever is away for a moment is asked again.
            let Ok(Some(info)) = online.ask(async |tron| tron.solid_info(id).await) else {
                continue;
            };
            if let Some(why) = info.failed {
                let (block, fee) = (info.block, info.fee);
                return Err(Failure::check(format!(
                    "transaction {id} failed in block {block}, and cost {fee}: {why}"
                )));
            }
            self.spending.block_number = Some(info.block.0);
            self.spending.paid_sun = Some(info.fee.get());
            return Ok(self.spending);
        }
        Err(Failure::check(format!(
            "transaction {id} was sent, and no solid block has it after {} minutes: look for it in an \
             explorer before you send another one",
            WAIT_MAX.as_secs() / 60
        )))
    }
}

/// The rows of a table.
#[must_use]
pub fn rows(spending: &Spending) -> Vec<(&'static str, String)> {
    let sun = |sun: u64| Sun::new(sun).to_string();
    let mut rows = vec![
        ("network", spending.network.to_owned()),
        ("account", format!("{}, which has {}", spending.account, sun(spending.balance_sun))),
        (
            "takes",
            format!("{} bytes of bandwidth, {} of energy", spending.bandwidth, spending.energy),
        ),
        (
            "costs",
            format!(
                "{}, at most {} for energy",
                sun(spending.cost_sun),
                sun(spending.fee_limit_sun)
            ),
        ),
    ];
    match (spending.sent, spending.block_number) {
        (false, _) => rows.push(("sent", "no: give --yes to send it".to_owned())),
        (true, block) => {
            rows.push(("transaction", spending.tx_id.to_string()));
            rows.extend(block.map(|block| ("block", block.to_string())));
            rows.extend(spending.paid_sun.map(|paid| ("paid", sun(paid))));
        }
    }
    rows
}
