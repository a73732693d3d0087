//! How much others' transactions write: themselves into the log, where everything stays for ever, and what executing
//! them leaves in the chain's database.
//!
//! Gas costs coins and is soon paid, a disk is not: at the base fee a block of 4 MiB costs less than a coin,
//! and blocks follow each other as fast as they are executed. So what others send is let into blocks at a rate
//! that a card bears for years, after a burst that no honest use reaches; the rest waits in the pool. A member's
//! calls of the governor are counted by themselves, so that nobody else's transactions hold a vote up.
//!
//! What executing leaves is counted by gas: a byte of an event costs 8 (G_logdata in the Yellow Paper), a new slot
//! 22,100 (EIP-2929) and is some 1.5 KiB of rows. A transaction of a hundred bytes may write an event of a megabyte, so
//! that counting bytes alone would not do. Gas is the time, too, that a start takes which has to execute everything
//! again.
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

/// What all others together may add: 354 MB a day to the log and twice that to the database, after 32 MiB.
const COMMON: Rates = Rates {
    bytes: Rate { per_second: 4 << 10, burst: 8 << 20 },
    gas: Rate { per_second: 64 << 10, burst: 256 << 20 },
};
/// What one member's calls of the governor may: its longest proposal each half an hour, or a vote each quarter
/// of a minute.
const OF_MEMBER: Rates = Rates {
    bytes: Rate { per_second: 64, burst: 256 << 10 },
    gas: Rate { per_second: 8 << 10, burst: 64 << 20 },
};
/// What a block takes in the log beside its transactions: its header, and the checkpoint over it.
const BLOCK_BYTES: u64 = 1024;

/// So much at once, and so much each second afterwards.
#[derive(Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
}

/// Of bytes in the log, and of gas.
#[derive(Clone, Copy)]
struct Rates {
    bytes: Rate,
    gas: Rate,
}

/// What is left at a time.
#[derive(Clone, Copy)]
struct Left {
    amount: u64,
    at: Instant,
}

impl Left {
    fn all(rate: Rate, at: Instant) -> Self {
        Self { amount: rate.burst, at }
    }

    /// What is left later.
    fn later(self, rate: Rate, at: Instant) -> Self {
        let millis = at.saturating_duration_since(self.at).as_millis();
        let more = u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(rate.per_second);
        // What is less than one is counted the next time.
        match more / 1000 {
            0 => self,
            more => Self { amount: self.amount.saturating_add(more).min(rate.burst), at },
        }
    }

    /// Whether it is all that there can be.
    fn is_all(self, rate: Rate) -> bool {
        self.amount == rate.burst
    }
}

/// What is left of both.
#[derive(Clone, Copy)]
struct Room {
    bytes: Left,
    gas: Left,
}

impl Room {
    fn all(rates: Rates, at: Instant) -> Self {
        Self { bytes: Left::all(rates.bytes, at), gas: Left::all(rates.gas, at) }
    }

    fn later(self, rates: Rates, at: Instant) -> Self {
        Self { bytes: self.bytes.later(rates.bytes, at), gas: self.gas.later(rates.gas, at) }
    }

    fn is_all(self, rates: Rates) -> bool {
        self.bytes.is_all(rates.bytes) && self.gas.is_all(rates.gas)
    }

    /// Takes so much of both, where there is so much of both.
    fn take(&mut self, bytes: u64, gas: u64) -> bool {
        let left = (self.bytes.amount.checked_sub(bytes), self.gas.amount.checked_sub(gas));
        let (Some(bytes), Some(gas)) = left else { return false };
        (self.bytes.amount, self.gas.amount) = (bytes, gas);
        true
    }
}

/// A transaction of others that is offered to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    /// Which.
    pub(super) hash: B256,
    sender: Address,
    bytes: u64,
    /// What it may use, until it is known what it used.
    gas: u64,
    /// A member's call of the governor, by which it is counted.
    is_members: bool,
}

