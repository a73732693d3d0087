#!/usr/bin/env python3
"""A verifier and decryptor for what a Lucid node writes, made from node/docs/format.md alone.

It shares no code with the node, so the two check each other, and both check the page. The section
numbers are that page's. Needs Python 3.9 and `pip install -r requirements.txt`.

    verify.py session DATA_FOLDER SESSION_ID [--key VKEY] [--decrypt OUT]
    verify.py evidence FILE [--key VKEY] [--extract OUT]
    verify.py tlog-proof FILE --key VKEY

Prints one JSON object. Exit code 0: verified, 1: not verified ("reason" says why), 2: usage.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lucid_formats import (
    H, JSON_MAX, KINDS, PREFIX, Refused, SESSION, U32_MAX, chunk_key, chunk_root, cut, decimal, derive,
    leaf_hash, manifest_matches, need, number, open_chunk, open_key_file,
    parameters_of, parse_header, read_entry,
    read_manifest, root_of, row_header, sealed_bytes, segment_count, tree_root, unbase64, unhex,
    uuid, write_json)
from lucid_log import (
    crc32c, make_vkey, node_id_of, parse_vkey, read_head, read_log, read_tlog_proof)

# §12 (a) to (c), §13: a session in a data folder


def read_secret(path):
    return unhex(path.read_text().removesuffix("\n"), 32)


def session_life(entries, session):
    """The session's entries by kind, with their places, in an order that §8 allows."""
    life = [(place, entry) for place, entry in enumerate(entries)
            if entry["v"] == 1 and entry["kind"] in KINDS and entry.get("session_id") == session]
    kinds = [entry["kind"] for _, entry in life]
    sealed = ["session.opened", "session.sealed"]
    need(kinds in (sealed, sealed + ["session.erased"]),
         f"the log does not have the life of a sealed session, but {kinds}")
    return dict(zip(kinds, life))


def opened_matches(manifest, opened):
    policy = opened["policy"]
    need(H(write_json(policy)).hex() == manifest["policy_hash"], "manifest: policy_hash")
    for name, other in (("owner", "owner"), ("media_type", "media_type"), ("created_at", "at")):
        need(manifest[name] == opened[other], f"manifest: {name} is not that of session.opened")
    need(manifest["suite"] == policy["suite"], "manifest: suite is not the policy's")
    need(all(row["plain_bytes"] <= policy["chunk_bytes"] for row in manifest["chunks"]),
         "manifest: a chunk is longer than the policy allows")
    need(manifest["plain_bytes"] <= (policy.get("session_bytes_max") or JSON_MAX),
         "manifest: the session is longer than the policy allows")


def parameters_matched(entries, place, opened):
    """The session was opened under the parameters of the last `parameters.changed` before it (§8)."""
    said = [(at, entry) for at, entry in enumerate(entries[:place])
            if entry["v"] == 1 and entry["kind"] == "parameters.changed"]
    for at, entry in said:
        before = entries[at - 1] if at > 0 else {"kind": None}
        need(before["kind"] == "evm.block", "parameters.changed is not right behind a block")
    in_force = said[-1][1]["parameters"] if said else None
    need(parameters_of(opened["policy"]) == in_force,
         "session.opened: its policy does not have the parameters in force")


def chunk_leaves(folder, manifest, dek, out):
    """Session leaves from the chunk files. They are decrypted to `out` on the way, where it is given."""
    leaves = []
    for row in manifest["chunks"]:
        index, expected = row["index"], row_header(manifest, row)
        data = (folder / f"{index:08}.lck").read_bytes()
        need(data[:48] == expected, f"chunk {index}: header is not the manifest's")
        segments = cut(parse_header(expected), data[PREFIX:])
        root = chunk_root(segments)
        need(root.hex() == row["chunk_root"], f"chunk {index}: root is not the manifest's")
        leaves.append(leaf_hash(data[:PREFIX] + root))
        if out:
            key = chunk_key(dek, manifest["session_id"], index)
            out.write(open_chunk(key, data[:PREFIX], segments))
    return leaves


