// LucidGovernor with its timelock and registries: a decision from its proposal to its effect, and who may
// take part in it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ethers } from "./chain.mjs";
import {
  ABSTAIN, AGAINST, CANDIDATES, decide, deployed, FOR, key, member, NODES, Proposal, stateBitmap, stateNumber,
  STRANGER, TIMELOCK_DELAY, VOTE_EXTENSION, VOTING_DELAY, VOTING_PERIOD,
} from "./deployment.mjs";

const [FIRST, SECOND, THIRD] = NODES;
const [CANDIDATE, SECOND_CANDIDATE] = CANDIDATES;
const CHUNK = key("chunk_bytes");
const ONE_MIB = 1_048_576n;

const smaller = (net, value = ONE_MIB) =>
  new Proposal(net, `Cut chunks of ${value} bytes`, [net.params, "set", CHUNK, value]);

const unexpected = (proposal, state, ...allowed) => [
  "GovernorUnexpectedProposalState", proposal.id, stateNumber(state), stateBitmap(...allowed),
];

/** What the timelock says of a proposal's operation that is not in the state it must be in. */
async function notReady(net, proposal) {
  const id = await net.timelock.read("hashOperationBatch", ...proposal.operation);
  return ["TimelockUnexpectedOperationState", id, ethers.toBeHex(1 << 2, 32)]; // must be ready
}

test("a decision from its proposal to its effect", async () => {
  const net = await deployed();
  const { chain, governor, params } = net;
  const proposal = smaller(net);
  const proposed = (await proposal.propose(FIRST)).done();
  const [event] = proposed.events(governor, "ProposalCreated");
  const snapshot = chain.now + VOTING_DELAY;
  assert.deepEqual(event, [
    proposal.id, FIRST.address, proposal.calls[0], [0n], [""], proposal.calls[2], snapshot,
    snapshot + VOTING_PERIOD, proposal.description,
  ]);
  assert.equal(await proposal.state(), "Pending");
  (await proposal.vote(FIRST, FOR)).reverted(...unexpected(proposal, "Pending", "Active"));

  chain.now = snapshot + 1n;
  assert.equal(await proposal.state(), "Active");
  const voted = (await proposal.vote(FIRST, FOR)).done();
  assert.deepEqual(voted.events(governor, "VoteCast"), [[FIRST.address, proposal.id, 1n, 1n, ""]]);
  (await proposal.vote(SECOND, AGAINST)).done();
  (await proposal.vote(THIRD, FOR)).done();
  assert.deepEqual(await governor.read("proposalVotes", proposal.id), [1n, 2n, 0n]);
  (await proposal.queue(FIRST)).reverted(...unexpected(proposal, "Active", "Succeeded"));

  chain.now = snapshot + VOTING_PERIOD;
  assert.equal(await proposal.state(), "Active");
  chain.now += 1n;
  assert.equal(await proposal.state(), "Succeeded");
  (await proposal.execute(FIRST)).reverted(...unexpected(proposal, "Succeeded", "Queued"));
  const queued = (await proposal.queue(STRANGER)).done();
  const eta = chain.now + TIMELOCK_DELAY;
  assert.deepEqual(queued.events(governor, "ProposalQueued"), [[proposal.id, eta]]);
  assert.equal(await proposal.state(), "Queued");

  chain.now = eta - 1n;
  (await proposal.execute(FIRST)).reverted(...(await notReady(net, proposal)));
  assert.equal(await params.read("get", CHUNK), 8_388_608n);
  chain.now = eta;
  const executed = (await proposal.execute(STRANGER)).done();
  assert.deepEqual(executed.events(params, "ParameterChanged"), [[CHUNK, 8_388_608n, ONE_MIB]]);
  assert.deepEqual(executed.events(governor, "ProposalExecuted"), [[proposal.id]]);
  assert.equal(await proposal.state(), "Executed");
  assert.equal(await params.read("get", CHUNK), ONE_MIB);
  (await proposal.execute(STRANGER)).reverted(...unexpected(proposal, "Executed", "Queued"));
  (await proposal.propose(FIRST)).reverted(...unexpected(proposal, "Executed"));
});

test("a decision that is out of bounds fails when it is carried out, and says why", async () => {
  const net = await deployed();
  const proposal = await smaller(net, 65_535n).ready();
  for (const again of [1, 2]) {
    const receipt = await proposal.execute(STRANGER);
    receipt.reverted("ParameterOutOfBounds", CHUNK, 65_535n, 65_536n, 16_777_216n);
    assert.equal(await proposal.state(), "Queued", `try ${again}`);
  }
  assert.equal(await net.params.read("get", CHUNK), 8_388_608n);
});

