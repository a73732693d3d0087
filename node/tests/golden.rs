//! The golden vectors in `tests/golden`: a data folder and evidence about it, made of fixed keys,
//! salts, ids and times.
//!
//! They are made again and compared byte by byte, so that no format changes unnoticed, and the binary
//! opens what was committed, so that old recordings stay readable. After a change that is meant,
//! `LUCID_TEST_BLESS=1 cargo test --release -p lucid-node --test golden made_again` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "golden/anchor.rs"]
mod anchor;
#[path = "golden/rule.rs"]
mod rule;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use lucid_core::{
    ChunkIndex, EntryIndex, MediaType, Policy, SegmentIndex, SessionId, Timestamp,
    chunk::{CHUNK_BYTES_MIN, ChunkSummary, Codec, PREFIX_BYTES, Salt},
    entry::SessionOpened,
    evidence::{ChunkEvidence, Evidence, SegmentEvidence},
    keys::{Dek, Kek, KeyFile},
    manifest::Manifest,
    merkle,
    tron::anchor::AnchorRecord,
};
use lucid_node::ports::{COMMAND_LEASE, SessionPort};
use lucid_pipeline::{
    open::ChunkOpener,
    ports::{ChunkFile, ChunkSink},
    seal::{ChunkSealer, SealContext},
};
use lucid_store::{CreateOptions, Disk, KekSource, NoCiphers, SealRequest, Store};
use rule::{End, GOLDEN, Golden, LOG_KEY, PIECE, sessions};
use support::{Node, files_below};

const KEK: [u8; 32] = [0x11; 32];
const NODE_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// Private to the node, and made anew where they are missing.
const PRIVATE: [&str; 2] = ["data/db/", "data/lock"];

/// Below this a clone does not notice them.
const BYTES_MAX: usize = 600 << 10;

/// 2026-02-01 and so many seconds.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis((1_769_904_000 + seconds) * 1000)
}

fn dek(number: u8) -> Dek {
    Dek::new([0x40 + number; 32])
}

