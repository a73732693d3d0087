"""The ledger log: keys, checkpoints, tiles, the tail, proofs (node/docs/format.md §9)."""

import base64
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lucid_formats import H, decimal, leaf_hash, need, number, Refused, root_of, tree_root, unbase64

# §9.1: keys

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def sound_point(encoded):
    """A canonical point of edwards25519 that is not of small order. It takes y and x² alone."""
    bits = int.from_bytes(encoded, "little")
    sign, y = bits >> 255, bits & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if y >= P or pow(x2, (P - 1) // 2, P) == P - 1 or (x2 == 0 and sign):
        return False
    for _ in range(3):  # A point of order 1, 2, 4 or 8, doubled three times, is the neutral one.
        y = (y * y + x2) * pow(1 - D * x2 * y * y, -1, P) % P
        x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return y != 1


def node_id_of(public):
    return H(public)[:8].hex()


def make_vkey(public):
    name = "lucid/" + node_id_of(public)
    key_id = H(name.encode() + b"\n\1" + public)[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(bytes((1,)) + public).decode()}"


def parse_vkey(vkey):
    """Name, key id and public key of a log's key."""
    parts = vkey.split("+", 2)
    need(len(parts) == 3, "vkey: not three parts")
    data = unbase64(parts[2])
    need(len(data) == 33 and data[0] == 1 and sound_point(data[1:]), "vkey: key")
    need(make_vkey(data[1:]) == vkey, "vkey: name or id is not the key's")
    return parts[0], bytes.fromhex(parts[1]), data[1:]


# §9.2: checkpoints


def verify_signature(public, signature, body):
    need(len(signature) == 64 and sound_point(signature[:32]), "checkpoint: malformed signature")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body)
    except InvalidSignature:
        raise Refused("checkpoint: the signature does not verify")


def read_checkpoint(data, vkey):
    """Size and root, once the log's signature was found and verified."""
    name, key_id, public = parse_vkey(vkey)
    need(len(data) <= 65536, "checkpoint: too long")
    note = data.decode()
    need(not re.search("[\0-\x09\x0b-\x1f]", note) and note.endswith("\n"), "checkpoint: characters")
    body, gap, signatures = note.partition("\n\n")
    lines = body.split("\n")
    need(gap and len(lines) == 3 and lines[0] == name, "checkpoint: body or origin")
    size, root = decimal(lines[1]), unbase64(lines[2])
    need(len(root) == 32, "checkpoint: root")
    signatures, found = signatures[:-1].split("\n"), False
    need(len(signatures) <= 64, "checkpoint: too many signatures")
    for line in signatures:
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "\u2014", "checkpoint: signature line")
        need(re.fullmatch(r"[^\s+]+", parts[1]), "checkpoint: signer's name")
        signature = unbase64(parts[2])
        need(len(signature) > 4, "checkpoint: signature is too short")
        if (parts[1], signature[:4]) == (name, key_id):
            verify_signature(public, signature[4:], (body + "\n").encode())
            found = True
    need(found, "checkpoint: no signature by the log's key")
    return size, root


def read_head(data, vkey):
    """Size and root of the newest checkpoint in the file `head` (§9.4). A damaged copy is refused, though
    another would do: the node mends it when it starts."""
    need(len(data) == 8192, "head: length")
    newest = None
    for place in range(0, 8192, 2048):
        copy, block = data[place:place + 2048], place // 4096 * 4096
        if not any(data[block:block + 4096]):
            continue
        length = int.from_bytes(copy[6:8])
        text, blank = copy[12:12 + length], copy[12 + length:]
        need(copy[:6] == b"LUCH\1\0" and len(text) == length and not any(blank), "head: damaged copy")
        need(crc32c(copy[6:8] + text) == int.from_bytes(copy[8:12]), "head: CRC of a copy")
        checkpoint = read_checkpoint(text, vkey)
        newest = max(newest or checkpoint, checkpoint, key=lambda found: found[0])
    need(newest, "head: no checkpoint")
    return newest


# §9.3, §9.5: entries on disk


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


CRC = list(range(256))
for _ in range(8):
    CRC = [(crc >> 1) ^ (0x82F63B78 if crc & 1 else 0) for crc in CRC]


def tile_name(index):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def read_tail(path, size):
    """Index of the tail's first entry, and its whole records' entries."""
    if not path.exists():
        need(size % 256 == 0, "tail: missing")
        return size, []
    data, at, entries = path.read_bytes(), 16, []
    need(len(data) >= 16 and data[:8] == b"LUCT\1\0\0\0", "tail: header")
    start = number(data[8:16])
    while len(data) >= at + 8:
        length = number(data[at:at + 4])
        entry, check = data[at + 8:at + 8 + length], number(data[at + 4:at + 8])
        if length > 65535 or len(entry) < length or crc32c(data[at:at + 4] + entry) != check:
            break
        entries.append(entry)
        at += 8 + length
    need(start % 256 == 0 and start <= size <= start + len(entries),
         "tail: it does not hold what the checkpoint covers")
    return start, entries


def read_bundle(path):
    data, at, entries = path.read_bytes(), 0, []
    for _ in range(256):
        length = number(data[at:at + 2])
        need(len(data) >= at + 2 + length, "bundle: cut short")
        entries.append(data[at + 2:at + 2 + length])
        at += 2 + length
    need(at == len(data), "bundle: bytes after the last entry")
    return entries


def read_log(folder, size, root):
    """The bytes of all entries, which give every stored tile and the checkpoint's root."""
    bundles = folder / "tile/entries"
    start, tail = read_tail(folder / "tail", size)
    need(not (bundles / tile_name(size // 256)).exists(),
         "log: a bundle beyond the checkpoint, which is older than the log")
    settled = []
    for index in range(start // 256):
        settled += read_bundle(bundles / tile_name(index))
    level, hashes = 0, [leaf_hash(entry) for entry in settled]
    while len(hashes) >= 256:
        tiles = [hashes[at:at + 256] for at in range(0, len(hashes) - 255, 256)]
        for index, tile in enumerate(tiles):
            data = (folder / f"tile/{level}" / tile_name(index)).read_bytes()
            need(data == b"".join(tile), f"tile {level}/{index} is not that of its entries")
        level, hashes = level + 1, [tree_root(tile) for tile in tiles]
    entries = (settled + tail)[:size]
    need(tree_root([leaf_hash(entry) for entry in entries]) == root,
         "log: the entries do not give the checkpoint's root")
    return entries


# §9.6: .tlog-proof


def read_tlog_proof(data, vkey, entry=None):
    """Entry, index and log size that the proof proves. Its `extra` line is the entry where none is
    given, and refused where one is."""
    need(len(data) <= 135168, "tlog-proof: too long")
    head, gap, checkpoint = data.partition(b"\n\n")
    lines = head.decode().split("\n")
    need(gap and lines.pop(0) == "c2sp.org/tlog-proof@v1", "tlog-proof: first line")
    if entry is None:
        need(lines and lines[0].startswith("extra "), "tlog-proof: the entry is not in it")
        entry = unbase64(lines.pop(0)[6:])
    need(lines and lines[0].startswith("index "), "tlog-proof: no index")
    index, path = decimal(lines[0][6:]), [unbase64(line) for line in lines[1:]]
    need(len(path) <= 63 and all(len(sibling) == 32 for sibling in path), "tlog-proof: path")
    size, root = read_checkpoint(checkpoint, vkey)
    need(root_of(size, index, leaf_hash(entry), path) == root,
         "the entry is not in the checkpoint's tree")
    return entry, index, size
