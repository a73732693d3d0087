//! Everything that requests and tests share, under one lock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{chain::Chain, faults::Faults, rules::Rules};

/// The chain, and what a test made of the node around it.
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) faults: Faults,
    /// By how many blocks the node is behind the chain.
    pub(crate) behind: u64,
    /// Requests so far, by path.
    pub(crate) asked: BTreeMap<String, u64>,
}

/// A world with its rules.
pub(crate) struct Shared {
    pub(crate) rules: Rules,
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(rules: Rules, now_ms: i64) -> Self {
        let chain = Chain::new(&rules, now_ms);
        let (faults, asked) = (Faults::default(), BTreeMap::new());
        Self { rules, world: Mutex::new(World { chain, faults, behind: 0, asked }) }
    }

    /// The world, for as long as it is held. One that panicked while it held it has failed its test anyway.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The last block that the node shows.
    pub(crate) fn seen(&self) -> u64 {
        self.chain.head_number().saturating_sub(self.behind)
    }

    /// The last block that it shows as solid.
    pub(crate) fn seen_solid(&self) -> u64 {
        self.seen().min(self.chain.solid_number())
    }
}
