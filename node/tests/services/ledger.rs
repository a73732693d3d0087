//! The ledger log as strangers meet it: tiles by a client that others wrote, proofs, who may read what,
//! and nodes that witness each other.

use std::{
    cell::Cell,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lucid_core::{
    Hash,
    merkle::{decode_bundle, verify_consistency, verify_inclusion},
    note::{Checkpoint as OurCheckpoint, CosigningKey, KeyName, SignatureType, VerifierKey},
};
use serde_json::{Value, json};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Tile, TileHashReader, TileReader};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::BINARY,
};

/// Public, and read faster than people read.
const OPEN: [(&str, &str); 2] =
    [("LUCID_PUBLIC_LOG", "true"), ("LUCID_REQUESTS_PER_MINUTE", "100000")];
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fetches what the foreign client asks for.
struct OverHttp<'a> {
    client: &'a Client,
    fetched: Cell<u64>,
}

impl OverHttp<'_> {
    fn get(&self, path: &str) -> Vec<u8> {
        self.fetched.set(self.fetched.get() + 1);
        let answer = self.client.got(&format!("/api/v1/log/{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        let cached = answer.header("cache-control").unwrap();
        match answer.header("content-type").unwrap() {
            "application/octet-stream" => assert!(cached.contains("immutable"), "{path}: {cached}"),
            kind => {
                assert_eq!((kind, cached), ("text/plain; charset=utf-8", "no-cache"), "{path}");
            }
        }
        answer.body
    }
}

impl TileReader for OverHttp<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // Their paths name the height, which C2SP fixed.
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| self.get(&path(tile))).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A checkpoint, its signature verified by their code.
fn their_checkpoint(text: &[u8], key: &str) -> Checkpoint {
    let note = Note::from_bytes(text).unwrap();
    let key = StandardVerifier::new(key).unwrap();
    let (trusted, _) = note.verify(&VerifierList::new(vec![Box::new(key)])).unwrap();
    assert_eq!(trusted.len(), 1);
    Checkpoint::from_bytes(note.text()).unwrap()
}

/// Every entry that is served, each with an inclusion proof that their code made from the tiles and
/// verified; and the earlier checkpoints are prefixes. Gives the size.
fn read_all(client: &Client, key: &str, earlier: &[Vec<u8>]) -> u64 {
    let http = OverHttp { client, fetched: Cell::new(0) };
    let checkpoint = their_checkpoint(&http.get("checkpoint"), key);
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    let reader = TileHashReader::new(size, root, &http);
    for index in 0..size.div_ceil(256) {
        let width = (size - index * 256).min(256);
        let mut tile = Tile::new(8, 0, index, width as u32, true);
        tile.set_is_data();
        let bundle = http.get(&tile.path().replacen("tile/8/data/", "tile/entries/", 1));
        for (at, entry) in (index * 256..).zip(decode_bundle(&bundle, width as usize).unwrap()) {
            let proof = tlog_tiles::prove_record(size, at, &reader).unwrap();
            let leaf = tlog_tiles::record_hash(entry);
            tlog_tiles::check_record(&proof, size, root, at, leaf).unwrap();
            serde_json::from_slice::<Value>(entry).unwrap();
        }
    }
    for old in earlier.iter().map(|text| their_checkpoint(text, key)) {
        let proof = tlog_tiles::prove_tree(size, old.size(), &reader).unwrap();
        tlog_tiles::check_tree(&proof, size, root, old.size(), *old.hash()).unwrap();
    }
    assert!(http.fetched.get() > 2);
    size
}

/// The log's verifier key, as the node's operator has it.
fn log_key(client: &Client) -> String {
    // The evidence of any session names it.
    let session = client.mint(&json!({"length": 0}));
    client.patch(&session, 0, b"").unwrap();
    let proof = client.got(&format!("/api/v1/sessions/{session}/proof"));
    let text = String::from_utf8(proof.body).unwrap();
    let named = |word: &str| word.starts_with("lucid/") && word.parse::<VerifierKey>().is_ok();
    text.split_whitespace().find(|word| named(word)).expect("evidence names the key").to_owned()
}

