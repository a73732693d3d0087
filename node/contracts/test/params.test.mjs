// ParamRegistry: what is declared at deployment is all there is; values change within their bounds, by
// the timelock alone. The timelock is an ordinary account here; decisions are in vote.test.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { account, Chain, ethers } from "./chain.mjs";
import { declaration, DEPLOYER, key, PARAMETERS, STRANGER, UNITS } from "./deployment.mjs";

const TIMELOCK = account(31);
const KEYS = PARAMETERS.map((parameter) => key(parameter.key));
const DECLARED = PARAMETERS.map(declaration);
const LARGEST = 2n ** 53n - 1n;

async function registry(keys = KEYS, parameters = DECLARED, timelock = TIMELOCK.address) {
  return (await Chain.create()).deploy(DEPLOYER, "ParamRegistry", timelock, keys, parameters);
}

test("everything declared is there, with its bounds", async () => {
  const params = await registry();
  assert.deepEqual(await params.read("keys"), KEYS);
  assert.equal(await params.read("timelock"), TIMELOCK.address);
  const [names, all] = await params.read("all");
  assert.deepEqual(names, KEYS);
  for (const [i, { key: name, min, max, value, unit, zeroIsNone }] of PARAMETERS.entries()) {
    const [least, most, now] = [min, max, value].map(BigInt);
    assert.equal(await params.read("get", key(name)), now, name);
    assert.deepEqual(await params.read("bounds", key(name)), [least, most, zeroIsNone], name);
    assert.deepEqual(all[i], [least, most, now, BigInt(UNITS.indexOf(unit)), zeroIsNone], name);
  }
  // The history begins with the declarations, so that logs alone tell it.
  const events = params.receipt.events(params, "ParameterDeclared");
  assert.deepEqual(
    events,
    all.map(([min, max, value, unit, zeroIsNone], i) => [KEYS[i], unit, min, max, zeroIsNone, value]),
  );
});

test("a value changes within its bounds", async () => {
  const params = await registry();
  const chunk = key("chunk_bytes");
  let before = 8_388_608n;
  for (const value of [65_536n, 16_777_216n, 1_000_001n]) {
    const receipt = (await params.send(TIMELOCK, "set", chunk, value)).done();
    assert.deepEqual(receipt.events(params, "ParameterChanged"), [[chunk, before, value]]);
    assert.equal(receipt.logs.length, 1);
    assert.equal(await params.read("get", chunk), value);
    before = value;
  }
  // Its neighbours and its bounds stayed.
  assert.equal(await params.read("get", key("zstd_level")), 3n);
  assert.deepEqual(await params.read("bounds", chunk), [65_536n, 16_777_216n, false]);
});

test("a value out of bounds is refused, and the error says all of it", async () => {
  const params = await registry();
  for (const { key: name, min, max, value, zeroIsNone } of PARAMETERS) {
    const outside = [BigInt(min) - 1n, BigInt(max) + 1n, 2n ** 64n + BigInt(min), 2n ** 256n - 1n];
    if (!zeroIsNone) outside.push(0n);
    for (const bad of outside) {
      const receipt = await params.send(TIMELOCK, "set", key(name), bad);
      receipt.reverted("ParameterOutOfBounds", key(name), bad, BigInt(min), BigInt(max));
    }
    assert.equal(await params.read("get", key(name)), BigInt(value), name);
  }
});

test("zero means none only where it was declared so", async () => {
  const params = await registry();
  const retention = key("retention_seconds");
  (await params.send(TIMELOCK, "set", retention, 1n)).reverted(
    "ParameterOutOfBounds", retention, 1n, 86_400n, 3_155_760_000n,
  );
  (await params.send(TIMELOCK, "set", retention, 86_400n)).done();
  (await params.send(TIMELOCK, "set", retention, 0n)).done();
  assert.equal(await params.read("get", retention), 0n);
});

test("a value that is in force already, or of nothing that was declared, is refused", async () => {
  const params = await registry();
  (await params.send(TIMELOCK, "set", key("zstd_level"), 3n)).reverted("ParameterUnchanged", key("zstd_level"), 3n);
  for (const unknown of [key("zstd_levels"), ethers.ZeroHash, ethers.MaxUint256]) {
    const name = ethers.toBeHex(unknown, 32);
    (await params.send(TIMELOCK, "set", name, 3n)).reverted("UnknownParameter", name);
    for (const view of ["get", "bounds"]) {
      assert.deepEqual(await params.refusal(view, name), { name: "UnknownParameter", args: [name] });
    }
  }
});

test("only the timelock changes values", async () => {
  const params = await registry();
  for (const other of [DEPLOYER, STRANGER]) {
    (await params.send(other, "set", key("zstd_level"), 4n)).reverted("OnlyTimelock", other.address);
  }
});

test("declarations that could not work are refused", async () => {
  const bytes = (text) => ethers.zeroPadBytes(ethers.toUtf8Bytes(text), 32);
  const good = [1, 9, 3, 0, false];
  const check = async (keys, parameters, name, ...args) => {
    const { receipt } = await registry(keys, parameters);
    receipt.reverted(name, ...args);
  };
  await check([], [], "DeclarationCount", 0n, 0n);
  await check([key("a")], [], "DeclarationCount", 1n, 0n);
  await check([key("a")], [good, good], "DeclarationCount", 1n, 2n);
  const many = Array.from({ length: 65 }, (_, i) => key(`a${i}`));
  await check(many, many.map(() => good), "DeclarationCount", 65n, 65n);
  await check([key("a"), key("b"), key("a")], [good, good, good], "DuplicateKey", key("a"));
  for (const bad of ["", "A", "1a", "_a", "a-b", "a b", "aB", "a\0b", "é", "a{", "a`", "a/", "a:", "x".repeat(32)]) {
    await check([bytes(bad)], [good], "InvalidKey", bytes(bad));
  }
  const bounds = async (min, max, value, zeroIsNone) =>
    check([key("a")], [[min, max, value, 0, zeroIsNone]], "InvalidBounds", key("a"), BigInt(min), BigInt(max));
  await bounds(2, 1, 2, false);
  await bounds(0, 0, 0, false);
  await bounds(0, 9, 0, true);
  await bounds(1, LARGEST + 1n, 1, false);
  for (const [min, max, value] of [[2, 9, 1], [2, 9, 10], [2, 9, 0]]) {
    const declared = [[min, max, value, 0, false]];
    await check([key("a")], declared, "ParameterOutOfBounds", key("a"), ...[value, min, max].map(BigInt));
  }
  const { receipt } = await registry(KEYS, DECLARED, ethers.ZeroAddress);
  receipt.reverted("NoTimelock");
});

test("the longest name, the widest bounds and the most parameters work", async () => {
  const names = Array.from({ length: 63 }, (_, i) => key(`p${i}`));
  const longest = key(`z9_${"a".repeat(28)}`);
  const params = await registry([longest, ...names], [longest, ...names].map(() => [0, LARGEST, 5, 0, false]));
  params.receipt.done();
  (await params.send(TIMELOCK, "set", longest, LARGEST)).done();
  assert.equal(await params.read("get", longest), LARGEST);
  (await params.send(TIMELOCK, "set", names[62], 0)).done();
  assert.equal((await params.read("all"))[0].length, 64);
});
