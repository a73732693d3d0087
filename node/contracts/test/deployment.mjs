// The node's contracts as a node deploys them: five creations by one account, in an order that makes the
// addresses known in advance. Times are short, so that numbers in the tests are easy to follow.

import { account, Chain, ethers, json } from "./chain.mjs";

export const DEPLOYER = account(0);
export const REGISTRAR = account(1);
export const STRANGER = account(2);
/** The first members, and two that may become ones. */
export const NODES = [11, 12, 13].map(account);
export const CANDIDATES = [21, 22].map(account);

export const VOTING_DELAY = 100n;
export const VOTING_PERIOD = 1000n;
export const VOTE_EXTENSION = 300n;
export const QUORUM_PERCENT = 50n;
export const TIMELOCK_DELAY = 500n;

export const ORDER = ["LucidAnchors", "NodeRegistry", "TimelockController", "ParamRegistry", "LucidGovernor"];

export const PARAMETERS = json("parameters.json");
export const UNITS = ["count", "bytes", "seconds", "level"];
export const key = (name) => ethers.encodeBytes32String(name);
export const declaration = ({ min, max, value, unit, zeroIsNone }) =>
  [min, max, value, UNITS.indexOf(unit), zeroIsNone];

export const logKeyHash = (node) => ethers.sha256(ethers.toUtf8Bytes(`log key of ${node.address}`));
export const member = (node) => [node.address, logKeyHash(node)];

/** Where the deployer's contracts will be, before any of them is there. */
export const addresses = (deployer = DEPLOYER) =>
  Object.fromEntries(
    ORDER.map((name, nonce) => [name, ethers.getCreateAddress({ from: deployer.address, nonce })]),
  );

/** Deploys all five, and gives them by name, with the chain. */
export async function deployed({ nodes = NODES } = {}) {
  const chain = await Chain.create();
  const at = addresses();
  const args = {
    LucidAnchors: [REGISTRAR.address],
    NodeRegistry: [at.TimelockController, nodes.map(member)],
    TimelockController: [TIMELOCK_DELAY, [at.LucidGovernor], [ethers.ZeroAddress], ethers.ZeroAddress],
    ParamRegistry: [
      at.TimelockController,
      PARAMETERS.map(({ key: name }) => key(name)),
      PARAMETERS.map(declaration),
    ],
    LucidGovernor: [
      at.NodeRegistry, at.TimelockController, VOTING_DELAY, VOTING_PERIOD, VOTE_EXTENSION, QUORUM_PERCENT,
    ],
  };
  const contracts = {};
  for (const name of ORDER) {
    contracts[name] = await chain.deploy(DEPLOYER, name, ...args[name]);
    contracts[name].receipt.done();
  }
  chain.now += 10n; // the members' votes are in the past from here on
  return {
    chain,
    contracts,
    anchors: contracts.LucidAnchors,
    registry: contracts.NodeRegistry,
    timelock: contracts.TimelockController,
    params: contracts.ParamRegistry,
    governor: contracts.LucidGovernor,
  };
}

export const FOR = 1;
export const AGAINST = 0;
export const ABSTAIN = 2;

/** The eight states in the order of IGovernor.ProposalState. */
const STATES = ["Pending", "Active", "Canceled", "Defeated", "Succeeded", "Queued", "Expired", "Executed"];

/** A proposal of calls, each a contract and a method with its values. */
export class Proposal {
  constructor(net, description, ...calls) {
    this.net = net;
    this.description = description;
    this.calls = [
      calls.map(([contract]) => contract.address),
      calls.map(() => 0n),
      calls.map(([contract, method, ...args]) => contract.data(method, ...args)),
    ];
    this.hash = ethers.id(description);
    const coder = ethers.AbiCoder.defaultAbiCoder();
    const types = ["address[]", "uint256[]", "bytes[]", "bytes32"];
    this.id = BigInt(ethers.keccak256(coder.encode(types, [...this.calls, this.hash])));
  }

  /** The timelock's operation for it, as the governor schedules it: its calls, no predecessor, its salt. */
  get operation() {
    const salt = (BigInt(this.net.governor.address) << 96n) ^ BigInt(this.hash);
    return [...this.calls, ethers.ZeroHash, ethers.toBeHex(salt, 32)];
  }

  propose(signer) {
    return this.net.governor.send(signer, "propose", ...this.calls, this.description);
  }

  vote(signer, support) {
    return this.net.governor.send(signer, "castVote", this.id, support);
  }

  queue(signer) {
    return this.net.governor.send(signer, "queue", ...this.calls, this.hash);
  }

  execute(signer) {
    return this.net.governor.send(signer, "execute", ...this.calls, this.hash);
  }

  cancel(signer) {
    return this.net.governor.send(signer, "cancel", ...this.calls, this.hash);
  }

  async state() {
    return STATES[await this.net.governor.read("state", this.id)];
  }

  /** Proposed, and the vote is open. */
  async opened(signer = NODES[0]) {
    (await this.propose(signer)).done();
    this.net.chain.now += VOTING_DELAY + 1n;
    return this;
  }

  /** Proposed, voted for by these, and the vote is over. */
  async passed(voters = NODES) {
    await this.opened();
    for (const voter of voters) (await this.vote(voter, FOR)).done();
    this.net.chain.now += VOTING_PERIOD + VOTE_EXTENSION;
    return this;
  }

  /** Passed, queued, and the delay is over. */
  async ready(voters = NODES) {
    await this.passed(voters);
    (await this.queue(STRANGER)).done();
    this.net.chain.now += TIMELOCK_DELAY;
    return this;
  }
}

/** What a proposal that passes does, with all its steps. */
export async function decide(net, description, ...calls) {
  const proposal = await new Proposal(net, description, ...calls).ready();
  return proposal.execute(STRANGER);
}

/** The state that the governor's error says, and the bitmap of those that were possible. */
export const stateNumber = (name) => BigInt(STATES.indexOf(name));
export const stateBitmap = (...names) =>
  ethers.zeroPadValue(ethers.toBeHex(names.reduce((sum, name) => sum | (1n << stateNumber(name)), 0n)), 32);
