// A contract deployed and used as a dapp does: with ethers, over JSON-RPC.
//
//   KEY=0x… [TOKEN=…] node node/tests/clients/ethers.mjs PACKAGES URL
//
// URL is that of the JSON-RPC; KEY is the private key of an account with a coin or more, in hex; TOKEN is
// sent as bearer token. LucidAnchors is deployed with the account as its registrar; sessions are
// registered, read back, and found again as logs, by filter, range and subscription. What the contract
// refuses comes back as its own errors, decoded; what the node refuses, with the codes that ethers has for
// it. Receipts, blocks, fees, batches and traces are held against what was sent.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [packages, url] = process.argv.slice(2);
const { ethers } = createRequire(join(resolve(packages), "package.json"))("ethers");
const artefact = new URL("../../contracts/artefacts/LucidAnchors.json", import.meta.url);
const { abi, bytecode } = JSON.parse(readFileSync(artefact));

const request = new ethers.FetchRequest(url);
if (process.env.TOKEN) request.setHeader("Authorization", `Bearer ${process.env.TOKEN}`);
const provider = new ethers.JsonRpcProvider(request, undefined, { cacheTimeout: -1 });
provider.pollingInterval = 100;
const wallet = new ethers.Wallet(process.env.KEY, provider);
const hash = (text) => ethers.id(text);
const sessionId = () => ethers.hexlify(ethers.randomBytes(16));

/** That a promise is rejected with one of ethers' codes, and with these words in what the node said. */
async function isRefused(what, promise, code, words) {
  const error = await promise.then(
    () => assert.fail(`${what} was taken`),
    (error) => error,
  );
  const said = error.error?.message ?? error.info?.error?.message ?? error.message;
  assert.equal(error.code, code, `${what}: ${error.message}`);
  assert(said.includes(words), `${what}: ${said}`);
  console.log(`${what}: refused with ${code}`);
}

/** That a call reverts with an error of the contract's own. */
async function reverts(what, promise, name, ...args) {
  const error = await promise.then(
    () => assert.fail(`${what} did not revert`),
    (error) => error,
  );
  assert.equal(error.code, "CALL_EXCEPTION", error.message);
  // ethers decodes what a call says by itself; of an estimate it gives the bytes.
  const said = error.revert ?? anchors.interface.parseError(error.data);
  assert.deepEqual([said.name, [...said.args]], [name, args], error.message);
  console.log(`${what}: reverts with ${name}`);
}

// Who answers, and what a coin buys.

const { chainId } = await provider.getNetwork();
assert.equal(await provider.send("net_version", []), String(chainId));
assert.match(await provider.send("web3_clientVersion", []), /^Lucid\/v\d/);
const balance = await provider.getBalance(wallet.address);
assert(balance > 0n, "the account has nothing");
const fees = await provider.getFeeData();
const head = await provider.getBlock("latest");
assert(fees.gasPrice >= head.baseFeePerGas && fees.maxFeePerGas >= head.baseFeePerGas);

// A contract, deployed.

const first = await provider.getTransactionCount(wallet.address);
const anchors = await new ethers.ContractFactory(abi, bytecode, wallet).deploy(wallet.address);
const address = await anchors.getAddress();
assert.equal(address, ethers.getCreateAddress({ from: wallet.address, nonce: first }));
const deployed = await anchors.deploymentTransaction().wait();
assert.deepEqual([deployed.status, deployed.contractAddress, deployed.to], [1, address, null]);
assert((await provider.getCode(address)).length > 1000);
assert.equal(await anchors.registrar(), wallet.address);
assert.equal(await anchors.sessionCount(), 0n);
assert.equal(await provider.getTransactionCount(wallet.address), first + 1);
console.log("deployed");

// Sessions, registered and read back.

