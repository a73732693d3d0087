// What the contracts cost. The README's table is these measurements: it is held against them, so that no
// change of cost goes unseen.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ARTEFACTS, ethers, HERE } from "./chain.mjs";
import { deployed, key, NODES, ORDER, Proposal, REGISTRAR, STRANGER } from "./deployment.mjs";

const HASH = ethers.id("any hash");
const OWNER = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8";
const figure = (number) => Number(number).toLocaleString("en-US");

function register(net, number, owner) {
  const sessionId = ethers.sha256(`0x0${number}`).slice(0, 34);
  const [plainBytes, chunkCount, logIndex] = [10_000_000, 2, number];
  const args = [sessionId, HASH, HASH, HASH, owner, plainBytes, chunkCount, logIndex];
  return net.anchors.send(REGISTRAR, "registerSession", ...args);
}

async function measured() {
  const net = await deployed();
  const rows = ORDER.map((name) => [
    `deploy \`${name}\``, net.contracts[name].receipt, ethers.dataLength(ARTEFACTS[name].runtimeBytecode),
  ]);
  rows.push(["`registerSession`, the first", await register(net, 1, OWNER)]);
  rows.push(["`registerSession`, every other", await register(net, 2, OWNER)]);
  rows.push(["`registerSession`, an owner of 64 characters", await register(net, 3, "x".repeat(64))]);
  rows.push(["`anchor`", await net.anchors.send(STRANGER, "anchor", HASH, 1_000_000)]);
  const call = [net.params, "set", key("chunk_bytes"), 1_048_576];
  const proposal = new Proposal(net, "Cut chunks of 1 MiB", call);
  rows.push(["`propose` a parameter", await proposal.propose(NODES[0])]);
  net.chain.now += 101n;
  rows.push(["`castVote`, the first", await proposal.vote(NODES[0], 1)]);
  rows.push(["`castVote`, the one that makes the quorum", await proposal.vote(NODES[1], 1)]);
  net.chain.now += 1000n;
  rows.push(["`queue`", await proposal.queue(STRANGER)]);
  net.chain.now += 500n;
  rows.push(["`execute`", await proposal.execute(STRANGER)]);
  return rows.map(([what, receipt, size]) => {
    receipt.done();
    const bytes = size === undefined ? "" : figure(size);
    return `| ${what} | ${figure(receipt.gas)} | ${figure(receipt.executionGas)} | ${bytes} |`;
  });
}

test("the README says what it costs", async (t) => {
  const rows = await measured();
  for (const row of rows) t.diagnostic(row);
  const readme = readFileSync(join(HERE, "README.md"), "utf8").split("\n");
  const start = readme.findIndex((line) => line.startsWith("| what | gas |"));
  assert.notEqual(start, -1, "README has the table");
  const table = readme.slice(start + 2);
  assert.deepEqual(table.slice(0, table.findIndex((line) => !line.startsWith("|"))), rows);
});