test("of several calls in a decision all take effect or none", async () => {
  const net = await deployed();
  const level = key("zstd_level");
  const bad = await decide(net, "Two", [net.params, "set", level, 5n], [net.params, "set", CHUNK, 1n]);
  bad.reverted("ParameterOutOfBounds", CHUNK, 1n, 65_536n, 16_777_216n);
  assert.equal(await net.params.read("get", level), 3n);
  (await decide(net, "Both", [net.params, "set", level, 5n], [net.params, "set", CHUNK, ONE_MIB])).done();
  assert.deepEqual([await net.params.read("get", level), await net.params.read("get", CHUNK)], [5n, ONE_MIB]);
});

test("half of three nodes is two", async () => {
  const net = await deployed();
  const { chain, governor } = net;
  assert.equal(await governor.read("quorum", chain.now - 1n), 2n);
  for (const [votes, end] of [
    [[FOR], "Defeated"],
    [[FOR, AGAINST], "Defeated"], // who is against is no part of the quorum
    [[FOR, ABSTAIN], "Succeeded"],
    [[FOR, FOR], "Succeeded"],
    [[ABSTAIN, ABSTAIN, ABSTAIN], "Defeated"],
    [[FOR, AGAINST, ABSTAIN], "Defeated"], // a tie
  ]) {
    const proposal = await new Proposal(net, `${votes}`, [net.params, "set", CHUNK, ONE_MIB]).opened();
    for (const [i, vote] of votes.entries()) (await proposal.vote(NODES[i], vote)).done();
    chain.now += VOTING_PERIOD + VOTE_EXTENSION;
    assert.equal(await proposal.state(), end, `${votes}`);
  }
});

test("a quorum reached late leaves time to answer", async () => {
  const net = await deployed();
  const { chain, governor } = net;
  const proposal = await smaller(net).opened();
  const deadline = await governor.read("proposalDeadline", proposal.id);
  (await proposal.vote(FIRST, FOR)).done();
  chain.now = deadline - 10n;
  const late = (await proposal.vote(SECOND, FOR)).done();
  const extended = chain.now + VOTE_EXTENSION;
  assert.deepEqual(late.events(governor, "ProposalExtended"), [[proposal.id, extended]]);
  assert.equal(await governor.read("proposalDeadline", proposal.id), extended);
  chain.now = deadline + 1n;
  assert.equal(await proposal.state(), "Active");
  chain.now = extended;
  (await proposal.vote(THIRD, AGAINST)).done();
  assert.equal(await governor.read("proposalDeadline", proposal.id), extended, "only once");
  chain.now += 1n;
  assert.equal(await proposal.state(), "Succeeded");
});

test("a quorum reached early extends nothing", async () => {
  const net = await deployed();
  const proposal = await smaller(net).opened();
  const deadline = await net.governor.read("proposalDeadline", proposal.id);
  (await proposal.vote(FIRST, FOR)).done();
  assert.deepEqual((await proposal.vote(SECOND, FOR)).done().events(net.governor, "ProposalExtended"), []);
  assert.equal(await net.governor.read("proposalDeadline", proposal.id), deadline);
});

test("a vote counts once, in time, and says for, against or abstain", async () => {
  const net = await deployed();
  const proposal = await smaller(net).opened();
  (await proposal.vote(FIRST, 3)).reverted("GovernorInvalidVoteType");
  (await proposal.vote(FIRST, FOR)).done();
  for (const support of [FOR, AGAINST]) {
    (await proposal.vote(FIRST, support)).reverted("GovernorAlreadyCastVote", FIRST.address);
  }
  net.chain.now += VOTING_PERIOD;
  (await proposal.vote(SECOND, FOR)).reverted(...unexpected(proposal, "Defeated", "Active"));
  const nothing = smaller(net, 1n);
  (await nothing.vote(FIRST, FOR)).reverted("GovernorNonexistentProposal", nothing.id);
});

test("a stranger neither proposes nor votes", async () => {
  const net = await deployed();
  const { governor } = net;
  (await smaller(net).propose(STRANGER)).reverted("GovernorInsufficientProposerVotes", STRANGER.address, 0n, 1n);
  const proposal = await smaller(net).opened();
  for (const [method, ...args] of [
    ["castVote"], ["castVoteWithReason", "because"], ["castVoteWithReasonAndParams", "because", "0x01"],
  ]) {
    const receipt = await governor.send(STRANGER, method, proposal.id, FOR, ...args);
    receipt.reverted("NotEligible", proposal.id, STRANGER.address);
  }
  const signature = await ballot(net, proposal, STRANGER, FOR);
  (await governor.send(FIRST, "castVoteBySig", proposal.id, FOR, STRANGER.address, signature)).reverted(
    "NotEligible", proposal.id, STRANGER.address,
  );
  assert.deepEqual(await governor.read("proposalVotes", proposal.id), [0n, 0n, 0n]);
  assert.equal(await governor.read("hasVoted", proposal.id, STRANGER.address), false);
});

async function ballot(net, proposal, voter, support) {
  const { address } = net.governor;
  const nonce = await net.governor.read("nonces", voter.address);
  const domain = { name: "LucidGovernor", version: "1", chainId: 20177, verifyingContract: address };
  const fields = { proposalId: "uint256", support: "uint8", voter: "address", nonce: "uint256" };
  const types = { Ballot: Object.entries(fields).map(([name, type]) => ({ name, type })) };
  return voter.signTypedData(domain, types, { proposalId: proposal.id, support, voter: voter.address, nonce });
}

