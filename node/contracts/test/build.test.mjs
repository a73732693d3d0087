// That `build --check` finds what it is there to find. That it passes on what is committed is its own run.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { HERE, PACKAGES } from "./chain.mjs";

/** A copy of the sources and artefacts, which the test may spoil. */
function copy(t) {
  const folder = mkdtempSync(join(tmpdir(), "lucid-contracts-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const each of ["artefacts", "build", "package.json", "src"]) {
    cpSync(join(HERE, each), join(folder, each), { recursive: true });
  }
  return folder;
}

/** Changes a file's text, which must change. */
function edit(path, from, to) {
  const text = readFileSync(path, "utf8");
  assert(from.test?.(text) ?? text.includes(from), `${path} has ${from}`);
  writeFileSync(path, text.replace(from, to));
}

function build(folder, ...args) {
  const command = [join(folder, "build"), ...args];
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  return { status, stderr };
}

test("a difference fails the check, each is named, and nothing is written", (t) => {
  const folder = copy(t);
  const artefact = (name) => join(folder, "artefacts", `${name}.json`);
  edit(artefact("LucidAnchors"), /("bytecode": "0x)60/, "$161");
  edit(join(folder, "src/NodeRegistry.sol"), "nodes that decide together", "nodes which decide together");
  edit(artefact("TimelockController"), "{\n", "{ \n");
  rmSync(artefact("ParamRegistry"));
  writeFileSync(artefact("Other"), "{}\n");
  writeFileSync(artefact("LucidGovernor"), "{");
  const { status, stderr } = build(folder, "--check", "--modules", PACKAGES);
  assert.equal(status, 1, stderr);
  for (const line of [
    /LucidAnchors\.json: bytecode: committed "0x61.*, built "0x60/,
    /NodeRegistry\.json: sources\.src\/NodeRegistry\.sol\.sha256: committed "[0-9a-f]+.*, built "/,
    /TimelockController\.json: the same values in another form/,
    /ParamRegistry\.json: missing/,
    /Other\.json: nothing builds it/,
    /LucidGovernor\.json: no JSON/,
  ]) {
    assert.match(stderr, line);
  }
  // A comment moves no bytecode: of NodeRegistry the source's hash is all that differs.
  assert.equal(stderr.match(/NodeRegistry\.json/g).length, 1, stderr);
  assert.equal(readFileSync(artefact("Other"), "utf8"), "{}\n");
});

test("what does not compile, warns, or imports from elsewhere is refused", (t) => {
  const folder = copy(t);
  const source = join(folder, "src/LucidAnchors.sol");
  const original = readFileSync(source, "utf8");
  for (const [from, to, said] of [
    ["pragma solidity 0.8.37", "pragma solidity 0.8.36", /requires different compiler version/],
    ["function _count(", "function _idle() private { uint256 a; } function _count(", /Unused local variable/],
    ["pragma", 'import "../package.json"; pragma', /is neither in src\/ nor in @openzeppelin\/contracts/],
  ]) {
    edit(source, from, to);
    const { status, stderr } = build(folder, "--check", "--modules", PACKAGES);
    assert.equal(status, 1, stderr);
    assert.match(stderr, said);
    writeFileSync(source, original);
  }
});

test("other packages than the pinned ones, or none, are refused", (t) => {
  const folder = copy(t);
  const none = build(folder, "--check", "--modules", folder);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /solc is not installed in .*: run npm ci there/);
  edit(join(folder, "package.json"), /"solc": "[^"]+"/, '"solc": "0.8.36"');
  const other = build(folder, "--check", "--modules", PACKAGES);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /solc in .* is [\d.]+, package\.json says 0\.8\.36/);
  for (const args of [["--chekc"], ["--modules"]]) assert.equal(build(folder, ...args).status, 64, `${args}`);
});
