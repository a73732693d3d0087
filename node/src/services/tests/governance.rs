//! Decisions over a real chain and log, as far as they come before a vote: nothing here waits for time. What
//! comes after is tested with the contracts and with whole nodes.

use std::{sync::Arc, time::Duration};

use lucid_api::{
    Code,
    ports::{
        Answer, EvmAddress, EvmBytes, EvmCall, Governance, GovernanceAction, LogsFilter,
        NewProposal, ProposalState, Support, VIEW_CALLS_MAX,
    },
};
use lucid_chain::contracts::{
    Contracts, Governance as Beginning, PARAMETERS,
    governance::{Proposed, vote},
};
use lucid_core::Hash;

use super::{Node, Reach, code, node::Vm};
use crate::services::governance::LocalGovernance;

/// A chain on which nothing is decided while a test runs.
async fn slow(node: &Node) -> Vm {
    let slow = Beginning {
        nodes: Vec::new(),
        voting_delay: 3600,
        voting_period: 86_400,
        vote_extension: 3600,
        quorum_percent: 50,
        timelock_delay: 3600,
    };
    node.vm_that_decides("vm", node.blocks.clone(), slow).await
}

fn set(name: &str, value: u64) -> GovernanceAction {
    GovernanceAction::SetParameter { name: name.to_owned(), value }
}

fn new(title: &str, actions: &[GovernanceAction]) -> NewProposal {
    let (title, description) = (title.to_owned(), "Because.".to_owned());
    NewProposal { title, description, actions: actions.to_vec() }
}

/// The detail of a refusal with this code.
fn refused<T>(answer: Answer<T>, expected: Code) -> String {
    let problem = answer.err().expect("a problem");
    assert_eq!(problem.code, expected, "{problem:?}");
    problem.detail
}

impl Vm {
    /// Once the chain is there, and the node was a member for a second.
    async fn with_decisions(&self, node: &Node) -> Arc<dyn Governance> {
        while self.calls.place().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        node.governance(LocalGovernance::new(self.calls.clone())).await
    }
}

