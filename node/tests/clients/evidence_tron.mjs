// The TRON part of an evidence file, checked by others: the transaction's protocol buffers, addresses,
// calldata and who signed are TronWeb's, hashes are Node's own. TronWeb has no message for a block's header:
// that is read here. Written from node/docs/format.md §10.1 and §12 (e) alone.
//
//   node node/tests/clients/evidence_tron.mjs PACKAGES FILE [ADDRESS] [--flip]
//
// PACKAGES is a folder with tronweb 6.5.1 from npm. Prints one JSON object. Ends with 0 where the TRON part
// holds, and was made by the account ADDRESS where that is given; with 1 where it does not, saying why.
// With --flip each byte of the part is changed in four ways too, and each time it must not hold.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const words = process.argv.slice(2).filter(word => word !== '--flip')
const [packages, file, pinned] = words
if (!file) throw new Error('usage: evidence_tron.mjs PACKAGES FILE [ADDRESS]')
const load = createRequire(join(resolve(packages), 'any.js'))
const { TronWeb, utils } = load('tronweb')
// TronWeb's generated messages make themselves global.
const { Transaction, TransferContract, TriggerSmartContract } = globalThis.TronWebProto
// Half the order of secp256k1 (SEC 2, §2.4.1).
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
const NETWORKS = {
  mainnet: '00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc',
  shasta: '0000000000000000de1aa88295e1fcf982742f773e0419c5a9c134c994a9059e',
  nile: '0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc'
}

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
const hex = bytes => Buffer.from(bytes).toString('hex')
const need = (holds, why) => { if (!holds) throw new Error(why) }
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0

function unhex (text) {
  need(/^([0-9a-f]{2})+$/.test(text), 'lower-case hex')
  return Buffer.from(text, 'hex')
}

function address (bytes) {
  need(bytes.length === 21 && bytes[0] === 0x41, 'an address has 21 bytes and begins with 41')
  return TronWeb.address.fromHex(hex(bytes))
}

// Whose key signed what hashes to `hash`.
function signer (signature, hash, vs) {
  need(signature.length === 65 && vs.includes(signature[64]), 'a signature is r, s and v')
  need(BigInt('0x' + hex(signature.subarray(32, 64))) <= HALF_ORDER, 's is in the lower half')
  return TronWeb.address.fromHex(utils.crypto.ecRecover(hex(hash), hex(signature)))
}

// A message of protocol buffers: its fields in order, each a number or bytes, none twice.
function fields (bytes) {
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      need(byte !== undefined && shift < 64n, 'a varint')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        need(byte > 0 || shift === 0n, 'a varint in its shortest form')
        return value
      }
    }
  }
  const found = {}
  for (let last = 0n; at < bytes.length;) {
    const key = varint()
    need(key >> 3n > last, 'fields in the order of their numbers')
    last = key >> 3n
    if ((key & 7n) === 0n) {
      found[last] = varint()
      need(found[last] > 0n, 'no field that says its default')
    } else {
      need((key & 7n) === 2n, 'numbers and bytes')
      const length = Number(varint())
      need(length > 0 && at + length <= bytes.length, 'bytes as many as it says')
      found[last] = Buffer.from(bytes.subarray(at, at += length))
    }
  }
  return found
}

// A block's header: only the fields that it has.
function readHeader (bytes) {
  const { 1: raw, 2: signature, ...rest } = fields(bytes)
  need(raw && signature && Object.keys(rest).length === 0, 'a header is its raw part and a signature')
  const { 1: timestamp, 2: root, 3: parent, 7: number, 9: witness, 10: version, 11: state, ...others } =
    fields(raw)
  need(Object.keys(others).length === 0, 'a header has no other field')
  need(root?.length === 32 && parent?.length === 32 && number, 'a header has root, parent and number')
  need(version === undefined || typeof version === 'bigint', 'a version is a number')
  need(state === undefined || state.length === 32, 'a state root is a hash')
  return { raw, signature, timestamp, root, number, witness: address(witness) }
}

// The lines of the TRON part, and the three of the checkpoint before it.
function lines (text) {
  const at = text.indexOf('\nanchor ')
  need(at > 0 && text.endsWith('\nend\n'), 'there is a TRON part, then end')
  const proof = text.slice(text.indexOf('\ntlog-proof\n') + 12, at + 1)
  const note = proof.slice(proof.indexOf('\n\n') + 2)
  return [note.slice(0, note.indexOf('\n\n') + 1), text.slice(at + 1, -4).split('\n').slice(0, -1)]
}

