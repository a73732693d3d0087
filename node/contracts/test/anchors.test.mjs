// LucidAnchors: sessions are registered by the registrar alone, once, in the log's order, and anybody can
// check what was; roots are anchored with an event and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Chain, ethers } from "./chain.mjs";
import { DEPLOYER, REGISTRAR, STRANGER } from "./deployment.mjs";

/** The root of a storage with nothing in it: Keccak-256 of the RLP of an empty string. */
const EMPTY_STORAGE = ethers.keccak256("0x80");

const root = (text) => ethers.sha256(ethers.toUtf8Bytes(text));

/** The arguments of registerSession, in its order. */
const session = (number, change = {}) =>
  Object.values({
    sessionId: `0x6f1d9c1e3a524c0e9d0b${number.toString(16).padStart(12, "0")}`,
    merkleRoot: root(`root ${number}`),
    manifestHash: root(`manifest ${number}`),
    policyHash: root("policy"),
    owner: "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
    plainBytes: 10_000_000n,
    chunkCount: 2n,
    logIndex: BigInt(number),
    ...change,
  });

async function anchors(registrar = REGISTRAR.address) {
  return (await Chain.create()).deploy(DEPLOYER, "LucidAnchors", registrar);
}

test("a registered session is there as it was registered, and as nothing else", async () => {
  const contract = await anchors();
  const args = session(7);
  const [sessionId, merkleRoot, manifestHash, policyHash, owner, plainBytes, chunkCount, logIndex] = args;
  assert.equal(await contract.read("isRegistered", sessionId), false);
  assert.equal(await contract.read("sessionOf", sessionId), ethers.ZeroHash);
  assert.equal(await contract.read("isRegisteredAs", ...args), false);

  const receipt = (await contract.send(REGISTRAR, "registerSession", ...args)).done();
  const ownerHash = ethers.id(owner);
  assert.equal(receipt.logs.length, 1);
  assert.deepEqual(receipt.events(contract, "SessionRegistered"), [
    [sessionId, merkleRoot, ownerHash, manifestHash, policyHash, plainBytes, chunkCount, logIndex, owner],
  ]);
  assert.deepEqual(receipt.logs[0].topics.slice(1), [ethers.zeroPadBytes(sessionId, 32), merkleRoot, ownerHash]);

  assert.equal(await contract.read("isRegistered", sessionId), true);
  assert.equal(await contract.read("isRegisteredAs", ...args), true);
  for (const change of [
    { merkleRoot: root("other") }, { manifestHash: root("other") }, { policyHash: root("other") },
    { owner: "local" }, { plainBytes: 1n }, { chunkCount: 3n }, { logIndex: 8n },
  ]) {
    assert.equal(await contract.read("isRegisteredAs", ...session(7, change)), false, Object.keys(change)[0]);
  }

  // The digest by the rule in its documentation, computed here.
  const types = ["bytes16", "bytes32", "bytes32", "bytes32", "bytes32", "uint64", "uint32", "uint64"];
  const values = [sessionId, merkleRoot, manifestHash, policyHash, ownerHash, plainBytes, chunkCount, logIndex];
  const digest = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(types, values));
  assert.equal(await contract.read("sessionOf", sessionId), digest);
  assert.equal(await contract.read("digestOf", ...values), digest);
});

test("a session is registered once", async () => {
  const contract = await anchors();
  (await contract.send(REGISTRAR, "registerSession", ...session(7))).done();
  const [sessionId] = session(7);
  // Neither as it was nor as something else, whatever its place in the log.
  for (const change of [{}, { logIndex: 8n }, { logIndex: 8n, merkleRoot: root("other") }]) {
    const again = await contract.send(REGISTRAR, "registerSession", ...session(7, change));
    again.reverted("AlreadyRegistered", sessionId);
  }
  assert.equal(await contract.read("isRegisteredAs", ...session(7)), true);
  assert.equal(await contract.read("sessionCount"), 1n);
});

