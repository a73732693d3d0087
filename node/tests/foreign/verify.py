#!/usr/bin/env python3
"""A verifier and decryptor for what a Lucid node writes, made from node/docs/format.md alone.

It shares no code with the node, so that the two check each other and the page. The section numbers
are that page's. Needs Python 3.9 and `pip install -r requirements.txt`.

    verify.py session DATA_FOLDER SESSION_ID [--key VKEY] [--decrypt OUT]
    verify.py evidence FILE [--key VKEY] [--extract OUT]
    verify.py tlog-proof FILE --key VKEY

Prints one JSON object. Exit code 0: verified, 1: not verified ("reason" says why), 2: usage.
"""

import argparse, base64, datetime, hashlib, hmac, json, os, re, sys
from collections import namedtuple
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SEGMENT, TAG, CHUNK_MAX, PREFIX = 16384, 16, 16777216, 104
JSON_MAX, U32_MAX, U64_MAX = 2**53 - 1, 2**32 - 1, 2**64 - 1


class Refused(Exception):
    """What was checked is not what the page allows; the text says where."""


def need(holds, why):
    if not holds:
        raise Refused(why)


# --- §1, §2: encodings ---------------------------------------------------------------------------

def u(data):
    return int.from_bytes(data, "big")


def unhex(text, length):
    need(re.fullmatch("[0-9a-f]{%d}" % (2 * length), text), f"not {length} bytes of hex")
    return bytes.fromhex(text)


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 is not canonical")
    return data


def decimal(text, highest=U64_MAX):
    need(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) <= highest, "not a decimal number")
    return int(text)


def no_float(text):
    raise Refused(f"{text} is not an integer")


def to_json(value, sort=True):
    return json.dumps(value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False).encode()


def bounded(value, lowest):
    """Whether all integers below `value` are in the page's range and all field names are ASCII."""
    if isinstance(value, dict):
        return all(name.isascii() and bounded(inner, lowest) for name, inner in value.items())
    if isinstance(value, list):
        return all(bounded(inner, lowest) for inner in value)
    return type(value) is not int or lowest <= value <= JSON_MAX


def canonical(data, lowest=0):
    """Canonical JSON, or a refusal: parse, write again, compare bytes."""
    try:
        value = json.loads(data.decode(), parse_float=no_float, parse_constant=no_float)
        same = to_json(value) == data
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}")
    need(same and isinstance(value, dict), "not a canonical JSON object")
    need(bounded(value, lowest), "a number or field name outside the format's range")
    return value


def whole(lowest, highest):
    return lambda value: type(value) is int and lowest <= value <= highest


def text(pattern, longest=None):
    def holds(value):
        return (isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None
                and (longest is None or len(value.encode()) <= longest))
    return holds


def time(value):
    form = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"
    if not text(form)(value) or value < "1970":
        return False
    try:
        datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return False
    return value[17:19] != "60"


def fields(value, form, what):
    """`value` has exactly the fields of `form`, each as its check says."""
    need(isinstance(value, dict) and set(value) == set(form), f"{what}: other fields than expected")
    for name, holds in form.items():
        need(holds(value[name]), f"{what}: {name} is malformed")


