"""Uploading as scripts do: with tuspy, the tus project's client for Python.

    python node/tests/clients/tus_py.py URL PID_FILE              (node/tests/clients/run does it all)

TOKEN is an access token. A file of 20 MiB goes up in pieces of 3 MiB. It is cut off in the middle of a
piece; then the server is killed (SIGKILL) in the middle of another, after which a new client goes on from
where HEAD says; then it is killed again, which the client gets over by itself. Nothing that was acknowledged
is lost, and what comes back is what was sent, byte for byte. Then, with small files: a piece whose checksum
is not its own is refused with 460, and one at another offset with 409; neither leaves anything behind, also
not after a kill. And what else the protocol has the server refuse.
"""

import base64
import hashlib
import os
import signal
import sys
import tempfile
import time

import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.uploader import Uploader

url, pid_file = sys.argv[1:]
MIB = 1 << 20
PIECE = 3 * MIB
content = os.urandom(20 * MIB + 12_345)
headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
tus_headers = {"Tus-Resumable": "1.0.0", **headers}
client = TusClient(f"{url}/api/v1/uploads", headers=headers)
PATCH = {"Content-Type": "application/offset+octet-stream", **tus_headers}


def read_pid():
    with open(pid_file) as file:
        return int(file.read())


def kill():
    """Kills the server as a power cut would."""
    os.kill(read_pid(), signal.SIGKILL)


def kill_and_wait():
    """Kills the server, and waits until it is back."""
    before = read_pid()
    kill()
    wait_for_another(before)


def wait_for_another(before):
    for _ in range(600):
        time.sleep(0.1)
        try:
            if read_pid() != before and requests.get(f"{url}/ready").status_code == 200:
                return
        except requests.ConnectionError:
            pass
    sys.exit("the server did not come back")


class Piece:
    """What `source` gives to be sent: bit by bit, as over a slow line."""

    def __init__(self, source, start, end):
        self.source, self.start, self.end = source, start, end

    def __len__(self):
        return self.end - self.start

    def __iter__(self):
        for start in range(self.start, self.end, 1 << 16):
            time.sleep(0.002)
            end = min(start + (1 << 16), self.end)
            yield content[start:end]
            if self.source.on and start <= self.source.at < end:
                on, self.source.on = self.source.on, None
                on()


class Slowly:
    """The file, over a slow line; calls `on`, once, when the byte at `at` was sent."""

    def __init__(self, at=0, on=None):
        self.at, self.on, self.place = at, on, 0

    def seek(self, offset, whence=os.SEEK_SET):
        self.place = offset if whence == os.SEEK_SET else len(content) + offset

    def tell(self):
        return self.place

    def read(self, length):
        return Piece(self, self.place, min(self.place + length, len(content)))


class Cut(Exception):
    """The line is cut."""


def cut():
    raise Cut


def ask_offset(upload_url):
    answer = requests.head(upload_url, headers=tus_headers)
    assert answer.status_code == 200, answer.status_code
    assert answer.headers["Cache-Control"] == "no-store", answer.headers
    assert answer.headers["Tus-Resumable"] == "1.0.0", answer.headers
    return int(answer.headers["Upload-Offset"])


def settled_offset(upload_url):
    """Where an upload is once the server has noticed that its line was cut."""
    seen = ask_offset(upload_url)
    for _ in range(20):
        time.sleep(0.1)
        before, seen = seen, ask_offset(upload_url)
        if before == seen:
            break
    return seen


def goes_on(what, uploader, acknowledged, taken):
    print(f"{what}: goes on at {uploader.offset}; {acknowledged} were acknowledged, {taken} taken")
    assert 0 < acknowledged <= uploader.offset <= taken + (1 << 16)


def session_of(uploader):
    return uploader.url.removesuffix("/upload")


def is_whole(uploader, expected, media_type="application/octet-stream"):
    """That the upload is sealed, and gives back what was sent."""
    shown = requests.get(session_of(uploader), headers=headers).json()
    assert shown["state"] in ("sealed", "anchored"), shown
    assert shown["sealed"]["plain_bytes"] == len(expected), shown
    answer = requests.get(session_of(uploader) + "/content", headers=headers)
    assert answer.status_code == 200, answer.status_code
    assert answer.headers["Content-Type"] == media_type, answer.headers
    assert answer.content == expected, f"{len(answer.content)} other bytes came back"


def is_refused(status, code, refused):
    """That an answer, or what an uploader did, was refused."""
    if not isinstance(refused, requests.Response):
        try:
            refused()
        except TusUploadFailed as error:
            assert error.status_code == status, (error.status_code, error.response_content)
            assert f'"code":"{code}"'.encode() in error.response_content, error.response_content
            return
        sys.exit(f"it was taken, not refused with {status} {code}")
    assert refused.status_code == status, (refused.status_code, refused.content)
    assert refused.json()["code"] == code, refused.content
    assert refused.headers["Content-Type"] == "application/problem+json", refused.headers


# Cut off, killed, killed again: each in the middle of a piece.

first = client.uploader(
    file_stream=Slowly(7 * MIB, cut), chunk_size=PIECE, metadata={"filetype": "video/mp4"}
)
try:
    first.upload()
    sys.exit("it was not cut off")
except Cut:
    pass
assert first.offset == 2 * PIECE
settled_offset(first.url)

second = client.uploader(file_stream=Slowly(), url=first.url, chunk_size=PIECE)
goes_on("cut off", second, first.offset, 7 * MIB)
second.file_stream = Slowly(13 * MIB, kill)
pid = read_pid()
try:
    second.upload()
    sys.exit("it was not killed")
