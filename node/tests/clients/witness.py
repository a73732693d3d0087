"""A witness and a log that others wrote (PyPI aics-witness, aics-tlog), against a node:

    witness.py LUCID_NODE AICS_WITNESS

Their witness cosigns the node's log as it grows, and the node the checkpoints of a log of theirs; a fork of that
is refused. Needs Python 3.12, which these packages ask for. Ends with an error where anything is wrong.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from aics_tlog import MerkleTree, parse_note, parse_vkey
from aics_tlog.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from aics_tlog.cosign import verify_cosignature
from aics_tlog.note import format_vkey, vkey_from_ed25519
from aics_witness import WitnessClient, WitnessRejected
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NODE, THEIRS = sys.argv[1:]
ORIGIN = "example.com/log"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(what, look):
    for _ in range(600):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"no {what}")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()
    except OSError:
        return None


class Running:
    """A process that ends with the block."""

    def __init__(self, *command, **settings):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LUCID_")}
        log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=kept | settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def node(data, port, **settings):
    return Running(NODE, "run", "--data", data, "--listen", f"127.0.0.1:{port}", LUCID_PUBLIC_LOG="true", **settings)


def theirs_witnesses_the_node(folder):
    data, config = folder / "data", folder / "witness.json"
    subprocess.run([NODE, "init", "--data", data], check=True, capture_output=True)
    head = json.loads(subprocess.check_output([NODE, "ledger", "head", "--json", "--data", data]))
    log_key = head["log_key"]
    port, own = free_port(), free_port()
    listen = f"127.0.0.1:{port}"
    init = [THEIRS, "init", "-c", config, "--name", "witness.example/w1", "--listen", listen]
    printed = subprocess.check_output(init, text=True)
    key = next(word for word in printed.split() if word.startswith("witness.example/w1+"))
    add = [THEIRS, "add-log", "-c", config, "--origin", log_key.split("+")[0], "--vkey", log_key]
    subprocess.run(add, check=True, capture_output=True)
    settings = {"LUCID_WITNESSES": f"{key} http://{listen}", "LUCID_WITNESS_INTERVAL_MS": "50"}
    url = f"http://127.0.0.1:{own}/api/v1/log"

    def witnessed(size):
        found = get(f"{url}/cosigned")
        if not found:
            return False
        note, by = parse_note(found), parse_vkey(key)
        checkpoint = parse_checkpoint(note.text)
        line = next(line for line in note.signatures if line.key_id == by.key_id)
        said = (by.name, by.public_key, checkpoint.origin, checkpoint.size, checkpoint.root)
        assert verify_cosignature(line.signature, *said), found
        return checkpoint.size >= size

    with Running(THEIRS, "serve", "-c", config):
        for round in range(4):
            # The log grows while nobody serves it: one process has the folder at a time.
            if round:
                for _ in range(round * 3):
                    ingest = [NODE, "ingest", "-", "--data", data]
                    subprocess.run(ingest, input=b"hello", check=True, capture_output=True)
            with node(data, own, **settings):
                checkpoint = wait("checkpoint", lambda: get(f"{url}/checkpoint")).decode()
                size = int(checkpoint.split("\n")[1])
                wait(f"cosignature of {size}", lambda: witnessed(size))
    status = subprocess.check_output([THEIRS, "status", "-c", config], text=True)
    assert str(size) in status, status
    print(f"their witness followed the node's log to {size} entries")


def the_node_witnesses_theirs(folder):
    data, port, key = folder / "data", free_port(), Ed25519PrivateKey.generate()
    log_key = format_vkey(vkey_from_ed25519(ORIGIN, key.public_key()))
    url = f"http://127.0.0.1:{port}/api/v1"

    def signed(tree):
        return sign_checkpoint(Checkpoint(ORIGIN, tree.size, tree.root()), key, ORIGIN).to_bytes()

    with node(data, port, LUCID_WITNESSED_LOGS=log_key):
        state = json.loads(wait("node", lambda: get(f"{url}/log/witnesses")))
        client = WitnessClient(f"{url}/witness", state["witness_key"])
        tree = MerkleTree()
        for size in (1, 2, 7, 7, 64, 300):
            tree.extend(b"entry %d" % n for n in range(tree.size, size))
            line = client.submit(signed(tree), tree.consistency_proof)
            assert state["witness_key"].split("+")[0] in line, line
        for size in (300, 301):
            fork = MerkleTree(b"other %d" % n for n in range(size))
            try:
                client.submit(signed(fork), fork.consistency_proof)
            except WitnessRejected as refused:
                assert refused.status == 422, refused
            else:
                sys.exit("a fork was cosigned")
    print("the node followed a log of theirs to 300 entries, and no fork of it")


with tempfile.TemporaryDirectory() as folder:
    for number, test in enumerate([theirs_witnesses_the_node, the_node_witnesses_theirs]):
        place = Path(folder) / str(number)
        place.mkdir()
        test(place)