function part (all) {
  const field = name => {
    const line = all.shift() ?? ''
    need(line.startsWith(name + ' '), `${name} is expected`)
    return line.slice(name.length + 1)
  }
  need(field('anchor') === 'tron/v1', 'an anchor of version 1')
  const [name, genesis, ...more] = field('network').split(' ')
  need(genesis && more.length === 0 && NETWORKS[name] === genesis, 'the network has this block 0')
  const transaction = unhex(field('transaction'))
  const header = unhex(field('header'))
  const signedBy = field('signer')
  need(TronWeb.isAddress(signedBy), 'signer is an address')
  const count = field('path')
  need(/^(0|[1-9][0-9]?)$/.test(count) && all.length === Number(count), 'as many steps as it says')
  const path = all.map(line => /^(left|right) ([0-9a-f]{64})$/.exec(line) ?? need(false, 'a step'))
  return { name, transaction, header, signedBy, path }
}

function verify (text) {
  const [checkpoint, all] = lines(text)
  const { name, transaction, header, signedBy, path } = part(all)
  // The transaction: one signature, its owner's; its result SUCCESS alone.
  const tx = Transaction.deserializeBinary(transaction)
  need(same(tx.serializeBinary(), transaction), 'the transaction has one encoding')
  const raw = tx.getRawData()
  const rawBytes = raw.serializeBinary()
  const [signature, ...others] = tx.getSignatureList_asU8()
  need(others.length === 0, 'one signature')
  const owner = signer(signature, sha256(rawBytes), [0, 1, 27, 28])
  const ended = new Transaction.Result()
  ended.setContractret(1)
  need(tx.getRetList().length === 1 &&
    same(tx.getRetList()[0].serializeBinary(), ended.serializeBinary()), 'it succeeded')

  // What it anchors.
  need(raw.getContractList().length === 1, 'one contract')
  const contract = raw.getContractList()[0]
  need(contract.getPermissionId() === 0, "the owner's permission")
  const [, size, root] = checkpoint.split('\n')
  let called = null
  if (contract.getType() === 31) {
    const call = TriggerSmartContract.deserializeBinary(contract.getParameter().getValue_asU8())
    called = address(call.getContractAddress_asU8())
    need(address(call.getOwnerAddress_asU8()) === owner, 'the owner signed')
    need(call.getCallValue() === 0 && call.getCallTokenValue() === 0, 'it sends nothing along')
    need(raw.getData_asU8().length === 0, 'a call has no memo')
    const selector = TronWeb.sha3('anchor(bytes32,uint64)', false).slice(0, 8)
    const words = utils.abi.encodeParams(
      ['bytes32', 'uint64'], ['0x' + Buffer.from(root, 'base64').toString('hex'), size])
    need(hex(call.getData_asU8()) === selector + words.slice(2), 'it is a call of anchor(root, size)')
  } else {
    need(contract.getType() === 1, 'a call or a transfer')
    const transfer = TransferContract.deserializeBinary(contract.getParameter().getValue_asU8())
    need(address(transfer.getOwnerAddress_asU8()) === owner, 'the owner signed')
    need(transfer.getAmount() === 1 && raw.getFeeLimit() === 0, 'it is of 1 sun')
    need(Buffer.from(raw.getData_asU8()).toString() === checkpoint, 'the memo is the checkpoint')
  }

  // The block: the way to its root, its id, who signed its header.
  const head = readHeader(header)
  let hash = sha256(transaction)
  for (const [, side, beside] of path) {
    hash = side === 'left' ? sha256(unhex(beside), hash) : sha256(hash, unhex(beside))
  }
  need(same(hash, head.root), 'the transaction is in the block')
  const headerHash = sha256(head.raw)
  need(signer(head.signature, headerHash, [0, 1]) === signedBy,
    'the header is signed by whom the file names')
  if (pinned) need(owner === pinned, `it was anchored by ${owner}, not by ${pinned}`)
  return {
    form: called ? 'contract' : 'memo',
    anchored_by: owner,
    contract: called,
    network: name,
    tx_id: hex(sha256(rawBytes)),
    block_id: head.number.toString(16).padStart(16, '0') + hex(headerHash).slice(16),
    block_number: Number(head.number),
    block_time: new Date(Number(head.timestamp)).toISOString(),
    witness: head.witness,
    signer: signedBy
  }
}

// How many changes of single bytes were tried, none of which may hold.
function flip (text) {
  let tried = 0
  const bytes = Buffer.from(text)
  for (let at = bytes.indexOf('\nanchor ') + 1; at < bytes.length; at++) {
    for (const bit of [0x01, 0x04, 0x20, 0x80]) {
      const changed = Buffer.from(bytes)
      changed[at] ^= bit
      let holds = true
      try { verify(new TextDecoder('utf-8', { fatal: true }).decode(changed)) } catch { holds = false }
      need(!holds, `it holds with byte ${at} ^ ${bit} too`)
      tried++
    }
  }
  return tried
}

try {
  const text = readFileSync(file, 'utf8')
  const found = verify(text)
  if (process.argv.includes('--flip')) found.flipped = flip(text)
  console.log(JSON.stringify(found))
} catch (error) {
  console.error(`not verified: ${error.message}`)
  process.exitCode = 1
}