test("a node's signed vote counts, once, whoever sends it", async () => {
  const net = await deployed();
  const { governor } = net;
  const proposal = await smaller(net).opened();
  const signature = await ballot(net, proposal, FIRST, FOR);
  const send = (support, voter) =>
    governor.send(STRANGER, "castVoteBySig", proposal.id, support, voter.address, signature);
  (await send(AGAINST, FIRST)).reverted("GovernorInvalidSignature", FIRST.address);
  (await send(FOR, SECOND)).reverted("GovernorInvalidSignature", SECOND.address);
  (await send(FOR, FIRST)).done();
  assert.deepEqual(await governor.read("proposalVotes", proposal.id), [0n, 1n, 0n]);
  (await send(FOR, FIRST)).reverted("GovernorInvalidSignature", FIRST.address); // its nonce is used
});

test("who may vote was decided at the snapshot", async () => {
  const net = await deployed();
  const { registry, chain } = net;
  // Two decisions that change the members, carried out while a third is open.
  const joining = await new Proposal(net, "Admit", [registry, "admit", ...member(CANDIDATE)]).ready();
  const leaving = await new Proposal(net, "Remove", [registry, "remove", THIRD.address]).ready();
  const proposal = await smaller(net).opened();
  (await joining.execute(STRANGER)).done();
  (await leaving.execute(STRANGER)).done();
  chain.now += 10n;
  (await proposal.vote(CANDIDATE, FOR)).reverted("NotEligible", proposal.id, CANDIDATE.address);
  (await proposal.vote(THIRD, FOR)).done();
  (await proposal.vote(FIRST, FOR)).done();
  // On the next one it is the other way round.
  const next = await new Proposal(net, "Next", [net.params, "set", CHUNK, ONE_MIB]).opened(CANDIDATE);
  (await next.vote(THIRD, FOR)).reverted("NotEligible", next.id, THIRD.address);
  (await next.vote(CANDIDATE, FOR)).done();
});

test("a node that joins raises the quorum", async () => {
  const net = await deployed();
  const quorum = () => net.governor.read("quorum", net.chain.now - 1n);
  (await decide(net, "Admit", [net.registry, "admit", ...member(CANDIDATE)])).done();
  net.chain.now += 1n;
  assert.equal(await quorum(), 2n); // half of four
  (await decide(net, "Another", [net.registry, "admit", ...member(SECOND_CANDIDATE)])).done();
  net.chain.now += 1n;
  assert.equal(await quorum(), 3n); // half of five
});

test("one node decides alone where it is alone", async () => {
  const net = await deployed({ nodes: [FIRST] });
  assert.equal(await net.governor.read("quorum", net.chain.now - 1n), 1n);
  const proposal = await smaller(net).ready([FIRST]);
  (await proposal.execute(STRANGER)).done();
  assert.equal(await net.params.read("get", CHUNK), ONE_MIB);
  const last = await new Proposal(net, "Leave", [net.registry, "remove", FIRST.address]).ready([FIRST]);
  (await last.execute(STRANGER)).reverted("LastNode");
});

test("the rules change by a decision, within what keeps decisions possible", async () => {
  const net = await deployed();
  const { governor, timelock } = net;
  const month = 30n * 86_400n;
  for (const [call, ...error] of [
    [["setVotingDelay", month + 1n], "DurationTooLong", month + 1n, month],
    [["setVotingPeriod", month + 1n], "DurationTooLong", month + 1n, month],
    [["setVotingPeriod", 0n], "GovernorInvalidVotingPeriod", 0n],
    [["setProposalThreshold", 2n], "ThresholdIsOne", 2n],
    [["setProposalThreshold", 0n], "ThresholdIsOne", 0n],
    [["updateQuorumNumerator", 101n], "GovernorInvalidQuorumFraction", 101n, 100n],
    [["updateQuorumNumerator", 0n], "GovernorInvalidQuorumFraction", 0n, 100n],
    [["updateTimelock", STRANGER.address], "TimelockIsFixed"],
  ]) {
    (await decide(net, `${call}`, [governor, ...call])).reverted(...error);
  }
  const rules = [
    ["setVotingDelay", 7n, "votingDelay"], ["setVotingPeriod", month, "votingPeriod"],
    ["updateQuorumNumerator", 100n, "quorumNumerator()"],
    ["setLateQuorumVoteExtension", 8n, "lateQuorumVoteExtension"],
  ];
  const calls = rules.map(([method, value]) => [governor, method, value]);
  (await decide(net, "Other rules", ...calls, [timelock, "updateDelay", 9n])).done();
  for (const [, value, view] of rules) assert.equal(await governor.read(view), value, view);
  assert.equal(await timelock.read("getMinDelay"), 9n);
});