/// A data folder that is begun, with its keys: the store makes the rest.
fn create(data: &Path) -> Store {
    fs::create_dir_all(data.join("secrets")).unwrap();
    fs::write(data.join("format"), "lucid-data 1\n").unwrap();
    for (name, key) in [("master.key", hex::encode(KEK)), ("node.key", NODE_SEED.to_owned())] {
        let path = data.join("secrets").join(name);
        fs::write(&path, key + "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (kek, reserve_bytes, disk) = (KekSource::Folder, Some(0), Disk::default());
    let ciphers = Arc::new(NoCiphers);
    Store::create(data, CreateOptions { kek, at: at(0), reserve_bytes, disk, ciphers }).unwrap()
}

fn record(store: &Store, number: u8, golden: &Golden) -> SessionId {
    let session: SessionId = golden.id.parse().unwrap();
    let began = u64::from(number) * 60;
    let policy = Policy::new(CHUNK_BYTES_MIN, 3, golden.suite).unwrap();
    let (kind, v) = Default::default();
    let (owner, media_type) = ("golden".parse().unwrap(), MediaType::octets());
    let opened =
        SessionOpened { at: at(began), kind, media_type, owner, policy, session_id: session, v };
    let wrap = Kek::new(KEK).wrap(&session, &dek(number), [0x60 + number; 12]);
    store.open_session(opened, Some(&KeyFile::new(vec![wrap]))).unwrap();
    store.hold(session, COMMAND_LEASE).unwrap();

    let context = SealContext { session, dek: dek(number), policy };
    let mut sealer = ChunkSealer::new(&policy);
    let port = SessionPort { store, session };
    for (place, plain) in (0..).zip(&golden.chunks) {
        let salt = Salt([0x80 + number * 8 + place; 24]);
        let index = ChunkIndex(place.into());
        let mut file = port.create(index).unwrap();
        let summary = sealer.seal(&context, index, plain, salt, &mut file).unwrap();
        file.commit().unwrap();
        port.acknowledge(&[summary]).unwrap();
    }
    let seal = |complete| {
        let software = "lucid-node golden vectors".to_owned();
        store.seal(session, &SealRequest { complete, at: at(began + 5), software }).unwrap()
    };
    match golden.end {
        End::Sealed { complete } => drop(seal(complete)),
        End::Erased => {
            seal(true);
            store.erase(session, at(began + 10)).unwrap();
        }
        End::Voided => store.void(session, "a golden reason: \"ä\"\n", at(began + 5)).unwrap(),
    }
    session
}

/// What evidence says of the chunk at `place`: its path, and those of the segments named.
fn about(store: &Store, session: SessionId, place: u32, segments: &[u32]) -> ChunkEvidence {
    let index = store.index(session).unwrap();
    let summaries: Vec<_> = index.map(|summary| summary.unwrap()).collect();
    let leaves: Vec<_> = summaries.iter().map(ChunkSummary::session_leaf).collect();
    let path = merkle::inclusion_proof(&leaves, place.into()).unwrap();
    let summary = summaries[place as usize];
    let (mut file, bytes) =
        store.local().unwrap().chunks().open(session, ChunkIndex(place)).unwrap();
    let scanned = ChunkOpener::new().leaves(&mut file, bytes, Some(&summary.header));
    let (_, leaves) = scanned.unwrap();
    let prove = |segment: &u32| SegmentEvidence {
        index: SegmentIndex(*segment),
        leaf: leaves[*segment as usize],
        path: merkle::inclusion_proof(&leaves, u64::from(*segment)).unwrap(),
    };
    let segments = segments.iter().map(prove).collect();
    ChunkEvidence { summary, path, disclosed: None, segments, sealed: None }
}

/// Evidence about two segments of chunk 1, whose key stays secret, and about the whole of chunk 3.
fn evidence(store: &Store, session: SessionId, entry: EntryIndex) -> Evidence {
    let index = ChunkIndex(PIECE.1 as u32);
    let mut whole = about(store, session, index.0, &[]);
    whole.disclosed = Some(dek(0).chunk_key(&session, index));
    let file = fs::read(store.local().unwrap().chunks().path(session, index)).unwrap();
    whole.sealed = Some(file[PREFIX_BYTES..].to_vec());
    Evidence {
        key: store.log_key().verifier_key().clone(),
        entry: store.with_log(|log| Ok(log.entry(entry)?)).unwrap(),
        manifest: Some(store.manifest(session).unwrap().bytes),
        chunks: vec![about(store, session, 1, &[0, 2]), whole],
        proof: store.with_log(|log| Ok(log.tlog_proof(entry)?)).unwrap(),
        anchor: None,
    }
}

/// Evidence about a session as a whole, under the checkpoint that `record` anchors.
fn anchored(store: &Store, session: SessionId, entry: EntryIndex, record: &AnchorRecord) -> String {
    let evidence = Evidence {
        proof: store.anchored_proof(entry, record).unwrap(),
        anchor: Some(record.proof().clone()),
        chunks: Vec::new(),
        ..evidence(store, session, entry)
    };
    evidence.to_text()
}

/// All vectors, in `folder`.
fn make(folder: &Path) {
    let store = create(&folder.join("data"));
    let made: Vec<_> =
        (0..).zip(sessions()).map(|(number, golden)| record(&store, number, &golden)).collect();
    let session = made[PIECE.0];
    let entry = store.session(session).unwrap().sealed.unwrap().entry;
    let evidence = evidence(&store, session, entry);
    fs::write(folder.join("piece.lucid-proof"), evidence.to_text()).unwrap();
    let proof = evidence.proof.with_extra(evidence.entry).unwrap();
    fs::write(folder.join("entry.tlog-proof"), proof.to_text()).unwrap();
    let note = store.with_log(|log| Ok(log.checkpoint_text().to_owned())).unwrap();
    let [contract, memo] =
        [anchor::contract(), anchor::memo()].map(|target| anchor::anchor(&note, target));
    store.keep_anchor(&contract).unwrap();
    for (name, record) in [("anchored.lucid-proof", contract), ("memo.lucid-proof", memo)] {
        fs::write(folder.join(name), anchored(&store, session, entry, &record)).unwrap();
    }
}

/// The vectors among the files below `folder`, by their names in it.
fn vectors(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let named = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        (name, fs::read(&path).unwrap())
    };
    let is_vector = |name: &str| {
        name.ends_with("-proof")
            || name.starts_with("data/") && !PRIVATE.iter().any(|it| name.starts_with(it))
    };
    files_below(folder).into_iter().map(named).filter(|(name, _)| is_vector(name)).collect()
}

fn bless(vectors: &BTreeMap<String, Vec<u8>>) {
    let folder = Path::new(GOLDEN);
    if folder.join("data").exists() {
        fs::remove_dir_all(folder.join("data")).unwrap();
    }
    for (name, bytes) in vectors {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn made_again_they_are_the_same() {
    let node = Node::new();
    let folder = node.path("made");
    make(&folder);
    let made = vectors(&folder);
    if std::env::var_os("LUCID_TEST_BLESS").is_some() {
        bless(&made);
    }
    let committed = vectors(Path::new(GOLDEN));
    let names = |vectors: &BTreeMap<String, Vec<u8>>| vectors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&committed));
    for (name, bytes) in &made {
        assert!(*bytes == committed[name], "{name} differs from what is committed");
    }
    let bytes: usize = committed.values().map(Vec::len).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes are too many for a repository");
}

/// Each codec, a last segment that is empty, a payload of several segments, a short last chunk.
#[test]
fn they_cover_the_cases_of_the_format() {
    let path = Path::new(GOLDEN).join("data/sessions").join(sessions()[0].id);
    let manifest = Manifest::parse(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    let cases: Vec<_> = manifest
        .chunks
        .iter()
        .map(|it| (it.codec, it.payload_bytes % 16_384 == 0, it.payload_bytes / 16_384))
        .collect();
    let (stored, zstd) = (Codec::Stored, Codec::Zstd);
    assert_eq!(cases, [(stored, true, 4), (zstd, false, 2), (stored, true, 1), (zstd, false, 0)]);
}

#[test]
fn the_node_opens_them() {
    let node = Node::new();
    rule::lay_out(&node.data());
    node.run("verify --all --decrypt").ok();
    node.run("ledger check").ok();
    for golden in sessions() {
        if golden.is_whole() {
            assert!(node.restore(golden.id) == golden.plaintext(), "{}", golden.id);
        } else {
            let ran = node.run(&format!("restore {}", golden.id));
            assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", golden.id);
        }
    }
    assert_eq!(node.log_key(), LOG_KEY);
}

#[test]
fn the_node_verifies_the_evidence() {
    let node = Node::new();
    let file = |name: &str| support::text_of(&Path::new(GOLDEN).join(name));
    let (piece, entry, out) =
        (file("piece.lucid-proof"), file("entry.tlog-proof"), node.name("out"));
    node.run(&format!("verify {piece} --key {LOG_KEY} --extract {out}")).ok();
    let plain = &sessions()[PIECE.0].chunks[PIECE.1];
    assert!(fs::read(out).unwrap() == *plain);
    node.run(&format!("verify {entry} --key {LOG_KEY}")).ok();
    let other = "lucid/e4fde19164fb8d9d+979bc985+Abtm943ElvTvWTHAm4kmfLf7cj1vjjktglgD2srji4Nc";
    node.run(&format!("verify {piece} --key {other}")).ends(1);
    node.run(&format!("verify {entry} --key {other}")).ends(1);
}

#[test]
fn the_node_verifies_the_anchored_evidence() {
    let node = Node::new();
    let file = |name: &str| support::text_of(&Path::new(GOLDEN).join(name));
    let [account, called, other] = [1, 5, 9].map(anchor::address);
    for (name, form) in [("anchored.lucid-proof", "contract"), ("memo.lucid-proof", "memo")] {
        let file = file(name);
        let words = format!("verify {file} --key {LOG_KEY}");
        let pinned = format!("{words} --anchor-address {account} --network nile");
        let report = node.run(&format!("{pinned} --json")).ok().json();
        let anchor = &report["anchor"];
        assert_eq!(anchor["form"], form);
        assert_eq!(anchor["anchored_by"], account.to_string());
        assert_eq!(anchor["block_number"], 64_000_000);
        assert_eq!(anchor["block_time"], "2026-02-01T01:00:00.000Z");
        assert_eq!((&anchor["network"], &anchor["network_pinned"]), (&"nile".into(), &true.into()));
        assert_eq!(anchor["address_pinned"], true);
        assert!(anchor["checked_offline"].as_array().is_some_and(|checked| checked.len() == 4));
        let needs = anchor["needs_a_tron_node"].as_array().unwrap();
        assert_eq!(needs.len(), if form == "contract" { 3 } else { 2 });
        node.run(&words).ok().prints(&["NOT checked", "is solid", "NOT PINNED: any account"]);
        for (wrong, says) in [
            (format!("--anchor-address {other}"), "not by"),
            (format!("--anchor-contract {other}"), "not by a call of"),
            ("--network mainnet".to_owned(), "not on"),
            (format!("--network {}", "0".repeat(64)), "not on"),
        ] {
            node.run(&format!("{words} {wrong}")).ends(1).says(&[says]);
        }
        let by_call = node.run(&format!("{words} --anchor-contract {called}"));
        by_call.ends(i32::from(form != "contract"));
    }
    let piece = file("piece.lucid-proof");
    let asked = format!("verify {piece} --key {LOG_KEY} --anchor-address {account}");
    node.run(&asked).ends(1).says(&["no TRON part"]);
    node.run(&format!("verify {piece} --network moon")).ends(64);
    node.run(&format!("verify --all --anchor-address {account}"))
        .ends(64)
        .says(&["evidence files"]);
}

/// What the data folder keeps of anchors is what `prove` puts into evidence.
#[test]
fn the_node_proves_what_is_anchored() {
    let node = Node::new();
    rule::lay_out(&node.data());
    let session = sessions()[0].id;
    let read = |name: &str| fs::read(Path::new(GOLDEN).join(name)).unwrap();
    let made = node.run(&format!("prove {session} --chunk 1")).ok().stdout;
    let made = Evidence::parse(std::str::from_utf8(&made).unwrap()).unwrap();
    let golden = read("anchored.lucid-proof");
    let golden = Evidence::parse(std::str::from_utf8(&golden).unwrap()).unwrap();
    assert_eq!((&made.anchor, &made.proof), (&golden.anchor, &golden.proof));
    let out = node.name("out");
    let report = node.run(&format!("prove {session} -o {out} --json")).ok().json();
    assert_eq!(report["anchor"]["block_number"], 64_000_000);
    let plain = node.run(&format!("prove {session} --no-anchor")).ok().stdout;
    let plain = Evidence::parse(std::str::from_utf8(&plain).unwrap()).unwrap();
    assert_eq!(plain.anchor, None);
    let anchors = node.data().join("anchors");
    let kept = fs::read_dir(&anchors).unwrap().next().unwrap().unwrap().path();
    support::flip(&kept, 40);
    node.run(&format!("prove {session}")).ends(1).says(&["--no-anchor", "is damaged"]);
    node.run(&format!("prove {session} --no-anchor")).ok();
}
