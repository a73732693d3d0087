//! What tests do to the chain: accounts, contracts, forks, a pool that is emptied, a clock that jumps.

use std::sync::Arc;

use super::{
    Chain,
    check::BLOCK_MS,
    contract::{ANCHORS, Kind, Token, token_abi},
    journal::Event,
    state::{Account, Permission, State},
};
use crate::{
    address::Address,
    hash::sha256,
    message::{SmartContract, Transaction},
};

/// The most that a clock jumps by, in milliseconds.
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// What becomes of the transactions in blocks that are forked away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forked {
    /// They wait again, before what waited anyway.
    Wait,
    /// They are gone, as if no node but the one that left had seen them.
    Vanish,
}

/// Why a fork cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{asked} blocks cannot be forked away: the last {unsolid} are not solid; make more blocks first"
)]
pub struct ForkError {
    /// How many were to go.
    pub asked: u64,
    /// How many could.
    pub unsolid: u64,
}

impl Chain {
    /// Drops the last blocks. The clock goes on, so that those made in their place are others.
    pub(crate) fn fork(&mut self, count: u64, forked: Forked) -> Result<(), ForkError> {
        let unsolid = self.head_number() - self.solid;
        if count > unsolid {
            return Err(ForkError { asked: count, unsolid });
        }
        let keep = self.blocks.len() - usize::try_from(count).unwrap_or_default();
        let mut loose = Vec::new();
        for block in self.blocks.split_off(keep) {
            let number = block.header.number.unsigned_abs();
            for (transaction, info) in block.transactions.into_iter().zip(block.infos) {
                self.places.remove(&info.id);
                self.note(&transaction, Event::ForkedAway { number });
                loose.push((Transaction { ret: Vec::new(), ..transaction }, info));
            }
        }
        match forked {
            Forked::Wait => {
                loose.extend(std::mem::take(&mut self.pool));
                self.pool = loose.into();
            }
            Forked::Vanish => {
                let reason = || "vanished with its block".to_owned();
                for (transaction, _) in loose {
                    self.note(&transaction, Event::Dropped { reason: reason() });
                }
            }
        }
        self.refill();
        Ok(())
    }

    /// Empties the pool, as when what waits expired before any witness saw it.
    pub(crate) fn clear_pool(&mut self) {
        for (transaction, _) in std::mem::take(&mut self.pool) {
            self.note(&transaction, Event::Dropped { reason: "the pool was cleared".to_owned() });
        }
        self.refill();
    }

    /// Lets time pass without blocks, at most a year.
    pub(crate) fn skip(&mut self, ms: u64) {
        let slots = ms.min(YEAR_MS).cast_signed() / BLOCK_MS;
        self.clock_ms += slots * BLOCK_MS;
    }

    /// Changes the state from outside of the chain's rules: after the head and after each block that a fork
    /// could go back to, as if it had always been so.
    fn change(&mut self, change: impl Fn(&mut State)) {
        let kept = self.blocks.iter_mut().filter_map(|block| block.after.as_mut());
        kept.for_each(|after| change(Arc::make_mut(after)));
        self.refill();
    }

    /// Changes an account, and makes it where it is not there.
    pub(crate) fn account(&mut self, address: Address, change: impl Fn(&mut Account)) {
        let created_ms = self.head().header.timestamp;
        self.change(|state| {
            let made = || Account { created_ms, ..Account::default() };
            change(state.accounts.entry(address).or_insert_with(made));
        });
    }

    /// Says who may sign for an account.
    pub(crate) fn permit(&mut self, owner: Address, keys: Vec<(Address, i64)>, threshold: i64) {
        let permission = Arc::new(Permission { keys, threshold });
        self.account(owner, |account| account.permission = Some(permission.clone()));
    }

    /// Puts a `LucidAnchors` there that nobody created, with the registrar zero.
    pub(crate) fn put_anchors(&mut self) -> Address {
        let definition = SmartContract {
            abi: Some(ANCHORS.abi.clone()),
            bytecode: [ANCHORS.creation.as_slice(), &[0; 32]].concat(),
            name: "LucidAnchors".to_owned(),
            ..SmartContract::default()
        };
        let registrar = [0; 32];
        self.put(definition, &Kind::Anchors { registrar }, &ANCHORS.runtime(registrar))
    }

    /// Puts a token of six decimals there, all of it with `holder`.
    pub(crate) fn put_token(&mut self, holder: Address, supply: u64) -> Address {
        let definition = SmartContract {
            abi: Some(token_abi()),
            name: "TetherToken".to_owned(),
            ..SmartContract::default()
        };
        let balances = [(holder, u128::from(supply))].into();
        // Its code is never run; it only has to be some.
        self.put(definition, &Kind::Token(Token { balances }), b"a token")
    }

    fn put(&mut self, definition: SmartContract, kind: &Kind, code: &[u8]) -> Address {
        let count = self.state().contracts.len();
        let nobody = Address::of_last(&[0; 20]);
        let here = Address::of_contract(&sha256(format!("contract {count}").as_bytes()), nobody);
        let definition = SmartContract {
            origin_address: nobody.bytes().to_vec(),
            consume_user_resource_percent: 100,
            origin_energy_limit: 10_000_000,
            ..definition
        };
        let created_ms = self.head().header.timestamp;
        self.change(|state| {
            state.put_contract(here, definition.clone(), kind.clone(), code.to_vec(), created_ms);
        });
        here
    }
}