def index_leaves(data, manifest):
    """§11.1: session leaves from the session's index."""
    need(data[:28] == b"LUCI\1\0\0\0" + uuid(manifest["session_id"]) + bytes(4), "index: header")
    need(crc32c(data[:28]) == number(data[28:32]), "index: CRC of the header")
    need(len(data) == 32 + 140 * manifest["chunk_count"], "index: length")
    leaves = []
    for row in manifest["chunks"]:
        record = data[32 + 140 * row["index"]:172 + 140 * row["index"]]
        need(crc32c(record[:136]) == number(record[136:]), "index: CRC of a record")
        need(record[:48] == row_header(manifest, row) and record[104:136].hex() == row["chunk_root"],
             "index: a record is not the manifest's chunk")
        leaves.append(leaf_hash(record[:136]))
    return leaves


def verify_session(folder, session, vkey, out):
    need(SESSION(session), "not a session id")
    need((folder / "format").read_bytes() == b"lucid-data 1\n", "not a data folder of version 1")
    pinned = vkey is not None
    if not pinned:
        node_key = Ed25519PrivateKey.from_private_bytes(read_secret(folder / "secrets/node.key"))
        vkey = make_vkey(node_key.public_key().public_bytes_raw())
    size, root = read_head((folder / "log/head").read_bytes(), vkey)
    entries = [read_entry(entry) for entry in read_log(folder / "log", size, root)]
    life = session_life(entries, session)
    data = (folder / f"sessions/{session}/manifest.json").read_bytes()
    manifest, (place, sealed) = read_manifest(data), life["session.sealed"]
    manifest_matches(manifest, data, sealed, node_id_of(parse_vkey(vkey)[2]))
    opened_matches(manifest, life["session.opened"][1])
    parameters_matched(entries, *life["session.opened"])
    erased, leaves = "session.erased" in life, None
    need(not (erased and out), "the session was erased: nothing is left to decrypt")
    if not erased:
        dek = out and open_key_file((folder / f"keys/{session}.json").read_bytes(),
                                    read_secret(folder / "secrets/master.key"), session)
        leaves = chunk_leaves(folder / f"chunks/{session}", manifest, dek, out)
        need(tree_root(leaves).hex() == manifest["merkle_root"], "the chunks do not give merkle_root")
    indexed = index_leaves((folder / f"sessions/{session}/index").read_bytes(), manifest)
    need(tree_root(indexed).hex() == manifest["merkle_root"], "the index does not give merkle_root")
    return {"session_id": session, "log_index": place, "log_size": size, "key": vkey,
            "key_pinned": pinned, "chunk_count": len(indexed), "plain_bytes": manifest["plain_bytes"],
            "merkle_root": manifest["merkle_root"], "complete": manifest["complete"],
            "erased": erased, "decrypted": bool(out)}


# §10, §12 (d): evidence


class Lines:
    """A file's lines. Each is taken in the one form that the page gives it, so a file that is read to
    its end is its own re-encoding."""

    def __init__(self, data):
        need(data.endswith(b"\n") and len(data) <= 2**30, "evidence: end of file")
        self.lines, self.at = data[:-1].decode().split("\n"), 0

    def next(self, word=None):
        need(self.at < len(self.lines), "evidence: cut short")
        line, self.at = self.lines[self.at], self.at + 1
        need(word is None or line.startswith(word + " "), f"evidence, line {self.at}: not '{word}'")
        return line if word is None else line[len(word) + 1:]

    def sees(self, word):
        return self.at < len(self.lines) and self.lines[self.at].startswith(word + " ")

    def path(self):
        return [unhex(self.next(), 32) for _ in range(decimal(self.next("path"), 32))]


def check_segments(lines, header, root):
    last = -1
    while lines.sees("segment"):
        place, _, leaf = lines.next("segment").partition(" ")
        place, leaf = decimal(place, U32_MAX), unhex(leaf, 32)
        need(last < place, f"chunk {header.index}: order of segments")
        need(root_of(segment_count(header), place, leaf, lines.path()) == root,
             f"chunk {header.index}: segment {place} is not in it")
        last = place


def read_sealed(lines, header):
    """The attached segments, 48 bytes a line; none where the block has none."""
    if not lines.sees("sealed"):
        return None
    length, sealed = sealed_bytes(header), bytearray()
    need(decimal(lines.next("sealed")) == length, f"chunk {header.index}: attached length")
    while len(sealed) < length:
        piece = unbase64(lines.next())
        need(len(piece) == min(48, length - len(sealed)), f"chunk {header.index}: attached line")
        sealed += piece
    return cut(header, bytes(sealed))


