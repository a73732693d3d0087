//! The encoders and decoders against the contracts themselves, on a chain.

use std::collections::BTreeSet;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolEvent, SolInterface};
use lucid_core::{Hash, Parameters, Timestamp};
use serde_json::Value;

use super::*;
use crate::{
    At, Call, CallError, Chain, Receipt, Signer, Unsigned, contracts::Governance as Beginning,
    testing,
};

const DELAY: u64 = 10;
const PERIOD: u64 = 60;
const TIMELOCK: u64 = 20;
const MIB: u64 = 1 << 20;

/// A chain with the contracts and three members, the first three signers; time is the test's.
struct Net {
    chain: Chain,
    contracts: Contracts,
    /// Milliseconds.
    now: u64,
}

impl Net {
    fn new() -> Self {
        let chain = testing::chain();
        let creator = testing::signer(0);
        let contracts = Contracts::of(creator.address());
        let node = |number| (testing::signer(number).address(), Hash::of(&[number]));
        let beginning = Beginning {
            nodes: (0..3).map(node).collect(),
            voting_delay: DELAY as u32,
            voting_period: PERIOD as u32,
            vote_extension: 5,
            quorum_percent: 50,
            timelock_delay: TIMELOCK as u32,
        };
        let creations =
            contracts.creations(creator.address(), &beginning, &Parameters::default()).unwrap();
        let mut net = Self { chain, contracts, now: testing::START };
        let creations = (0..).zip(creations).map(|(nonce, input)| {
            let call = Unsigned::call(net.chain.chain_id(), nonce, Address::ZERO, input);
            creator.sign(Unsigned { to: None, ..call })
        });
        let receipts = net.block(creations.collect());
        assert!(receipts.iter().all(|receipt| receipt.success));
        net.now += 5_000;
        net
    }

    fn block(&mut self, txs: Vec<crate::Transaction>) -> Vec<Receipt> {
        let log = testing::log(self.chain.head().header.number.0 + 1);
        let proposal = self.chain.propose(Timestamp::from_unix_millis(self.now), log, txs).unwrap();
        assert!(proposal.left_out.is_empty());
        let receipts = proposal.receipts.clone();
        self.chain.apply(proposal).unwrap();
        receipts
    }

    /// Calls the governor by a signer; what it logged, or why it refuses.
    fn call(&mut self, by: &Signer, input: Bytes) -> Result<Vec<Event>, String> {
        let (to, at) =
            (self.contracts.governor, At::Pending(Timestamp::from_unix_millis(self.now)));
        let tried =
            Call { from: by.address(), to: Some(to), input: input.clone(), ..Call::default() };
        if let Err(CallError::Reverted { data, .. }) = self.chain.call(&tried, at) {
            return Err(refusal(&data));
        }
        let nonce = self.chain.account(by.address(), At::Latest).unwrap().nonce;
        let tx = by.sign(Unsigned::call(self.chain.chain_id(), nonce, to, input));
        let receipt = self.block(vec![tx]).remove(0);
        assert!(receipt.success, "it went well when it was tried");
        let events = receipt.logs.iter().filter_map(|log| self.contracts.event(log).unwrap());
        Ok(events.collect())
    }

    fn ask(&self, questions: &[Question]) -> Vec<Reply> {
        let calls = questions.iter().map(|question| Call {
            to: Some(question.to),
            input: question.input.clone(),
            ..Call::default()
        });
        let at = At::Pending(Timestamp::from_unix_millis(self.now));
        let (_, called) = self.chain.call_all(&calls.collect::<Vec<_>>(), at).unwrap();
        let reply = |called: Result<crate::Called, CallError>| match called {
            Ok(called) => Ok(called.output),
            Err(CallError::Reverted { data, .. }) => Err(data),
            Err(error) => panic!("{error}"),
        };
        called.into_iter().map(reply).collect()
    }

    fn standing(&self, id: ProposalId, snapshot: u64) -> Standing {
        let replies = self.ask(&Standing::ask(&self.contracts, id, snapshot));
        Standing::read(&self.contracts, replies.as_slice().try_into().unwrap()).unwrap()
    }

    fn vote_of(&self, id: ProposalId, snapshot: u64, account: Address) -> Vote {
        let replies = self.ask(&Vote::ask(&self.contracts, id, snapshot, account));
        Vote::read(&self.contracts, replies.as_slice().try_into().unwrap()).unwrap()
    }

