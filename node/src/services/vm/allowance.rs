//! How much of others' transactions goes into the log, where everything stays for ever.
//!
//! Gas costs coins and is soon paid, a disk is not: at the base fee a block of 4 MiB costs less than a coin,
//! and blocks follow each other as fast as they are executed. So what others send is let into blocks at a rate
//! that a card bears for years, after a burst that no honest use reaches; the rest waits in the pool. A member's
//! calls of the governor are counted by themselves, so that nobody else's transactions hold a vote up.
//!
//! It is in memory: a start begins with the burst again.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use lucid_chain::{
    Transaction,
    alloy_primitives::{Address, B256},
};

/// What all others together may add: 354 MB a day, some 12 votes a second.
const COMMON: Rate = Rate { bytes_per_second: 4 << 10, burst_bytes: 8 << 20 };
/// What one member's calls of the governor may: its longest proposal each half an hour, or a vote each quarter
/// of a minute.
const OF_MEMBER: Rate = Rate { bytes_per_second: 64, burst_bytes: 256 << 10 };
/// What a block takes in the log beside its transactions: its header, and the checkpoint over it.
const BLOCK_BYTES: u64 = 1024;

/// So many bytes at once, and so many each second afterwards.
#[derive(Clone, Copy)]
struct Rate {
    bytes_per_second: u64,
    burst_bytes: u64,
}

/// What is left at a time.
#[derive(Clone, Copy)]
struct Left {
    bytes: u64,
    at: Instant,
}

impl Left {
    fn all(rate: Rate, at: Instant) -> Self {
        Self { bytes: rate.burst_bytes, at }
    }

    /// What is left later.
    fn later(self, rate: Rate, at: Instant) -> Self {
        let millis = at.saturating_duration_since(self.at).as_millis();
        let more = u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(rate.bytes_per_second);
        // What is less than a byte is counted the next time.
        match more / 1000 {
            0 => self,
            more => Self { bytes: self.bytes.saturating_add(more).min(rate.burst_bytes), at },
        }
    }

    /// Whether it is all that there can be.
    fn is_all(self, rate: Rate) -> bool {
        self.bytes == rate.burst_bytes
    }
}

/// A transaction of others that is offered to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    /// Which.
    pub(super) hash: B256,
    sender: Address,
    bytes: u64,
    /// A member's call of the governor, by which it is counted.
    is_members: bool,
}

/// What others may add.
pub(super) struct Allowance {
    common: Left,
    /// Of those who have not all of theirs.
    members: HashMap<Address, Left>,
}

impl Allowance {
    pub(super) fn new(at: Instant) -> Self {
        Self { common: Left::all(COMMON, at), members: HashMap::new() }
    }

    /// Which of `candidates` there is room for, in their order; of an account none after one that there is no
    /// room for. `is_members` says which are a member's calls of the governor.
    pub(super) fn select(
        &self,
        candidates: Vec<Transaction>,
        is_members: impl Fn(B256) -> bool,
        at: Instant,
    ) -> Vec<(Transaction, Offered)> {
        let mut after = Self { common: self.common, members: self.members.clone() };
        let (mut selected, mut held) = (Vec::new(), HashSet::new());
        for tx in candidates {
            let (hash, sender, bytes) = (tx.hash(), tx.sender(), tx.raw().len() as u64);
            let offered = Offered { hash, sender, bytes, is_members: is_members(hash) };
            if held.contains(&sender) || !after.take(&offered, selected.is_empty(), at) {
                held.insert(sender);
                continue;
            }
            selected.push((tx, offered));
        }
        selected
    }

    /// Counts what is in a block.
    pub(super) fn charge(&mut self, included: impl IntoIterator<Item = Offered>, at: Instant) {
        for (place, offered) in included.into_iter().enumerate() {
            // One that fitted when it was offered fits now.
            self.take(&offered, place == 0, at);
        }
        self.members.retain(|_, left| !left.later(OF_MEMBER, at).is_all(OF_MEMBER));
    }

    /// Takes the room for one, where there is so much.
    fn take(&mut self, offered: &Offered, is_first: bool, at: Instant) -> bool {
        let (left, rate) = match offered.is_members {
            true => {
                let all = Left::all(OF_MEMBER, at);
                (self.members.entry(offered.sender).or_insert(all), OF_MEMBER)
            }
            false => (&mut self.common, COMMON),
        };
        *left = left.later(rate, at);
        let bytes = offered.bytes + if is_first { BLOCK_BYTES } else { 0 };
        match left.bytes.checked_sub(bytes) {
            Some(rest) => {
                left.bytes = rest;
                true
            }
            None => false,
        }
    }
}

