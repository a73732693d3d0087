// Transactions as TronWeb builds and signs them, with TRON's own message classes: what lucid-core and
// lucid-tron are held against, byte for byte.
//
//   node node/tests/clients/tron_vectors.mjs PACKAGES write    makes tron_vectors.json anew
//   node node/tests/clients/tron_vectors.mjs PACKAGES check    ends with 1 where it would be another
//
// Nothing is asked of any server. TronWeb also recovers the signer of each transaction. TronWeb knows no
// blocks: their headers are written with Google's writer, their tree is java-tron's rule (MerkleTree).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [packages, mode] = process.argv.slice(2);
const from = createRequire(join(resolve(packages), "package.json"));
const { TronWeb, utils } = from("tronweb");
const { BinaryWriter } = from("google-protobuf");
const { Transaction } = globalThis.TronWebProto;
const here = dirname(fileURLToPath(import.meta.url));
const file = join(here, "tron_vectors.json");

const tron = new TronWeb({ fullHost: "http://127.0.0.1:9" }); // nobody is there, and nobody is called
const builder = tron.transactionBuilder;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const bytesOf = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (bytes) => Buffer.from(bytes).toString("hex");

// Keys of tests, known to everybody: never for money.
const keys = [
  "1111111111111111111111111111111111111111111111111111111111111111",
  "0000000000000000000000000000000000000000000000000000000000000001",
  "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
  "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
];
const [owner, other] = keys.map((key) => TronWeb.address.fromPrivateKey(key));
const usdt = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";

const blockHeader = {
  ref_block_bytes: "262d",
  ref_block_hash: "52bfa4b2814f816f",
  expiration: 1777445181000,
  timestamp: 1777445121017,
};
const artefact = (name) =>
  JSON.parse(readFileSync(join(here, "../../contracts/artefacts", `${name}.json`), "utf8"));

/** The whole message, with an end where a block has it. */
function message(raw, signature, ends) {
  const transaction = new Transaction();
  transaction.setRawData(Transaction.raw.deserializeBinary(bytesOf(raw)));
  transaction.addSignature(bytesOf(signature));
  if (ends !== undefined) {
    const ret = new Transaction.Result();
    ret.setContractret(ends);
    transaction.addRet(ret);
  }
  return transaction.serializeBinary();
}

async function transaction(name, says, key, unsigned) {
  const signed = await tron.trx.sign(unsigned, key);
  const signature = signed.signature[0].toLowerCase();
  const signer = TronWeb.address.fromPrivateKey(key);
  assert.equal(TronWeb.address.fromHex(utils.crypto.ecRecover(signed.txID, signature)), signer);
  const whole = message(signed.raw_data_hex, signature, 1);
  return {
    name,
    key,
    owner: signer,
    ...says,
    raw: signed.raw_data_hex,
    txid: signed.txID,
    signature,
    message: hexOf(message(signed.raw_data_hex, signature)),
    in_block: hexOf(whole),
    leaf: hexOf(sha256(whole)),
    ...(unsigned.contract_address === undefined ? {} : { creates: unsigned.contract_address }),
  };
}

async function transfer(name, key, to, amount_sun, memo) {
  const from = TronWeb.address.fromPrivateKey(key);
  let unsigned = await builder.sendTrx(to, amount_sun, from, { blockHeader });
  if (memo !== "") {
    unsigned = await builder.addUpdateData(unsigned, memo, "hex", { txLocal: true });
  }
  return transaction(name, { kind: "transfer", to, amount_sun, memo }, key, unsigned);
}

async function call(name, key, contract, selector, parameters, { value_sun = 0, fee_limit_sun }) {
  const from = TronWeb.address.fromPrivateKey(key);
  const options = { txLocal: true, blockHeader, callValue: value_sun, feeLimit: fee_limit_sun };
  const { transaction: unsigned } = await builder.triggerSmartContract(
    contract, selector, options, parameters, from);
  const { data } = unsigned.raw_data.contract[0].parameter.value;
  const says = { kind: "call", contract, data, value_sun, fee_limit_sun };
  return transaction(name, says, key, unsigned);
}

async function creation(name, key, { abi, bytecode, parameters, fee_limit_sun, ...rest }) {
  const { name: contract_name = "", percent = 100, energy_max = 10_000_000 } = rest;
  const from = TronWeb.address.fromPrivateKey(key);
  const unsigned = await builder.createSmartContract({
    abi, bytecode, parameters, blockHeader, feeLimit: fee_limit_sun, name: contract_name,
    userFeePercentage: percent, originEnergyLimit: energy_max,
  }, from);
  const code = unsigned.raw_data.contract[0].parameter.value.new_contract.bytecode;
  const says = {
    kind: "create", contract_name, percent, energy_max, fee_limit_sun, abi, bytecode: code,
  };
  return transaction(name, says, key, unsigned);
}

const root = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const anchor = [{ type: "bytes32", value: `0x${root}` }, { type: "uint64", value: 4711 }];
const anchors = artefact("LucidAnchors");