#[test]
fn a_client_that_others_wrote_reads_the_log() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(form, folder.path(), &OPEN);
        let owner = server.client().sign_in(&Wallet::new(1));
        let stranger = server.client();
        let key = log_key(&owner);
        let mut earlier = Vec::new();
        // Below a bundle, and (in one process, where it is quick) beyond the first one.
        let sizes = if form == Form::One { [5, 40, 270] } else { [5, 20, 40] };
        for size in sizes {
            while read_size(&stranger) < size {
                let session = owner.mint(&json!({}));
                owner.post(&format!("/api/v1/sessions/{session}/void"), &json!({})).expect(200);
            }
            earlier.push(stranger.got("/api/v1/log/checkpoint").body);
            assert!(read_all(&stranger, &key, &earlier) >= size, "{form:?}");
        }
        server.stop();
    }
}

fn read_size(client: &Client) -> u64 {
    let text = String::from_utf8(client.got("/api/v1/log/checkpoint").body).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_reads_what_and_what_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, user) = (Wallet::new(1), Wallet::new(2));
    let settings = [("LUCID_ADMINS", admin.address.as_str())];
    let server = Server::start_with(Form::One, folder.path(), &settings);
    let (nobody, admin) = (server.client(), server.client().sign_in(&admin));
    let user = server.client().sign_in(&user);
    let size = read_size(&user);
    let partial = format!("/api/v1/log/tile/0/000.p/{size}");
    let bundle = format!("/api/v1/log/tile/entries/000.p/{size}");
    for path in ["/api/v1/log/checkpoint", &partial, "/api/v1/log/witnesses"] {
        nobody.got(path).problem(401, "token_missing");
        assert_eq!((user.got(path).status, admin.got(path).status), (200, 200), "{path}");
    }
    // Entries name owners, of whom a user sees none but itself.
    for path in [bundle.as_str(), "/api/v1/log/entries"] {
        nobody.got(path).problem(401, "token_missing");
        user.got(path).problem(403, "forbidden");
        assert_eq!(admin.got(path).status, 200, "{path}");
    }
    assert!(admin.got(&partial).header("cache-control").unwrap().starts_with("private"));
    admin.got("/api/v1/log/cosigned").problem(404, "not_found");
    for tile in [
        "0/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/200",
        "00/000.p/1",
        "0/0.p/1",
        "0/x000/000.p/1",
        "0/00%30.p/1",
        "64/000.p/1",
        "-1/000.p/1",
        "entries/001",
        "0/000.p/1/",
        "0//000.p/1",
        "data/000.p/1",
        "0/000.p/1?x=1",
    ] {
        let answer = admin.got(&format!("/api/v1/log/tile/{tile}"));
        let expected = if tile.ends_with("?x=1") { 200 } else { 404 };
        assert_eq!(answer.status, expected, "{tile}");
    }
    for (query, status) in [
        ("proof/inclusion?index=0", 200),
        ("proof/inclusion?index=0&size=1", 200),
        ("proof/inclusion?index=0&size=0", 404),
        ("proof/inclusion?index=99999999", 404),
        ("proof/inclusion?index=0&size=99999999", 404),
        ("proof/inclusion", 400),
        ("proof/inclusion?index=-1", 400),
        ("proof/inclusion?index=0&size=x", 400),
        ("proof/inclusion?index=0&more=1", 400),
        ("proof/consistency?from=1", 200),
        ("proof/consistency?from=0", 400),
        ("proof/consistency?from=2&to=1", 400),
        ("proof/consistency?from=1&to=99999999", 404),
        ("proof/consistency?from=18446744073709551616", 400),
        ("entries?limit=0", 400),
        ("entries?limit=201", 400),
        ("entries?after=18446744073709551615", 200),
    ] {
        assert_eq!(admin.got(&format!("/api/v1/log/{query}")).status, status, "{query}");
    }
    server.stop();
}

