// A chain of one's own in memory: @ethereumjs/vm executes, ethers signs, encodes and decodes. Neither
// shares code with the node, which executes the same artefacts with revm.
//
// Packages come from LUCID_CONTRACTS_MODULES, the folder where `npm ci` was run, or from here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const HERE = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const PACKAGES = resolve(process.env.LUCID_CONTRACTS_MODULES ?? HERE);
const require = createRequire(join(PACKAGES, "package.json"));

export const { ethers } = require("ethers");
const { createBlock } = require("@ethereumjs/block");
const { createCustomCommon, Hardfork, Mainnet } = require("@ethereumjs/common");
const { createTxFromRLP } = require("@ethereumjs/tx");
const { createAddressFromString, hexToBytes } = require("@ethereumjs/util");
const { createVM, runTx } = require("@ethereumjs/vm");

const CHAIN_ID = 20177n;
const BLOCK_GAS = 100_000_000n;
const TX_GAS = 16_000_000n;

export const json = (name) => JSON.parse(readFileSync(join(HERE, name), "utf8"));

export const NAMES = ["LucidAnchors", "LucidGovernor", "NodeRegistry", "ParamRegistry", "TimelockController"];
export const ARTEFACTS = Object.fromEntries(NAMES.map((name) => [name, json(`artefacts/${name}.json`)]));
export const ABIS = Object.fromEntries(NAMES.map((name) => [name, new ethers.Interface(ARTEFACTS[name].abi)]));

/** An account of its own for each number, the same in every run. */
export const account = (number) => new ethers.Wallet(ethers.zeroPadValue(ethers.toBeHex(0x1000 + number), 32));

/** The error in what a call gave back, as any of the contracts declares it: its name and its values. */
export function decodeError(data) {
  for (const name of ethers.dataLength(data) < 4 ? [] : NAMES) {
    const error = ABIS[name].parseError(data);
    if (error !== null) return { name: error.name, args: plain(error.args) };
  }
  return { name: data === "0x" ? "no reason" : `undeclared ${data}`, args: [] };
}

/** An ethers result as plain arrays. */
const plain = (value) => (Array.isArray(value) ? [...value].map(plain) : value);

/** What a transaction did: gas in all, gas without what every transaction and its data cost, logs. */
class Receipt {
  constructor(result, tx) {
    const { exceptionError, returnValue, logs = [] } = result.execResult;
    this.gas = result.totalGasSpent;
    this.executionGas = result.totalGasSpent - tx.getIntrinsicGas();
    this.created = result.createdAddress && ethers.getAddress(result.createdAddress.toString());
    this.returned = ethers.hexlify(returnValue);
    this.failure = exceptionError?.error;
    this.error = this.failure === "revert" ? decodeError(this.returned) : undefined;
    this.logs = logs.map(([address, topics, data]) => ({
      address: ethers.getAddress(ethers.hexlify(address)),
      topics: topics.map((topic) => ethers.hexlify(topic)),
      data: ethers.hexlify(data),
    }));
  }

  /** That it did not fail. */
  done() {
    assert.equal(this.failure, undefined, `it failed: ${this.failure} ${JSON.stringify(this.error, bigints)}`);
    return this;
  }

  /** That it reverted with this error and these values, which also means that it left nothing behind. */
  reverted(name, ...args) {
    assert.equal(this.failure, "revert", `${name} was expected, it ended with ${this.failure ?? "success"}`);
    assert.deepEqual({ name: this.error.name, args: this.error.args }, { name, args });
    assert.deepEqual(this.logs, []);
    return this;
  }

  /** The events of one contract with this name, as values. */
  events(contract, name) {
    const wanted = contract.abi.getEvent(name);
    return this.logs
      .filter(({ address, topics }) => address === contract.address && topics[0] === wanted.topicHash)
      .map(({ data, topics }) => plain(contract.abi.decodeEventLog(wanted, data, topics)));
  }
}

const bigints = (_, value) => (typeof value === "bigint" ? value.toString() : value);