const owner = "local";
const session = (logIndex) => [
  sessionId(), hash(`root ${logIndex}`), hash("manifest"), hash("policy"), owner, 12_345n, 2n, logIndex,
];
const sessions = [session(3n), session(5n)];
const receipts = [];
for (const fields of sessions) {
  const estimate = await anchors.registerSession.estimateGas(...fields);
  const sent = await anchors.registerSession(...fields);
  const receipt = await sent.wait();
  receipts.push(receipt);
  assert.equal(receipt.status, 1);
  assert(receipt.gasUsed <= estimate && estimate < receipt.gasUsed * 2n, `${receipt.gasUsed} ${estimate}`);
  assert.equal(receipt.from, wallet.address);
  assert.equal(receipt.to, address);
  assert.equal(receipt.hash, sent.hash);
  assert.equal(receipt.fee, receipt.gasUsed * receipt.gasPrice);
  const event = anchors.interface.parseLog(receipt.logs[0]);
  const [id, root, manifest, policy, name, bytes, chunks, logIndex] = fields;
  const want = [id, root, hash(name), manifest, policy, bytes, chunks, logIndex, name];
  assert.deepEqual([event.name, ...event.args], ["SessionRegistered", ...want]);
  const found = await provider.getTransaction(sent.hash);
  assert.deepEqual([found.blockNumber, found.data, found.type], [receipt.blockNumber, sent.data, sent.type]);
  const block = await provider.getBlock(receipt.blockNumber, true);
  assert.equal(block.hash, receipt.blockHash);
  assert.equal(block.getPrefetchedTransaction(sent.hash).from, wallet.address);
  assert(Math.abs(block.timestamp - Date.now() / 1000) < 600, "a block's time is the present");
  assert.equal((await provider.getBlock(block.number - 1)).hash, block.parentHash);
}
// All at once: ethers sends these as a batch.
const [count, last, registered, as, other, paid] = await Promise.all([
  anchors.sessionCount(),
  anchors.lastLogIndex(),
  anchors.isRegistered(sessions[0][0]),
  anchors.isRegisteredAs(...sessions[1]),
  anchors.isRegistered(sessionId()),
  provider.getBalance(wallet.address),
]);
assert.deepEqual([count, last, registered, as, other], [2n, 5n, true, true, false]);
const spent = [deployed, ...receipts].reduce((sum, receipt) => sum + receipt.fee, 0n);
assert.equal(balance - paid, spent, "what was paid is what the receipts say");
const before = { blockTag: receipts[1].blockNumber - 1 };
assert.equal(await anchors.sessionCount(before), 1n, "as it was a block ago");
console.log("registered, and read back");

// What the contract refuses.

await reverts("a session twice", anchors.registerSession.staticCall(...sessions[0]), "AlreadyRegistered", sessions[0][0]);
await reverts("an estimate of it", anchors.registerSession.estimateGas(...sessions[0]), "AlreadyRegistered", sessions[0][0]);
await reverts("an index that was passed", anchors.registerSession.staticCall(...session(4n)), "LogIndexNotIncreasing", 4n, 5n);
const stranger = ethers.Wallet.createRandom().connect(provider);
const asked = anchors.connect(provider).registerSession.staticCall(...session(9n), { from: stranger.address });
await reverts("a stranger", asked, "OnlyRegistrar", stranger.address);
const sent = await anchors.registerSession(...sessions[0], { gasLimit: 200_000 });
const failed = await sent.wait().catch((error) => error.receipt);
assert.deepEqual([failed.status, failed.logs.length], [0, 0], "sent nevertheless, it fails in its block");

// Logs.

const range = [deployed.blockNumber, "latest"];
const logs = await anchors.queryFilter("SessionRegistered", ...range);
assert.deepEqual(logs.map((log) => log.transactionHash), receipts.map((receipt) => receipt.hash));
const one = await anchors.queryFilter(anchors.filters.SessionRegistered(sessions[1][0]), ...range);
assert.deepEqual(one.map((log) => [log.index, log.args.logIndex]), [[receipts[1].logs[0].index, 5n]]);
const either = anchors.filters.SessionRegistered([sessions[0][0], sessions[1][0]]);
assert.equal((await anchors.queryFilter(either, ...range)).length, 2);
assert.equal((await anchors.queryFilter(anchors.filters.SessionRegistered(sessionId()), ...range)).length, 0);
assert.equal((await anchors.queryFilter("SessionRegistered", receipts[1].blockNumber)).length, 1);
const inBlock = await provider.getLogs({ blockHash: receipts[0].blockHash, address });
assert.equal(inBlock.length, 1);
console.log("logs are found by filter, range and block");

