"""What the bytes mean, from encodings to ledger entries (node/docs/format.md §1 to §8).

Every function takes exactly what the page allows and raises `Refused` for anything else.
"""

import base64
import datetime
import hashlib
import hmac
import json
import re
from collections import namedtuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SEGMENT, TAG, CHUNK_MAX, PREFIX = 16384, 16, 16777216, 104
JSON_MAX, U32_MAX, U64_MAX = 2**53 - 1, 2**32 - 1, 2**64 - 1
NESTED_MAX = 127


class Refused(Exception):
    """What was checked is not what the page allows; the text says where."""


def need(holds, why):
    if not holds:
        raise Refused(why)


# §1, §2: encodings


def number(data):
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


def read_json(data, fractions=False):
    def refuse(text):
        raise Refused(f"{text} is not an integer")

    try:
        value = json.loads(data.decode(), parse_float=float if fractions else refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}")
    need(isinstance(value, dict), "not a JSON object")
    return value


def write_json(value, sort=True):
    return json.dumps(value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False).encode()


def bounded(value, lowest, depth=NESTED_MAX):
    """Integers in the page's range, field names in ASCII, and not nested deeper than `depth`."""
    if isinstance(value, dict):
        names = all(name.isascii() for name in value)
        return names and bounded(list(value.values()), lowest, depth)
    if isinstance(value, list):
        return depth > 0 and all(bounded(inner, lowest, depth - 1) for inner in value)
    return type(value) is not int or lowest <= value <= JSON_MAX


def canonical(data, lowest=0):
    """Canonical JSON: parse, write again, compare bytes."""
    value = read_json(data)
    need(bounded(value, lowest), "JSON: a number, name or depth beyond the format's bounds")
    need(write_json(value) == data, "JSON is not canonical")
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
    if not text(form)(value) or value < "1970" or value[11:13] > "23":
        return False
    try:
        return bool(datetime.datetime.fromisoformat(value[:-1]))
    except ValueError:
        return False


def fields(value, form, what):
    """`value` has exactly the fields of `form`, each as its check says."""
    need(isinstance(value, dict) and set(value) == set(form), f"{what}: other fields than expected")
    for name, holds in form.items():
        need(holds(value[name]), f"{what}: {name} is malformed")
    return True