impl Offered {
    /// The same, now that it is known how much gas it used.
    pub(super) fn used(self, gas: u64) -> Self {
        Self { gas, ..self }
    }
}

/// What others may add.
pub(super) struct Allowance {
    common: Room,
    /// Of those who have not all of theirs.
    members: HashMap<Address, Room>,
}

impl Allowance {
    pub(super) fn new(at: Instant) -> Self {
        Self { common: Room::all(COMMON, at), members: HashMap::new() }
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
            let (gas, is_members) = (tx.gas_limit(), is_members(hash));
            let offered = Offered { hash, sender, bytes, gas, is_members };
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
        let (room, rates) = match offered.is_members {
            true => {
                let all = Room::all(OF_MEMBER, at);
                (self.members.entry(offered.sender).or_insert(all), OF_MEMBER)
            }
            false => (&mut self.common, COMMON),
        };
        *room = room.later(rates, at);
        let bytes = offered.bytes + if is_first { BLOCK_BYTES } else { 0 };
        room.take(bytes, offered.gas)
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
        tx_of_gas(from, nonce, bytes, 1)
    }

    fn tx_of_gas(from: u8, nonce: u64, bytes: usize, gas_limit: u64) -> Transaction {
        let (to, input) = (Some(Address::ZERO), Bytes::from(vec![1; bytes]));
        let unsigned =
            Unsigned { chain_id: ChainId(1), nonce, to, value: U256::ZERO, input, gas_limit };
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
        let of_burst = (COMMON.bytes.burst - BLOCK_BYTES) / long(0).raw().len() as u64;
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
        let seconds = (128_000 + 2 * BLOCK_BYTES) / COMMON.bytes.per_second + 1;
        let later = begin + Duration::from_secs(seconds);
        assert_eq!(block(&mut of, &[long(0), long(1)], &[], later), [(1, 0)]);
        let much_later = begin + Duration::from_hours(24);
        assert_eq!(block(&mut of, &all, &[], much_later).len() as u64, of_burst);
        assert!(of.members.is_empty());
    }

    #[test]
    fn a_short_transaction_that_writes_much_is_counted_by_its_gas() {
        const GAS: u64 = 10_700_000;
        let begin = Instant::now();
        let mut of = Allowance::new(begin);
        // Each writes an event of 1 MiB and is 110 bytes long.
        let short = |nonce| tx_of_gas(1, nonce, 10, GAS);
        let all: Vec<_> = (0..100).map(short).collect();
        let of_burst = COMMON.gas.burst / GAS;
        assert_eq!(block(&mut of, &all, &[], begin).len() as u64, of_burst);
        assert_eq!(block(&mut of, &all, &[], begin), []);
        // A member's call is counted by itself here, too, and no further than it may.
        let of_member = OF_MEMBER.gas.burst / GAS;
        assert_eq!(block(&mut of, &all, &[1], begin).len() as u64, of_member);
        let later = begin + Duration::from_secs(GAS / COMMON.gas.per_second + 1);
        assert_eq!(block(&mut of, &all, &[], later), [(1, 0)]);
        // What it may use is kept free for it, and what it did not use is free again.
        let used = |gas: u64| {
            let mut of = Allowance::new(begin);
            let selected = of.select(all.clone(), |_| false, begin);
            of.charge(selected.iter().map(|(_, offered)| offered.used(gas)), begin);
            of.select(all.clone(), |_| false, begin).len() as u64
        };
        assert_eq!(used(0), of_burst);
        assert_eq!(used(GAS / 2), (COMMON.gas.burst - of_burst * (GAS / 2)) / GAS);
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
        let before = of.members.values().next().unwrap().bytes.amount;
        for millis in 1..=1000 {
            let at = begin + Duration::from_millis(millis);
            for left in of.members.values_mut() {
                *left = left.later(OF_MEMBER, at);
            }
        }
        let after = of.members.values().next().unwrap().bytes.amount;
        assert!(after - before >= OF_MEMBER.bytes.per_second * 9 / 10, "{before} {after}");
    }
}
