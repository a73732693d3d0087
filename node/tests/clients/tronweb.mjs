// Signing in as a wallet does: with TronWeb, the library under TRON's wallets and pages.
//
//   node node/tests/clients/tronweb.mjs PACKAGES URL          (node/tests/clients/run does it all)
//
// A new account signs the node's challenge with signMessageV2, and with the older sign, and is signed in
// as itself. A signature that was altered, is of another text or by another account, and a challenge that
// was used, do not sign in: each is refused with its own code.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [packages, url] = process.argv.slice(2);
const { TronWeb } = createRequire(join(resolve(packages), "package.json"))("tronweb");
const tron = new TronWeb({ fullHost: url }); // nobody calls it: accounts and signatures are made here

/** Calls the API, and gives the status and what was answered. */
async function call(path, { body, token } = {}) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, type: answer.headers.get("content-type"), said: await answer.json() };
}

async function challenge(account) {
  const { status, said } = await call("/auth/challenge", { body: { address: account.address } });
  assert.equal(status, 200, JSON.stringify(said));
  assert.equal(said.address, account.address);
  assert(said.message.includes(account.address), "the text names who signs it");
  return said;
}

const login = (account, nonce, signature) =>
  call("/auth/login", { body: { address: account.address, nonce, signature } });

async function isSignedIn(account, answer) {
  assert.equal(answer.status, 200, JSON.stringify(answer.said));
  const me = await call("/auth/me", { token: answer.said.access_token });
  assert.equal(me.status, 200, JSON.stringify(me.said));
  assert.equal(me.said.address, account.address);
}

function isRefused(answer, code) {
  const said = JSON.stringify(answer.said);
  assert.deepEqual([answer.status, answer.said.code, answer.said.status], [401, code, 401], said);
  assert.equal(answer.type, "application/problem+json");
}

/** How wallets sign a text: today, and before. */
const forms = {
  signMessageV2: (text, account) => tron.trx.signMessageV2(text, account.key),
  sign: (text, account) => tron.trx.sign(TronWeb.fromUtf8(text), account.key),
};

const flipped = (hex, at) =>
  hex.slice(0, at) + (parseInt(hex[at], 16) ^ 1).toString(16) + hex.slice(at + 1);

async function makeAccount() {
  const { privateKey, address } = await TronWeb.createAccount();
  return { key: privateKey, address: address.base58 };
}

const [account, other] = [await makeAccount(), await makeAccount()];

for (const [name, sign] of Object.entries(forms)) {
  const { message, nonce } = await challenge(account);
  const good = await sign(message, account);
  const refused = {
    "altered in r": flipped(good, 10),
    "altered in s": flipped(good, 100),
    "with the other v": good.slice(0, -2) + (good.endsWith("1b") ? "1c" : "1b"),
    "of another text": await sign(`${message}.`, account),
    "of a text without its last character": await sign(message.slice(0, -1), account),
    "by another account": await sign(message, other),
    "of another challenge": await sign((await challenge(other)).message, account),
    "with Ethereum's header": await tron.trx.sign(TronWeb.fromUtf8(message), account.key, false),
    "cut short": good.slice(0, -2),
  };
  for (const [what, signature] of Object.entries(refused)) {
    isRefused(await login(account, nonce, signature), "signature_invalid");
    console.log(`${name}: a signature ${what} is refused`);
  }
  // Somebody else's challenge, though signed as it should be.
  const stolen = await challenge(other);
  isRefused(await login(account, stolen.nonce, await sign(stolen.message, account)), "nonce_unknown");
  const altered = (nonce[0] === "A" ? "B" : "A") + nonce.slice(1);
  isRefused(await login(account, altered, good), "nonce_unknown");

  // What was refused has not used the challenge up; signing in with it has.
  await isSignedIn(account, await login(account, nonce, good));
  isRefused(await login(account, nonce, good), "nonce_used");
  isRefused(await login(account, nonce, await sign(message, account)), "nonce_used");
  console.log(`${name}: signed in as ${account.address}, and the nonce is refused afterwards`);

  // As some wallets write it: without 0x, in capitals, v counted from 0.
  const again = await challenge(account);
  const bare = (await sign(again.message, account)).replace(/^0x/, "").toUpperCase();
  const v = (parseInt(bare.slice(-2), 16) - 27).toString(16).padStart(2, "0");
  await isSignedIn(account, await login(account, again.nonce, bare.slice(0, -2) + v));
}

// The other account is somebody else.
const { message, nonce } = await challenge(other);
await isSignedIn(other, await login(other, nonce, await tron.trx.signMessageV2(message, other.key)));
const nobody = await call("/auth/me", { token: "x.y.z" });
isRefused(nobody, "token_invalid");
isRefused(await call("/auth/me"), "token_missing");
console.log(`tronweb ${TronWeb.version}: all as it should be`);