#[test]
fn proofs_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Wallet::new(1);
    let settings = [("LUCID_ADMINS", admin.address.as_str())];
    let server = Server::start_with(Form::One, folder.path(), &settings);
    let admin = server.client().sign_in(&admin);
    for _ in 0..3 {
        admin.mint(&json!({}));
    }
    let hash = |value: &Value| value.as_str().unwrap().parse::<Hash>().unwrap();
    let path =
        |proof: &Value| proof["path"].as_array().unwrap().iter().map(hash).collect::<Vec<_>>();
    let (mut after, mut entries) = (None::<u64>, Vec::new());
    loop {
        let query = after.map_or(String::new(), |after| format!("&after={after}"));
        let page = admin.got(&format!("/api/v1/log/entries?limit=2{query}")).expect(200);
        entries.extend(page["entries"].as_array().unwrap().clone());
        after = page["next"].as_u64();
        if after.is_none() {
            break;
        }
    }
    let size = read_size(&admin);
    assert_eq!(entries.len() as u64, size);
    for entry in &entries {
        let (index, text) = (entry["index"].as_u64().unwrap(), entry["entry"].as_str().unwrap());
        let proof = admin.got(&format!("/api/v1/log/proof/inclusion?index={index}")).expect(200);
        let leaf = lucid_core::merkle::leaf_hash(text.as_bytes());
        assert_eq!(hash(&proof["leaf"]), leaf);
        verify_inclusion(hash(&proof["root"]), size, index, leaf, &path(&proof)).unwrap();
    }
    let proof = admin.got(&format!("/api/v1/log/proof/consistency?from=2&to={size}")).expect(200);
    let (from, to) = (hash(&proof["from_root"]), hash(&proof["to_root"]));
    verify_consistency(2, from, size, to, &path(&proof)).unwrap();
    server.stop();
}

