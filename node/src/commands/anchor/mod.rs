//! `anchor`: the log's checkpoints on TRON.

mod deploy;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use lucid_api::ports::{AnchorStage, AnchorUnderWay, Anchoring};
use lucid_core::{Timestamp, counted, tron::Sun};

use super::remote::Reach;
use crate::{context::Context, failure::Outcome, output::table};

/// What about anchors.
#[derive(Subcommand, Debug)]
pub enum Anchor {
    /// Show how a running node's anchoring goes: what waits, the anchor on its way, what it costs
    Status(Reach),
    /// Have a running node anchor now, instead of when it is time
    Now(Reach),
    /// Check every anchor that is kept in the data folder; with --online, that TRON has it
    Verify(verify::Verify),
    /// Put the contract LucidAnchors onto TRON: show what it costs, and with --yes do it
    Deploy(deploy::Deploy),
}

impl Anchor {
    /// Does it.
    ///
    /// # Errors
    /// The node's and the store's; where an anchor does not hold.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let (reach, method) = match self {
            Self::Status(reach) => (reach, Method::GET),
            Self::Now(reach) => (reach, Method::POST),
            Self::Verify(command) => return command.run(context),
            Self::Deploy(command) => return command.run(context),
        };
        let anchoring: Anchoring =
            reach.open(context)?.ask(method, "/api/v1/anchors/tron", None)?;
        context.output.print(&anchoring, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(anchoring: &Anchoring) -> String {
    let at = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let Some(network) = &anchoring.network else {
        let error = anchoring.error.as_deref().unwrap_or("no network is configured: tron_network");
        return format!("nothing is anchored: {error}\n");
    };
    let Anchoring { account, contract, waiting_sessions, .. } = anchoring;
    let mut rows = vec![
        ("network", network.clone()),
        ("account", account.map_or_else(|| "none: no key".to_owned(), |it| it.to_string())),
        ("form", contract.map_or_else(|| "memo".to_owned(), |it| format!("contract {it}"))),
        ("anchored", counted(anchoring.anchored_size, "entry")),
        ("waiting", counted(*waiting_sessions, "session")),
        ("due", at(anchoring.due_at)),
        (
            "cost today",
            format!("{} of {}", Sun::new(anchoring.spent_sun), Sun::new(anchoring.spent_sun_max)),
        ),
    ];
    if let Some(under_way) = &anchoring.under_way {
        rows.push(("on its way", way(under_way)));
        rows.extend(under_way.ended.iter().map(|ended| ("came to nothing", ended.clone())));
    }
    if let Some(error) = &anchoring.error {
        rows.push(("stands still", format!("{error} (tried again {})", at(anchoring.retry_at))));
    }
    table(&rows)
}

fn way(under_way: &AnchorUnderWay) -> String {
    let AnchorUnderWay { log_size, stage, tx_id, block_number, sends, .. } = under_way;
    let of = counted(*log_size, "entry");
    let transaction = tx_id.map_or_else(String::new, |id| format!(", transaction {id}"));
    let where_it_is = match (stage, block_number) {
        (AnchorStage::Due, _) => "a transaction is to be built".to_owned(),
        (AnchorStage::Built, _) => "to be sent".to_owned(),
        (AnchorStage::Sent, _) => format!("sent {}", counted(u64::from(*sends), "time")),
        (AnchorStage::Seen, Some(block)) => format!("in block {block}, which is not solid yet"),
        (AnchorStage::Solid, Some(block)) => format!("in block {block}, which is solid"),
        (AnchorStage::Seen | AnchorStage::Solid, None) => "in a block".to_owned(),
    };
    format!("{of}: {where_it_is}{transaction}")
}
