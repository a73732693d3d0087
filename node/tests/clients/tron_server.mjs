// The TRON server for tests, used as a wallet and a dapp use a node: with TronWeb.
//
//   node node/tests/clients/tron_server.mjs PACKAGES TRON_SERVER       (node/tests/clients/run does it all)
//
// TRON_SERVER is the program: cargo build --release -p lucid-tron-server makes target/release/tron-server.
// What TronWeb builds is taken, what TronWeb reads is served: a transfer with a memo, LucidAnchors deployed
// and called, a TRC-20 transfer, balances, resources, parameters. Every block's id, its witness's signature
// and the root over its transactions are made again here, from its JSON alone. Then each field of a
// transaction is altered, and must be refused with java-tron's code.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [packages, program] = process.argv.slice(2);
const { TronWeb, utils } = createRequire(join(resolve(packages), "package.json"))("tronweb");
const artefact = new URL("../../contracts/artefacts/LucidAnchors.json", import.meta.url);
const { abi, bytecode, runtimeBytecode } = JSON.parse(readFileSync(artefact));

const SUN = 1_000_000;
const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

// The server, which ends when this does.

const key = sha256("the account of tron_server.mjs").toString("hex");
const me = TronWeb.address.fromPrivateKey(key);
const friend = TronWeb.address.fromPrivateKey(sha256("its friend").toString("hex"));
// It makes blocks at an order only: what is in which of them is not left to how fast this machine is.
const server = spawn(program, ["--fund", me, "--token", me, "--block-ms", "0", "--until-eof"], {
  stdio: ["pipe", "pipe", "inherit"],
});
const ended = new Promise((done) => server.on("exit", (code, signal) => done(code ?? signal)));
const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
const { url, token } = JSON.parse((await lines.next()).value);
const tron = new TronWeb({ fullHost: url, privateKey: key });

