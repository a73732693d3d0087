//! One anchor on its way, from due to solid: what is known of it, and what is to be done next.
//!
//! Pure: events come in, the next step comes out. Whoever carries steps out (`super::carry`) makes a
//! changed job durable before it takes the next step, so a crash between any two of them repeats a step at
//! most, and each of them can be repeated.
//!
//! Why there is never a second transaction for one anchor:
//! - A transaction is durable before it is sent, and sending the same bytes again changes nothing: TRON
//!   knows a transaction by its id.
//! - Another one is built only after the one before cannot be in a block any more: it was refused by the
//!   only send there was, so nobody ever had it; or a block later than its expiration is solid and it is in
//!   no solid block, looked for twice.
//! - Refusals of a transaction that an earlier send may have brought to somebody end nothing.
//!
//! Why none is lost: what is not solid is looked for or sent until it is, or cannot be any more.

use lucid_core::{
    Hash, Timestamp,
    tron::{Address, BlockNumber, Sun, TransactionId, anchor::Genesis},
};
use serde::{Deserialize, Serialize};

/// Blocks are made every 3 seconds, by a witness whose clock may be off a little: a transaction is in no
/// block so long after its expiration.
pub const EXPIRY_MARGIN_MS: u64 = 60_000;
/// A node that was asked may lag behind the one that said which block is solid. So a transaction counts as
/// absent only when it was looked for so often, with a pause between.
const ABSENCES: u32 = 2;
/// Attempts of one anchor that are kept; the oldest ended ones are forgotten first.
const ATTEMPTS_KEPT: usize = 8;

/// Where and by whom an anchor is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Id of the network's first block: what tells networks apart.
    pub genesis: Genesis,
    /// Who pays and signs.
    pub from: Address,
    /// The `LucidAnchors` that is called; none for a memo.
    pub contract: Option<Address>,
}

/// A transaction that was built for an anchor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Its signed bytes, in hex.
    pub transaction: String,
    /// Its id.
    pub tx_id: TransactionId,
    /// Where it goes.
    pub target: Target,
    /// When it was built, by the node's clock.
    pub built_at: Timestamp,
    /// No block after this has it, by the chain's clock.
    pub expires_at: Timestamp,
    /// The most it can cost.
    pub fee_max: Sun,
    /// Sends of it that were begun.
    pub sends: u32,
}

/// How an attempt ended without an anchor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// Its only send was refused: nobody has it.
    Refused(String),
    /// No block has it, and none can.
    Expired,
    /// A solid block has it, and it failed there.
    Failed {
        /// The block.
        block: BlockNumber,
        /// Why.
        reason: String,
        /// What that cost.
        fee: Sun,
    },
    /// The configuration names another network now.
    Elsewhere,
}

/// Where an anchor is on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// There is no transaction that could be in a block.
    Due,
    /// There is one, which nobody has been sent.
    Built(Attempt),
    /// It was sent; whether anybody has it is not known, or it is on its way.
    Sent {
        /// The transaction.
        attempt: Attempt,
        /// How often it was absent from the solid blocks after it expired.
        absences: u32,
    },
    /// A block has it that is not solid yet.
    Seen {
        /// The transaction.
        attempt: Attempt,
        /// The block.
        block: BlockNumber,
    },
    /// A solid block has it, and it did what it is for.
    Solid {
        /// The transaction.
        attempt: Attempt,
        /// The block.
        block: BlockNumber,
        /// What it cost.
        fee: Sun,
    },
}

