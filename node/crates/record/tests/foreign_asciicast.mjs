// A foreign reader of our recordings: asciinema-player, the player that shows them in browsers.
//
// Install and run (Node 18 or newer), from the repository's root:
//
//   npm install --prefix target/foreign --no-save asciinema-player@3.18.0
//   cargo build -p lucid-record --example record
//   node node/crates/record/tests/foreign_asciicast.mjs target/foreign target/debug/examples/record
//
// The recorder records a script whose output is known; the player's own parser and driver then
// play the recording, and what they say is compared with what the script did. Exits 1 with a
// message where they differ, and where the player or the recorder is missing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [installed = "target/foreign", recorder = "target/debug/examples/record"] =
  process.argv.slice(2);

// The split é and the stray byte are what a JSON writer gets wrong first; the sleep is an interval
// that must survive; the last line is what nobody may lose.
const SCRIPT = `
printf '\\033[1mbold\\033[0m h\\303'; sleep 0.3; printf '\\251llo "quoted" \\\\ \\377\\n'
stty size; read -r word; echo "got $word"; seq 1 20000 | tail -n 1; exit 3`;
const OUTPUT =
  '\u001b[1mbold\u001b[0m héllo "quoted" \\ \ufffd\r\n24 80\r\ngot typed\r\n20000\r\n';

/** The player's core, without its user interface: the file's name carries a hash. */
async function loadCore() {
  const dist = join(resolve(installed), "node_modules", "asciinema-player", "dist");
  const file = readdirSync(dist).find((name) => /^core-.*\.js$/.test(name));
  assert(file, `no player core in ${dist}: install it as this file's head says`);
  return (await import(pathToFileURL(join(dist, file)))).C;
}

/** Records the script with something piped in, as no terminal may be at hand. */
function makeRecording() {
  const folder = mkdtempSync(join(tmpdir(), "lucid-record-"));
  const file = join(folder, "session.cast");
  try {
    execFileSync(resolve(recorder), [file, "/bin/sh", "-c", SCRIPT], {
      input: "typed\n",
      env: { ...process.env, TERM: "xterm-256color", CAPTURE_INPUT: "1" },
    });
    assert.fail("the script exits with 3");
  } catch (error) {
    assert.equal(error.status, 3, `the recorder failed: ${error.message}`);
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Plays a recording to its end, as fast as the player can. */
async function play(Core, recording) {
  const silent = new Proxy({}, { get: () => () => {} });
  const source = { driver: "recording", data: recording };
  const core = new Core(source, { speed: 1000, preload: true, logger: silent });
  const seen = { output: "", input: "", metadata: undefined, size: undefined };
  // What is due in one frame comes as a list.
  core.addEventListener("output", (texts) => (seen.output += [texts].flat().join("")));
  core.addEventListener("input", (event) => (seen.input += event.data));
  core.addEventListener("metadata", (metadata) => (seen.metadata = metadata));
  core.addEventListener("reset", (reset) => (seen.size = reset.size));
  const ended = new Promise((done, failed) => {
    core.addEventListener("ended", done);
    core.addEventListener("error", failed);
  });
  core.terminalReady();
  await core.init();
  await core.play();
  await ended;
  return seen;
}

const Core = await loadCore();
const recording = makeRecording();
const { output, input, metadata, size } = await play(Core, recording);
assert.equal(output, OUTPUT);
assert.equal(input, "typed\n");
assert.deepEqual({ cols: size.cols, rows: size.rows }, { cols: 80, rows: 24 });
assert(metadata.duration >= 0.3 && metadata.duration < 60, `duration ${metadata.duration}`);
// The player passes over the exit; it is the last line.
assert.match(recording.trimEnd().split("\n").at(-1), /^\[\d+\.\d{6},"x","3"\]$/);
console.log(`asciinema-player played ${output.length} characters as they were recorded`);