def check_block(lines, entry, manifest, out):
    """Reads and checks a chunk block and gives the chunk's index. The plaintext goes to `out`, where that
    is given and the chunk can be opened."""
    index = decimal(lines.next("chunk"), U32_MAX)
    prefix = unhex(lines.next("header"), 48) + unhex(lines.next("salt"), 24)
    prefix += unhex(lines.next("commitment"), 32)
    root, header = unhex(lines.next("root"), 32), parse_header(prefix)
    need(header.index == index and header.session == entry["session_id"], f"chunk {index}: header")
    proved = root_of(entry["chunk_count"], index, leaf_hash(prefix + root), lines.path())
    need(proved.hex() == entry["merkle_root"], f"chunk {index}: not in the session")
    if manifest:
        row = manifest["chunks"][index]
        need(row["chunk_root"] == root.hex() and row_header(manifest, row) == prefix[:48],
             f"chunk {index}: not as the manifest lists it")
    key = unhex(lines.next("disclose"), 32) if lines.sees("disclose") else None
    if key:
        derive(key, prefix)
    check_segments(lines, header, root)
    segments = read_sealed(lines, header)
    need(segments is None or chunk_root(segments) == root,
         f"chunk {index}: the attached segments are not the chunk's")
    if out and key and segments:
        out.write(open_chunk(key, prefix, segments))
    return index


def verify_evidence(data, vkey, out):
    lines, manifest, chunks = Lines(data), None, []
    need(lines.next() == "lucid-evidence/v1", "evidence: first line")
    claimed = lines.next("key")
    need(vkey in (None, claimed), "evidence: it names another key")
    node_id = node_id_of(parse_vkey(claimed)[2])
    raw = lines.next("entry").encode()
    entry = read_entry(raw)
    need(entry["v"] == 1 and entry["kind"] == "session.sealed", "evidence: another kind of entry")
    if lines.sees("manifest"):
        raw_manifest = lines.next("manifest").encode()
        manifest = read_manifest(raw_manifest)
        manifest_matches(manifest, raw_manifest, entry, node_id)
    while lines.sees("chunk"):
        index = check_block(lines, entry, manifest, out)
        need(not chunks or chunks[-1] < index, "evidence: order of chunks")
        chunks.append(index)
    need(lines.next() == "tlog-proof" and lines.lines[-1] == "end", "evidence: tlog-proof or end")
    proof = "\n".join(lines.lines[lines.at:-1]) + "\n"
    _, place, size = read_tlog_proof(proof.encode(), claimed, raw)
    need(not out or out.tell(), "evidence: no chunk is both disclosed and attached")
    return {"entry": entry, "log_index": place, "log_size": size, "key": claimed,
            "key_pinned": vkey is not None, "chunks": chunks, "manifest": manifest is not None}


def verify_tlog_proof(data, vkey, _out):
    raw, place, size = read_tlog_proof(data, vkey)
    return {"entry": read_entry(raw), "log_index": place, "log_size": size, "key": vkey}


# Command line


def with_output(path, work):
    """`work(file)`; the file has its name only once all is verified."""
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


def arguments():
    parser = argparse.ArgumentParser(description="Verifies what a Lucid node wrote.")
    commands = parser.add_subparsers(dest="command", required=True)
    session, evidence, proof = map(commands.add_parser, ("session", "evidence", "tlog-proof"))
    session.add_argument("path", type=Path, metavar="DATA_FOLDER")
    session.add_argument("session", metavar="SESSION_ID")
    session.add_argument("--decrypt", dest="out", metavar="OUT")
    evidence.add_argument("path", type=Path, metavar="FILE")
    evidence.add_argument("--extract", dest="out", metavar="OUT")
    proof.add_argument("path", type=Path, metavar="FILE")
    for command in (session, evidence, proof):
        command.add_argument("--key", metavar="VKEY", required=command is proof)
    proof.set_defaults(out=None)
    return parser.parse_args()


def main():
    given = arguments()

    def work(out):
        if given.command == "session":
            return verify_session(given.path, given.session, given.key, out)
        check = verify_evidence if given.command == "evidence" else verify_tlog_proof
        return check(given.path.read_bytes(), given.key, out)

    try:
        answer = with_output(given.out, work)
    except (Refused, OSError, ValueError) as error:
        print(json.dumps({"ok": False, "reason": str(error)}))
        return 1
    print(json.dumps({"ok": True, **answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
