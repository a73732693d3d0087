//! How a chain begins: what is fixed then, and what of the configuration no longer counts afterwards.

use std::sync::Arc;

use lucid_chain::{
    Chain, ChainId, Genesis, HISTORY_BLOCKS,
    alloy_primitives::{Address, U256},
    contracts::{Governance, GovernanceInForce, governance::DURATION_MAX},
    logged::genesis_entries,
};
use lucid_core::Hash;
use lucid_store::Tree;

use super::{Parts, Running, VmError};
use crate::context::now;

/// What the node's account has when a chain begins: a thousand million coins of 10^18 wei. A registration
/// costs some 60 millionths of one, and the account gives to whom the operator names.
const COINS: u64 = 1_000_000_000;
/// What every other node's account has: what it sends for a decision costs less than a thousandth of one.
const COINS_OF_OTHERS: u64 = 1_000_000;

pub(super) fn wei(coins: u64) -> U256 {
    U256::from(coins) * U256::from(10).pow(U256::from(18))
}

impl Parts {
    /// How decisions are made on the chain that this node begins: it is the first of the nodes.
    pub(super) fn governance(&self, log_key: Hash) -> Result<Governance, VmError> {
        let own = self.signer.address();
        let mut nodes = vec![(own, log_key)];
        for &(account, key) in &self.options.governance.nodes {
            // One list may serve all of the nodes that are in it.
            match (account == own, key == log_key) {
                (true, true) => {}
                (false, false) => nodes.push((account, key)),
                _ => {
                    let why = format!(
                        "governance_nodes has {account} with another log key than this node, {own} \
                         {log_key}: correct it before the chain begins"
                    );
                    return Err(VmError::Broken(why));
                }
            }
        }
        Ok(Governance { nodes, ..self.options.governance.clone() })
    }

    /// Begins a chain: its genesis, in the log before it is anywhere else.
    pub(super) async fn begin(&self, tree: Tree, chain_id: u64) -> Result<Chain, VmError> {
        let account = self.signer.address();
        let others = self.options.governance.nodes.iter();
        let others = others.map(|(other, _)| (*other, wei(COINS_OF_OTHERS)));
        let genesis = Genesis {
            // A map: the last of an account counts.
            allocations: others.chain([(account, wei(COINS))]).collect(),
            chain_id: ChainId(chain_id),
            coinbase: account,
            time: now(),
        };
        let of_genesis = genesis.clone();
        let chain = self.work(move || Ok(Chain::open(tree, of_genesis, HISTORY_BLOCKS)?)).await?;
        let header = chain.head().header;
        let index = self.append(&genesis_entries(&genesis, &header, now())).await?;
        let places = self.places()?;
        self.work(move || Ok(places.put(header.number, index, &[])?)).await?;
        tracing::info!(chain_id, %account, "the chain begins");
        Ok(chain)
    }

    /// Whether the chain is of this node's account: it was begun with it, its contracts are that account's, and no
    /// other can register in them.
    pub(super) fn check_account(&self, chain: &Chain) -> Result<(), VmError> {
        let (began, account) = (chain.genesis().coinbase, self.signer.address());
        match began == account {
            true => Ok(()),
            false => Err(VmError::AnotherAccount { began, account }),
        }
    }

    /// Says, once at each start, which settings that are fixed when a chain begins are others in the
    /// configuration: the chain's count. The chain goes on without it where it cannot be told.
    pub(super) async fn tell_what_counts(self: &Arc<Self>, running: &Arc<Running>) {
        let (parts, of) = (Arc::clone(self), Arc::clone(running));
        let differing = match self.work(move || parts.differing(&of)).await {
            Ok(differing) => differing,
            Err(error) => {
                tracing::warn!(%error, "whether the configuration is the chain's cannot be told");
                return;
            }
        };
        if !differing.is_empty() {
            let settings = differing.join(", ");
            tracing::warn!(
                settings,
                "these settings differ from what the chain has, and count only when a chain begins"
            );
        }
        if running
            .contracts
            .governance(&running.chain)
            .is_ok_and(|now| now.timelock_delay > DURATION_MAX)
        {
            tracing::warn!(
                "the delay before a decision can be carried out is longer than {DURATION_MAX} s: no decision, not \
                 even one to shorten it, may ever be carried out"
            );
        }
    }

    fn differing(&self, running: &Running) -> Result<Vec<String>, VmError> {
        let Running { chain, contracts, .. } = running;
        let Governance {
            nodes,
            voting_delay,
            voting_period,
            vote_extension,
            quorum_percent,
            timelock_delay,
        } = &self.options.governance;
        let GovernanceInForce {
            voting_delay: delay_now,
            voting_period: period_now,
            vote_extension: extension_now,
            quorum_percent: percent_now,
            timelock_delay: timelock_now,
        } = contracts.governance(chain)?;
        let numbers = [
            ("governance_voting_delay", u64::from(*voting_delay), delay_now),
            ("governance_voting_period", u64::from(*voting_period), period_now),
            ("governance_vote_extension", u64::from(*vote_extension), extension_now),
            ("governance_quorum", u64::from(*quorum_percent), percent_now),
            ("governance_delay", u64::from(*timelock_delay), timelock_now),
        ];
        let mut differing: Vec<_> = numbers
            .iter()
            .filter(|(_, configured, now)| configured != now)
            .map(|(name, configured, now)| format!("{name} ({configured}, the chain has {now})"))
            .collect();
        let chain_id = chain.chain_id().0;
        if let Some(configured) = self.options.chain_id.filter(|configured| *configured != chain_id)
        {
            differing.push(format!("chain_id ({configured}, the chain has {chain_id})"));
        }
        let mut missing = Vec::new();
        for (account, _) in nodes {
            if !contracts.is_node(chain, *account)? {
                missing.push(Address::to_checksum(account, None));
            }
        }
        if !missing.is_empty() {
            let missing = missing.join(" ");
            differing.push(format!("governance_nodes (not among the chain's: {missing})"));
        }
        Ok(differing)
    }
}
