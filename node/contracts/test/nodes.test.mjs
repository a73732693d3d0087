// NodeRegistry: one node, one vote, from admission to removal; nobody votes for another. The timelock is
// an ordinary account here; decisions are in vote.test.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { account, Chain, ethers } from "./chain.mjs";
import { CANDIDATES, DEPLOYER, logKeyHash, member, NODES, STRANGER } from "./deployment.mjs";

const TIMELOCK = account(31);
const [FIRST, SECOND, THIRD] = NODES;
const [CANDIDATE] = CANDIDATES;

async function nodeRegistry(members = NODES.map(member), timelock = TIMELOCK.address) {
  return (await Chain.create()).deploy(DEPLOYER, "NodeRegistry", timelock, members);
}

/** Votes of an account and of all, now; and both at a time in the past. */
const votes = async (registry, { address }) => await registry.read("getVotes", address);
const past = async (registry, { address }, at) => [
  await registry.read("getPastVotes", address, at),
  await registry.read("getPastTotalSupply", at),
];

test("the first members have one vote each, which is their own", async () => {
  const registry = await nodeRegistry();
  assert.deepEqual(await registry.read("nodes", 0, 100), NODES.map(member));
  assert.equal(await registry.read("nodeCount"), 3n);
  for (const node of NODES) {
    assert.equal(await registry.read("isNode", node.address), true);
    assert.equal(await votes(registry, node), 1n);
    assert.equal(await registry.read("delegates", node.address), node.address);
    assert.equal(await registry.read("logKeyHashOf", node.address), logKeyHash(node));
    assert.equal(await registry.read("nodeOfLogKey", logKeyHash(node)), node.address);
  }
  assert.deepEqual(registry.receipt.events(registry, "NodeAdmitted"), NODES.map(member));
  assert.equal(await registry.read("isNode", STRANGER.address), false);
  assert.equal(await votes(registry, STRANGER), 0n);
  assert.equal(await registry.read("delegates", STRANGER.address), ethers.ZeroAddress);
  assert.equal(await registry.read("nodeOfLogKey", logKeyHash(STRANGER)), ethers.ZeroAddress);
});

test("the clock counts seconds and looks only back", async () => {
  const registry = await nodeRegistry();
  const { chain } = registry;
  assert.equal(await registry.read("CLOCK_MODE"), "mode=timestamp");
  assert.equal(await registry.read("clock"), chain.now);
  chain.now += 3600n;
  assert.equal(await registry.read("clock"), chain.now);
  assert.deepEqual(await past(registry, FIRST, chain.now - 1n), [1n, 3n]);
  assert.deepEqual(await registry.refusal("getPastVotes", FIRST.address, chain.now), {
    name: "ERC5805FutureLookup",
    args: [chain.now, chain.now],
  });
});

test("a node votes from its admission to its removal", async () => {
  const registry = await nodeRegistry();
  const { chain } = registry;
  const start = chain.now;
  chain.now += 100n;
  const admitted = (await registry.send(TIMELOCK, "admit", ...member(CANDIDATE))).done();
  assert.deepEqual(admitted.events(registry, "NodeAdmitted"), [member(CANDIDATE)]);
  assert.deepEqual(admitted.events(registry, "DelegateVotesChanged"), [[CANDIDATE.address, 0n, 1n]]);
  assert.deepEqual(admitted.events(registry, "DelegateChanged"), [
    [CANDIDATE.address, ethers.ZeroAddress, CANDIDATE.address],
  ]);
  chain.now += 100n;
  const removed = (await registry.send(TIMELOCK, "remove", CANDIDATE.address)).done();
  assert.deepEqual(removed.events(registry, "NodeRemoved"), [member(CANDIDATE)]);
  assert.deepEqual(removed.events(registry, "DelegateVotesChanged"), [[CANDIDATE.address, 1n, 0n]]);
  assert.deepEqual(removed.events(registry, "DelegateChanged"), [
    [CANDIDATE.address, CANDIDATE.address, ethers.ZeroAddress],
  ]);
  chain.now += 100n;
  assert.deepEqual(await past(registry, CANDIDATE, start + 99n), [0n, 3n]);
  assert.deepEqual(await past(registry, CANDIDATE, start + 100n), [1n, 4n]);
  assert.deepEqual(await past(registry, CANDIDATE, start + 199n), [1n, 4n]);
  assert.deepEqual(await past(registry, CANDIDATE, start + 200n), [0n, 3n]);
  assert.deepEqual(await past(registry, FIRST, start + 200n), [1n, 3n]);
  assert.equal(await registry.read("delegates", CANDIDATE.address), ethers.ZeroAddress);
  assert.deepEqual(await registry.refusal("logKeyHashOf", CANDIDATE.address), {
    name: "NotAdmitted",
    args: [CANDIDATE.address],
  });
});

test("a node that comes back, or changes its key within a second, has one vote", async () => {
  const registry = await nodeRegistry();
  const { chain } = registry;
  const other = ethers.id("another log key");
  chain.now += 100n;
  (await registry.send(TIMELOCK, "remove", SECOND.address)).done();
  (await registry.send(TIMELOCK, "admit", SECOND.address, other)).done();
  assert.equal(await votes(registry, SECOND), 1n);
  assert.equal(await registry.read("logKeyHashOf", SECOND.address), other);
  chain.now += 1n;
  assert.deepEqual(await past(registry, SECOND, chain.now - 1n), [1n, 3n]);
  // Its old key is free again.
  (await registry.send(TIMELOCK, "admit", CANDIDATE.address, logKeyHash(SECOND))).done();
  assert.equal(await registry.read("nodeOfLogKey", logKeyHash(SECOND)), CANDIDATE.address);
});

