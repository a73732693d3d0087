//! What clients ask of the chain.

mod blocks;
mod call;
mod logs;
mod paths;
mod patience;
mod places;
mod revert;
#[cfg(test)]
mod tests;
mod trace;

use lucid_core::Timestamp;

pub use self::{
    blocks::Included,
    call::{CALL_GAS_MAX, Call, CallError, Called},
    logs::{
        ALTERNATIVES_MAX, LOG_BLOCKS_MAX, LOG_BYTES_MAX, LOGS_MAX, LogEntry, LogFilter, LogPart,
        LogPlace,
    },
    paths::Paths,
    patience::Patience,
    places::{BlockPlace, Places, RegistrationPlace},
    revert::Revert,
    trace::{TRACE_BYTES_MAX, Tracer},
};
use crate::BlockNumber;

/// The state that a question is about. JSON-RPC's "latest", "safe" and "finalized" are [`At::Latest`]:
/// there is one proposer, and a block that was made stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// After the newest block; a call sees that block's number and time.
    Latest,
    /// After the newest block; a call sees the next block's number and this time, or the head's if that is
    /// later. As blocks are made only when there is something to put in them, this is what a contract that
    /// asks for the time has to be asked with.
    Pending(Timestamp),
    /// After this block.
    Number(BlockNumber),
}
