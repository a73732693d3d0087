"""A contract deployed and used as a script does: with web3.py, over JSON-RPC.

    KEY=0x… [TOKEN=…] python node/tests/clients/web3_py.py URL

URL is that of the JSON-RPC; KEY is the private key of an account with a coin or more, in hex; TOKEN is sent
as bearer token. LucidAnchors is deployed with the account as its registrar; sessions are registered, read
back, and found again as logs, by range and by filter. What the contract refuses comes back as its own error;
what the node refuses, in the words that clients know. Receipts, blocks, fees, batches and traces are held
against what was sent.
"""

import json
import os
import pathlib
import sys
import time

from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractCustomError, TransactionNotFound, Web3RPCError

url = sys.argv[1]
headers = {"Content-Type": "application/json"}
if os.environ.get("TOKEN"):
    headers["Authorization"] = f"Bearer {os.environ['TOKEN']}"
w3 = Web3(Web3.HTTPProvider(url, request_kwargs={"headers": headers}))
account = Account.from_key(os.environ["KEY"])
contracts = pathlib.Path(__file__).parents[2] / "contracts" / "artefacts"
artefact = json.loads((contracts / "LucidAnchors.json").read_text())


def send(call, **fields):
    """Signs and sends a call, and waits for its receipt."""
    nonce = w3.eth.get_transaction_count(account.address, "pending")
    tx = call.build_transaction({"from": account.address, "nonce": nonce, **fields})
    sent = w3.eth.send_raw_transaction(account.sign_transaction(tx).raw_transaction)
    return w3.eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.1)


def is_refused(what, words, act):
    """That the node answers with an error that has these words."""
    try:
        act()
    except Web3RPCError as error:
        assert words in str(error), f"{what}: {error}"
        print(f"{what}: refused with {words!r}")
        return
    sys.exit(f"{what} was taken")


def reverts(what, name, arguments, act):
    """That a call reverts with an error of the contract's own."""
    error = next(one for one in artefact["abi"] if one["type"] == "error" and one["name"] == name)
    types = [argument["type"] for argument in error["inputs"]]
    selector = Web3.keccak(text=f"{name}({','.join(types)})")[:4]
    try:
        act()
    except ContractCustomError as refused:
        data = bytes.fromhex(refused.data.removeprefix("0x"))
        assert data == selector + w3.codec.encode(types, arguments), (what, refused)
        print(f"{what}: reverts with {name}")
        return
    sys.exit(f"{what} did not revert")


# Who answers, and what a coin buys.

assert w3.is_connected()
assert w3.client_version.startswith("Lucid/v"), w3.client_version
assert w3.net.version == str(w3.eth.chain_id) and w3.net.listening and w3.net.peer_count == 0
assert w3.eth.syncing is False and list(w3.eth.accounts) == []
balance = w3.eth.get_balance(account.address)
assert balance > 0, "the account has nothing"
fees = w3.eth.fee_history(4, "latest", [10, 90])
assert fees["baseFeePerGas"][-1] == w3.eth.gas_price, fees
assert w3.eth.max_priority_fee >= 0

# A contract, deployed.

factory = w3.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
deployed = send(factory.constructor(account.address))
assert deployed["status"] == 1 and deployed["to"] is None, deployed
anchors = w3.eth.contract(address=deployed["contractAddress"], abi=artefact["abi"])
assert len(w3.eth.get_code(anchors.address)) > 1000
assert anchors.functions.registrar().call() == account.address
assert anchors.functions.sessionCount().call() == 0
print("deployed")

# Sessions, registered and read back.

OWNER = "local"


def session(log_index):
    root, rest = Web3.keccak(text=f"root {log_index}"), (Web3.keccak(text="a"), Web3.keccak(text="b"))
    return (os.urandom(16), root, *rest, OWNER, 12_345, 2, log_index)


logs_filter = anchors.events.SessionRegistered.create_filter(from_block=deployed["blockNumber"])
blocks_filter = w3.eth.filter("latest")
pending_filter = w3.eth.filter("pending")
sessions = [session(3), session(5)]
receipts = []
for fields in sessions:
    call = anchors.functions.registerSession(*fields)
    estimate = call.estimate_gas({"from": account.address})
    receipt = send(call)
    receipts.append(receipt)
    assert receipt["status"] == 1 and receipt["from"] == account.address, receipt
    assert receipt["to"] == anchors.address and receipt["type"] == 2, receipt
    assert receipt["gasUsed"] <= estimate < 2 * receipt["gasUsed"], (receipt, estimate)
    (event,) = anchors.events.SessionRegistered().process_receipt(receipt)
    assert event["args"]["sessionId"] == fields[0] and event["args"]["owner"] == OWNER, event
    assert event["args"]["ownerHash"] == Web3.keccak(text=OWNER), event
    found = w3.eth.get_transaction(receipt["transactionHash"])
    assert found["blockHash"] == receipt["blockHash"] and found["from"] == account.address, found
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert block["hash"] == receipt["blockHash"] and found in block["transactions"], block
    assert w3.eth.get_block(block["parentHash"])["number"] == block["number"] - 1
    assert w3.eth.get_block_transaction_count(block["hash"]) == len(block["transactions"])
    assert receipt in w3.eth.get_block_receipts(block["number"])
    assert abs(block["timestamp"] - time.time()) < 600, "a block's time is the present"

with w3.batch_requests() as batch:
    batch.add(anchors.functions.sessionCount())
    batch.add(anchors.functions.lastLogIndex())
    batch.add(anchors.functions.isRegistered(sessions[0][0]))
    batch.add(anchors.functions.isRegisteredAs(*sessions[1]))
    batch.add(anchors.functions.isRegistered(os.urandom(16)))
    batch.add(w3.eth.get_balance(account.address))
    *views, paid = batch.execute()
