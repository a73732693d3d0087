//! What keeps an anchor from going on. Nothing here loses it: it is tried again.

use std::time::Duration;

use lucid_core::tron::{
    Address, Sun, TransactionId, TronError,
    anchor::{AnchorFinding, RecordError},
};

use super::ports::Unavailable;
use crate::{Backoff, ClientError, Retry, WrongNetwork, fees::AboveCap};

/// Why an anchor does not go on, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Hindrance {
    /// There is nothing to sign with.
    #[error(
        "there is no key to pay and sign with: put a TRON account's private key into a file and name it in \
         tron_private_key_file"
    )]
    NoKey,
    /// The TRON node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Another network than the one that is configured.
    #[error(transparent)]
    Network(#[from] WrongNetwork),
    /// The log or the memory.
    #[error(transparent)]
    Port(#[from] Unavailable),
    /// There is no such contract.
    #[error(
        "there is no contract at {0} on this network: deploy one with `lucid-node anchor deploy`, and name \
         it in tron_contract"
    )]
    NoContract(Address),
    /// One call costs more than all anchors of a day may.
    #[error(transparent)]
    AboveCap(#[from] AboveCap),
    /// The day's anchors cost enough.
    #[error(
        "an anchor may cost {needed}, and {spent} of the {cap} that 24 hours may cost are spent: wait, or \
         raise anchor_fee_per_day_max"
    )]
    DailyCap {
        /// What this one may cost.
        needed: Sun,
        /// What the last day's cost.
        spent: Sun,
        /// What a day's may cost.
        cap: Sun,
    },
    /// The account has too little.
    #[error("{account} has {balance}, and an anchor costs {needed}: send TRX to it")]
    OutOfTrx {
        /// Who pays.
        account: Address,
        /// What it has.
        balance: Sun,
        /// What it needs.
        needed: Sun,
    },
    /// A transaction was refused.
    #[error("TRON refuses transaction {id}: {why}")]
    Refused {
        /// Which.
        id: TransactionId,
        /// TRON's code and words.
        why: String,
    },
    /// A transaction is out of date.
    #[error("TRON does not take transaction {id} any more: {why}; another one is built")]
    Outdated {
        /// Which.
        id: TransactionId,
        /// TRON's code and words.
        why: String,
    },
    /// A node of TRON takes nothing for now.
    #[error("TRON does not take transaction {id} for now: {why}; the same one is sent again")]
    NotNow {
        /// Which.
        id: TransactionId,
        /// TRON's code and words.
        why: String,
    },
    /// A transaction failed in its block.
    #[error("transaction {id} is in a block, and failed there: {reason}")]
    Failed {
        /// Which.
        id: TransactionId,
        /// Why.
        reason: String,
    },
    /// A transaction did not come into a block.
    #[error("transaction {0} expired before a block had it: another one is built")]
    Expired(TransactionId),
    /// A transaction is on another network than the one that is configured now.
    #[error(
        "transaction {0} is on the network that was configured before: another one is built on this one"
    )]
    Elsewhere(TransactionId),
    /// The node that was asked does not have the block yet that another one told of.
    #[error("the block of transaction {0} is not there yet")]
    NoBlock(TransactionId),
    /// A transaction cannot be made or read.
    #[error(transparent)]
    Transaction(#[from] TronError),
    /// What was made proves nothing.
    #[error("the anchor's proof does not hold: {0}")]
    Finding(#[from] AnchorFinding),
    /// It cannot be kept.
    #[error("the anchor cannot be kept: {0}")]
    Record(#[from] RecordError),
    /// The log's checkpoint is none.
    #[error("the log's checkpoint: {0}")]
    Checkpoint(#[from] lucid_core::note::NoteError),
}

/// How long to wait before what was hindered is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pauses {
    /// After what passes by itself, mostly.
    pub soon: Backoff,
    /// After what somebody has to change something about.
    pub later: Backoff,
}

impl Default for Pauses {
    fn default() -> Self {
        let soon = Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(2) };
        let later = Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(15) };
        Self { soon, later }
    }
}

impl Hindrance {
    /// How long to wait before it is tried again, after `failures` in a row before this one.
    #[must_use]
    pub fn pause(&self, pauses: &Pauses, failures: u32, random: u32) -> Duration {
        let Pauses { soon, later } = pauses;
        match self {
            Self::Client(error) => {
                let backoff = if error.retry() == Retry::Permanent { later } else { soon };
                let pause = error.retry().pause(backoff, failures, random);
                pause.unwrap_or_else(|| backoff.pause(failures, random))
            }
            Self::Port(_)
            | Self::NotNow { .. }
            | Self::Outdated { .. }
            | Self::NoBlock(_)
            | Self::Elsewhere(_)
            | Self::Expired(_) => soon.pause(failures, random),
            _ => later.pause(failures, random),
        }
    }
}
