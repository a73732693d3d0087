//! What a transaction does, in words, where it calls one of the chain's contracts.

use alloy_primitives::U256;
use alloy_sol_types::{
    SolCall, SolType,
    sol_data::{Address as AbiAddress, Array, String as AbiString, Uint},
};
use lucid_core::SessionId;

use super::{
    Contracts, Parameter,
    abi::{Anchors, Governor, Members, Registry, Timelock},
    governance::ProposalId,
};
use crate::Transaction;

/// Characters of a text from a transaction that are repeated.
const TEXT_CHARACTERS_MAX: usize = 200;

impl Contracts {
    /// The name of the contract of this chain that is at an address.
    #[must_use]
    pub fn name(&self, address: alloy_primitives::Address) -> Option<&'static str> {
        let Self { anchors, nodes, timelock, parameters, governor } = *self;
        let known = [
            (anchors, "LucidAnchors"),
            (nodes, "NodeRegistry"),
            (timelock, "TimelockController"),
            (parameters, "ParamRegistry"),
            (governor, "LucidGovernor"),
        ];
        known.into_iter().find(|(at, _)| *at == address).map(|(_, name)| name)
    }

    /// What a transaction is to do, as one clause ("registers session …"); nothing where it calls what the
    /// node does not know. That it is to do so does not say that it succeeded.
    #[must_use]
    pub fn words(&self, tx: &Transaction) -> Option<String> {
        let input = tx.input();
        if let Some(created) = tx.creates() {
            return Some(match self.name(created) {
                Some(name) => format!("creates the contract {name}"),
                None => "creates a contract".to_owned(),
            });
        }
        let to = tx.to()?;
        if input.is_empty() {
            return Some(format!("sends {} wei to {to}", tx.value()));
        }
        match self.name(to)? {
            "LucidAnchors" => of_anchors(input),
            "NodeRegistry" => of_nodes(input),
            "ParamRegistry" => of_parameters(input),
            "LucidGovernor" => of_governor(input),
            _ => of_timelock(input),
        }
    }
}

fn of_anchors(input: &[u8]) -> Option<String> {
    if let Ok(call) = Anchors::registerSessionCall::abi_decode_validate(input) {
        let session = SessionId::from_bytes(call.sessionId.0).ok()?;
        return Some(format!("registers session {session}, entry {} of the log", call.logIndex));
    }
    let call = Anchors::anchorCall::abi_decode_validate(input).ok()?;
    let root = lucid_core::Hash(call.root.0);
    Some(format!("writes down the log's root {root} over {} entries", call.size))
}

fn of_nodes(input: &[u8]) -> Option<String> {
    if let Ok(call) = Members::admitCall::abi_decode_validate(input) {
        return Some(format!("admits the node {}", call.account));
    }
    if let Ok(call) = Members::removeCall::abi_decode_validate(input) {
        return Some(format!("removes the node {}", call.account));
    }
    let call = Members::delegateCall::abi_decode_validate(input).ok()?;
    Some(format!("delegates its vote to {}", call.delegatee))
}

fn of_parameters(input: &[u8]) -> Option<String> {
    let call = Registry::setCall::abi_decode_validate(input).ok()?;
    let named = |parameter: &&Parameter| parameter.name() == call.key;
    let key = match super::PARAMETERS.iter().find(named) {
        Some(parameter) => parameter.key.to_owned(),
        None => call.key.to_string(),
    };
    Some(format!("sets the parameter {key} to {}", call.value))
}

fn of_governor(input: &[u8]) -> Option<String> {
    if let Some(arguments) = input.strip_prefix(&Governor::proposeCall::SELECTOR) {
        // The calls themselves are left where they are, as the offsets that they are in the array: a text
        // of some kilobytes can name the same megabytes thousands of times.
        type Arguments = (Array<AbiAddress>, Array<Uint<256>>, Array<Uint<256>>, AbiString);
        let (targets, _, _, description) = Arguments::abi_decode_params(arguments).ok()?;
        let actions = lucid_core::counted(targets.len() as u64, "action");
        return Some(format!("proposes {actions}: {}", shown(&description)));
    }
    let vote = |proposal: U256, support: u8| {
        let how = match support {
            0 => "against",
            1 => "for",
            2 => "abstaining",
            _ => "with an unknown choice",
        };
        Some(format!("votes {how} on proposal {}", ProposalId::from(proposal)))
    };
    if let Ok(call) = Governor::castVoteCall::abi_decode_validate(input) {
        return vote(call.proposalId, call.support);
    }
    if let Ok(call) = Governor::castVoteWithReasonCall::abi_decode_validate(input) {
        return vote(call.proposalId, call.support)
            .map(|vote| format!("{vote}: {}", shown(&call.reason)));
    }
    let known = [
        (Governor::queueCall::SELECTOR, "queues a proposal that has passed"),
        (Governor::executeCall::SELECTOR, "carries out a proposal"),
        (Governor::cancelCall::SELECTOR, "cancels a proposal"),
    ];
    let found = known.into_iter().find(|(selector, _)| input.starts_with(selector));
    found.map(|(_, words)| words.to_owned())
}

