// That another implementation of the EVM makes the same of what a node's chain executed: status, gas, logs, what
// was returned, and the root of the whole state after every block, for generated sequences of transactions.
//
// The sequences come from the node's own chain, in the file that LUCID_SEQUENCES names:
//
//   cargo run --release -p lucid-chain --example sequences -- 1 50 > FILE
//
// What the chain's rules (docs/chain.md) say otherwise than Ethereum is given to the other implementation as a
// block's fields: the base fee, PREVRANDAO, and the hashes that BLOCKHASH gives. The fork is the same, Osaka.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { PACKAGES } from "./chain.mjs";

const require = createRequire(join(PACKAGES, "package.json"));
const { createBlock } = require("@ethereumjs/block");
const { createCustomCommon, Hardfork, Mainnet } = require("@ethereumjs/common");
const { createTxFromRLP } = require("@ethereumjs/tx");
const { Account, bytesToHex, createAddressFromString, hexToBytes } = require("@ethereumjs/util");
const { createVM, runTx } = require("@ethereumjs/vm");

/** Fewer would say little; so many are made where the node's own checks run. */
const SEQUENCES_MIN = 50;
/** What an eth_call of the node may use, less what a transaction costs before it begins. */
const CALL_GAS = 16_000_000n;

const file = process.env.LUCID_SEQUENCES;
assert.ok(file, "LUCID_SEQUENCES names no file: see the first lines of this test");
const recorded = JSON.parse(readFileSync(file, "utf8"));

const common = createCustomCommon({ chainId: recorded.chain_id }, Mainnet, { hardfork: Hardfork.Osaka });

/** The chain's blocks, as far as BLOCKHASH asks for them. */
class Hashes {
  constructor(genesis) {
    this.hashes = [genesis];
  }

  async getBlock(number) {
    const hash = this.hashes[number];
    assert.ok(hash, `BLOCKHASH asks for block ${number}`);
    return { hash: () => hexToBytes(hash) };
  }

  async putBlock() {}

  shallowCopy() {
    return this;
  }
}

function blockOf({ number, timestamp, parent }) {
  const header = {
    number,
    timestamp,
    coinbase: recorded.coinbase,
    gasLimit: recorded.block_gas_max,
    baseFeePerGas: BigInt(recorded.base_fee),
    mixHash: parent,
    difficulty: 0,
    excessBlobGas: 0,
  };
  return createBlock({ header }, { common });
}

/** The account trie's root, with everything that was written. */
async function stateRoot(vm) {
  await vm.stateManager.flush();
  return bytesToHex(await vm.stateManager.getStateRoot());
}

const plainLogs = (logs) =>
  logs.map(([address, topics, data]) => ({
    address: bytesToHex(address), data: bytesToHex(data), topics: topics.map(bytesToHex),
  }));

/** A precompile fails with all its gas, and that is no REVERT, though @ethereumjs/evm calls some failures one. */
const isPrecompile = ({ to }) => to !== undefined && BigInt(to.toString()) <= 0x100n;

/** Executes a recorded transaction; gives what is compared, in the recording's form. */
async function transact(vm, block, { raw }, blockGasUsed) {
  const tx = createTxFromRLP(hexToBytes(raw), { common });
  const { execResult, totalGasSpent, receipt } = await runTx(vm, { tx, block, blockGasUsed });
  const failure = execResult.exceptionError?.error;
  const success = failure === undefined;
  const reverted = failure === "revert" && !isPrecompile(tx);
  assert.equal(receipt.status, Number(success));
  return {
    raw,
    success,
    reverted,
    gas_used: Number(totalGasSpent),
    // What is returned where a transaction neither succeeds nor reverts is nothing.
    output: success || reverted ? bytesToHex(execResult.returnValue) : "0x",
    logs: success ? plainLogs(execResult.logs ?? []) : [],
  };
}

/** What `eth_call` gives after a block, with nothing of it kept. */
async function call(vm, block, { to, input }) {
  await vm.evm.journal.checkpoint();
  const { execResult } = await vm.evm.runCall({
    to: createAddressFromString(to), data: hexToBytes(input), gasLimit: CALL_GAS, block, skipNonceIncrement: true,
  });
  await vm.evm.journal.revert();
  await vm.evm.journal.cleanup();
  const failure = execResult.exceptionError?.error;
  const ended = failure === undefined ? "returned" : failure === "revert" ? "reverted" : "halted";
  return { to, input, ended, output: ended === "halted" ? "0x" : bytesToHex(execResult.returnValue) };
}

/** Addresses in one form: the recording's have capital letters as a checksum. */
const lower = (text) => text.toLowerCase();
const expectedOf = (transaction) => ({
  ...transaction,
  logs: transaction.logs.map(({ address, data, topics }) => ({ address: lower(address), data, topics })),
});

/** Replays one sequence; counts what was compared. */
async function replay({ genesis, blocks }, counts) {
  const hashes = new Hashes(genesis.hash);
  const vm = await createVM({ common, blockchain: hashes });
  for (const [address, wei] of Object.entries(recorded.allocations)) {
    await vm.stateManager.putAccount(createAddressFromString(lower(address)), new Account(0n, BigInt(wei)));
  }
  assert.equal(await stateRoot(vm), genesis.state_root, "the genesis block's state");
  for (const recordedBlock of blocks) {
    const { number } = recordedBlock;
    const block = blockOf(recordedBlock);
    let gasUsed = 0n;
    for (const [index, transaction] of recordedBlock.transactions.entries()) {
      const found = await transact(vm, block, transaction, gasUsed);
      assert.deepEqual(found, expectedOf(transaction), `block ${number}, transaction ${index}`);
      gasUsed += BigInt(found.gas_used);
      counts.transactions += 1;
      counts.created += transaction.success && createTxFromRLP(hexToBytes(transaction.raw), { common }).to === undefined;
      counts.reverted += transaction.reverted;
      counts.halted += !transaction.success && !transaction.reverted;
      counts.logs += transaction.logs.length;
    }
    assert.equal(Number(gasUsed), recordedBlock.gas_used, `block ${number}: gas`);
    assert.equal(await stateRoot(vm), recordedBlock.state_root, `block ${number}: state root`);
    for (const [index, question] of recordedBlock.calls.entries()) {
      assert.deepEqual(await call(vm, block, question), question, `block ${number}, call ${index}`);
      counts.calls += 1;
    }
    hashes.hashes.push(recordedBlock.hash);
    counts.blocks += 1;
  }
}

test("another implementation agrees with every sequence, to the unit of gas and the state's root", async () => {
  assert.equal(recorded.fork, "osaka");
  assert.ok(recorded.sequences.length >= SEQUENCES_MIN, `only ${recorded.sequences.length} sequences`);
  const counts = { blocks: 0, transactions: 0, created: 0, reverted: 0, halted: 0, logs: 0, calls: 0 };
  for (const sequence of recorded.sequences) {
    await replay(sequence, counts).catch((error) => {
      error.message = `seed ${recorded.seed}, sequence ${sequence.number}: ${error.message}`;
      throw error;
    });
  }
  console.log(`# agreed: ${JSON.stringify(counts)}`);
  // A generator that makes only what succeeds, or only what fails, is broken.
  for (const [what, count] of Object.entries(counts)) {
    assert.ok(count >= recorded.sequences.length, `only ${count} ${what} in ${recorded.sequences.length} sequences`);
  }
});