    fn rules(&self) -> Rules {
        let replies = self.ask(&Rules::ask(&self.contracts));
        Rules::read(&self.contracts, replies.as_slice().try_into().unwrap()).unwrap()
    }

    fn proposed(&self, title: &str, actions: &[Action]) -> Proposed {
        let calls = actions.iter().map(|action| action.call(&self.contracts).unwrap());
        Proposed::new(title, "Because.", calls.collect())
    }

    /// Everything from proposing to carrying out.
    fn decide(&mut self, proposed: &Proposed) -> Vec<Event> {
        let members: Vec<_> = (0..2).map(testing::signer).collect();
        self.call(&members[0], proposed.propose()).unwrap();
        self.now += (DELAY + 1) * 1000;
        for member in &members {
            self.call(member, vote(proposed.id(), Support::For, "")).unwrap();
        }
        self.now += (PERIOD + 10) * 1000;
        self.call(&members[0], proposed.queue()).unwrap();
        self.now += TIMELOCK * 1000;
        self.call(&members[0], proposed.execute()).unwrap()
    }
}

fn chunk_bytes(value: u64) -> Action {
    Action::SetParameter { key: "chunk_bytes".to_owned(), value }
}

#[test]
fn a_decision_from_its_proposal_to_its_effect() {
    let mut net = Net::new();
    let members: Vec<_> = (0..3).map(testing::signer).collect();
    let stranger = testing::signer(5);
    let proposed = net.proposed("Smaller chunks", &[chunk_bytes(MIB)]);
    let id = proposed.id();
    let refused = net.call(&stranger, proposed.propose()).unwrap_err();
    assert!(refused.contains("only members propose"), "{refused}");

    let events = net.call(&members[0], proposed.propose()).unwrap();
    let snapshot = net.now / 1000 + DELAY;
    let proposer = members[0].address();
    assert_eq!(events, [Event::Proposed { id, proposer, snapshot, proposed: proposed.clone() }]);
    let again = net.call(&members[0], proposed.propose()).unwrap_err();
    assert!(again.contains("there already") && again.contains("pending"), "{again}");
    let standing = net.standing(id, snapshot);
    assert_eq!((standing.state, standing.quorum), (ProposalState::Pending, None));
    let early = net.call(&members[0], vote(id, Support::For, "")).unwrap_err();
    assert_eq!(early, "the proposal is pending, and this needs one that is active");
    assert_eq!(net.vote_of(id, snapshot, proposer), Vote { cast: false, eligible: None });

    net.now = (snapshot + 1) * 1000;
    let events = net.call(&members[0], vote(id, Support::For, "ja")).unwrap();
    let voted = Event::Voted { id, voter: proposer, support: 1, reason: "ja".to_owned() };
    assert_eq!(events, [voted]);
    let twice = net.call(&members[0], vote(id, Support::For, "")).unwrap_err();
    assert!(twice.contains("voted on this proposal already"), "{twice}");
    let nobody = net.call(&stranger, vote(id, Support::Against, "")).unwrap_err();
    assert!(nobody.contains("was no member"), "{nobody}");
    let late = net.call(&members[0], proposed.cancel()).unwrap_err();
    assert!(late.contains("only until the vote begins"), "{late}");
    net.call(&members[1], vote(id, Support::Against, "")).unwrap();
    net.call(&members[2], vote(id, Support::For, "")).unwrap();
    let standing = net.standing(id, snapshot);
    let votes = (standing.in_favour, standing.against, standing.abstain);
    assert_eq!((votes, standing.quorum, standing.voters), ((2, 1, 0), Some(2), Some(3)));
    assert_eq!(net.vote_of(id, snapshot, proposer), Vote { cast: true, eligible: Some(true) });
    let none = Vote { cast: false, eligible: Some(false) };
    assert_eq!(net.vote_of(id, snapshot, stranger.address()), none);

    net.now = standing.deadline * 1000;
    assert_eq!(net.standing(id, snapshot).state, ProposalState::Active, "to its last second");
    net.now += 1000;
    assert_eq!(net.standing(id, snapshot).state, ProposalState::Succeeded);
    let over = net.call(&members[1], vote(id, Support::For, "")).unwrap_err();
    assert!(over.contains("is succeeded, and this needs one that is active"), "{over}");
    let eta = net.now / 1000 + TIMELOCK;
    let queued = net.call(&stranger, proposed.queue()).unwrap();
    assert_eq!(queued, [Event::Queued { id, eta }]);
    assert_eq!(net.standing(id, snapshot).eta, Some(eta));
    let early = net.call(&stranger, proposed.execute()).unwrap_err();
    assert!(early.contains("the delay is not over"), "{early}");
    net.now = eta * 1000;
    let executed = net.call(&stranger, proposed.execute()).unwrap();
    let key = "chunk_bytes".to_owned();
    let changed = Event::ParameterChanged { key, from: 8 << 20, to: MIB };
    let done = Event::OperationDone(proposed.operation(&net.contracts));
    assert_eq!(executed, [changed, done, Event::Executed(id)]);
    assert_eq!(net.standing(id, snapshot).state, ProposalState::Executed);
    let rules = net.rules();
    assert_eq!(rules.parameters[0].value, MIB);
}