/// Waits until `look` gives something.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An auditor checks who saw the checkpoint of `evidence`, with the keys of the log and of its one witness.
fn verified_by_witnesses(evidence: &[u8], key: &str, witness: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.lucid-proof");
    std::fs::write(&file, evidence).unwrap();
    let verify = |more: &[&str], code: i32| {
        let mut command = Command::new(BINARY);
        command.env_clear().current_dir(folder.path()).arg("verify").arg(&file);
        let output = command.args(["--json", "--key", key]).args(more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (found["witnesses"].clone(), said)
    };
    let name = witness.split('+').next().unwrap();
    let (found, _) = verify(&[], 0);
    assert_eq!(found, json!({"cosigned": [], "unchecked": 1, "quorum": 0}));
    let (found, _) = verify(&["--witness", witness], 0);
    assert_eq!((&found["cosigned"][0]["witness"], &found["unchecked"]), (&json!(name), &json!(0)));
    // A witness that is not asked by this node, and one that only has the name.
    let other = |name: &str| {
        let name = KeyName::new(name).unwrap();
        CosigningKey::from_seed(name, &[7; 32]).verifier_key().to_string()
    };
    let (stranger, imposter) = (other("example.org/witness"), other(name));
    let (_, said) = verify(&["--witness", witness, "--witness", &stranger], 1);
    assert!(said.contains("1 of 2 wanted") && said.contains("example.org/witness"), "{said}");
    let enough = ["--witness", witness, "--witness", &stranger, "--witness-quorum", "1"];
    assert_eq!(verify(&enough, 0).0["quorum"], 1);
    let (_, said) = verify(&["--witness", &imposter], 1);
    assert!(said.contains("0 of 1 wanted"), "{said}");
    verify(&["--witness", witness, "--witness", witness], 64);
    verify(&["--witness", witness, "--witness-quorum", "2"], 64);
    verify(&["--witness", witness, "--witness-quorum", "0"], 64);
    // A log's key is no witness's, and not by another name and kind either.
    verify(&["--witness", key], 64);
    let log: VerifierKey = key.parse().unwrap();
    let name = KeyName::new("example.org/itself").unwrap();
    let itself = VerifierKey::new(name, SignatureType::CosignatureV1, log.public_key());
    verify(&["--witness", &itself.unwrap().to_string()], 64);
}

#[test]
fn one_node_witnesses_another() {
    for form in Form::BOTH {
        let (own, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut server = Server::start_with(form, own.path(), &OPEN);
        let owner = server.client().sign_in(&Wallet::new(1));
        let key = log_key(&owner);
        let settings = [OPEN[0], OPEN[1], ("LUCID_WITNESSED_LOGS", key.as_str())];
        let mut witness = Server::start_with(Form::One, others.path(), &settings);
        let state = witness.client().got("/api/v1/log/witnesses").expect(200);
        let witness_key = state["witness_key"].as_str().unwrap().to_owned();
        let url = format!("http://{}/api/v1/witness/", witness.client().address());
        let asked = format!("{witness_key} {url}");
        let asked = [("LUCID_WITNESSES", asked.as_str()), ("LUCID_WITNESS_INTERVAL_MS", "50")];
        server.restart_one(server.ledger(), &asked);
        server.wait_ready();

        let log: VerifierKey = key.parse().unwrap();
        let by: VerifierKey = witness_key.parse().unwrap();
        let witnessed = |client: &Client, size: u64| {
            let answer = client.got("/api/v1/log/cosigned");
            let text = String::from_utf8(answer.body).ok().filter(|_| answer.status == 200)?;
            let (checkpoint, cosigned) =
                OurCheckpoint::verify_cosigned(&text, &log, &[&by]).unwrap();
            (checkpoint.size >= size && cosigned.len() == 1).then_some(text)
        };
        let client = server.client();
        // The gateway may have another process behind it, and the token is as good as before.
        let owner = {
            let mut signed_in = client.clone();
            signed_in.token = owner.token;
            signed_in
        };
        let session = owner.mint(&json!({"length": 5}));
        owner.patch(&session, 0, b"hello").unwrap();
        let size = read_size(&client);
        let text = wait("a cosignature", || witnessed(&client, size));
        // The witness serves the same to monitors, and evidence carries it.
        let origin = Hash::of(log.name().as_str().as_bytes());
        let path = format!("/api/v1/witness/{origin}/checkpoint");
        let monitored = witness.client().got(&path);
        assert_eq!((monitored.status, String::from_utf8(monitored.body).unwrap()), (200, text));
        let evidence = owner.got(&format!("/api/v1/sessions/{session}/proof")).body;
        verified_by_witnesses(&evidence, &key, &witness_key);
        let state = client.got("/api/v1/log/witnesses").expect(200);
        assert_eq!((&state["quorum"], &state["witnessed_size"]), (&json!(1), &json!(size)));

        // The witness is killed: the log goes on, and is witnessed when it is back.
        witness.kill_one("run");
        owner.mint(&json!({}));
        let down = wait("an error", || {
            let state = client.got("/api/v1/log/witnesses").expect(200);
            state["witnesses"][0]["error"].as_str().map(str::to_owned)
        });
        assert!(down.contains("nobody answers"), "{down}");
        witness.spawn_one("run", &[]);
        witness.wait_ready();
        let size = read_size(&client);
        wait("a cosignature after the witness is back", || witnessed(&client, size));

        // What a stranger may not have cosigned.
        let post = |body: &str| {
            witness.client().send("POST", "/api/v1/witness/add-checkpoint", &[], body.as_bytes())
        };
        let current = String::from_utf8(client.got("/api/v1/log/checkpoint").body).unwrap();
        let stale = post(&format!("old 0\n\n{current}")).unwrap();
        assert_eq!((stale.status, stale.header("content-type")), (409, Some("text/x.tlog.size")));
        assert_eq!(String::from_utf8(stale.body).unwrap(), format!("{size}\n"));
        let other = current.replace(log.name().as_str(), "lucid/0000000000000000");
        post(&format!("old 0\n\n{other}")).unwrap().problem(404, "not_found");
        let forged = current.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
        post(&format!("old {size}\n\n{forged}")).unwrap().problem(403, "forbidden");
        post("old 0\n").unwrap().problem(400, "invalid_request");
        let long = format!("old 0\n\n{}", "x".repeat(100_000));
        post(&long).unwrap().problem(413, "too_large");
        server.stop();
        witness.stop();
    }
}
