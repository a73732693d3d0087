// Uploading as web pages do: with tus-js-client, the tus project's own.
//
//   node node/tests/clients/tus_js.mjs PACKAGES URL PID_FILE    (node/tests/clients/run does it all)
//
// TOKEN is an access token. A file of 40 MiB goes up in pieces of 3 MiB. It is cut off in the middle of a
// piece and resumed from the URL that the client stored, cut off again, with the server killed (SIGKILL)
// right after, and at last the server is killed in the middle of a piece, which the client gets over by
// itself. It always goes on at or after what was acknowledged, and what comes back is what was sent, byte
// for byte. Then, with small files, the further forms of an upload that the client has, and giving one up.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const [packages, url, pidFile] = process.argv.slice(2);
const tus = createRequire(join(resolve(packages), "package.json"))("tus-js-client");
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const MIB = 1 << 20;
const SIZE = 40 * MIB + 12_345;

const folder = mkdtempSync(join(tmpdir(), "lucid-tus-js-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const file = join(folder, "recording.mp4");
const content = randomBytes(SIZE);
writeFileSync(file, content);

// The client's errors hold all that there is to a request, thousands of lines.
process.on("uncaughtException", (error) => {
  console.error(error instanceof tus.DetailedError ? `${error.message}\n${error.stack}` : error);
  process.exit(1);
});

/** Kills the server as a power cut would, and waits until it is back. */
async function kill() {
  const pid = readFileSync(pidFile, "utf8");
  process.kill(Number(pid), "SIGKILL");
  for (let waited = 0; waited < 60_000; waited += 20) {
    await sleep(20);
    const ready = await fetch(`${url}/ready`).catch(() => undefined);
    if (readFileSync(pidFile, "utf8") !== pid && ready?.status === 200) return;
  }
  assert.fail("the server did not come back");
}

/** An upload, what it is answered, and a promise of its end. */
function prepare(source, options) {
  const seen = { requests: [], begun: [], acknowledged: 0 };
  let upload;
  const ended = new Promise((onSuccess, onError) => {
    upload = new tus.Upload(source, {
      endpoint: `${url}/api/v1/uploads`,
      headers,
      chunkSize: 3 * MIB,
      retryDelays: [20, 100, 300, 1000, 3000],
      urlStorage: new tus.FileUrlStorage(join(folder, "urls.json")),
      metadata: { filename: "recording.mp4", filetype: "video/mp4" },
      removeFingerprintOnSuccess: true,
      ...options,
      onAfterResponse(request, response) {
        const [method, status] = [request.getMethod(), response.getStatus()];
        const offset = Number(response.getHeader("Upload-Offset"));
        seen.requests.push(`${method} ${status}`);
        if (method === "HEAD" && status === 200) seen.begun.push(offset);
        if (method === "PATCH" && status === 204) seen.acknowledged = offset;
      },
      onSuccess,
      onError,
    });
  });
  return { upload, seen, ended };
}

/** Reads the content as over a slow line, and calls `on` once the byte at `at` was taken. */
const slowly = (at, on) => ({
  async openFile() {
    async function* read(start, end) {
      for (let from = start; from < end; from += 64 << 10) {
        const to = Math.min(from + (64 << 10), end);
        yield content.subarray(from, to);
        await sleep(2);
        if (from <= at && at < to) on();
      }
    }
    const slice = async (start, end) => {
      const value = Readable.from(read(start, end), { objectMode: false });
      return { value: Object.assign(value, { size: end - start }), done: end >= SIZE };
    };
    return { size: SIZE, slice, close() {} };
  },
});

/** Uploads the file, from where the client stored that it was, until the byte at `at`; then calls `cut`. */
async function leg(at, cut) {
  let reached;
  const isReached = new Promise((resolve) => (reached = resolve));
  const fileReader = slowly(at, () => reached(true));
  const prepared = prepare(createReadStream(file), { fileReader });
  const [previous] = await prepared.upload.findPreviousUploads();
  if (previous) prepared.upload.resumeFromPreviousUpload(previous);
  prepared.upload.start();
  assert(await Promise.race([isReached, prepared.ended]), "the upload ended before it was cut");
  await cut(prepared);
  return prepared;
}

/** That an upload was resumed, where something was and nothing acknowledged was lost. */
function goesOn(what, at, acknowledged, taken, requests) {
  console.log(`${what}: goes on at ${at}; ${acknowledged} bytes were acknowledged, ${taken} taken`);
  assert(acknowledged > 0 && at >= acknowledged && at <= taken, "at another place");
  assert(!requests.includes("POST 201"), "the upload was begun anew");
}

async function isWhole(upload, expected, mediaType) {
  const session = new URL(upload.url).pathname.replace(/\/upload$/, "");
  const shown = await (await fetch(url + session, { headers })).json();
  assert(["sealed", "anchored"].includes(shown.state), JSON.stringify(shown));
  assert.equal(shown.sealed.plain_bytes, expected.length);
  assert.equal(shown.media_type, mediaType);
  const answer = await fetch(`${url}${session}/content`, { headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), mediaType);
  const got = Buffer.from(await answer.arrayBuffer());
  assert(got.equals(expected), `${got.length} bytes came back, not the ${expected.length} sent`);
}

const places = [10 * MIB + 1_000_000, 20 * MIB + 1_000_000, 31 * MIB + 1_000_000];
const first = await leg(places[0], ({ upload }) => upload.abort());
const second = await leg(places[1], ({ upload }) => upload.abort().then(kill));
goesOn("cut off", second.seen.begun[0], first.seen.acknowledged, places[0] + 65_536, second.seen.requests);
let acknowledged;
const third = await leg(places[2], ({ seen }) => {
  acknowledged = seen.acknowledged;
  return kill();
});
await third.ended;
const { begun, requests } = third.seen;
goesOn("cut off and killed", begun[0], second.seen.acknowledged, places[1] + 65_536, requests);
goesOn("killed meanwhile", begun.at(-1), acknowledged, places[2] + 65_536, requests);
assert(begun.length >= 2, "the client noticed nothing of the kill");
assert.equal(third.upload.url, first.upload.url);
await isWhole(third.upload, content, "video/mp4");
console.log(`${SIZE} bytes: what came back is what was sent`);

/** Uploads it at one go, and gives the requests that it took. */
async function uploads(what, source, options, expected, requests) {
  const { upload, seen, ended } = prepare(source, { metadata: {}, chunkSize: 20_000, ...options });
  upload.start();
  await ended;
  await isWhole(upload, expected, options.metadata?.filetype ?? "application/octet-stream");
  assert.deepEqual(seen.requests, requests);
  console.log(`${what}: ${requests.join(", ")}`);
}

const small = content.subarray(0, 50_000);
const pieces = ["POST 201", "PATCH 204", "PATCH 204", "PATCH 204"];
await uploads("a file of no bytes", Buffer.alloc(0), {}, Buffer.alloc(0), ["POST 201"]);
await uploads("in pieces", small, {}, small, pieces);
const early = { uploadDataDuringCreation: true };
await uploads("the first piece with the creation", small, early, small, pieces.slice(0, 3));
const override = { overridePatchMethod: true, metadata: { filetype: "text/plain" } };
await uploads("POST for PATCH", small, override, small, ["POST 201", "POST 204", "POST 204", "POST 204"]);
const stream = new PassThrough();
stream.end(small);
await uploads("a stream of unknown length", stream, { uploadLengthDeferred: true }, small, pieces);

// Given up: the node has it no longer.
const gone = prepare(small, { chunkSize: 20_000, onChunkComplete: () => gone.cut() });
await new Promise((resolve) => {
  gone.cut = resolve;
  gone.upload.start();
});
await gone.upload.abort(true);
assert.equal(gone.seen.requests.at(-1), "DELETE 204");
const head = { method: "HEAD", headers: { ...headers, "Tus-Resumable": "1.0.0" } };
assert.equal((await fetch(gone.upload.url, head)).status, 410);
const session = new URL(gone.upload.url).pathname.replace(/\/upload$/, "");
assert.equal((await (await fetch(url + session, { headers })).json()).state, "voided");
console.log("given up: HEAD 410");
console.log("tus-js-client: all as it should be");
process.exit(0);
