// What nobody can change: no owner, no admin, no proxy, no upgrade. Who may call what is written down here
// for every function of every contract that changes anything, and tried.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ABIS, ARTEFACTS, creation, ethers, NAMES } from "./chain.mjs";
import {
  addresses, CANDIDATES, deployed, DEPLOYER, key, member, NODES, ORDER, REGISTRAR, STRANGER,
} from "./deployment.mjs";

const [NODE] = NODES;
const ID = ethers.id("anything");
const ROLE = (name) => (name === "admin" ? ethers.ZeroHash : ethers.id(name));
const UNAUTHORIZED = "AccessControlUnauthorizedAccount";

/** Open to all: it changes only what the caller has a right to, as the other tests show. */
const ANYBODY = Symbol("anybody");

/**
 * Every function that can change something: for each, arguments and the error for whoever is not entitled,
 * of which {caller} is the caller. Nothing here names an owner, and the only grants are the timelock's.
 */
const CHANGES = {
  LucidAnchors: {
    anchor: ANYBODY,
    registerSession: [[`0x${"11".repeat(16)}`, ID, ID, ID, "local", 1, 1, 1], "OnlyRegistrar", "{caller}"],
  },
  ParamRegistry: {
    set: [[key("zstd_level"), 4], "OnlyTimelock", "{caller}"],
  },
  NodeRegistry: {
    admit: [member(CANDIDATES[0]), "OnlyTimelock", "{caller}"],
    remove: [[NODE.address], "OnlyTimelock", "{caller}"],
    delegate: ANYBODY,
    delegateBySig: ANYBODY,
  },
  TimelockController: {
    grantRole: [[ROLE("admin"), STRANGER.address], UNAUTHORIZED, "{caller}", ROLE("admin")],
    revokeRole: [[ROLE("PROPOSER_ROLE"), STRANGER.address], UNAUTHORIZED, "{caller}", ROLE("admin")],
    renounceRole: [[ROLE("admin"), ethers.ZeroAddress], "AccessControlBadConfirmation"],
    schedule: [[STRANGER.address, 0, "0x", ID, ID, 1000], UNAUTHORIZED, "{caller}", ROLE("PROPOSER_ROLE")],
    scheduleBatch: [[[], [], [], ID, ID, 1000], UNAUTHORIZED, "{caller}", ROLE("PROPOSER_ROLE")],
    cancel: [[ID], UNAUTHORIZED, "{caller}", ROLE("CANCELLER_ROLE")],
    updateDelay: [[0], "TimelockUnauthorizedCaller", "{caller}"],
    execute: ANYBODY, // what was scheduled, when its delay is over
    executeBatch: ANYBODY,
    onERC721Received: ANYBODY, // these take tokens in, and change nothing
    onERC1155Received: ANYBODY,
    onERC1155BatchReceived: ANYBODY,
  },
  LucidGovernor: {
    propose: [[[STRANGER.address], [0], ["0x"], "x"], "GovernorInsufficientProposerVotes", "{caller}", 0n, 1n],
    castVote: ANYBODY, // that has a vote
    castVoteWithReason: ANYBODY,
    castVoteWithReasonAndParams: ANYBODY,
    castVoteBySig: ANYBODY,
    castVoteWithReasonAndParamsBySig: ANYBODY,
    cancel: ANYBODY, // the proposer, see states.test.mjs
    queue: ANYBODY,
    execute: ANYBODY,
    relay: [[STRANGER.address, 0, "0x"], "GovernorOnlyExecutor", "{caller}"],
    setVotingDelay: [[1], "GovernorOnlyExecutor", "{caller}"],
    setVotingPeriod: [[1], "GovernorOnlyExecutor", "{caller}"],
    setProposalThreshold: [[1], "GovernorOnlyExecutor", "{caller}"],
    setLateQuorumVoteExtension: [[1], "GovernorOnlyExecutor", "{caller}"],
    updateQuorumNumerator: [[1], "GovernorOnlyExecutor", "{caller}"],
    onERC721Received: [[STRANGER.address, STRANGER.address, 1, "0x"], "GovernorDisabledDeposit"],
    onERC1155Received: [[STRANGER.address, STRANGER.address, 1, 1, "0x"], "GovernorDisabledDeposit"],
    onERC1155BatchReceived: [[STRANGER.address, STRANGER.address, [1], [1], "0x"], "GovernorDisabledDeposit"],
  },
};

/** Names that contracts with an owner, a switch or a way to be replaced have. */
const OWNERS = /ownable|ownership|^_?owner$|upgrade|proxy|initiali[sz]e|pause|implementation|destruct/i;

test("every function that changes something is known here, and none is an owner's", () => {
  for (const name of NAMES) {
    const changing = ABIS[name].fragments
      .filter(({ type, stateMutability }) => type === "function" && !["view", "pure"].includes(stateMutability))
      .map((fragment) => fragment.name);
    assert.deepEqual(changing.sort(), Object.keys(CHANGES[name]).sort(), name);
    for (const { name: any = "" } of ABIS[name].fragments) {
      assert.doesNotMatch(any, OWNERS, `${name}.${any}`);
    }
  }
});

/** That a caller is refused a function, with the error that is written down for it. */
async function refused(contracts, caller, name, method) {
  const [args, error, ...values] = CHANGES[name][method];
  const receipt = await contracts[name].send(caller, method, ...args);
  receipt.reverted(error, ...values.map((value) => (value === "{caller}" ? caller.address : value)));
}