assert views == [2, 5, True, True, False], views
spent = sum(one["gasUsed"] * one["effectiveGasPrice"] for one in (deployed, *receipts))
assert balance - paid == spent, "what was paid is what the receipts say"
before = receipts[1]["blockNumber"] - 1
assert anchors.functions.sessionCount().call(block_identifier=before) == 1
at = w3.eth.get_block(before)["hash"]
assert anchors.functions.sessionCount().call(block_identifier=at) == 1
# Count and last index are in the second slot, after the mapping: 5 ‖ 2.
assert int.from_bytes(w3.eth.get_storage_at(anchors.address, 1)) == 5 << 64 | 2
print("registered, and read back")

# What the contract refuses.

register = anchors.functions.registerSession
me, stranger = {"from": account.address}, Account.create()
reverts("a session twice", "AlreadyRegistered", [sessions[0][0]], lambda: register(*sessions[0]).call(me))
reverts("an estimate of it", "AlreadyRegistered", [sessions[0][0]], lambda: register(*sessions[0]).estimate_gas(me))
reverts("an index that was passed", "LogIndexNotIncreasing", [4, 5], lambda: register(*session(4)).call(me))
reverts("a stranger", "OnlyRegistrar", [stranger.address], lambda: register(*session(9)).call({"from": stranger.address}))
failed = send(register(*sessions[0]), gas=200_000)
assert failed["status"] == 0 and failed["logs"] == [], failed

# Logs.

hashes = [receipt["transactionHash"] for receipt in receipts]
event = anchors.events.SessionRegistered
everything = event.get_logs(from_block=deployed["blockNumber"])
assert [log["transactionHash"] for log in everything] == hashes, everything
one = event.get_logs(from_block=deployed["blockNumber"], argument_filters={"sessionId": sessions[1][0]})
assert [log["args"]["logIndex"] for log in one] == [5], one
assert event.get_logs(from_block=deployed["blockNumber"], argument_filters={"sessionId": os.urandom(16)}) == []
in_block = w3.eth.get_logs({"blockHash": receipts[0]["blockHash"], "address": anchors.address})
assert [log["transactionHash"] for log in in_block] == hashes[:1], in_block
assert [log["transactionHash"] for log in logs_filter.get_new_entries()] == hashes
assert logs_filter.get_new_entries() == []
assert [log["transactionHash"] for log in logs_filter.get_all_entries()] == hashes
new_blocks = blocks_filter.get_new_entries()
assert {receipt["blockHash"] for receipt in receipts} <= set(new_blocks), new_blocks
assert set(hashes) <= set(pending_filter.get_new_entries())
assert w3.eth.uninstall_filter(logs_filter.filter_id)
is_refused("a filter that was removed", "filter not found", logs_filter.get_new_entries)
print("logs are found by filter, range and block")

# What the node refuses.

nonce = w3.eth.get_transaction_count(account.address)
plain = {"to": account.address, "value": 0, "gas": 21_000, "gasPrice": w3.eth.gas_price, "nonce": nonce}
plain["chainId"] = w3.eth.chain_id


def raw(signer=account, **fields):
    return signer.sign_transaction({**plain, **fields}).raw_transaction


def sending(signer=account, **fields):
    return lambda: w3.eth.send_raw_transaction(raw(signer, **fields))


w3.eth.wait_for_transaction_receipt(sending()(), timeout=30, poll_latency=0.1)
ahead = nonce + 1
is_refused("a replayed transaction", "nonce too low", sending())
is_refused("one for another chain", "invalid chain id", sending(nonce=ahead, chainId=1))
is_refused("one with too little gas", "intrinsic gas too low", sending(nonce=ahead, gas=20_999))
is_refused("one below the base fee", "less than block base fee", sending(nonce=ahead, gasPrice=1))
is_refused("one far ahead", "nonce too high", sending(nonce=nonce + 10_000))
is_refused("one that is not covered", "insufficient funds", sending(stranger, nonce=0, value=1))
is_refused("no transaction", "rlp", lambda: w3.eth.send_raw_transaction(b"\xc0"))
is_refused("a block that is not there", "header not found", lambda: w3.eth.get_balance(account.address, 1 << 40))
try:
    sys.exit(w3.eth.get_transaction(os.urandom(32)))
except TransactionNotFound:
    print("a transaction that is not there: not found")

# A transaction that waits for the one before it.

waits = sending(nonce=nonce + 2)()
assert w3.eth.get_transaction(waits).get("blockNumber") is None
is_refused("the same again", "already known", sending(nonce=nonce + 2))
is_refused("another in its place", "replacement transaction underpriced", sending(nonce=nonce + 2, value=1))
sending(nonce=nonce + 1)()
assert w3.eth.wait_for_transaction_receipt(waits, timeout=30, poll_latency=0.1)["status"] == 1
print("a transaction waits for the one before it")

# Traces.

options = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
calls = w3.provider.make_request("debug_traceTransaction", [hashes[0].to_0x_hex(), options])["result"]
assert calls["type"] == "CALL" and int(calls["gasUsed"], 16) == receipts[0]["gasUsed"], calls
assert len(calls["logs"]) == 1, calls
lines = w3.provider.make_request("debug_traceTransaction", [hashes[0].to_0x_hex(), {}])["result"]
assert any(line["op"] == "SSTORE" for line in lines["structLogs"]) and not lines["failed"]
print("traces say what happened")

print("web3.py: all as it should be")