except TusUploadFailed as error:
    assert error.status_code is None, "it was answered"
wait_for_another(pid)

third = client.uploader(file_stream=Slowly(), url=first.url, chunk_size=PIECE, retries=100, retry_delay=0.1)
goes_on("killed", third, second.offset, 13 * MIB)
third.file_stream = Slowly(18 * MIB, kill)
pid = read_pid()
third.upload()
assert read_pid() != pid, "it was not killed"
is_whole(third, content, "video/mp4")
middle = {"Range": "bytes=3000000-9000000", **headers}
with requests.get(session_of(third) + "/content", headers=middle) as part:
    assert part.status_code == 206 and part.content == content[3_000_000:9_000_001]
print(f"killed again, and {len(content)} bytes: what came back is what was sent")

# Checksums: taken where they are right, and nothing taken where they are not.

folder = tempfile.TemporaryDirectory()
small = os.path.join(folder.name, "small")
with open(small, "wb") as file:
    file.write(content[:100_000])


def with_checksum(name, algorithm, **options):
    """An uploader whose pieces have checksums by `algorithm`, called `name`."""
    kind = type("WithChecksum", (Uploader,), {"CHECKSUM_ALGORITHM_PAIR": (name, algorithm)})
    return kind(small, client=client, chunk_size=30_000, upload_checksum=True, **options)


for name, right in (("sha1", hashlib.sha1), ("sha256", hashlib.sha256)):
    good = with_checksum(name, right)
    good.upload_chunk()
    wrong = with_checksum(name, lambda data, right=right: right(data + b"."), url=good.url)
    is_refused(460, "checksum_mismatch", wrong.upload_chunk)
    assert ask_offset(good.url) == 30_000, "something of it was taken"
    kill_and_wait()
    assert ask_offset(good.url) == 30_000, "something of it was taken"
    good.upload()
    is_whole(good, content[:100_000])
    print(f"{name}: a wrong one is refused with 460 and takes nothing, the right one goes on after it")

unknown = with_checksum("md5", hashlib.md5)
is_refused(400, "invalid_request", unknown.upload_chunk)
assert ask_offset(unknown.url) == 0, "something of it was taken"

# Cut off before its checksum could be compared: there is no telling, and nothing is taken.
uploader = client.uploader(file_stream=Slowly(), chunk_size=PIECE)
uploader.upload_chunk()
digest = base64.b64encode(hashlib.sha1(content[PIECE : 2 * PIECE]).digest()).decode()
half = Piece(Slowly(PIECE + MIB, cut), PIECE, 2 * PIECE)
try:
    at = {"Upload-Offset": str(PIECE), "Upload-Checksum": f"sha1 {digest}"}
    requests.patch(uploader.url, data=half, headers={**PATCH, **at})
    sys.exit("it was not cut off")
except Cut:
    pass
assert settled_offset(uploader.url) == PIECE, "something of it was taken"
print("cut off: nothing is taken of a piece with a checksum")

# Offsets: only where the upload is.

for offset in (0, 29_999, 30_001, 60_000):
    uploader = client.uploader(small, chunk_size=30_000)
    uploader.upload_chunk()
    uploader.offset = offset
    is_refused(409, "upload_offset", uploader.upload_chunk)
    assert ask_offset(uploader.url) == 30_000, "something of it was taken"
    uploader.offset = 30_000
    uploader.upload()
    is_whole(uploader, content[:100_000])
    print(f"at {offset}, not 30000: refused with 409")

# What else the protocol has the server say, and refuse.

said = requests.options(client.url)
assert said.status_code in (200, 204), said.status_code
assert "1.0.0" in said.headers["Tus-Version"].split(","), said.headers
extensions = said.headers["Tus-Extension"].split(",")
for extension in ("creation", "creation-with-upload", "checksum", "termination", "expiration"):
    assert extension in extensions, said.headers
assert {"sha1", "sha256"} <= set(said.headers["Tus-Checksum-Algorithm"].split(",")), said.headers

uploader = client.uploader(small, chunk_size=30_000)
uploader.upload_chunk()
at = {**PATCH, "Upload-Offset": "30000"}


def patch(changed, data=b"more"):
    sent = {name: value for name, value in {**at, **changed}.items() if value is not None}
    return requests.patch(uploader.url, data=data, headers=sent)


old = patch({"Tus-Resumable": "0.2.2"})
is_refused(412, "tus_version", old)
assert old.headers["Tus-Version"] == "1.0.0", old.headers
is_refused(412, "tus_version", patch({"Tus-Resumable": None}))
is_refused(415, "media_type", patch({"Content-Type": "application/octet-stream"}))
is_refused(400, "invalid_request", patch({"Upload-Offset": None}))
is_refused(400, "invalid_request", patch({"Upload-Offset": "-1"}))
is_refused(401, "token_missing", patch({"Authorization": None}))
is_refused(413, "too_large", patch({}, content[:70_001]))
assert ask_offset(uploader.url) == 30_000, "something of it was taken"
nothing = "00000000-0000-4000-8000-000000000000"
nowhere = requests.head(f"{url}/api/v1/sessions/{nothing}/upload", headers=tus_headers)
assert nowhere.status_code == 404 and "Upload-Offset" not in nowhere.headers, nowhere.headers
uploader.upload()
is_whole(uploader, content[:100_000])
print("tuspy: all as it should be")