#[test]
fn every_action_does_what_its_words_say() {
    let mut net = Net::new();
    let (newcomer, key) = (testing::signer(4).address(), Hash::of(b"its log"));
    let actions = [
        chunk_bytes(MIB),
        Action::AddNode { account: newcomer, log_key_hash: key },
        Action::RemoveNode { account: testing::signer(2).address() },
        Action::SetVotingPeriod(PERIOD + 1),
        Action::SetVotingDelay(DELAY + 1),
        Action::SetVoteExtension(7),
        Action::SetQuorumPercent(67),
        Action::SetTimelockDelay(TIMELOCK + 1),
    ];
    let proposed = net.proposed("All of it", &actions);
    let read: Vec<_> = proposed.calls.iter().map(|call| Action::of(call, &net.contracts)).collect();
    assert_eq!(read, actions);
    net.decide(&proposed);
    let rules = net.rules();
    let times = (rules.voting_delay, rules.voting_period, rules.vote_extension);
    assert_eq!(times, (DELAY + 1, PERIOD + 1, 7));
    assert_eq!((rules.quorum_percent, rules.timelock_delay), (67, TIMELOCK + 1));
    let members: BTreeSet<_> = rules.members.iter().map(|member| member.account).collect();
    let expected = [testing::signer(0).address(), testing::signer(1).address(), newcomer];
    assert_eq!((members, rules.member_count), (expected.into(), 3));
    assert_eq!(rules.quorum(), 3, "two thirds of three, rounded up");
    assert!(rules.members.contains(&Member { account: newcomer, log_key_hash: key }));
    assert_eq!(rules.parameters.len(), crate::contracts::PARAMETERS.len());
}

#[test]
fn a_delay_beyond_every_bound_is_told_and_survived() {
    let mut net = Net::new();
    let call = |net: &Net, delay: U256, more: &[u8]| {
        let selector = abi::Timelock::updateDelayCall::SELECTOR;
        let data = [selector.as_slice(), &delay.to_be_bytes::<32>(), more].concat();
        ProposedCall { target: net.contracts.timelock, value: U256::ZERO, data: data.into() }
    };
    let longest = U256::from(DURATION_MAX);
    let too_long = longest + U256::from(1);
    for (delay, more, ends) in [
        (longest, vec![], false),
        (too_long, vec![], true),
        (too_long, vec![0; 32], true),
        (U256::MAX, vec![1], true),
    ] {
        let calls = vec![chunk_bytes(MIB).call(&net.contracts).unwrap(), call(&net, delay, &more)];
        let told = Proposed::new("Longer", "", calls).ends_decisions(&net.contracts);
        assert_eq!(told.is_some(), ends, "{delay} {more:?}");
    }
    let elsewhere = ProposedCall { target: net.contracts.nodes, ..call(&net, too_long, &[]) };
    assert_eq!(Proposed::new("T", "", vec![elsewhere]).ends_decisions(&net.contracts), None);
    // One that members made with other tools all the same: everything is still answered.
    let proposed = Proposed::new("Longer", "", vec![call(&net, U256::from(1_u128 << 64), &[])]);
    net.decide(&proposed);
    let most = lucid_core::json::INTEGER_MAX;
    assert_eq!(net.rules().timelock_delay, most);
    assert_eq!(net.contracts.governance(&net.chain).unwrap().timelock_delay, most);
}