/// An anchor on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The checkpoint that it writes, as the log signed it.
    pub checkpoint: String,
    /// Entries under it.
    pub log_size: u64,
    /// Their root.
    pub log_root: Hash,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// Where it is.
    pub stage: Stage,
    /// Attempts that came to nothing, the latest last.
    pub ended: Vec<(TransactionId, Ending)>,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// Build a transaction.
    Build,
    /// Make known that it is sent now ([`Event::Sending`]), then send it.
    Send(&'a Attempt),
    /// Look whether a block has it.
    Look(&'a Attempt),
    /// Make the proof, keep it, and put the anchor into the log.
    Enter(&'a Attempt, BlockNumber),
}

/// What became known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A transaction was built and signed.
    Built(Attempt),
    /// It is about to be sent.
    Sending,
    /// It was taken, or nobody knows whether it was.
    MaybeTaken,
    /// It was refused.
    Refused(String),
    /// A block has it that is not solid yet.
    InBlock(BlockNumber),
    /// No block has it; the block that is solid has this time.
    InNoBlock(Timestamp),
    /// A solid block has it.
    InSolidBlock {
        /// The block.
        block: BlockNumber,
        /// What it cost.
        fee: Sun,
        /// Why it failed there, if it did.
        failure: Option<String>,
    },
    /// The configuration names another network.
    Elsewhere,
}

impl Job {
    /// An anchor that is due.
    #[must_use]
    pub fn due(checkpoint: String, log_size: u64, log_root: Hash, due_at: Timestamp) -> Self {
        Self { checkpoint, log_size, log_root, due_at, stage: Stage::Due, ended: Vec::new() }
    }

    /// What is to be done next.
    #[must_use]
    pub fn next(&self) -> Step<'_> {
        match &self.stage {
            Stage::Due => Step::Build,
            Stage::Built(attempt) => Step::Send(attempt),
            Stage::Sent { attempt, .. } | Stage::Seen { attempt, .. } => Step::Look(attempt),
            Stage::Solid { attempt, block, .. } => Step::Enter(attempt, *block),
        }
    }

    /// The transaction that may be in a block.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.stage {
            Stage::Due => None,
            Stage::Built(attempt)
            | Stage::Sent { attempt, .. }
            | Stage::Seen { attempt, .. }
            | Stage::Solid { attempt, .. } => Some(attempt),
        }
    }

    /// Takes up what became known. Gives whether the job is another one now and must be made durable.
    ///
    /// What does not fit the stage changes nothing: an answer may come late.
    pub fn apply(&mut self, event: Event) -> bool {
        let before = self.stage.clone();
        self.stage = match (before.clone(), event) {
            (Stage::Due, Event::Built(attempt)) => Stage::Built(attempt),
            (Stage::Built(mut attempt) | Stage::Sent { mut attempt, .. }, Event::Sending) => {
                attempt.sends = attempt.sends.saturating_add(1);
                Stage::Sent { attempt, absences: 0 }
            }
            // The only send there was: nobody has it.
            (Stage::Sent { attempt, .. }, Event::Refused(why)) if attempt.sends == 1 => {
                self.end(&attempt, Ending::Refused(why))
            }
            (
                Stage::Sent { attempt, .. } | Stage::Seen { attempt, .. },
                Event::InSolidBlock { block, fee, failure },
            ) => match failure {
                None => Stage::Solid { attempt, block, fee },
                Some(reason) => self.end(&attempt, Ending::Failed { block, reason, fee }),
            },
            (Stage::Sent { attempt, .. } | Stage::Seen { attempt, .. }, Event::InBlock(block)) => {
                Stage::Seen { attempt, block }
            }
            (Stage::Sent { attempt, absences }, Event::InNoBlock(solid)) => {
                let absences = if attempt.is_over(solid) { absences + 1 } else { 0 };
                match absences >= ABSENCES {
                    true => self.end(&attempt, Ending::Expired),
                    false => Stage::Sent { attempt, absences },
                }
            }
            // The block it was in was forked away.
            (Stage::Seen { attempt, .. }, Event::InNoBlock(_)) => {
                Stage::Sent { attempt, absences: 0 }
            }
            // What proves it there cannot be had from here, even where it is solid.
            (
                Stage::Built(attempt)
                | Stage::Sent { attempt, .. }
                | Stage::Seen { attempt, .. }
                | Stage::Solid { attempt, .. },
                Event::Elsewhere,
            ) => self.end(&attempt, Ending::Elsewhere),
            (stage, _) => stage,
        };
        self.stage != before
    }

    fn end(&mut self, attempt: &Attempt, ending: Ending) -> Stage {
        self.ended.push((attempt.tx_id, ending));
        let over = self.ended.len().saturating_sub(ATTEMPTS_KEPT);
        self.ended.drain(..over);
        Stage::Due
    }
}

impl Attempt {
    /// Whether no block after one of this time can have it.
    #[must_use]
    pub fn is_over(&self, solid: Timestamp) -> bool {
        solid.unix_millis() > self.expires_at.unix_millis().saturating_add(EXPIRY_MARGIN_MS)
    }
}

#[cfg(test)]
mod tests;