/// How long until it is worth looking again, where something waits that there was no room for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use lucid_chain::{
        ChainId, Signer, Unsigned,
        alloy_primitives::{Bytes, U256},
    };

    use super::*;

    fn tx(from: u8, nonce: u64, bytes: usize) -> Transaction {
        let (to, input) = (Some(Address::ZERO), Bytes::from(vec![1; bytes]));
        let unsigned =
            Unsigned { chain_id: ChainId(1), nonce, to, value: U256::ZERO, input, gas_limit: 1 };
        Signer::new(&[from; 32]).unwrap().sign(unsigned)
    }

    /// Of whom how many are selected, which are then in a block.
    fn block(
        of: &mut Allowance,
        candidates: &[Transaction],
        members: &[u8],
        at: Instant,
    ) -> Vec<(u8, u64)> {
        let address = |from: u8| Signer::new(&[from; 32]).unwrap().address();
        let is_members = |hash| {
            let tx = candidates.iter().find(|tx| tx.hash() == hash).unwrap();
            members.iter().any(|member| address(*member) == tx.sender())
        };
        let selected = of.select(candidates.to_vec(), is_members, at);
        of.charge(selected.iter().map(|(_, offered)| *offered), at);
        let name = |tx: &Transaction| (1..9).find(|from| address(*from) == tx.sender()).unwrap();
        selected.iter().map(|(tx, _)| (name(tx), tx.nonce())).collect()
    }

    #[test]
    fn others_have_a_burst_and_then_a_rate_and_members_their_own() {
        let begin = Instant::now();
        let mut of = Allowance::new(begin);
        let long = |nonce| tx(1, nonce, 128_000);
        let all: Vec<_> = (0..80).map(long).collect();
        let of_burst = (COMMON.burst_bytes - BLOCK_BYTES) / long(0).raw().len() as u64;
        assert_eq!(block(&mut of, &all, &[], begin).len() as u64, of_burst);
        // Nothing is left but for a small one of somebody else; of an account nothing is left out.
        let rest = [long(0), tx(1, 1, 10), tx(2, 0, 10)];
        assert_eq!(block(&mut of, &rest, &[], begin), [(2, 0)]);
        // A member's votes are counted by themselves.
        let votes = [tx(1, 0, 128_000), tx(3, 0, 128_000), tx(4, 0, 128_000), tx(3, 1, 9000)];
        assert_eq!(block(&mut of, &votes, &[3, 4], begin), [(3, 0), (4, 0), (3, 1)]);
        let more = [tx(3, 2, 128_000), tx(4, 1, 300)];
        assert_eq!(block(&mut of, &more, &[3, 4], begin), [(4, 1)]);
        // So much comes back in time, and no more than there was.
        let seconds = (128_000 + 2 * BLOCK_BYTES) / COMMON.bytes_per_second + 1;
        let later = begin + Duration::from_secs(seconds);
        assert_eq!(block(&mut of, &[long(0), long(1)], &[], later), [(1, 0)]);
        let much_later = begin + Duration::from_hours(24);
        assert_eq!(block(&mut of, &all, &[], much_later).len() as u64, of_burst);
        assert!(of.members.is_empty());
    }

    #[test]
    fn what_is_offered_and_not_in_a_block_costs_nothing() {
        let begin = Instant::now();
        let mut of = Allowance::new(begin);
        for _ in 0..1000 {
            let offered = of.select(vec![tx(1, 0, 100_000)], |_| false, begin);
            assert_eq!(offered.len(), 1);
        }
        // Looked at so often that less than a byte has come each time, it all comes.
        of.charge(
            of.select(vec![tx(1, 0, 100_000)], |_| true, begin).into_iter().map(|(_, o)| o),
            begin,
        );
        let before = of.members.values().next().unwrap().bytes;
        for millis in 1..=1000 {
            let at = begin + Duration::from_millis(millis);
            for left in of.members.values_mut() {
                *left = left.later(OF_MEMBER, at);
            }
        }
        let after = of.members.values().next().unwrap().bytes;
        assert!(after - before >= OF_MEMBER.bytes_per_second * 9 / 10, "{before} {after}");
    }
}