fn of_timelock(input: &[u8]) -> Option<String> {
    let known = [
        (Timelock::executeBatchCall::SELECTOR, "carries out what was scheduled"),
        (Timelock::executeCall::SELECTOR, "carries out what was scheduled"),
        (Timelock::cancelCall::SELECTOR, "cancels what was scheduled"),
    ];
    let found = known.into_iter().find(|(selector, _)| input.starts_with(selector));
    found.map(|(_, words)| words.to_owned())
}

/// A text of somebody's in a line of ours: quoted, and not longer than it need be.
fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let begin: String = characters.by_ref().take(TEXT_CHARACTERS_MAX).collect();
    let rest = if characters.next().is_some() { "…" } else { "" };
    format!("{begin:?}{rest}")
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use alloy_sol_types::SolCall;

    use super::*;
    use crate::{Unsigned, testing};

    fn contracts() -> Contracts {
        Contracts::of(testing::signer(0).address())
    }

    fn check(to: Address, input: Vec<u8>, expected: Option<&str>) {
        let call = Unsigned::call(testing::CHAIN, 9, to, input.into());
        let words = contracts().words(&testing::signer(1).sign(call));
        assert_eq!(words.as_deref(), expected);
    }

    #[test]
    fn what_the_node_knows_is_said_and_nothing_else() {
        let Contracts { anchors, nodes, timelock, parameters, governor } = contracts();
        let (id, stranger) = (SessionId::from_random([7; 16]), Address::repeat_byte(5));
        let register = Anchors::registerSessionCall {
            sessionId: id.as_bytes().into(),
            merkleRoot: B256::ZERO,
            manifestHash: B256::ZERO,
            policyHash: B256::ZERO,
            owner: "local".to_owned(),
            plainBytes: 1,
            chunkCount: 1,
            logIndex: 12,
        };
        let registers = format!("registers session {id}, entry 12 of the log");
        check(anchors, register.abi_encode(), Some(&registers));
        check(stranger, register.abi_encode(), None);
        check(anchors, register.abi_encode()[..50].to_vec(), None);
        check(stranger, Vec::new(), Some(&format!("sends 0 wei to {stranger}")));
        let set = Registry::setCall {
            key: super::super::PARAMETERS[0].name(),
            value: U256::from(65_536),
        };
        check(parameters, set.abi_encode(), Some("sets the parameter chunk_bytes to 65536"));
        let admit = Members::admitCall { account: stranger, logKeyHash: B256::ZERO };
        check(nodes, admit.abi_encode(), Some(&format!("admits the node {stranger}")));
        let propose = Governor::proposeCall {
            targets: vec![parameters],
            values: vec![U256::ZERO],
            calldatas: vec![vec![1; 100].into()],
            description: "smaller \u{1b}[31mchunks".to_owned(),
        };
        check(
            governor,
            propose.abi_encode(),
            Some("proposes 1 action: \"smaller \\u{1b}[31mchunks\""),
        );
        let vote = Governor::castVoteCall { proposalId: U256::from(3), support: 1 };
        let words = format!("votes for on proposal {:064x}", 3);
        check(governor, vote.abi_encode(), Some(&words));
        check(governor, vec![1, 2, 3, 4], None);
        let batch = Timelock::executeBatchCall {
            targets: vec![],
            values: vec![],
            payloads: vec![],
            predecessor: B256::ZERO,
            salt: B256::ZERO,
        };
        check(timelock, batch.abi_encode(), Some("carries out what was scheduled"));
        let creation = |nonce| Unsigned {
            to: None,
            ..Unsigned::call(testing::CHAIN, nonce, stranger, vec![1].into())
        };
        let words = |nonce| contracts().words(&testing::signer(0).sign(creation(nonce))).unwrap();
        assert_eq!(words(0), "creates the contract LucidAnchors");
        assert_eq!(words(4), "creates the contract LucidGovernor");
        assert_eq!(words(5), "creates a contract");
    }
}
