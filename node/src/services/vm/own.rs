//! The node's own transactions that somebody waits for, until each is in a block.
//!
//! They are in memory alone: a crash loses them and who waited for them, and whoever asks again is refused
//! by the contract where it was done already. Bounded; a call has its place until it is answered.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lucid_api::{
    Code, Problem,
    ports::{Answer, BlockPlace, Transacted},
};
use lucid_chain::{
    Proposal,
    alloy_primitives::{Address, B256, Bytes},
};
use tokio::sync::oneshot;

use super::calls::place_of;

/// Calls that wait at once. Decisions are few; and so many, with the gas they need, fit into few blocks.
const WAITING_MAX: usize = 64;

/// A call that waits for a block.
#[derive(Clone, Debug)]
pub(super) struct OwnCall {
    /// Which, in the order in which they came.
    pub(super) ticket: u64,
    /// The contract.
    pub(super) to: Address,
    /// Calldata.
    pub(super) input: Bytes,
    /// The most gas.
    pub(super) gas_limit: u64,
}

/// What waits, and who for it.
#[derive(Default)]
pub(super) struct OwnCalls(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    next: u64,
    calls: VecDeque<(OwnCall, oneshot::Sender<Answer<Transacted>>)>,
}

impl OwnCalls {
    /// Takes a call in; gives where its end will be told.
    ///
    /// # Errors
    /// `unavailable` where too many wait.
    pub(super) fn push(
        &self,
        to: Address,
        input: Bytes,
        gas_limit: u64,
    ) -> Answer<oneshot::Receiver<Answer<Transacted>>> {
        let mut queue = self.lock();
        if queue.calls.len() >= WAITING_MAX {
            let detail = format!("{WAITING_MAX} transactions of the node wait already: try again");
            return Err(Problem::new(Code::Unavailable, detail));
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = queue.next;
        queue.next += 1;
        queue.calls.push_back((OwnCall { ticket, to, input, gas_limit }, sender));
        Ok(receiver)
    }

    /// What waits, in order. It goes on waiting.
    pub(super) fn waiting(&self) -> Vec<OwnCall> {
        self.lock().calls.iter().map(|(call, _)| call.clone()).collect()
    }

    /// Tells what became of a call, and forgets it. Nobody may be there to hear it any more.
    pub(super) fn end(&self, ticket: u64, answer: Answer<Transacted>) {
        let mut queue = self.lock();
        let place = queue.calls.iter().position(|(call, _)| call.ticket == ticket);
        if let Some((_, sender)) = place.and_then(|place| queue.calls.remove(place)) {
            let _ = sender.send(answer);
        }
    }

    /// Tells everybody who waits that the chain went away: what they wait for may be in the log, or not.
    pub(super) fn give_up(&self) {
        let calls = std::mem::take(&mut self.lock().calls);
        for (_, sender) in calls {
            let detail = "the chain went away before the transaction was known to be in a block: look \
                          whether it was done before you ask again";
            let _ = sender.send(Err(Problem::new(Code::Unavailable, detail)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Each change of it is one operation of the queue.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a proposal is the node's own.
pub(super) struct Calls {
    /// Its first transactions, so many, without which it is none.
    pub(super) required: usize,
    /// Calls after those, in order.
    pub(super) said: Vec<Said>,
}

/// A call that was offered to a block.
pub(super) struct Said {
    pub(super) call: OwnCall,
    pub(super) hash: B256,
    /// Whether it is in it.
    pub(super) included: bool,
}

/// How a call ended.
pub(super) struct Ended {
    pub(super) hash: B256,
    pub(super) block: BlockPlace,
    pub(super) gas_used: u64,
    pub(super) success: bool,
}

/// How the calls in a block ended.
pub(super) fn ended(proposal: &Proposal, own: Calls) -> Vec<(OwnCall, Ended)> {
    let block = place_of(proposal.block.header.hash(), &proposal.block.header);
    let included = own.said.into_iter().filter(|said| said.included);
    let ended = (own.required..).zip(included).filter_map(|(place, Said { call, hash, .. })| {
        let receipt = proposal.receipts.get(place)?;
        let before = place.checked_sub(1).and_then(|before| proposal.receipts.get(before));
        let before = before.map_or(0, |receipt| receipt.cumulative_gas_used);
        let gas_used = receipt.cumulative_gas_used.saturating_sub(before);
        Some((call, Ended { hash, block, gas_used, success: receipt.success }))
    });
    ended.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_keep_their_order_and_their_ends_are_told_once() {
        let calls = OwnCalls::default();
        let to = Address::repeat_byte(1);
        let mut receivers: Vec<_> =
            (0..3).map(|_| calls.push(to, Bytes::new(), 1).unwrap()).collect();
        let tickets = |calls: &OwnCalls| -> Vec<_> {
            calls.waiting().iter().map(|call| call.ticket).collect()
        };
        assert_eq!(tickets(&calls), [0, 1, 2]);
        // Who gave up waiting does not take the call with it.
        drop(receivers.remove(0));
        assert_eq!(tickets(&calls), [0, 1, 2]);
        let ended = || Err(Problem::new(Code::Conflict, "no"));
        calls.end(0, ended());
        calls.end(1, ended());
        calls.end(1, ended());
        assert_eq!(tickets(&calls), [2]);
        assert_eq!(receivers.remove(0).await.unwrap().unwrap_err().code, Code::Conflict);
        calls.give_up();
        assert_eq!(receivers.remove(0).await.unwrap().unwrap_err().code, Code::Unavailable);
        assert!(calls.waiting().is_empty());
    }

    #[test]
    fn no_more_wait_than_may() {
        let calls = OwnCalls::default();
        let push = || calls.push(Address::ZERO, Bytes::new(), 1);
        let kept: Vec<_> = (0..WAITING_MAX).map(|_| push().unwrap()).collect();
        assert_eq!(push().unwrap_err().code, Code::Unavailable);
        calls.end(0, Err(Problem::internal()));
        assert!(push().is_ok());
        drop(kept);
    }
}
