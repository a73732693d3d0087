//! What keeps the next block, or others' transactions in it, waiting: the log's disk, their allowance, the clock.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use lucid_api::Code;
use lucid_chain::{At, ChainError, Transaction, alloy_primitives::Address};

use super::{
    Parts, Running, VmError,
    allowance::{LOOK_AGAIN, Offered},
    clock,
};
use crate::{clock::clock_is_kept, context::now};

impl Parts {
    /// Looks whether the log's disk has room for others' transactions: before each block that may have some, and
    /// now and then.
    pub(super) async fn look_for_room(&self, looked: &mut Option<Instant>) -> Result<(), VmError> {
        let waits = !self.waiting().is_empty();
        if !waits && looked.is_some_and(|looked: Instant| looked.elapsed() < LOOK_AGAIN) {
            return Ok(());
        }
        let has_room = match self.blocks.room().await {
            Ok(()) => true,
            Err(problem) if problem.code == Code::DiskFull => {
                if self.has_room.load(Ordering::Relaxed) {
                    tracing::warn!(why = problem.detail, "others' transactions are not taken");
                }
                false
            }
            Err(problem) => return Err(problem.into()),
        };
        *looked = Some(Instant::now());
        if !self.has_room.swap(has_room, Ordering::Relaxed) && has_room {
            tracing::info!("others' transactions are taken again");
        }
        Ok(())
    }

    /// Whether the next block waits for the clock to be set right.
    pub(super) async fn is_held_back(
        self: &Arc<Self>,
        running: &Arc<Running>,
    ) -> Result<bool, VmError> {
        let header = running.chain.head().header;
        let why = if header.number.0 > 0 && clock::is_gap(now(), header.time) {
            let asked = self.work(|| Ok(clock_is_kept())).await?;
            let is_kept = asked.unwrap_or_else(|error| {
                tracing::warn!(%error, "who keeps the clock right is not known");
                None
            });
            clock::held_back(now(), header.time, is_kept, self.began.elapsed())
        } else {
            None
        };
        let before = std::mem::replace(&mut *self.held_back(), why.clone());
        match (&why, before) {
            (Some(why), None) => tracing::warn!(why, "no block is made"),
            (None, Some(_)) => tracing::info!("blocks are made again"),
            _ => {}
        }
        Ok(why.is_some())
    }

    /// What waits in the pool and may be in the next block.
    pub(super) fn of_others(
        &self,
        running: &Running,
    ) -> Result<Vec<(Transaction, Offered)>, VmError> {
        let of = |account: Address| Ok(running.chain.account(account, At::Latest)?.nonce);
        let mut waiting = self.waiting();
        waiting.expire(now());
        if waiting.is_empty() || !self.has_room.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let candidates = waiting.candidates::<ChainError>(of)?;
        let is_members = |hash| waiting.is_reserved(hash);
        Ok(self.allowance().select(candidates, is_members, Instant::now()))
    }
}