// Subscriptions, which poll filters.

const told = new Promise((done) => anchors.once("Anchored", (by, root, size) => done([by, root, size])));
const block = new Promise((done) => provider.once("block", done));
await new Promise((done) => setTimeout(done, 500)); // until the filters are made
const anchored = await (await anchors.anchor(hash("log"), 7n)).wait();
assert.deepEqual(await told, [wallet.address, hash("log"), 7n]);
assert((await block) <= anchored.blockNumber);
console.log("subscriptions are told");

// What the node refuses.

const nonce = await provider.getTransactionCount(wallet.address, "pending");
const plain = { to: wallet.address, nonce, gasLimit: 21_000, gasPrice: fees.gasPrice, chainId };
const signed = (tx) => wallet.signTransaction(tx);
const send = async (tx) => provider.broadcastTransaction(await signed({ ...plain, ...tx }));
const raw = await signed(plain);
await (await provider.broadcastTransaction(raw)).wait();
await isRefused("a replayed transaction", provider.broadcastTransaction(raw), "NONCE_EXPIRED", "nonce too low");
const next = { nonce: nonce + 1 };
await isRefused("one for another chain", send({ ...next, chainId: 1n }), "UNKNOWN_ERROR", "invalid chain id");
await isRefused("one with too little gas", send({ ...next, gasLimit: 20_999 }), "UNKNOWN_ERROR", "intrinsic gas too low");
await isRefused("one below the base fee", send({ ...next, gasPrice: 1n }), "UNKNOWN_ERROR", "less than block base fee");
await isRefused("one far ahead", send({ nonce: nonce + 10_000 }), "UNKNOWN_ERROR", "nonce too high");
const poor = stranger.sendTransaction({ to: wallet.address, value: 1n, gasLimit: 21_000 });
await isRefused("one that is not covered", poor, "INSUFFICIENT_FUNDS", "insufficient funds");
const altered = raw.slice(0, -2) + (raw.endsWith("00") ? "01" : "00");
// Another signature is another account's, or nobody's: neither has funds.
const alteredError = await provider.broadcastTransaction(altered).catch((error) => error);
assert(["INSUFFICIENT_FUNDS", "UNKNOWN_ERROR"].includes(alteredError.code), alteredError.message);
await isRefused("a method that is not there", provider.send("eth_sign", []), "UNSUPPORTED_OPERATION", "does not exist");
await isRefused("too wide a range", provider.send("eth_getLogs", [{ fromBlock: "0x9", toBlock: "0x1" }]), "UNKNOWN_ERROR", "invalid block range");

// A transaction that waits for the one before it.

const waits = await send({ nonce: nonce + 2 });
const seen = await provider.getTransaction(waits.hash);
assert.deepEqual([seen.nonce, seen.blockNumber], [nonce + 2, null]);
await isRefused("the same again", send({ nonce: nonce + 2 }), "UNKNOWN_ERROR", "already known");
await isRefused("another in its place", send({ nonce: nonce + 2, value: 1n }), "REPLACEMENT_UNDERPRICED", "replacement transaction underpriced");
await (await send(next)).wait();
assert.equal((await waits.wait()).status, 1);
console.log("a transaction waits for the one before it");

// Traces.

const trace = (options) => provider.send("debug_traceTransaction", [receipts[0].hash, options]);
const calls = await trace({ tracer: "callTracer", tracerConfig: { withLog: true } });
assert.deepEqual([calls.type, BigInt(calls.gasUsed), calls.logs.length], ["CALL", receipts[0].gasUsed, 1]);
const failure = await provider.send("debug_traceTransaction", [failed.hash, { tracer: "callTracer" }]);
assert.equal(failure.error, "execution reverted");
assert.equal(anchors.interface.parseError(failure.output).name, "AlreadyRegistered");
const lines = await trace({ disableStorage: true });
assert(lines.structLogs.some((line) => line.op === "SSTORE") && !lines.failed);
console.log("traces say what happened");

provider.destroy();
console.log("ethers: all as it should be");