test("the last node cannot be removed", async () => {
  const registry = await nodeRegistry();
  (await registry.send(TIMELOCK, "remove", FIRST.address)).done();
  (await registry.send(TIMELOCK, "remove", FIRST.address)).reverted("NotAdmitted", FIRST.address);
  (await registry.send(TIMELOCK, "remove", SECOND.address)).done();
  (await registry.send(TIMELOCK, "remove", THIRD.address)).reverted("LastNode");
  // With another one there it can.
  (await registry.send(TIMELOCK, "admit", ...member(CANDIDATE))).done();
  (await registry.send(TIMELOCK, "remove", THIRD.address)).done();
  assert.deepEqual(await registry.read("nodes", 0, 100), [member(CANDIDATE)]);
});

test("nobody is admitted twice, with another's key, or as nobody", async () => {
  const registry = await nodeRegistry();
  const admit = (...args) => registry.send(TIMELOCK, "admit", ...args);
  const free = ethers.id("free");
  (await admit(FIRST.address, free)).reverted("AlreadyAdmitted", FIRST.address);
  (await admit(CANDIDATE.address, logKeyHash(FIRST))).reverted("LogKeyInUse", logKeyHash(FIRST), FIRST.address);
  (await admit(ethers.ZeroAddress, free)).reverted("InvalidNode", ethers.ZeroAddress, free);
  (await admit(CANDIDATE.address, ethers.ZeroHash)).reverted("InvalidNode", CANDIDATE.address, ethers.ZeroHash);
  assert.equal(await registry.read("nodeCount"), 3n);

  const created = async (members, timelock) => (await nodeRegistry(members, timelock)).receipt;
  (await created([])).reverted("LastNode");
  (await created([member(FIRST), [FIRST.address, free]])).reverted("AlreadyAdmitted", FIRST.address);
  (await created([member(FIRST)], ethers.ZeroAddress)).reverted("NoTimelock");
});

test("only the timelock admits and removes", async () => {
  const registry = await nodeRegistry();
  for (const other of [DEPLOYER, FIRST, STRANGER]) {
    (await registry.send(other, "admit", ...member(CANDIDATE))).reverted("OnlyTimelock", other.address);
    (await registry.send(other, "remove", SECOND.address)).reverted("OnlyTimelock", other.address);
  }
});

test("nobody delegates a vote", async () => {
  const registry = await nodeRegistry();
  const delegate = (signer, to) => registry.send(signer, "delegate", to);
  const refused = async (signer, to) =>
    (await delegate(signer, to)).reverted("DelegationRefused", signer.address, to);
  await refused(FIRST, SECOND.address);
  await refused(FIRST, ethers.ZeroAddress);
  await refused(STRANGER, FIRST.address);
  await refused(STRANGER, STRANGER.address);
  // What is so already may be said, and does nothing.
  assert.deepEqual((await delegate(FIRST, FIRST.address)).done().logs, []);
  for (const node of NODES) assert.equal(await votes(registry, node), 1n);
});

test("nor by signature", async () => {
  const registry = await nodeRegistry();
  const { chain } = registry;
  const domain = { name: "NodeRegistry", version: "1", chainId: 20177, verifyingContract: registry.address };
  const types = {
    Delegation: ["address delegatee", "uint256 nonce", "uint256 expiry"].map((field) => {
      const [type, name] = field.split(" ");
      return { type, name };
    }),
  };
  const bySignature = async (signer, delegatee, expiry = chain.now + 60n) => {
    const nonce = await registry.read("nonces", signer.address);
    const signed = await signer.signTypedData(domain, types, { delegatee, nonce, expiry });
    const { v, r, s } = ethers.Signature.from(signed);
    return registry.send(STRANGER, "delegateBySig", delegatee, nonce, expiry, v, r, s);
  };
  (await bySignature(FIRST, SECOND.address)).reverted("DelegationRefused", FIRST.address, SECOND.address);
  (await bySignature(STRANGER, STRANGER.address)).reverted(
    "DelegationRefused", STRANGER.address, STRANGER.address,
  );
  (await bySignature(FIRST, SECOND.address, chain.now - 1n)).reverted("VotesExpiredSignature", chain.now - 1n);
  assert.equal(await registry.read("nonces", FIRST.address), 0n);
  // That the signatures were good shows in the one that may be given.
  (await bySignature(FIRST, FIRST.address)).done();
  assert.equal(await registry.read("nonces", FIRST.address), 1n);
  for (const node of NODES) assert.equal(await votes(registry, node), 1n);
});

test("members are read in pages", async () => {
  const registry = await nodeRegistry();
  const all = NODES.map(member);
  for (const [offset, limit, expected] of [
    [0, 2, all.slice(0, 2)], [2, 2, all.slice(2)], [3, 2, []], [4, 2, []], [0, 0, []],
    [1, ethers.MaxUint256, all.slice(1)], [ethers.MaxUint256, ethers.MaxUint256, []],
  ]) {
    assert.deepEqual(await registry.read("nodes", offset, limit), expected, `${offset} ${limit}`);
  }
});
