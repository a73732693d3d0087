// The states of a proposal, each way to each of them.
//
// IGovernor.ProposalState has eight. Seven are reached here. Expired is not: it belongs to timelocks with
// a grace period, such as Compound's, and OpenZeppelin's TimelockController has none. What was decided can
// be queued, and what is queued can be carried out, however late; the last test here holds that.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  AGAINST, deployed, FOR, key, NODES, Proposal, stateBitmap, stateNumber, STRANGER, TIMELOCK_DELAY, VOTING_DELAY,
  VOTING_PERIOD,
} from "./deployment.mjs";

const [FIRST, SECOND] = NODES;
const LEVEL = key("zstd_level");
const CENTURY = 100n * 365n * 86_400n;

const change = (net, value = 5n) => new Proposal(net, `Level ${value}`, [net.params, "set", LEVEL, value]);

test("Pending until its snapshot, Active from the second after it", async () => {
  const net = await deployed();
  const proposal = change(net);
  (await proposal.propose(FIRST)).done();
  assert.equal(await proposal.state(), "Pending");
  net.chain.now += VOTING_DELAY;
  assert.equal(await proposal.state(), "Pending");
  net.chain.now += 1n;
  assert.equal(await proposal.state(), "Active");
});

test("Defeated with no votes, no quorum, or no majority", async () => {
  const net = await deployed();
  for (const [value, votes] of [[4n, []], [5n, [FOR]], [6n, [FOR, AGAINST, AGAINST]]]) {
    const proposal = await change(net, value).opened();
    for (const [i, vote] of votes.entries()) (await proposal.vote(NODES[i], vote)).done();
    net.chain.now += VOTING_PERIOD;
    assert.equal(await proposal.state(), "Defeated", `${votes}`);
    (await proposal.queue(FIRST)).reverted(
      "GovernorUnexpectedProposalState", proposal.id, stateNumber("Defeated"), stateBitmap("Succeeded"),
    );
  }
});

test("Canceled by its proposer before the vote, by nobody else and not later", async () => {
  const net = await deployed();
  const proposal = change(net);
  (await proposal.propose(FIRST)).done();
  for (const other of [SECOND, STRANGER]) {
    (await proposal.cancel(other)).reverted("GovernorUnableToCancel", proposal.id, other.address);
  }
  const canceled = (await proposal.cancel(FIRST)).done();
  assert.deepEqual(canceled.events(net.governor, "ProposalCanceled"), [[proposal.id]]);
  assert.equal(await proposal.state(), "Canceled");
  net.chain.now += VOTING_DELAY + 1n;
  (await proposal.vote(SECOND, FOR)).reverted(
    "GovernorUnexpectedProposalState", proposal.id, stateNumber("Canceled"), stateBitmap("Active"),
  );
  assert.equal(await proposal.state(), "Canceled");

  const late = await change(net, 6n).opened();
  (await late.cancel(FIRST)).reverted("GovernorUnableToCancel", late.id, FIRST.address);
  assert.equal(await late.state(), "Active");
});

test("Canceled in the timelock, by a later decision that is faster", async () => {
  const net = await deployed();
  const { chain, governor, timelock } = net;
  const unwanted = await change(net).passed();
  const id = await timelock.read("hashOperationBatch", ...unwanted.operation);
  const relayed = [governor, "relay", timelock.address, 0n, timelock.data("cancel", id)];
  const stop = await new Proposal(net, "Stop it", relayed).ready();
  (await unwanted.queue(STRANGER)).done(); // queued late: the other's delay is over first
  assert.equal(await unwanted.state(), "Queued");
  (await stop.execute(STRANGER)).done();
  assert.equal(await unwanted.state(), "Canceled");
  chain.now += TIMELOCK_DELAY;
  (await unwanted.execute(STRANGER)).reverted(
    "GovernorUnexpectedProposalState", unwanted.id, stateNumber("Canceled"), stateBitmap("Queued"),
  );
  assert.equal(await net.params.read("get", LEVEL), 3n);
});

test("Succeeded, Queued and Executed, by the governor", async () => {
  const net = await deployed();
  const proposal = await change(net).passed();
  assert.equal(await proposal.state(), "Succeeded");
  (await proposal.queue(STRANGER)).done();
  assert.equal(await proposal.state(), "Queued");
  net.chain.now += TIMELOCK_DELAY;
  assert.equal(await proposal.state(), "Queued");
  (await proposal.execute(STRANGER)).done();
  assert.equal(await proposal.state(), "Executed");
});

test("Executed by the timelock itself, which anybody may ask", async () => {
  const net = await deployed();
  const proposal = await change(net).ready();
  (await net.timelock.send(STRANGER, "executeBatch", ...proposal.operation)).done();
  assert.equal(await proposal.state(), "Executed");
  assert.equal(await net.params.read("get", LEVEL), 5n);
});

test("never Expired: a century later it is queued, and a century later carried out", async () => {
  const net = await deployed();
  const proposal = await change(net).passed();
  net.chain.now += CENTURY;
  assert.equal(await proposal.state(), "Succeeded");
  (await proposal.queue(STRANGER)).done();
  net.chain.now += CENTURY;
  assert.equal(await proposal.state(), "Queued");
  (await proposal.execute(STRANGER)).done();
  assert.equal(await proposal.state(), "Executed");
});