HASH = text("[0-9a-f]{64}")
SESSION = text("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OWNER = text("[A-Za-z0-9._:@-]{1,64}")
SIDE = "[a-z0-9][a-z0-9!#$&^_.+-]*"
MEDIA = text(f"{SIDE}/{SIDE}", 127)
ANY = text(".*")

POLICY = {"chunk_bytes": whole(65536, CHUNK_MAX), "suite": whole(1, 2), "version": whole(1, 1),
          "zstd_level": whole(1, 19)}
ENTRY = {"at": time, "kind": text("[a-z_]+([.][a-z_]+)+", 64), "v": whole(1, 1)}
KINDS = {
    "session.opened": {"media_type": MEDIA, "owner": OWNER, "session_id": SESSION,
                       "policy": lambda value: fields(value, POLICY, "policy") is None},
    "session.sealed": {"chunk_count": whole(0, U32_MAX), "manifest_hash": HASH, "merkle_root": HASH,
                       "owner": OWNER, "plain_bytes": whole(0, JSON_MAX), "policy_hash": HASH,
                       "session_id": SESSION},
    "session.voided": {"reason": text(".*", 1024), "session_id": SESSION},
    "session.erased": {"session_id": SESSION},
    "node.event": {"event": text(".*", 64), "detail": text(".*", 1024)},
}
MANIFEST = {
    "chunk_count": whole(0, U32_MAX), "chunks": lambda value: isinstance(value, list),
    "complete": lambda value: isinstance(value, bool), "created_at": time, "media_type": MEDIA,
    "merkle_root": HASH, "node_id": text("[0-9a-f]{16}"), "owner": OWNER,
    "plain_bytes": whole(0, JSON_MAX), "policy_hash": HASH, "sealed_at": time,
    "segment_bytes": whole(SEGMENT, SEGMENT), "session_id": SESSION, "software": ANY,
    "stored_bytes": whole(0, JSON_MAX), "suite": whole(1, 2), "version": whole(1, 1),
}
ROW = {"chunk_root": HASH, "codec": whole(0, 1), "index": whole(0, U32_MAX),
       "payload_bytes": whole(0, U32_MAX), "plain_bytes": whole(0, U32_MAX)}


# --- §5: trees -----------------------------------------------------------------------------------

def H(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return H(b"\0" + data)


def tree_root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else H(b"")
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return H(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def root_of(size, index, leaf, path):
    need(index < size, "index is not in the tree")
    first, last, root = index, size - 1, leaf
    for sibling in path:
        need(last > 0, "path is too long")
        if first & 1 or first == last:
            root = H(b"\1" + sibling + root)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root = H(b"\1" + root + sibling)
        first, last = first >> 1, last >> 1
    need(last == 0, "path is too short")
    return root


# --- §4: chunks ----------------------------------------------------------------------------------

Header = namedtuple("Header", "suite codec session index plain payload")


def parse_header(data):
    need(data[:5] == b"LUC1\1", "chunk header: magic or version")
    need(data[7] == 0 and data[28:32] == bytes(4), "chunk header: reserved bytes")
    session = data[8:24].hex()
    session = "-".join((session[:8], session[8:12], session[12:16], session[16:20], session[20:]))
    head = Header(data[5], data[6], session, u(data[24:28]), u(data[32:40]), u(data[40:48]))
    need(head.suite in (1, 2) and head.codec in (0, 1), "chunk header: suite or codec")
    need(SESSION(session), "chunk header: session id")
    need(0 < head.plain <= CHUNK_MAX, "chunk header: plaintext length")
    need(head.payload == head.plain if head.codec == 0 else 0 < head.payload < head.plain,
         "chunk header: payload length")
    return head


def row_header(manifest, row):
    return (b"LUC1\1" + bytes((manifest["suite"], row["codec"], 0))
            + bytes.fromhex(manifest["session_id"].replace("-", "")) + row["index"].to_bytes(4, "big")
            + bytes(4) + row["plain_bytes"].to_bytes(8, "big") + row["payload_bytes"].to_bytes(8, "big"))


def segment_count(head):
    return head.payload // SEGMENT + 1


def sealed_bytes(head):
    return head.payload + TAG * segment_count(head)


def cut(head, sealed):
    need(len(sealed) == sealed_bytes(head), "chunk: length")
    return [sealed[at:at + SEGMENT + TAG] for at in range(0, len(sealed), SEGMENT + TAG)]


def chunk_root(segments):
    return tree_root([leaf_hash(segment) for segment in segments])


def expand(key, info, length):
    first = hmac.digest(key, info + b"\1", "sha512")
    return (first + hmac.digest(key, first + info + b"\2", "sha512"))[:length]


def derive(chunk_key, prefix):
    """Key, base nonce and commitment, for the file's first 104 bytes; refuses another commitment."""
    name = b"AEAD_AES_256_GCM" if prefix[5] == 1 else b"AEAD_CHACHA20_POLY1305"
    info = b"c2sp.org/chunked-encryption@v1+" + name + b"\0" + prefix[48:72] + prefix[:48]
    keys = expand(chunk_key, info, 76)
    need(hmac.compare_digest(keys[44:], prefix[72:104]), "chunk: commitment")
    return keys[:32], keys[32:44]


def open_chunk(chunk_key, prefix, segments):
    head = parse_header(prefix)
    key, base = derive(chunk_key, prefix)
    aead, payload = (AESGCM if head.suite == 1 else ChaCha20Poly1305)(key), bytearray()
    for index, segment in enumerate(segments):
        nonce = (u(base) ^ index).to_bytes(12, "big")
        try:
            payload += aead.decrypt(nonce, segment, None)
        except InvalidTag:
            raise Refused(f"chunk {head.index}: segment {index} does not open")
    plain = bytes(payload) if head.codec == 0 else decompress(bytes(payload), head.plain)
    need(len(plain) == head.plain, "chunk: plaintext length")
    return plain


def decompress(payload, length):
    need(payload[:4] == bytes.fromhex("28b52ffd"), "payload is not a zstd frame")
    try:
        frame = zstandard.get_frame_parameters(payload)
        need(frame.content_size == length and frame.dict_id == 0, "zstd frame: size or dictionary")
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()
        plain = stream.decompress(payload)
    except zstandard.ZstdError as error:
        raise Refused(f"zstd: {error}")
    need(stream.eof and not stream.unused_data, "payload is not exactly one zstd frame")
    return plain


def chunk_keys(folder, session):
    """§3: a function from a chunk's index to its key, by the folder's master key."""
    key_file = (folder / "secrets/master.key").read_text()
    need(key_file.endswith("\n"), "master.key: no newline at the end")
    kek = unhex(key_file[:-1], 32)
    data = (folder / f"keys/{session}.json").read_bytes()
    value, found = json.loads(data.decode()), []
    need(list(value) == ["version", "wraps"] and to_json(value, sort=False) == data, "key file: form")
    need(type(value["version"]) is int and value["version"] == 1, "key file: version")
    for wrap in value["wraps"]:
        known = {"kek": ["kind", "kek_id", "nonce", "ct"], "age": ["kind", "recipient", "ct"]}
        need(list(wrap) == known.get(wrap["kind"]), "key file: kind or fields of a wrap")
        found += [wrap] if wrap["kind"] == "kek" else []
    need(len(found) == 1, "key file: not exactly one kek wrap")
    need(found[0]["kek_id"] == H(b"lucid/v1/kek" + kek)[:8].hex(), "key file: made by another master key")
    nonce, ct = unbase64(found[0]["nonce"]), unbase64(found[0]["ct"])
    need(len(nonce) == 12 and len(ct) == 48, "key file: length of nonce or ct")
    uuid = bytes.fromhex(session.replace("-", ""))
    dek = AESGCM(kek).decrypt(nonce, ct, b"lucid/v1/dek" + uuid)
    return lambda index: expand(dek, b"lucid/v1/chunk" + uuid + index.to_bytes(4, "big"), 32)


# --- §6, §8: manifests and entries ---------------------------------------------------------------

def read_manifest(data):
    manifest = canonical(data)
    fields(manifest, MANIFEST, "manifest")
    plain = stored = 0
    for index, row in enumerate(manifest["chunks"]):
        fields(row, ROW, f"manifest, chunk {index}")
        need(row["index"] == index, "manifest: chunk indices")
        head = parse_header(row_header(manifest, row))
        plain, stored = plain + head.plain, stored + PREFIX + sealed_bytes(head)
    need(len(manifest["chunks"]) == manifest["chunk_count"], "manifest: chunk_count")
    need((plain, stored) == (manifest["plain_bytes"], manifest["stored_bytes"]), "manifest: sums")
    return manifest


def read_entry(data):
    need(len(data) <= 65535, "entry: too long")
    entry = canonical(data, -JSON_MAX)
    need({"at", "kind", "v"} <= set(entry), "entry: no at, kind or v")
    if entry["v"] == 1:
        fields({name: entry[name] for name in ENTRY}, ENTRY, "entry")
        if entry["kind"] in KINDS:
            fields(entry, {**ENTRY, **KINDS[entry["kind"]]}, entry["kind"])
            canonical(data)
    return entry


def is_sealed(entry):
    return entry["v"] == 1 and entry["kind"] == "session.sealed"


def manifest_matches(manifest, data, entry):
    need(H(data).hex() == entry["manifest_hash"], "manifest: not the one in the ledger")
    for name in ("session_id", "owner", "merkle_root", "chunk_count", "plain_bytes", "policy_hash"):
        need(manifest[name] == entry[name], f"manifest: {name} is not the entry's")


# --- §9: the log ---------------------------------------------------------------------------------

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def sound_point(encoded):
    """A canonical point of edwards25519 that is not of small order; only y and x² are needed."""
    bits = int.from_bytes(encoded, "little")
    sign, y = bits >> 255, bits & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if y >= P or pow(x2, (P - 1) // 2, P) == P - 1 or (x2 == 0 and sign):
        return False
    for _ in range(3):  # three doublings: a point of order 1, 2, 4 or 8 becomes the neutral one, y = 1
        y = (y * y + x2) * pow(1 - D * x2 * y * y, -1, P) % P
        x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return y != 1


def make_vkey(public):
    name = "lucid/" + H(public)[:8].hex()
    key_id = H(name.encode() + b"\n\1" + public)[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(bytes((1,)) + public).decode()}"


def parse_vkey(vkey):
    """Name, key id and public key."""
    parts = vkey.split("+", 2)
    need(len(parts) == 3, "vkey: not three parts")
    data = unbase64(parts[2])
    need(len(data) == 33 and data[0] == 1 and sound_point(data[1:]), "vkey: key")
    need(make_vkey(data[1:]) == vkey, "vkey: name or id is not the key's")
    return parts[0], unhex(parts[1], 4), data[1:]


def verify_signature(public, signature, body):
    need(len(signature) == 64 and sound_point(signature[:32]), "checkpoint: signature is malformed")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body)
    except InvalidSignature:
        raise Refused("checkpoint: signature does not verify")


def read_checkpoint(data, vkey):
    """Size and root, once the log's signature is found and verified."""
    name, key_id, public = parse_vkey(vkey)
    need(len(data) <= 65536, "checkpoint: too long")
    note = data.decode()
    need(not re.search("[\0-\x09\x0b-\x1f]", note) and note.endswith("\n"), "checkpoint: characters")
    body, gap, signatures = note.partition("\n\n")
    lines, found = body.split("\n"), 0
    need(gap and len(lines) == 3 and lines[0] == name, "checkpoint: body or origin")
    size, root = decimal(lines[1]), unbase64(lines[2])
    need(len(root) == 32, "checkpoint: root")
    lines = signatures[:-1].split("\n")
    need(len(lines) <= 64, "checkpoint: too many signatures")
    for line in lines:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014", "checkpoint: signature line")
        need(re.fullmatch(r"[^\s+]+", parts[1]), "checkpoint: signer's name")
        signature = unbase64(parts[2])
        need(len(signature) > 4, "checkpoint: signature is too short")
        if (parts[1], signature[:4]) == (name, key_id):
            verify_signature(public, signature[4:], (body + "\n").encode())
            found += 1
    need(found, "checkpoint: no signature by the log's key")
    return size, root


def read_tlog_proof(data, vkey, entry=None):
    """Entry, index and size that the proof proves; the entry is `extra`'s unless one is given."""
    need(len(data) <= 135168, "tlog-proof: too long")
    head, gap, checkpoint = data.partition(b"\n\n")
    lines = head.decode().split("\n")
    need(gap and lines.pop(0) == "c2sp.org/tlog-proof@v1", "tlog-proof: first line")
    if lines and lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0)[6:])
        entry = extra if entry is None else entry
    need(entry is not None, "tlog-proof: the entry is not in it")
    need(lines and lines[0].startswith("index "), "tlog-proof: no index")
    index, path = decimal(lines[0][6:]), [unbase64(line) for line in lines[1:]]
    need(len(path) <= 63 and all(len(sibling) == 32 for sibling in path), "tlog-proof: path")
    size, root = read_checkpoint(checkpoint, vkey)
    need(root_of(size, index, leaf_hash(entry), path) == root, "entry is not in the checkpoint's tree")
    return entry, index, size


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


CRC = list(range(256))
for _ in range(8):
    CRC = [(crc >> 1) ^ (0x82F63B78 if crc & 1 else 0) for crc in CRC]


def tile_name(number):
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def read_log(folder, size):
    """All entries' bytes below `size`, from full bundles and the tail (§9.3, §9.4)."""
    tail, entries = (folder / "tail").read_bytes(), []
    need(len(tail) >= 16 and tail[:8] == b"LUCT\1\0\0\0", "tail: header")
    start = u(tail[8:16])
    need(start % 256 == 0 and start <= size, "tail: start")
    for number in range(start // 256):
        bundle, at = (folder / "tile/entries" / tile_name(number)).read_bytes(), 0
        for _ in range(256):
            length = u(bundle[at:at + 2])
            need(at + 2 + length <= len(bundle), "bundle: cut short")
            entries.append(bundle[at + 2:at + 2 + length])
            at += 2 + length
        need(at == len(bundle), "bundle: bytes after the last entry")
    at = 16
    while len(entries) < size:
        length = u(tail[at:at + 4])
        record, at = tail[at:at + 8 + length], at + 8 + length
        need(length <= 65535 and len(record) == 8 + length and len(record) > 8, "tail: cut short")
        need(crc32c(record[:4] + record[8:]) == u(record[4:8]), "tail: CRC")
        entries.append(record[8:])
    level, hashes = 0, [leaf_hash(entry) for entry in entries[:start]]
    while len(hashes) >= 256:
        tiles = [hashes[at:at + 256] for at in range(0, len(hashes) - 255, 256)]
        for number, tile in enumerate(tiles):
            data = (folder / f"tile/{level}" / tile_name(number)).read_bytes()
            need(data == b"".join(tile), f"tile {level}/{number} is not that of its entries")
        level, hashes = level + 1, [tree_root(tile) for tile in tiles]
    return entries


# --- §12 (a) to (c): a session in a data folder -----------------------------------------------------

def session_life(entries, session):
    """The session's entries by kind, with their indices, in an order that §8 allows."""
    life = [(index, entry) for index, entry in enumerate(entries)
            if entry["v"] == 1 and entry["kind"] in KINDS and entry.get("session_id") == session]
    kinds = [entry["kind"] for _, entry in life]
    lives = [["session.opened", "session.sealed"], ["session.opened", "session.sealed", "session.erased"]]
    need(kinds in lives, f"the session is not sealed in the log, which has {kinds or 'nothing'}")
    return dict(zip(kinds, life))


def opened_matches(manifest, opened):
    policy = opened["policy"]
    need(H(to_json(policy)).hex() == manifest["policy_hash"], "manifest: policy_hash")
    for name, other in (("owner", "owner"), ("media_type", "media_type"), ("created_at", "at")):
        need(manifest[name] == opened[other], f"manifest: {name} is not that of session.opened")
    need(manifest["suite"] == policy["suite"], "manifest: suite is not the policy's")
    need(all(row["plain_bytes"] <= policy["chunk_bytes"] for row in manifest["chunks"]),
         "manifest: a chunk is longer than the policy allows")


def index_leaves(data, manifest):
    """§11.1: session leaves from the index, for a session whose chunks were erased."""
    session = bytes.fromhex(manifest["session_id"].replace("-", ""))
    need(data[:28] == b"LUCI\1\0\0\0" + session + bytes(4), "index: header")
    need(crc32c(data[:28]) == u(data[28:32]), "index: CRC of the header")
    need(len(data) == 32 + 140 * manifest["chunk_count"], "index: length")
    leaves = []
    for row in manifest["chunks"]:
        record = data[32 + 140 * row["index"]:172 + 140 * row["index"]]
        need(crc32c(record[:136]) == u(record[136:]), "index: CRC of a record")
        need(record[:48] == row_header(manifest, row) and record[104:136].hex() == row["chunk_root"],
             "index: a record is not the manifest's chunk")
        leaves.append(leaf_hash(record[:136]))
    return leaves


def chunk_leaves(folder, manifest, keys, out):
    """Session leaves from the chunk files, which are decrypted to `out` on the way where it is given."""
    names, leaves = [], []
    for row in manifest["chunks"]:
        names.append(f"{row['index']:08}.lck")
        data, expected = (folder / names[-1]).read_bytes(), row_header(manifest, row)
        need(data[:48] == expected, f"chunk {row['index']}: header is not the manifest's")
        segments = cut(parse_header(expected), data[PREFIX:])
        root = chunk_root(segments)
        need(root.hex() == row["chunk_root"], f"chunk {row['index']}: root is not the manifest's")
        leaves.append(leaf_hash(data[:PREFIX] + root))
        if out:
            out.write(open_chunk(keys(row["index"]), data[:PREFIX], segments))
    found = sorted(path.name for path in folder.iterdir() if path.suffix == ".lck") if names else []
    need(found == sorted(names), "chunk files that the manifest does not have")
    return leaves


def verify_session(folder, session, vkey, out):
    need(SESSION(session), "not a session id")
    need((folder / "format").read_bytes() == b"lucid-data 1\n", "not a data folder of version 1")
    pinned = vkey is not None
    if not pinned:
        seed = unhex((folder / "secrets/node.key").read_text().rstrip("\n"), 32)
        vkey = make_vkey(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())
    size, root = read_checkpoint((folder / "log/checkpoint").read_bytes(), vkey)
    log = read_log(folder / "log", size)
    need(tree_root([leaf_hash(entry) for entry in log]) == root, "log: root is not the checkpoint's")
    life = session_life([read_entry(entry) for entry in log], session)
    data = (folder / f"sessions/{session}/manifest.json").read_bytes()
    manifest, (index, sealed) = read_manifest(data), life["session.sealed"]
    manifest_matches(manifest, data, sealed)
    opened_matches(manifest, life["session.opened"][1])
    erased = "session.erased" in life
    need(not (erased and out), "the session was erased")
    if erased:
        leaves = index_leaves((folder / f"sessions/{session}/index").read_bytes(), manifest)
    else:
        keys = chunk_keys(folder, session) if out else None
        leaves = chunk_leaves(folder / f"chunks/{session}", manifest, keys, out)
    need(tree_root(leaves).hex() == manifest["merkle_root"], "session tree: root is not merkle_root")
    return {"session_id": session, "entry_index": index, "log_size": size, "key": vkey,
            "key_pinned": pinned, "chunk_count": len(leaves), "plain_bytes": manifest["plain_bytes"],
            "merkle_root": manifest["merkle_root"], "complete": manifest["complete"], "erased": erased}


# --- §10, §12 (d): evidence -------------------------------------------------------------------------

class Lines:
    """A file's lines. Each is taken in the one form the page gives it, so a file that is read to its
    end is also its own re-encoding."""

    def __init__(self, data):
        need(data.endswith(b"\n") and len(data) <= 2**30, "evidence: end of file")
        self.lines, self.at = data[:-1].decode().split("\n"), 0

    def next(self, word=None):
        need(self.at < len(self.lines), "evidence: cut short")
        line, self.at = self.lines[self.at], self.at + 1
        need(word is None or line.startswith(word + " "), f"evidence, line {self.at}: not '{word}'")
        return line if word is None else line[len(word) + 1:]

    def sees(self, word):
        return self.at < len(self.lines) and self.lines[self.at].split(" ")[0] == word

    def path(self):
        return [unhex(self.next(), 32) for _ in range(decimal(self.next("path"), 32))]


def check_block(lines, entry, manifest):
    """Reads and checks one chunk block. Its header, and its plaintext where it can be opened."""
    index = decimal(lines.next("chunk"), U32_MAX)
    prefix = unhex(lines.next("header"), 48) + unhex(lines.next("salt"), 24)
    prefix += unhex(lines.next("commitment"), 32)
    root, head, plain = unhex(lines.next("root"), 32), parse_header(prefix), None
    need(head.index == index and head.session == entry["session_id"], f"chunk {index}: header")
    proved = root_of(entry["chunk_count"], index, leaf_hash(prefix + root), lines.path())
    need(proved.hex() == entry["merkle_root"], f"chunk {index}: path does not lead to merkle_root")
    if manifest:
        row = manifest["chunks"][index]
        need(row["chunk_root"] == root.hex() and row_header(manifest, row) == prefix[:48],
             f"chunk {index}: not the manifest's")
    key = unhex(lines.next("disclose"), 32) if lines.sees("disclose") else None
    if key:
        derive(key, prefix)
    proven = []
    while lines.sees("segment"):
        parts = lines.next("segment").split(" ")
        need(len(parts) == 2, f"chunk {index}: segment line")
        place, leaf = decimal(parts[0], U32_MAX), unhex(parts[1], 32)
        need(not proven or proven[-1] < place, f"chunk {index}: order of segments")
        need(root_of(segment_count(head), place, leaf, lines.path()) == root, f"chunk {index}: segment {place}")
        proven.append(place)
    if lines.sees("sealed"):
        length = decimal(lines.next("sealed"))
        need(length == sealed_bytes(head), f"chunk {index}: attached length")
        sealed = b""
        while len(sealed) < length:
            piece = unbase64(lines.next())
            need(len(piece) == min(48, length - len(sealed)), f"chunk {index}: attached line")
            sealed += piece
        segments = cut(head, sealed)
        need(chunk_root(segments) == root, f"chunk {index}: attached segments are not the chunk's")
        plain = open_chunk(key, prefix, segments) if key else None
    return head, plain


def verify_evidence(data, vkey, out):
    lines, manifest, chunks = Lines(data), None, []
    need(lines.next() == "lucid-evidence/v1", "evidence: first line")
    claimed = lines.next("key")
    need(vkey in (None, claimed), "evidence: made with another key")
    raw = lines.next("entry").encode()
    entry = read_entry(raw)
    need(is_sealed(entry), "evidence: the entry is not session.sealed")
    if lines.sees("manifest"):
        data = lines.next("manifest").encode()
        manifest = read_manifest(data)
        manifest_matches(manifest, data, entry)
    while lines.sees("chunk"):
        head, plain = check_block(lines, entry, manifest)
        need(not chunks or chunks[-1] < head.index, "evidence: order of chunks")
        chunks.append(head.index)
        if out and plain is not None:
            out.write(plain)
    need(lines.next() == "tlog-proof" and lines.lines[-1] == "end", "evidence: tlog-proof or end")
    proof = "\n".join(lines.lines[lines.at:-1]) + "\n"
    _, index, size = read_tlog_proof(proof.encode(), claimed, raw)
    need(not out or out.tell(), "evidence: no chunk is both disclosed and attached")
    return {"session_id": entry["session_id"], "entry_index": index, "log_size": size, "key": claimed,
            "key_pinned": vkey is not None, "chunks": chunks, "chunk_count": entry["chunk_count"],
            "plain_bytes": entry["plain_bytes"], "merkle_root": entry["merkle_root"],
            "manifest": manifest is not None}


def verify_tlog_proof(data, vkey, _out):
    raw, index, size = read_tlog_proof(data, vkey)
    return {"entry_index": index, "log_size": size, "key": vkey, "entry": read_entry(raw)}


# --- command line -----------------------------------------------------------------------------------

def with_output(path, work):
    """Runs `work(file)`; `path` appears only when it succeeds, so nothing unverified is left behind."""
    if path is None:
        return work(None)
    partial = Path(f"{path}.partial")
    try:
        with open(partial, "wb") as out:
            answer = work(out)
        os.replace(partial, path)
        return answer
    finally:
        partial.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description="Verifies what a Lucid node wrote.")
    commands = parser.add_subparsers(dest="command", required=True)
    session, evidence, proof = map(commands.add_parser, ("session", "evidence", "tlog-proof"))
    session.add_argument("folder", type=Path)
    session.add_argument("session")
    session.add_argument("--decrypt", dest="out")
    evidence.add_argument("--extract", dest="out")
    for command in (evidence, proof):
        command.add_argument("file", type=Path)
    for command in (session, evidence, proof):
        command.add_argument("--key", required=command is proof)
    given = parser.parse_args()
    try:
        if given.command == "session":
            answer = with_output(given.out, lambda out: verify_session(given.folder, given.session, given.key, out))
        else:
            check = verify_evidence if given.command == "evidence" else verify_tlog_proof
            answer = with_output(getattr(given, "out", None), lambda out: check(given.file.read_bytes(), given.key, out))
    except (Refused, OSError, ValueError, LookupError, TypeError, InvalidTag) as error:
        print(json.dumps({"ok": False, "reason": str(error) or type(error).__name__}))
        return 1
    print(json.dumps({"ok": True, **answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
