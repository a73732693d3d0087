"""What an image is, by its OCI layout (a folder) and nothing else: for both platforms, of user 65532, one program and no shell.

    python3 compose/test/index.py LAYOUT
"""
import gzip, io, json, pathlib, sys, tarfile
layout = pathlib.Path(sys.argv[1])
def blob(of): return (layout / "blobs" / of["digest"].replace(":", "/")).read_bytes()
top = json.loads((layout / "index.json").read_text())["manifests"]
assert len(top) == 1, top
index = json.loads(blob(top[0]))
platforms = {(m["platform"]["os"], m["platform"]["architecture"]): m for m in index["manifests"]}
assert set(platforms) == {("linux", "amd64"), ("linux", "arm64")}, platforms.keys()
machines = {"amd64": 62, "arm64": 183}
for (_, architecture), at in platforms.items():
    manifest = json.loads(blob(at))
    config = json.loads(blob(manifest["config"]))
    assert config["architecture"] == architecture and config["created"].startswith("1970-01-01"), config
    of = config["config"]
    assert of["User"] == "65532:65532" and of["Entrypoint"] == ["/lucid-node"] and of["Cmd"] == ["run"], of
    assert {f"org.opencontainers.image.{l}" for l in
            ("title", "description", "licenses", "source", "version", "revision", "base.name")} <= set(of["Labels"]), of
    size = sum(layer["size"] for layer in manifest["layers"])
    assert size < 25 << 20, f"{architecture}: {size} bytes compressed"
    owners, programs = {}, []
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer)))) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                owners[name] = (member.uid, member.mode)
                if member.isfile() and member.mode & 0o111 and ".so" not in name and not name.startswith("etc/"):
                    programs.append(name)
                if name == "lucid-node":
                    machine = int.from_bytes(tar.extractfile(member).read(20)[18:20], "little")
                    assert machine == machines[architecture], (architecture, machine)
    assert programs == ["lucid-node"], f"programs: {programs}"
    for folder in ("node", "vault", "vault/chunks"):
        assert owners[f"var/lib/lucid/{folder}"][0] == 65532, (folder, owners[f"var/lib/lucid/{folder}"])
    print(f"linux/{architecture}: {size / (1 << 20):.1f} MiB compressed, one program, user 65532")