export class Chain {
  /** An empty chain whose clock stands still until it is moved. */
  static async create() {
    const chain = new Chain();
    chain.common = createCustomCommon({ chainId: Number(CHAIN_ID) }, Mainnet, { hardfork: Hardfork.Cancun });
    chain.vm = await createVM({ common: chain.common });
    chain.number = 0n;
    chain.now = 1_900_000_000n;
    chain.nonces = new Map();
    return chain;
  }

  block() {
    const header = { number: this.number, timestamp: this.now, gasLimit: BLOCK_GAS, baseFeePerGas: 0n };
    return createBlock({ header }, { common: this.common });
  }

  /** Executes a signed transaction in a block of its own, at the present time. Gas costs nothing. */
  async transact(signer, to, data) {
    const nonce = this.nonces.get(signer.address) ?? 0;
    const raw = await signer.signTransaction({
      chainId: CHAIN_ID, type: 2, nonce, to, data, gasLimit: TX_GAS, maxFeePerGas: 0, maxPriorityFeePerGas: 0,
    });
    const tx = createTxFromRLP(hexToBytes(raw), { common: this.common });
    this.number += 1n;
    const result = await runTx(this.vm, { tx, block: this.block() });
    this.nonces.set(signer.address, nonce + 1);
    return new Receipt(result, tx);
  }

  /** What `eth_call` would give. */
  async call(to, data, from = ethers.ZeroAddress) {
    const [caller, callee] = [from, to].map(createAddressFromString);
    const { execResult } = await this.vm.evm.runCall({
      caller, to: callee, data: hexToBytes(data), gasLimit: TX_GAS, block: this.block(),
    });
    return { failure: execResult.exceptionError?.error, returned: ethers.hexlify(execResult.returnValue) };
  }

  /** The root of a contract's storage, with everything that was written. */
  async storageRoot(address) {
    await this.vm.stateManager.flush();
    const { storageRoot } = await this.vm.stateManager.getAccount(createAddressFromString(address));
    return ethers.hexlify(storageRoot);
  }

  /** Every word of a contract's storage that is not zero, by the hash of its place. */
  async storage(address) {
    await this.vm.stateManager.flush();
    const dump = await this.vm.stateManager.dumpStorage(createAddressFromString(address));
    return new Map(Object.entries(dump).map(([at, rlp]) => [at, ethers.zeroPadValue(ethers.decodeRlp(rlp), 32)]));
  }

  code(address) {
    return this.vm.stateManager.getCode(createAddressFromString(address)).then(ethers.hexlify);
  }

  async deploy(signer, name, ...args) {
    const receipt = await this.transact(signer, null, creation(name, args));
    if (receipt.failure !== undefined) return { receipt };
    return new Contract(this, name, receipt.created, receipt);
  }
}

/** The data of the transaction that creates a contract. */
export const creation = (name, args) =>
  ethers.concat([ARTEFACTS[name].bytecode, ABIS[name].encodeDeploy(args)]);

export class Contract {
  constructor(chain, name, address, receipt) {
    Object.assign(this, { chain, name, address, receipt, abi: ABIS[name] });
  }

  data(method, ...args) {
    return this.abi.encodeFunctionData(method, args);
  }

  send(signer, method, ...args) {
    return this.chain.transact(signer, this.address, this.data(method, ...args));
  }

  /** What a view gives: one value, or an array of them. */
  async read(method, ...args) {
    const { failure, returned } = await this.chain.call(this.address, this.data(method, ...args));
    const said = () => JSON.stringify(decodeError(returned), bigints);
    if (failure !== undefined) assert.fail(`${this.name}.${method}: ${failure} ${said()}`);
    const values = plain(this.abi.decodeFunctionResult(method, returned));
    return values.length === 1 ? values[0] : values;
  }

  /** The error that a view ends with. */
  async refusal(method, ...args) {
    const { failure, returned } = await this.chain.call(this.address, this.data(method, ...args));
    assert.equal(failure, "revert", `${this.name}.${method} did not revert`);
    return decodeError(returned);
  }
}