HASH = text("[0-9a-f]{64}")
SESSION = text("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OWNER = text("[A-Za-z0-9._:@-]{1,64}")
MEDIA = text("[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*", 127)


def uuid(session):
    return bytes.fromhex(session.replace("-", ""))


# §5: trees


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


# §4: chunks

Header = namedtuple("Header", "suite codec session index plain payload")


def parse_header(data):
    need(data[:4] == b"LUC1", "chunk header: magic")
    need(data[4] == 1 and data[5] in (1, 2) and data[6] in (0, 1),
         "chunk header: version, suite or codec is not known here")
    need(data[7] == 0 and data[28:32] == bytes(4), "chunk header: reserved bytes")
    digits = data[8:24].hex()
    session = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    need(SESSION(session), "chunk header: session id")
    plain, payload = number(data[32:40]), number(data[40:48])
    need(0 < plain <= CHUNK_MAX, "chunk header: plaintext length")
    need(payload == plain if data[6] == 0 else 0 < payload < plain, "chunk header: payload length")
    return Header(data[5], data[6], session, number(data[24:28]), plain, payload)


def row_header(manifest, row):
    """The 48 bytes that the manifest's row calls for."""
    return (b"LUC1\1" + bytes((manifest["suite"], row["codec"], 0)) + uuid(manifest["session_id"])
            + row["index"].to_bytes(4, "big") + bytes(4)
            + row["plain_bytes"].to_bytes(8, "big") + row["payload_bytes"].to_bytes(8, "big"))


def segment_count(header):
    return header.payload // SEGMENT + 1


def sealed_bytes(header):
    return header.payload + TAG * segment_count(header)


def cut(header, sealed):
    need(len(sealed) == sealed_bytes(header), f"chunk {header.index}: length")
    return [sealed[at:at + SEGMENT + TAG] for at in range(0, len(sealed), SEGMENT + TAG)]


def chunk_root(segments):
    return tree_root([leaf_hash(segment) for segment in segments])


def expand(key, info, length):
    first = hmac.digest(key, info + b"\1", "sha512")
    return (first + hmac.digest(key, first + info + b"\2", "sha512"))[:length]


def derive(chunk_key, prefix):
    """Key and base nonce for a chunk file's first 104 bytes, once their commitment is checked."""
    aead = b"AEAD_AES_256_GCM" if prefix[5] == 1 else b"AEAD_CHACHA20_POLY1305"
    info = b"c2sp.org/chunked-encryption@v1+" + aead + b"\0" + prefix[48:72] + prefix[:48]
    keys = expand(chunk_key, info, 76)
    need(hmac.compare_digest(keys[44:], prefix[72:104]), "chunk: the key does not fit the commitment")
    return keys[:32], keys[32:44]


def open_chunk(chunk_key, prefix, segments):
    header = parse_header(prefix)
    key, base = derive(chunk_key, prefix)
    aead = AESGCM(key) if header.suite == 1 else ChaCha20Poly1305(key)
    payload = bytearray()
    for index, segment in enumerate(segments):
        nonce = (number(base) ^ index).to_bytes(12, "big")
        try:
            payload += aead.decrypt(nonce, segment, None)
        except InvalidTag:
            raise Refused(f"chunk {header.index}: segment {index} does not open")
    plain = bytes(payload) if header.codec == 0 else decompress(bytes(payload), header.plain)
    need(len(plain) == header.plain, f"chunk {header.index}: plaintext length")
    return plain


def decompress(payload, length):
    """§4.4: exactly one zstd frame of this content size."""
    need(payload[:4] == bytes.fromhex("28b52ffd"), "payload is not a zstd frame")
    try:
        frame = zstandard.get_frame_parameters(payload)
        need(frame.content_size == length and frame.dict_id == 0, "zstd: size or dictionary")
        return zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(f"zstd: {error}")


# §3: keys

WRAPS = {"kek": ["kind", "kek_id", "nonce", "ct"], "age": ["kind", "recipient", "ct"]}


def open_key_file(data, kek, session):
    """The session's DEK, by the wrap that `kek` made."""
    value, found = read_json(data), None
    need(list(value) == ["version", "wraps"] and write_json(value, sort=False) == data,
         "key file: form")
    need(type(value["version"]) is int and value["version"] == 1, "key file: version")
    need(isinstance(value["wraps"], list) and value["wraps"], "key file: no wraps")
    for wrap in value["wraps"]:
        need(isinstance(wrap, dict) and all(isinstance(part, str) for part in wrap.values()),
             "key file: a wrap")
        need(list(wrap) == WRAPS.get(wrap.get("kind")), "key file: kind or fields of a wrap")
        if wrap.get("kek_id") == H(b"lucid/v1/kek" + kek)[:8].hex():
            found = found or wrap
    need(found, "key file: no wrap by this master key")
    nonce, sealed = unbase64(found["nonce"]), unbase64(found["ct"])
    need(len(nonce) == 12 and len(sealed) == 48, "key file: length of nonce or ct")
    try:
        return AESGCM(kek).decrypt(nonce, sealed, b"lucid/v1/dek" + uuid(session))
    except InvalidTag:
        raise Refused("key file: the wrap does not authenticate")


def chunk_key(dek, session, index):
    return expand(dek, b"lucid/v1/chunk" + uuid(session) + index.to_bytes(4, "big"), 32)


# §6 to §8: manifests and entries

def or_none(holds):
    """0, which means none, or what `holds` says."""
    return lambda value: type(value) is int and value == 0 or holds(value)


PARAMETERS = {"anchor_interval_seconds": whole(60, 604800), "anchor_sessions_max": whole(1, 1000000),
              "chunk_bytes": whole(65536, CHUNK_MAX), "open_sessions_max": whole(1, 1000000),
              "retention_seconds": or_none(whole(86400, 3155760000)),
              "session_bytes_max": or_none(whole(1 << 20, JSON_MAX)), "zstd_level": whole(1, 9)}
POLICIES = {
    1: {"chunk_bytes": whole(65536, CHUNK_MAX), "suite": whole(1, 2), "version": whole(1, 1),
        "zstd_level": whole(1, 9)},
    2: {**PARAMETERS, "suite": whole(1, 2), "version": whole(2, 2)},
}


def policy(value):
    need(isinstance(value, dict) and value.get("version") in (1, 2),
         "policy: its version is not known here")
    return fields(value, POLICIES[value["version"]], "policy")


def parameters_of(policy):
    """Those that were decided on, of a policy of version 2; none of version 1."""
    return {name: policy[name] for name in PARAMETERS} if policy["version"] == 2 else None


ENTRY = {"at": time, "kind": text("[a-z_]+([.][a-z_]+)+", 64), "v": whole(1, 1)}
KINDS = {
    "session.opened": {"media_type": MEDIA, "owner": OWNER, "session_id": SESSION,
                       "policy": policy},
    "session.sealed": {"chunk_count": whole(0, U32_MAX), "manifest_hash": HASH, "merkle_root": HASH,
                       "owner": OWNER, "plain_bytes": whole(0, JSON_MAX), "policy_hash": HASH,
                       "session_id": SESSION},
    "session.voided": {"reason": text(".*", 1024), "session_id": SESSION},
    "session.erased": {"session_id": SESSION},
    "user.changed": {"by": OWNER, "revoked": lambda value: isinstance(value, bool), "user": OWNER,
                     "role": text("observer|user|operator|admin")},
    "parameters.changed": {"block": whole(1, JSON_MAX), "block_hash": HASH,
                           "parameters": lambda value: fields(value, PARAMETERS, "parameters")},
    "node.event": {"event": text(".*", 64), "detail": text(".*", 1024)},
}
MANIFEST = {
    "chunk_count": whole(0, U32_MAX), "chunks": lambda value: isinstance(value, list),
    "complete": lambda value: isinstance(value, bool), "created_at": time, "media_type": MEDIA,
    "merkle_root": HASH, "node_id": text("[0-9a-f]{16}"), "owner": OWNER,
    "plain_bytes": whole(0, JSON_MAX), "policy_hash": HASH, "sealed_at": time,
    "segment_bytes": whole(SEGMENT, SEGMENT), "session_id": SESSION, "software": text(".*"),
    "stored_bytes": whole(0, JSON_MAX), "suite": whole(1, 2), "version": whole(1, 1),
}
ROW = {"chunk_root": HASH, "codec": whole(0, 1), "index": whole(0, U32_MAX),
       "payload_bytes": whole(0, U32_MAX), "plain_bytes": whole(0, U32_MAX)}


def read_manifest(data):
    manifest = canonical(data)
    fields(manifest, MANIFEST, "manifest")
    plain = stored = 0
    for index, row in enumerate(manifest["chunks"]):
        fields(row, ROW, f"manifest, chunk {index}")
        need(row["index"] == index, "manifest: chunk indices")
        header = parse_header(row_header(manifest, row))
        plain, stored = plain + header.plain, stored + PREFIX + sealed_bytes(header)
    need(len(manifest["chunks"]) == manifest["chunk_count"], "manifest: chunk_count")
    need((plain, stored) == (manifest["plain_bytes"], manifest["stored_bytes"]), "manifest: sums")
    return manifest


def read_entry(data):
    need(len(data) <= 65535, "entry: too long")
    entry = read_json(data, fractions=True)
    need(whole(0, JSON_MAX)(entry.get("v")) and isinstance(entry.get("kind"), str) and time(entry.get("at")),
         "entry: no at, kind or v")
    if entry["v"] == 1:
        known = KINDS.get(entry["kind"])
        canonical(data, -JSON_MAX if known is None else 0)
        if known is None:
            entry = {name: entry[name] for name in ENTRY}
        fields(entry, {**ENTRY, **(known or {})}, f"entry {entry['kind']}")
    return entry


def manifest_matches(manifest, data, entry, node_id):
    """§12 (b): the manifest is the one that the `session.sealed` entry commits to."""
    need(H(data).hex() == entry["manifest_hash"], "manifest: not the one in the ledger")
    for name in ("session_id", "owner", "merkle_root", "chunk_count", "plain_bytes", "policy_hash"):
        need(manifest[name] == entry[name], f"manifest: {name} is not the entry's")
    need(manifest["sealed_at"] == entry["at"], "manifest: sealed_at is not the entry's at")
    need(manifest["node_id"] == node_id, "manifest: node_id is not that of the log's key")