#[test]
fn a_text_that_is_no_utf_8_is_carried_out_too() {
    let mut net = Net::new();
    let text = b"# t\xff\xfe\n\nbody";
    let call = chunk_bytes(MIB).call(&net.contracts).unwrap();
    let proposed = Proposed::of(vec![call.clone()], text);
    // What encodes texts here takes UTF-8 alone: as bytes they are encoded the same.
    let arguments =
        (vec![call.target], vec![U256::ZERO], vec![call.data], Bytes::from_static(text));
    let selector = abi::Governor::proposeCall::SELECTOR;
    let input = [selector.as_slice(), &arguments.abi_encode_params()].concat();
    let members: Vec<_> = (0..2).map(testing::signer).collect();
    let events = net.call(&members[0], input.into()).unwrap();
    let [Event::Proposed { id, proposed: read, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((*id, read), (proposed.id(), &proposed));
    assert_eq!((read.id(), read.title()), (*id, "t\u{fffd}\u{fffd}"));
    let read = read.clone();
    net.now += (DELAY + 1) * 1000;
    for member in &members {
        net.call(member, vote(read.id(), Support::For, "")).unwrap();
    }
    net.now += (PERIOD + 10) * 1000;
    net.call(&members[0], read.queue()).unwrap();
    net.now += TIMELOCK * 1000;
    let done = net.call(&members[0], read.execute()).unwrap();
    assert!(done.contains(&Event::Executed(read.id())), "{done:?}");
    assert!(done.contains(&Event::OperationDone(read.operation(&net.contracts))), "{done:?}");
}

#[test]
fn a_proposal_is_canceled_by_its_proposer_before_its_vote() {
    let mut net = Net::new();
    let members: Vec<_> = (0..2).map(testing::signer).collect();
    let proposed = net.proposed("Never mind", &[chunk_bytes(MIB)]);
    net.call(&members[0], proposed.propose()).unwrap();
    let not_its_own = net.call(&members[1], proposed.cancel()).unwrap_err();
    assert!(not_its_own.contains("only who proposed it"), "{not_its_own}");
    let events = net.call(&members[0], proposed.cancel()).unwrap();
    assert_eq!(events, [Event::Canceled(proposed.id())]);
    let nothing = net.proposed("Never proposed", &[chunk_bytes(MIB)]);
    let unknown = net.call(&members[0], nothing.cancel()).unwrap_err();
    assert!(unknown.contains("there is no proposal"), "{unknown}");
}

#[test]
fn what_has_no_words_is_shown_as_it_is() {
    let net = Net::new();
    let Contracts { parameters, governor, nodes, .. } = net.contracts;
    let call = |target, data: Bytes| ProposedCall { target, value: U256::ZERO, data };
    let known = chunk_bytes(5).call(&net.contracts).unwrap();
    let longer: Bytes = [known.data.as_ref(), &[0]].concat().into();
    let key = B256::from([0xff; 32]);
    let no_name = encoded(&abi::Registry::setCall { key, value: U256::from(1) });
    let key = B256::right_padding_from(b"chunk_bytes");
    let too_large = encoded(&abi::Registry::setCall { key, value: U256::MAX });
    for other in [
        call(parameters, Bytes::new()),
        call(parameters, Bytes::from_static(&[1, 2, 3, 4])),
        call(nodes, known.data.clone()),
        call(governor, known.data.clone()),
        call(parameters, longer),
        call(parameters, no_name),
        call(parameters, too_large),
        ProposedCall { value: U256::from(1), ..known.clone() },
    ] {
        let action = Action::of(&other, &net.contracts);
        assert_eq!(action, Action::Call(other.clone()));
        let words = action.to_string();
        assert!(words.contains(&hex::encode_prefixed(&other.data)), "{words}");
    }
    let value = ProposedCall { value: U256::from(7), ..known };
    assert!(Action::of(&value, &net.contracts).to_string().ends_with("and 7 wei"));
}

#[test]
fn titles_and_ids_are_read_back() {
    for (text, title, description) in [
        ("# Title\n\nWhy.\nMore.", "Title", "Why.\nMore."),
        ("Title", "Title", ""),
        ("", "", ""),
        ("## Two\nWhy.", "Two", "Why."),
    ] {
        let proposed = Proposed::of(Vec::new(), text.as_bytes());
        assert_eq!((proposed.title(), proposed.description()), (title, description));
    }
    let proposed = Proposed::new("Title", "", Vec::new());
    assert_eq!(proposed.text, "# Title");
    let id = proposed.id();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(format!("0x{id}").parse(), Ok(id));
    for bad in ["", "0x", "12", &"g".repeat(64), &"0".repeat(65)] {
        assert_eq!(bad.parse::<ProposalId>(), Err(ProposalIdError), "{bad}");
    }
    assert!(ProposalState::ALL.iter().zip(0..).all(|(state, number)| *state as u8 == number));
    assert_eq!((ProposalState::of(8), Support::of(3)), (None, None));
}

/// Every signature that is written here is one of an artefact's ABI, so none of them is misspelt; and every
/// error that a call can meet on its way has words.
#[test]
fn the_abi_is_that_of_the_artefacts() {
    let mut artefacts: BTreeSet<(String, String)> = BTreeSet::new();
    for text in [
        include_str!("../../../../../contracts/artefacts/LucidGovernor.json"),
        include_str!("../../../../../contracts/artefacts/TimelockController.json"),
        include_str!("../../../../../contracts/artefacts/ParamRegistry.json"),
        include_str!("../../../../../contracts/artefacts/NodeRegistry.json"),
        include_str!("../../../../../contracts/artefacts/LucidAnchors.json"),
    ] {
        let artefact: Value = serde_json::from_str(text).unwrap();
        for item in artefact["abi"].as_array().unwrap() {
            let inputs = item["inputs"].as_array().into_iter().flatten();
            let types: Vec<_> = inputs.map(|input| input["type"].as_str().unwrap()).collect();
            let name = item["name"].as_str().unwrap_or_default();
            let kind = item["type"].as_str().unwrap().to_owned();
            artefacts.insert((kind, format!("{name}({})", types.join(","))));
        }
    }
    let has =
        |kind: &str, signature: &str| artefacts.contains(&(kind.to_owned(), signature.to_owned()));
    for event in [
        abi::Governor::ProposalCreated::SIGNATURE,
        abi::Governor::VoteCast::SIGNATURE,
        abi::Governor::VoteCastWithParams::SIGNATURE,
        abi::Governor::ProposalQueued::SIGNATURE,
        abi::Governor::ProposalExecuted::SIGNATURE,
        abi::Governor::ProposalCanceled::SIGNATURE,
        abi::Timelock::CallExecuted::SIGNATURE,
        abi::Timelock::Cancelled::SIGNATURE,
        abi::Registry::ParameterDeclared::SIGNATURE,
        abi::Registry::ParameterChanged::SIGNATURE,
        abi::Members::NodeAdmitted::SIGNATURE,
        abi::Members::NodeRemoved::SIGNATURE,
        abi::Anchors::SessionRegistered::SIGNATURE,
    ] {
        assert!(has("event", event), "{event}");
    }
    for selector in abi::Refusals::RefusalsErrors::selectors() {
        let signature = abi::Refusals::RefusalsErrors::signature_by_selector(selector).unwrap();
        assert!(has("error", signature), "{signature}");
    }
    for call in [
        abi::Governor::GovernorCalls::SIGNATURES,
        abi::Timelock::TimelockCalls::SIGNATURES,
        abi::Registry::RegistryCalls::SIGNATURES,
        abi::Members::MembersCalls::SIGNATURES,
        abi::Anchors::AnchorsCalls::SIGNATURES,
    ]
    .into_iter()
    .flatten()
    {
        assert!(has("function", call), "{call}");
    }
}

#[test]
fn refusals_that_are_not_known_are_not_hidden() {
    for (data, expected) in [
        (Bytes::new(), "does not say why"),
        (Bytes::from_static(&[1, 2, 3, 4, 5]), "0x0102030405"),
        (Bytes::from(vec![7; 5000]), "0x0707"),
    ] {
        let words = refusal(&data);
        assert!(words.contains(expected) && words.len() < 300, "{words}");
    }
}