test("sessions are registered in the log's order", async () => {
  const contract = await anchors();
  const register = (number, logIndex) =>
    contract.send(REGISTRAR, "registerSession", ...session(number, { logIndex }));
  // The first may have any index, zero too.
  (await register(1, 0n)).done();
  (await register(2, 0n)).reverted("LogIndexNotIncreasing", 0n, 0n);
  (await register(2, 5n)).done();
  (await register(3, 5n)).reverted("LogIndexNotIncreasing", 5n, 5n);
  (await register(3, 4n)).reverted("LogIndexNotIncreasing", 4n, 5n);
  assert.deepEqual([await contract.read("sessionCount"), await contract.read("lastLogIndex")], [2n, 5n]);
  const last = 2n ** 64n - 1n;
  (await register(3, last)).done();
  (await register(4, last)).reverted("LogIndexNotIncreasing", last, last);
  assert.deepEqual([await contract.read("sessionCount"), await contract.read("lastLogIndex")], [3n, last]);
});

test("only the registrar registers", async () => {
  const contract = await anchors();
  for (const other of [DEPLOYER, STRANGER]) {
    (await contract.send(other, "registerSession", ...session(1))).reverted("OnlyRegistrar", other.address);
  }
  assert.equal(await contract.read("registrar"), REGISTRAR.address);
  assert.equal(await contract.read("sessionCount"), 0n);
});

test("an owner is 1 to 64 characters", async () => {
  const contract = await anchors();
  const register = (number, owner) =>
    contract.send(REGISTRAR, "registerSession", ...session(number, { owner }));
  (await register(1, "")).reverted("OwnerLength", 0n);
  (await register(1, "x".repeat(65))).reverted("OwnerLength", 65n);
  for (const [number, owner] of [[1, "l"], [2, "local"], [3, "x".repeat(64)]]) {
    const [event] = (await register(number, owner)).done().events(contract, "SessionRegistered");
    assert.equal(event.at(-1), owner);
    assert.equal(event[2], ethers.id(owner));
  }
});

test("what is no call of the contract is refused", async () => {
  const contract = await anchors();
  const { chain, address } = contract;
  const call = contract.data("registerSession", ...session(1));
  // Cut short, an owner that would be beyond the data, a number that is too large, and no method at all.
  const word = 2 + 8;
  const patched = (index, value) =>
    call.slice(0, word + 64 * index) + ethers.toBeHex(value, 32).slice(2) + call.slice(word + 64 * (index + 1));
  for (const data of [
    call.slice(0, -64), patched(4, 2n ** 64n), patched(4, 1024n), patched(5, 2n ** 64n), patched(6, 2n ** 32n),
    patched(7, 2n ** 64n), patched(8, 2n ** 200n), "0x", "0xffffffff",
  ]) {
    const receipt = await chain.transact(REGISTRAR, address, data);
    assert.equal(receipt.failure, "revert", data);
    assert.equal(receipt.returned, "0x");
  }
  assert.equal(await contract.read("sessionCount"), 0n);
});

test("anybody anchors, and the event says who", async () => {
  const contract = await anchors(ethers.ZeroAddress);
  for (const [signer, size] of [[STRANGER, 1n], [REGISTRAR, 2n ** 64n - 1n]]) {
    const receipt = (await contract.send(signer, "anchor", root("log"), size)).done();
    assert.deepEqual(receipt.events(contract, "Anchored"), [[signer.address, root("log"), size]]);
    assert.equal(receipt.logs.length, 1);
  }
});

test("an anchor leaves nothing in storage, a session leaves two words", async () => {
  const contract = await anchors();
  (await contract.send(STRANGER, "anchor", root("log"), 9n)).done();
  assert.equal(await contract.chain.storageRoot(contract.address), EMPTY_STORAGE);
  (await contract.send(REGISTRAR, "registerSession", ...session(1))).done();
  const words = await contract.chain.storage(contract.address);
  assert.equal(words.size, 2); // the digest, and the count with the last index
  assert([...words.values()].includes(await contract.read("sessionOf", session(1)[0])));
});

test("where the registrar is zero nobody registers", async () => {
  const contract = await anchors(ethers.ZeroAddress);
  for (const signer of [DEPLOYER, REGISTRAR, STRANGER]) {
    (await contract.send(signer, "registerSession", ...session(1))).reverted("OnlyRegistrar", signer.address);
  }
});