const transactions = [
  await transfer("transfer", keys[0], other, 1, ""),
  await transfer("transfer with memo", keys[0], other, 1, hexOf(Buffer.from("lucid v1", "utf8"))),
  await transfer("transfer with a memo of bytes", keys[1], owner, 1_234_567, "00ff80c3" + root),
  await transfer("transfer of the most there is", keys[2], owner, Number.MAX_SAFE_INTEGER, ""),
  await transfer("transfer with a long memo", keys[3], owner, 1_000_000, "ab".repeat(300)),
  await call("call", keys[0], usdt, "anchor(bytes32,uint64)", anchor, { fee_limit_sun: 1_000_000 }),
  await call("call with TRX", keys[1], usdt, "deposit()", [],
    { value_sun: 5_000_001, fee_limit_sun: 15_000_000_000 }),
  await call("TRC-20 transfer", keys[0], usdt, "transfer(address,uint256)",
    [{ type: "address", value: other }, { type: "uint256", value: "1500000" }],
    { fee_limit_sun: 30_000_000 }),
  await call("TRC-20 transfer of the most there is", keys[3], usdt, "transfer(address,uint256)",
    [{ type: "address", value: owner }, { type: "uint256", value: (2n ** 256n - 1n).toString() }],
    { fee_limit_sun: 30_000_000 }),
  await creation("creation of LucidAnchors", keys[0], {
    abi: anchors.abi, bytecode: anchors.bytecode.replace(/^0x/, ""), name: "LucidAnchors",
    parameters: ["410000000000000000000000000000000000000000"], fee_limit_sun: 1_000_000_000,
  }),
  await creation("creation with other limits", keys[3], {
    abi: [
      { type: "constructor", inputs: [], stateMutability: "payable", payable: true },
      { type: "receive", stateMutability: "payable" },
      { type: "fallback", stateMutability: "nonpayable" },
      { type: "function", name: "old", constant: true, inputs: [], outputs: [] },
      { type: "event", name: "Said", anonymous: true,
        inputs: [{ indexed: true, name: "by", type: "address" }, { name: "", type: "string" }] },
    ],
    bytecode: "6080604052", percent: 0, energy_max: 1, fee_limit_sun: 1,
  }),
];

/** Keys as their owners are called. */
const accounts = keys.map((key) => {
  const address = TronWeb.address.fromPrivateKey(key);
  return { key, address, hex: TronWeb.address.toHex(address).toLowerCase() };
});

function rootOver(leaves) {
  let row = leaves;
  while (row.length > 1) {
    const above = [];
    for (let at = 0; at < row.length; at += 2) {
      above.push(at + 1 < row.length ? sha256(Buffer.concat([row[at], row[at + 1]])) : row[at]);
    }
    row = above;
  }
  return row[0] ?? Buffer.alloc(32);
}

function block(number, count, key) {
  const leaves = transactions.slice(0, count).map(({ leaf }) => Buffer.from(leaf, "hex"));
  const parent = hexOf(sha256(Buffer.from(`parent of ${number}`)));
  const witness = TronWeb.address.fromPrivateKey(key);
  const timestamp = 1777445123000 + number;
  const raw = new BinaryWriter();
  raw.writeInt64(1, timestamp);
  raw.writeBytes(2, Uint8Array.from(rootOver(leaves)));
  raw.writeBytes(3, bytesOf(parent));
  raw.writeInt64(7, number);
  raw.writeBytes(9, bytesOf(TronWeb.address.toHex(witness)));
  raw.writeInt32(10, 34);
  const signed = raw.getResultBuffer();
  const hash = sha256(signed);
  const signature = utils.crypto.ECKeySign([...hash], [...bytesOf(key)]);
  // As java-tron has it in blocks: v from 0.
  const v = (parseInt(signature.slice(-2), 16) - 27).toString(16).padStart(2, "0");
  const header = new BinaryWriter();
  header.writeBytes(1, signed);
  header.writeBytes(2, bytesOf(signature.slice(0, -2) + v));
  const id = Buffer.from(hash);
  id.writeBigUInt64BE(BigInt(number));
  return {
    number, count, parent, witness, timestamp, version: 34,
    root: hexOf(rootOver(leaves)), id: hexOf(id), header: hexOf(header.getResultBuffer()),
  };
}

const made = JSON.stringify({
  made_by: `tronweb ${TronWeb.version}`,
  reference: blockHeader,
  accounts,
  transactions,
  blocks: [0, 1, 2, 3, 5, 7, 11].map((count, at) => block(66_987_565 + at, count, keys[at % 4])),
}, null, 1) + "\n";

if (mode === "write") {
  writeFileSync(file, made);
} else {
  assert.equal(made, readFileSync(file, "utf8"), "tron_vectors.json is what TronWeb makes");
}
console.log(`${transactions.length} transactions, ${accounts.length} accounts, 7 blocks: ${mode}`);