test("whoever is not entitled is refused by each of them", async () => {
  const { contracts } = await deployed();
  let tried = 0;
  for (const [name, functions] of Object.entries(CHANGES)) {
    for (const [method, rule] of Object.entries(functions)) {
      if (rule === ANYBODY) continue;
      for (const caller of [DEPLOYER, STRANGER]) {
        await refused(contracts, caller, name, method);
        tried += 1;
      }
    }
  }
  assert.equal(tried, 2 * 21);
});

test("the timelock is its own admin, the governor proposes, anybody executes: no other role", async () => {
  const { timelock, governor } = await deployed();
  const granted = timelock.receipt.events(timelock, "RoleGranted").map(([role, who]) => [role, who]);
  const expected = [
    [ROLE("admin"), timelock.address],
    [ROLE("PROPOSER_ROLE"), governor.address],
    [ROLE("CANCELLER_ROLE"), governor.address],
    [ROLE("EXECUTOR_ROLE"), ethers.ZeroAddress],
  ];
  assert.deepEqual(granted, expected);
  for (const [role] of expected) {
    const others = [DEPLOYER, NODE, REGISTRAR].map(({ address }) => address);
    for (const who of [timelock.address, governor.address, ethers.ZeroAddress, ...others]) {
      const has = expected.some(([each, holder]) => each === role && holder === who);
      assert.equal(await timelock.read("hasRole", role, who), has, `${role} ${who}`);
    }
    assert.equal(await timelock.read("getRoleAdmin", role), ROLE("admin"));
  }
});

test("a node alone is entitled to nothing but to propose and to vote", async () => {
  const { contracts } = await deployed();
  for (const [name, method] of [
    ["ParamRegistry", "set"], ["NodeRegistry", "admit"], ["NodeRegistry", "remove"],
    ["LucidAnchors", "registerSession"], ["LucidGovernor", "setVotingDelay"],
    ["TimelockController", "grantRole"], ["TimelockController", "schedule"], ["LucidGovernor", "relay"],
  ]) {
    await refused(contracts, NODE, name, method);
  }
});

test("the addresses are those known before", async () => {
  const { contracts, chain } = await deployed();
  const at = addresses();
  for (const name of ORDER) {
    assert.equal(contracts[name].address, at[name], name);
    assert.equal(await chain.code(at[name]), withImmutables(await chain.code(at[name]), name), name);
  }
  const { LucidAnchors, NodeRegistry, TimelockController, ParamRegistry, LucidGovernor } = contracts;
  assert.equal(await LucidAnchors.read("registrar"), REGISTRAR.address);
  assert.equal(await NodeRegistry.read("timelock"), TimelockController.address);
  assert.equal(await ParamRegistry.read("timelock"), TimelockController.address);
  assert.equal(await LucidGovernor.read("timelock"), TimelockController.address);
  assert.equal(await LucidGovernor.read("token"), NodeRegistry.address);
});

/** The runtime bytecode of an artefact, with the immutables of a deployed one. */
function withImmutables(code, name) {
  const { immutableReferences, runtimeBytecode } = ARTEFACTS[name];
  let expected = runtimeBytecode;
  for (const { start, length } of immutableReferences) {
    const [from, to] = [2 + 2 * start, 2 + 2 * (start + length)];
    assert.match(expected.slice(from, to), /^0+$/);
    expected = expected.slice(0, from) + code.slice(from, to) + expected.slice(to);
  }
  return expected;
}

const [PUSH1, PUSH32, CALL] = [0x60, 0x7f, 0xf1];
const FORBIDDEN = {
  0xf0: "CREATE",
  0xf2: "CALLCODE",
  0xf4: "DELEGATECALL",
  0xf5: "CREATE2",
  0xff: "SELFDESTRUCT",
};

/** The instructions of a bytecode: its bytes less what is pushed. */
function* instructions(code) {
  const bytes = ethers.getBytes(code);
  for (let at = 0; at < bytes.length; at += 1) {
    yield bytes[at];
    if (bytes[at] >= PUSH1 && bytes[at] <= PUSH32) at += bytes[at] - PUSH1 + 1;
  }
}

test("no contract runs another's code as its own, makes contracts, or can be destroyed", () => {
  for (const name of NAMES) {
    const used = [...instructions(ARTEFACTS[name].runtimeBytecode)];
    // Only the timelock and the governor call out at all, which is what they are for.
    assert.equal(used.includes(CALL), ["LucidGovernor", "TimelockController"].includes(name), name);
    assert.deepEqual(used.filter((each) => each in FORBIDDEN).map((each) => FORBIDDEN[each]), [], name);
  }
  assert.deepEqual([...instructions("0x60f4f4")], [0x60, 0xf4]);
});

test("contracts keep within EIP-170 and EIP-3860, with the arguments they get", async () => {
  const { contracts } = await deployed();
  for (const name of NAMES) {
    assert((await contracts[name].chain.code(contracts[name].address)).length / 2 - 1 <= 24_576, name);
  }
  const most = Array.from({ length: 64 }, (_, i) => key(`p${i}`));
  const data = creation("ParamRegistry", [STRANGER.address, most, most.map(() => [0, 9, 5, 0, false])]);
  assert(ethers.dataLength(data) <= 49_152);
});