pub(super) async fn what_is_in_force_and_who_decides_is_said(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = slow(&node).await;
    let governance = vm.with_decisions(&node).await;
    let settings = governance.settings().await.unwrap();
    let account = vm.evm.chain().await.unwrap().account;
    let [member] = settings.nodes.as_slice() else { panic!("{settings:?}") };
    assert!(member.this_node && member.since.is_some());
    assert_eq!((&member.account, &settings.account), (&account, &account));
    assert_eq!(Some(member.node_id.as_str()), node.log_origin().await.strip_prefix("lucid/"));
    assert_eq!((settings.node_count, settings.quorum), (1, 1));

    let found = governance.parameters().await.unwrap();
    assert_eq!(found.parameters.len(), PARAMETERS.len());
    for (found, declared) in found.parameters.iter().zip(&PARAMETERS) {
        assert_eq!(found.name, declared.key);
        assert_eq!((found.min, found.max), (declared.min, declared.max));
        assert_eq!((found.zero_is_none, found.since_block), (declared.zero_is_none, 1));
        assert!(!found.about.is_empty(), "{}", found.name);
    }
    // Seven of them, page by page, the newest first.
    let (mut before, mut names) = (None, Vec::new());
    loop {
        let page = governance.history(before, 3).await.unwrap();
        names.extend(page.changes.iter().map(|change| (change.sequence, change.name.clone())));
        assert!(page.changes.iter().all(|change| change.from.is_none() && change.block == 1));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let declared = PARAMETERS.iter().zip(0..).map(|(one, number)| (number, one.key.to_owned()));
    let mut declared: Vec<_> = declared.collect();
    declared.reverse();
    assert_eq!(names, declared);
    for limit in [0, 201] {
        refused(governance.history(None, limit).await, Code::InvalidRequest);
        refused(governance.proposals(None, limit).await, Code::InvalidRequest);
    }
    vm.stop().await;
}

pub(super) async fn proposals_are_made_and_shown_and_survive_a_restart(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = slow(&node).await;
    let governance = vm.with_decisions(&node).await;
    let actions = [set("zstd_level", 5), GovernanceAction::SetQuorum { percent: 51 }];
    let first = governance.propose(new("Squeeze", &actions)).await.unwrap();
    let second = governance.propose(new("Cut", &[set("chunk_bytes", 1 << 20)])).await.unwrap();
    let again = governance.propose(new("Cut", &[set("chunk_bytes", 1 << 20)])).await;
    assert!(refused(again, Code::Conflict).contains("another title"));

    let shown = governance.proposal(first.proposal).await.unwrap();
    let summary = &shown.summary;
    assert_eq!((summary.state, summary.title.as_str()), (ProposalState::Pending, "Squeeze"));
    assert_eq!((summary.block, summary.created_at), (first.block, first.at));
    assert_eq!(summary.state_until, Some(summary.vote_opens_at));
    assert_eq!((shown.description.as_str(), shown.ballots.len()), ("Because.", 0));
    let does: Vec<_> = shown.actions.iter().map(|action| action.action.clone()).collect();
    assert_eq!(does, actions);
    assert_eq!(shown.actions[0].words, "set zstd_level to 5");
    assert_eq!((shown.own_vote.cast, shown.own_vote.eligible), (false, None));

    // Before its time nothing can be done to it but to cancel it.
    let id = first.proposal;
    let opens = summary.vote_opens_at.to_string();
    let early = governance.vote(id, Support::For, String::new()).await;
    assert!(refused(early, Code::Conflict).contains(&opens));
    refused(governance.queue(id).await, Code::Conflict);
    refused(governance.execute(id).await, Code::Conflict);
    let long = "x".repeat(1025);
    refused(governance.vote(id, Support::For, long).await, Code::InvalidRequest);
    let nothing = Hash::of(b"no proposal");
    refused(governance.proposal(nothing).await, Code::NotFound);
    refused(governance.queue(nothing).await, Code::NotFound);
    refused(governance.proposals(Some(nothing), 1).await, Code::NotFound);
    let canceled = governance.cancel(id).await.unwrap();
    let again = refused(governance.cancel(id).await, Code::Conflict);
    assert!(again.contains("canceled"), "{again}");

    let page = governance.proposals(None, 1).await.unwrap();
    assert_eq!((page.proposals[0].id, page.next), (second.proposal, Some(second.proposal)));
    let page = governance.proposals(page.next, 1).await.unwrap();
    assert_eq!((page.proposals[0].id, page.next), (first.proposal, None));
    let state = (page.proposals[0].state, page.proposals[0].state_since);
    assert_eq!(state, (ProposalState::Canceled, canceled.at));

    // All of it again from the chain, which is read from the log: by one who saw it, and by another.
    let before = (governance.proposals(None, 200).await, governance.history(None, 200).await);
    vm.stop().await;
    assert_eq!(code(governance.settings().await), Code::Unavailable);
    // What holds a chain in this process holds its database.
    drop(governance);
    let vm = slow(&node).await;
    let governance = vm.with_decisions(&node).await;
    let after = (governance.proposals(None, 200).await, governance.history(None, 200).await);
    assert_eq!(after, before);
    vm.stop().await;
}

pub(super) async fn what_could_not_be_carried_out_is_not_proposed(reach: Reach) {
    use GovernanceAction::{
        AddNode, Call, RemoveNode, SetQuorum, SetTimelockDelay, SetVoteExtension, SetVotingDelay,
        SetVotingPeriod,
    };
    let node = Node::new(reach).await;
    let vm = slow(&node).await;
    let governance = vm.with_decisions(&node).await;
    let settings = governance.settings().await.unwrap();
    let now = governance.parameters().await.unwrap().parameters[0].value;
    let own = settings.account.clone();
    let other = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned();
    let key = Hash::of(b"log");
    let own_key = settings.nodes[0].log_key_hash;
    let add = |account: &str, log_key_hash| AddNode { account: account.to_owned(), log_key_hash };
    let call = Call {
        target: own.clone(),
        value: "0".to_owned(),
        selector: "0x".to_owned(),
        data: "0x".to_owned(),
    };
    let (invalid, conflict) = (Code::InvalidRequest, Code::Conflict);
    for (action, expected, said) in [
        (set("chunk_byte", 65_536), invalid, "chunk_bytes, zstd_level"),
        (set("chunk_bytes", 65_535), invalid, "from 65536 to 16777216, and not 65535"),
        (set("chunk_bytes", 16_777_217), invalid, "from 65536 to 16777216"),
        (set("chunk_bytes", now), conflict, "already"),
        (set("session_bytes_max", 5), invalid, "or 0 for none"),
        (set("retention_seconds", 0), conflict, "retention_seconds is 0 already"),
        (add(&own, key), conflict, "account already"),
        (add(&other, own_key), conflict, "log key hash already"),
        (add(&other.replace('F', "f"), key), invalid, "checksum"),
        (add("0x12", key), invalid, "40 hex digits"),
        (add(&format!("0x{}", "0".repeat(40)), key), invalid, "zero is no account"),
        (add(&other, Hash([0; 32])), invalid, "zero is no account"),
        (RemoveNode { account: other.clone() }, conflict, "is no member"),
        (RemoveNode { account: own }, conflict, "last member"),
        (SetVotingDelay { seconds: 2_592_001 }, invalid, "from 0 to 2592000"),
        (SetVotingPeriod { seconds: 0 }, invalid, "from 1 to 2592000"),
        (SetVoteExtension { seconds: settings.voting_period_seconds + 1 }, invalid, "at most"),
        (SetQuorum { percent: 0 }, invalid, "from 1 to 100"),
        (SetQuorum { percent: 101 }, invalid, "from 1 to 100"),
        (SetQuorum { percent: settings.quorum_percent }, conflict, "already"),
        (SetTimelockDelay { seconds: u64::MAX }, invalid, "from 0 to 2592000"),
        (call, invalid, "has no words"),
    ] {
        let detail =
            refused(governance.propose(new("T", std::slice::from_ref(&action))).await, expected);
        assert!(detail.contains(said) && detail.starts_with("actions[0]"), "{action:?}: {detail}");
    }
    let good = set("zstd_level", 4);
    let twice = [good.clone(), set("zstd_level", 5)];
    let eleven: Vec<_> = (0..11).map(|value| set("chunk_bytes", 65_536 + value)).collect();
    for (title, description, actions) in [
        ("", "", vec![good.clone()]),
        ("# T", "", vec![good.clone()]),
        ("two\nlines", "", vec![good.clone()]),
        (&"x".repeat(201), "", vec![good.clone()]),
        ("T", "\u{1b}[2J", vec![good.clone()]),
        ("T", &"x".repeat((16 << 10) + 1), vec![good]),
        ("T", "", vec![]),
        ("T", "", twice.to_vec()),
        ("T", "", eleven),
    ] {
        let (title, description) = (title.to_owned(), description.to_owned());
        refused(governance.propose(NewProposal { title, description, actions }).await, invalid);
    }
    assert_eq!(governance.proposals(None, 200).await.unwrap().proposals, []);
    vm.stop().await;
}

pub(super) async fn the_nodes_account_speaks_to_the_governor_for_governance_alone(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = slow(&node).await;
    vm.with_decisions(&node).await;
    let place = vm.calls.place().await.unwrap();
    let contracts = Contracts::of(place.account.0.into());
    let to = |address: lucid_chain::alloy_primitives::Address, input: &[u8]| EvmCall {
        to: EvmAddress(address.0.0),
        input: EvmBytes(input.to_vec().into()),
    };
    let proposed = Proposed::new("T", "", Vec::new());
    let unknown = vote(proposed.id(), lucid_chain::contracts::governance::Support::For, "");
    // Refused before it becomes a transaction, in words.
    let detail = refused(vm.calls.transact(to(contracts.governor, &unknown)).await, Code::Conflict);
    assert!(detail.contains("there is no proposal"), "{detail}");
    let detail = refused(
        vm.calls.transact(to(contracts.governor, &proposed.propose())).await,
        Code::Conflict,
    );
    assert!(detail.contains("at least one action"), "{detail}");
    for other in [contracts.anchors, contracts.timelock, contracts.nodes, contracts.parameters] {
        refused(vm.calls.transact(to(other, &unknown)).await, Code::Forbidden);
    }
    let long = vec![0; 121 << 10];
    refused(vm.calls.transact(to(contracts.governor, &long)).await, Code::InvalidRequest);
    if let Some(another) = &vm.calls_for_another {
        refused(another.transact(to(contracts.governor, &unknown)).await, Code::Forbidden);
        assert_eq!(another.place().await.unwrap().account, place.account, "it may look");
    }
    assert_eq!(vm.calls.place().await.unwrap(), place, "nothing was put into a block");

    let call = to(contracts.governor, &unknown);
    refused(vm.calls.view(vec![call; VIEW_CALLS_MAX + 1]).await, Code::InvalidRequest);
    let filter = |addresses: usize, known| LogsFilter {
        addresses: vec![EvmAddress(contracts.governor.0.0); addresses],
        from: 0,
        to: None,
        known,
    };
    refused(vm.calls.logs(filter(0, None)).await, Code::InvalidRequest);
    refused(vm.calls.logs(filter(17, None)).await, Code::InvalidRequest);
    let another = Hash::of(b"another chain's");
    refused(vm.calls.logs(filter(1, Some((0, another)))).await, Code::Conflict);
    refused(vm.calls.logs(filter(1, Some((9999, another)))).await, Code::Conflict);
    let beyond = LogsFilter { from: 9999, ..filter(1, None) };
    let page = vm.calls.logs(beyond).await.unwrap();
    assert_eq!((page.logs.len(), page.until, page.more), (0, None, false));
    vm.stop().await;
}

/// One that followed another chain begins anew.
pub(super) async fn another_chain_is_followed_from_its_beginning(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = slow(&node).await;
    let governance = vm.with_decisions(&node).await;
    let made = governance.propose(new("Here", &[set("zstd_level", 4)])).await.unwrap();
    let other = Node::new(reach).await;
    let other_vm = slow(&other).await;
    let switch = Arc::new(Switch(std::sync::Mutex::new(vm.calls.clone())));
    let local = LocalGovernance::new(switch.clone());
    assert_eq!(local.proposals(None, 10).await.unwrap().proposals[0].id, made.proposal);
    other_vm.with_decisions(&other).await;
    *switch.0.lock().unwrap() = other_vm.calls.clone();
    assert_eq!(local.proposals(None, 10).await.unwrap().proposals, []);
    assert!(!local.settings().await.unwrap().nodes.is_empty());
    vm.stop().await;
    other_vm.stop().await;
}

/// A chain in the place of which another can be put.
struct Switch(std::sync::Mutex<Arc<dyn lucid_api::ports::ChainCalls>>);

impl Switch {
    fn chain(&self) -> Arc<dyn lucid_api::ports::ChainCalls> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl lucid_api::ports::ChainCalls for Switch {
    async fn place(&self) -> Answer<lucid_api::ports::ChainPlace> {
        self.chain().place().await
    }

    async fn view(&self, calls: Vec<EvmCall>) -> Answer<lucid_api::ports::Viewed> {
        self.chain().view(calls).await
    }

    async fn logs(&self, filter: LogsFilter) -> Answer<lucid_api::ports::LogsPage> {
        self.chain().logs(filter).await
    }

    async fn transact(&self, call: EvmCall) -> Answer<lucid_api::ports::Transacted> {
        self.chain().transact(call).await
    }
}