async function post(path, body) {
  const answer = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${path}: ${text}`);
  return JSON.parse(text);
}
const order = (what, more = {}) => post("/control", { do: what, ...more });

// A minute of the chain's passes at an order, so that nothing here waits, or expires on a busy machine.
async function solidInfo(id) {
  await order("make_blocks", { count: 20 });
  const info = await tron.trx.getTransactionInfo(id);
  assert.equal(info.id, id, "it is in a block that is solid");
  return info;
}

// Blocks, made again from what is said of them. Numbers are protobuf's variants, fields in their order.

function varint(value) {
  const bytes = [];
  for (let left = BigInt(value); ; left >>= 7n) {
    if (left < 0x80n) return Buffer.from([...bytes, Number(left)]);
    bytes.push(Number(left & 0x7fn) | 0x80);
  }
}
const number = (tag, value) => (value ? Buffer.concat([varint(tag << 3), varint(value)]) : Buffer.alloc(0));
const bytes = (tag, value) =>
  value.length ? Buffer.concat([varint((tag << 3) | 2), varint(value.length), value]) : Buffer.alloc(0);
const hex = (text = "") => Buffer.from(text, "hex");

const RESULTS = { DEFAULT: 0, SUCCESS: 1, REVERT: 2, OUT_OF_ENERGY: 10 };
function leaf(transaction) {
  const results = transaction.ret.map((ret) => number(3, RESULTS[ret.contractRet]));
  return sha256(
    bytes(1, hex(transaction.raw_data_hex)),
    ...transaction.signature.map((signature) => bytes(2, hex(signature))),
    ...results.map((result) => Buffer.concat([varint((5 << 3) | 2), varint(result.length), result])),
  );
}

function root(hashes) {
  if (hashes.length === 0) return Buffer.alloc(32);
  for (let level = hashes; ; ) {
    if (level.length === 1) return level[0];
    const above = [];
    for (let n = 0; n < level.length; n += 2) {
      above.push(n + 1 < level.length ? sha256(level[n], level[n + 1]) : level[n]);
    }
    level = above;
  }
}

function check(block, parent) {
  const { raw_data: raw, witness_signature: signature } = block.block_header;
  const header = Buffer.concat([
    number(1, raw.timestamp),
    bytes(2, hex(raw.txTrieRoot)),
    bytes(3, hex(raw.parentHash)),
    number(7, raw.number ?? 0),
    bytes(9, hex(raw.witness_address)),
    number(10, raw.version ?? 0),
  ]);
  const digest = sha256(header);
  const place = Buffer.alloc(8);
  place.writeBigUInt64BE(BigInt(raw.number ?? 0));
  assert.equal(block.blockID, Buffer.concat([place, digest.subarray(8)]).toString("hex"));
  const transactions = block.transactions ?? [];
  for (const transaction of transactions) {
    assert.equal(transaction.txID, sha256(hex(transaction.raw_data_hex)).toString("hex"));
    assert(utils.transaction.txCheck(transaction), "TronWeb encodes its JSON to its bytes");
  }
  assert.equal(raw.txTrieRoot, root(transactions.map(leaf)).toString("hex"));
  if (!parent) return;
  assert.equal(raw.parentHash, parent.blockID);
  assert.equal((raw.timestamp - parent.block_header.raw_data.timestamp) % 3000, 0);
  const witness = utils.ethersUtils.recoverAddress(`0x${digest.toString("hex")}`, `0x${signature}`);
  assert.equal(raw.witness_address, `41${witness.slice(2).toLowerCase()}`);
}

// A transfer with a memo.

const before = await tron.trx.getBalance(me);
assert.equal(before, 1_000_000 * SUN);
const built = await tron.transactionBuilder.sendTrx(friend, 5 * SUN, me);
const withMemo = await tron.transactionBuilder.addUpdateData(built, "a memo", "utf8");
const signed = await tron.trx.sign(withMemo, key);
assert.equal(tron.trx.ecRecover(signed), me);
const sent = await tron.trx.sendRawTransaction(signed);
assert.deepEqual([sent.result, sent.txid], [true, signed.txID]);
const transferred = await solidInfo(signed.txID);
// 1 TRX for the memo, 1 and 0.1 for the friend's account, which was not there.
assert.equal(transferred.fee, 2_100_000);
const confirmed = await tron.trx.getConfirmedTransaction(signed.txID);
assert.deepEqual(confirmed.raw_data, signed.raw_data);
assert.deepEqual(confirmed.ret, [{ contractRet: "SUCCESS" }]);
assert.equal(await tron.trx.getBalance(friend), 5 * SUN);
assert.equal(await tron.trx.getBalance(me), before - 5 * SUN - transferred.fee);
assert.equal((await tron.trx.getAccount(friend)).address, TronWeb.address.toHex(friend));
console.log("a transfer with a memo is sent, found and paid for");

// As TronWeb sends hex.
const plain = await tron.trx.sign(await tron.transactionBuilder.sendTrx(friend, 7, me), key);
const pb = utils.transaction.txJsonToPb(plain);
pb.addSignature(Uint8Array.from(hex(plain.signature[0])));
const asHex = await tron.trx.sendHexTransaction(Buffer.from(pb.serializeBinary()).toString("hex"));
assert.deepEqual([asHex.result, asHex.code, asHex.txid], [true, "SUCCESS", plain.txID]);
assert.equal(asHex.transaction.txID, plain.txID);
const cheap = await solidInfo(plain.txID);
assert.deepEqual([cheap.fee, cheap.receipt.net_fee], [undefined, undefined], "the day's bandwidth is enough");
const size = pb.serializeBinary().length + 64;
assert.equal(cheap.receipt.net_usage, size);
const resources = await tron.trx.getAccountResources(me);
// A little of it is back already: a minute of the chain's has passed.
assert(resources.freeNetUsed <= size && resources.freeNetUsed > size - 5, `${resources.freeNetUsed}`);
assert.equal(resources.freeNetLimit, 600);
console.log("and one in hex");

// What the node builds is what TronWeb builds.
const theirs = await post("/wallet/createtransaction", {
  owner_address: me, to_address: friend, amount: 9, visible: true,
});
assert(utils.transaction.txCheck({ ...theirs, raw_data: JSON.parse(JSON.stringify(theirs.raw_data)) }));
const viaNode = await tron.trx.sendRawTransaction(await tron.trx.sign(theirs, key));
assert.equal(viaNode.result, true, JSON.stringify(viaNode));
console.log("and one that the node built");

// LucidAnchors, deployed as on TRON: with the registrar zero.

const creation = await tron.transactionBuilder.createSmartContract(
  { abi, bytecode, name: "LucidAnchors", parameters: [`41${"00".repeat(20)}`], feeLimit: 1000 * SUN },
  me,
);
const deployed = await tron.trx.sendRawTransaction(await tron.trx.sign(creation, key));
assert.equal(deployed.result, true, JSON.stringify(deployed));
const made = await solidInfo(creation.txID);
assert.equal(made.receipt.result, "SUCCESS");
assert.equal(made.contract_address, creation.contract_address);
assert.equal(made.contractResult[0], runtimeBytecode.slice(2));
assert.equal(made.receipt.energy_usage_total, 32_000 + 200 * (runtimeBytecode.length / 2 - 1));
const stored = await tron.trx.getContract(creation.contract_address);
assert.equal(stored.bytecode, bytecode.slice(2) + "00".repeat(32));
assert.equal(stored.trx_hash, creation.txID);
assert.equal(stored.abi.entrys.length, abi.length);
assert.deepEqual(await tron.trx.getContract(me), {});
console.log("LucidAnchors is deployed");

const anchors = await tron.contract().at(creation.contract_address);
assert.equal(await anchors.sessionCount().call(), 0n);
assert.equal(await anchors.OWNER_LENGTH_MAX().call(), 64n);
const rootHex = sha256("a root").toString("hex");
const arguments_ = [{ type: "bytes32", value: `0x${rootHex}` }, { type: "uint64", value: 12345 }];
const ask = (method, options) =>
  tron.transactionBuilder[method](creation.contract_address, "anchor(bytes32,uint64)", options, arguments_, me);
const tried = await ask("triggerConstantContract", {});
const estimated = await ask("estimateEnergy", {});
assert.equal(tried.energy_used, estimated.energy_required);
const { transaction: call } = await ask("triggerSmartContract", { feeLimit: 10 * SUN, txLocal: true });
const { transaction: byNode } = await ask("triggerSmartContract", { feeLimit: 10 * SUN });
assert.deepEqual(call.raw_data.contract, byNode.raw_data.contract);
const called = await tron.trx.sendRawTransaction(await tron.trx.sign(call, key));
assert.equal(called.result, true, JSON.stringify(called));
const receipt = await solidInfo(call.txID);
assert.equal(receipt.receipt.result, "SUCCESS");
assert.equal(receipt.receipt.energy_usage_total, estimated.energy_required);
assert.equal(receipt.receipt.energy_fee, estimated.energy_required * 100);
assert.equal(receipt.log.length, 1);
const [{ address, topics, data }] = receipt.log;
assert.equal(`41${address}`, creation.contract_address);
const [signature, ...indexed] = topics;
assert.equal(signature, TronWeb.sha3("Anchored(address,bytes32,uint64)", false));
assert.deepEqual(indexed, [TronWeb.address.toHex(me).slice(2).padStart(64, "0"), rootHex]);
assert.equal(BigInt(`0x${data}`), 12345n);
console.log("a root is anchored, and its event is there");

// Too low a limit: in a block, failed, and paid for.
const limited = await ask("triggerSmartContract", { feeLimit: 100_000 });
const poor = await tron.trx.sendRawTransaction(await tron.trx.sign(limited.transaction, key));
assert.equal(poor.result, true, JSON.stringify(poor));
const failed = await solidInfo(limited.transaction.txID);
assert.deepEqual(
  [failed.result, failed.receipt.result, failed.receipt.energy_fee, failed.log],
  ["FAILED", "OUT_OF_ENERGY", 100_000, undefined],
);
assert.match(TronWeb.toUtf8(failed.resMessage), /^Not enough energy/);
console.log("one with too low a limit fails in its block");

// A TRC-20 token.

const usdt = await tron.contract().at(token);
assert.equal(await usdt.symbol().call(), "USDT");
assert.equal(await usdt.decimals().call(), 6n);
assert.equal(await usdt.balanceOf(me).call(), 1_000_000_000_000n);
const moved = await usdt.transfer(friend, 250_000).send({ feeLimit: 100 * SUN });
const movement = await solidInfo(moved);
assert.equal(movement.log[0].topics[0], TronWeb.sha3("Transfer(address,address,uint256)", false));
assert.equal(await usdt.balanceOf(friend).call(), 250_000n);
const overdrawn = await usdt.transfer(friend, 10n ** 15n).send({ feeLimit: 100 * SUN });
const reverted = await solidInfo(overdrawn);
assert.deepEqual([reverted.result, reverted.receipt.result], ["FAILED", "REVERT"]);
console.log("a token is moved, and no more of it than there is");

// Parameters.

const parameters = new Map((await tron.trx.getChainParameters()).map(({ key, value }) => [key, value]));
assert.deepEqual(
  ["getEnergyFee", "getTransactionFee", "getMemoFee", "getMaxFeeLimit"].map((name) => parameters.get(name)),
  [100, 1000, SUN, 15_000 * SUN],
);
assert.equal((await tron.trx.listSuperRepresentatives()).length, 27);
assert(await tron.isConnected());
console.log("parameters are read");

// Every block so far, and again after the last of them were forked away.

async function checkAll() {
  const head = (await tron.trx.getCurrentBlock()).block_header.raw_data.number;
  let [parent, transactions] = [null, 0];
  for (let n = 0; n <= head; n++) {
    const block = await tron.trx.getBlock(n);
    check(block, parent);
    transactions += block.transactions?.length ?? 0;
    parent = block;
  }
  assert.deepEqual(await tron.trx.getBlock(parent.blockID), parent);
  return [head, transactions];
}
// Several in one block, an odd number of them.
await order("hold_pool", { hold: true });
const reference = await tron.trx.getCurrentRefBlockParams();
await order("make_blocks", { count: 5 }); // What they refer to stays when theirs is forked away.
for (let n = 1; n <= 5; n++) {
  const many = await tron.transactionBuilder.sendTrx(friend, n, me, { blockHeader: reference });
  assert.equal((await tron.trx.sendRawTransaction(await tron.trx.sign(many, key))).result, true);
}
await order("hold_pool", { hold: false });
await order("make_blocks", { count: 1 });
assert.equal((await post("/wallet/getpendingsize", {})).pendingSize, 0);
const [head, transactions] = await checkAll();
assert.equal(transactions, 13);
await order("fork", { count: 3, forked: "wait" });
assert.equal((await post("/wallet/getpendingsize", {})).pendingSize, 5, "they wait again");
assert.equal((await checkAll())[1], 8);
await order("make_blocks", { count: 5 });
assert.equal((await checkAll())[1], 13);
console.log(`${head} blocks and ${transactions} transactions are what they say they are`);

// Each field altered.

// It can be used for long: what follows takes more than a minute of the chain's.
const DAY = 86_400_000;
const latest = await tron.trx.getCurrentRefBlockParams();
const blockHeader = { ...latest, expiration: latest.timestamp + DAY / 2 };
const good = await tron.transactionBuilder.sendTrx(friend, 11, me, { blockHeader });
const sign = async (transaction) => {
  // As somebody would who writes transactions himself: what follows from raw_data is made anew.
  const pb = utils.transaction.txJsonToPb(transaction);
  const raw_data_hex = utils.transaction.txPbToRawDataHex(pb).toLowerCase();
  const txID = utils.transaction.txPbToTxID(pb).replace(/^0x/, "");
  return { ...transaction, raw_data_hex, txID, signature: [] };
};
async function altered(change, resign) {
  const copy = structuredClone(await tron.trx.sign(structuredClone(good), key));
  change(copy.raw_data, copy);
  if (resign === undefined) return copy;
  const made = await sign(copy);
  const by = resign ? key : sha256("somebody else").toString("hex");
  const signature = utils.crypto.ECKeySign([...hex(made.txID)], [...hex(by)]);
  return { ...made, signature: [signature.replace(/^0x/, "")] };
}
const value = (raw) => raw.contract[0].parameter.value;
const now = latest.timestamp;
const rows = [
  // Signed anew by its owner: refused for what it says.
  ["an expiry that is past", "TRANSACTION_EXPIRATION_ERROR", true, (raw) => (raw.expiration = now - 1)],
  ["an expiry two days ahead", "TRANSACTION_EXPIRATION_ERROR", true, (raw) => (raw.expiration = now + 2 * DAY)],
  ["a reference to another number", "TAPOS_ERROR", true, (raw) => (raw.ref_block_bytes = "ffff")],
  ["a reference to another hash", "TAPOS_ERROR", true, (raw) => (raw.ref_block_hash = "00".repeat(8))],
  ["nothing", "CONTRACT_VALIDATE_ERROR", true, (raw) => delete value(raw).amount],
  ["more than there is", "CONTRACT_VALIDATE_ERROR", true, (raw) => (value(raw).amount = 10 ** 15)],
  ["to itself", "CONTRACT_VALIDATE_ERROR", true, (raw) => (value(raw).to_address = value(raw).owner_address)],
  ["to no address", "CONTRACT_VALIDATE_ERROR", true, (raw) => (value(raw).to_address = `42${"00".repeat(20)}`)],
  ["too big a memo", "TOO_BIG_TRANSACTION_ERROR", true, (raw) => (raw.data = "aa".repeat(512_000))],
  ["another permission", "SIGERROR", true, (raw) => (raw.contract[0].Permission_id = 3)],
  ["somebody else's signature", "SIGERROR", false, () => {}],
  ["an owner who did not sign", "SIGERROR", true, (raw) => (value(raw).owner_address = TronWeb.address.toHex(friend))],
  // Altered under its signature: no longer its owner's.
  ...[
    ["another amount", (raw) => (value(raw).amount = 12)],
    ["another receiver", (raw) => (value(raw).to_address = `41${"11".repeat(20)}`)],
    ["another owner", (raw) => (value(raw).owner_address = TronWeb.address.toHex(friend))],
    ["another expiry", (raw) => (raw.expiration += 1)],
    ["another timestamp", (raw) => (raw.timestamp += 1)],
    ["a memo", (raw) => (raw.data = "00")],
    ["a fee limit", (raw) => (raw.fee_limit = 1)],
    ["another reference", (raw) => (raw.ref_block_bytes = "0001")],
    ["another hash", (raw) => (raw.ref_block_hash = "00".repeat(8))],
    ["another permission", (raw) => (raw.contract[0].Permission_id = 2)],
  ].map(([what, change]) => [`${what} under the signature`, "SIGERROR", undefined, (raw, whole) => {
    change(raw);
    delete whole.raw_data_hex;
    delete whole.txID;
  }]),
  ["a signature cut short", "SIGERROR", undefined, (_, whole) => (whole.signature = [whole.signature[0].slice(2)])],
  ["no signature", "SIGERROR", undefined, (_, whole) => (whole.signature = [])],
  ["two signatures", "SIGERROR", undefined, (_, whole) => whole.signature.push(whole.signature[0])],
];
for (const [what, code, resign, change] of rows) {
  const answer = await post("/wallet/broadcasttransaction", await altered(change, resign));
  assert.deepEqual([answer.code, answer.result], [code, undefined], `${what}: ${JSON.stringify(answer)}`);
  assert.match(Buffer.from(answer.message, "hex").toString(), /^[\x20-\x7e]+$/, "a message in hex");
}
console.log(`${rows.length} altered transactions are refused with the codes that java-tron has for them`);

// The unaltered one is taken, once; every flipped bit of it is not.
const genuine = await tron.trx.sign(structuredClone(good), key);
const raw = Buffer.from(genuine.raw_data_hex, "hex");
let flipped = 0;
for (let bit = 0; bit < raw.length * 8; bit++) {
  const copy = Buffer.from(raw);
  copy[bit >> 3] ^= 1 << (bit & 7);
  const transaction = Buffer.concat([bytes(1, copy), bytes(2, hex(genuine.signature[0]))]).toString("hex");
  const answer = await post("/wallet/broadcasthex", { transaction });
  assert(answer.Error || (!answer.result && answer.code !== "SUCCESS"), `bit ${bit}: ${JSON.stringify(answer)}`);
  flipped++;
}
assert.equal((await tron.trx.sendRawTransaction(genuine)).result, true);
assert.equal((await tron.trx.sendRawTransaction(genuine)).code, "DUP_TRANSACTION_ERROR");
await solidInfo(genuine.txID);
const { entries } = await order("journal");
assert.equal(entries.length, 14);
assert.equal(new Set(entries.map((entry) => entry.id)).size, 14);
const payload = call.raw_data.contract[0].parameter.value.data;
const anchored = entries.filter((entry) => entry.payload === payload);
assert.equal(anchored.length, 2, "the one that was done, and the one with too low a limit");
console.log(`and ${flipped} transactions with one bit flipped`);

// It ends well.
server.stdin.end();
assert.equal(await ended, 0);
console.log(`tronweb ${TronWeb.version}: the TRON server is as strict and as true as it should be`);
