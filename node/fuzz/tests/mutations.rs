//! Every decoder over mutated good inputs, from a fixed seed. Coverage guidance goes deeper (see
//! `libfuzzer/`); this keeps what it found from coming back, and runs with the other tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lucid_core::{
    ChunkIndex, Hash, NodeId, Policy, SessionId, Timestamp, Upload,
    chunk::Suite,
    entry::{AnchorTron, Entry, NodeEvent, SessionOpened, SessionSealed},
    evidence::Evidence,
    json,
    keys::{Dek, Kek, KeyFile},
    manifest::Manifest,
    merkle,
    note::{Checkpoint, KeyName, SigningKey, TlogProof},
    tron::{
        BlockId, BlockNumber, TransactionId,
        anchor::{AnchorForm, Genesis},
    },
};
use lucid_fuzz::TARGETS;
use lucid_pipeline::{
    PortError,
    ports::ChunkFile,
    seal::{ChunkSealer, SealContext},
};

/// Mutations of each seed: together about 700,000, a few seconds.
const ROUNDS: usize = 30_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Changes bytes, lengths and order, and splices in what formats choke on.
fn mutate(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    const TOKENS: [&[u8]; 12] = [
        b"\"",
        b"\n",
        b"\n\n",
        b"{",
        b"0",
        b"-1",
        b"9007199254740993",
        b"\\u0000",
        b"\xff",
        b" ",
        b"\xe2\x80\x94 ",
        b"\0\0\0\0",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let place = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 if place < bytes.len() => bytes[place] = random.next() as u8,
            2 => bytes.truncate(place),
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(place..place, token.iter().copied());
            }
            4 => {
                let end = (place + random.below(40)).min(bytes.len());
                bytes.drain(place..end);
            }
            _ => {
                let end = (place + random.below(40)).min(bytes.len());
                let copy = bytes[place..end].to_vec();
                let target = random.below(bytes.len() + 1);
                bytes.splice(target..target, copy);
            }
        }
    }
    bytes
}

struct Memory(Vec<u8>);

impl ChunkFile for Memory {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self) -> Result<(), PortError> {
        Ok(())
    }
}

fn session() -> SessionId {
    SessionId::from_random([1; 16])
}

fn log_key() -> SigningKey {
    let seed = [9; 32];
    let unnamed = SigningKey::from_seed(KeyName::new("any").unwrap(), &seed);
    let id = NodeId::of_public_key(unnamed.verifier_key().public_key());
    SigningKey::from_seed(KeyName::new(id.log_origin()).unwrap(), &seed)
}

fn chunk_file(plain: &[u8], dek: Dek) -> Vec<u8> {
    let policy = Policy::new(65_536, 3, Suite::Aes256Gcm).unwrap();
    let context = SealContext { session: session(), dek, policy };
    let mut file = Memory(Vec::new());
    let salt = lucid_core::chunk::Salt([4; 24]);
    ChunkSealer::new(&policy).seal(&context, ChunkIndex(0), plain, salt, &mut file).unwrap();
    file.0
}

fn entries() -> Vec<Vec<u8>> {
    let at = Timestamp::from_unix_millis(5);
    let policy = Policy::with_suite(Suite::Aes256Gcm);
    let manifest = manifest();
    let sealed = SessionSealed {
        at,
        chunk_count: 0,
        kind: Default::default(),
        manifest_hash: Hash::of(&manifest),
        merkle_root: merkle::EMPTY_ROOT,
        owner: "local".parse().unwrap(),
        plain_bytes: 0,
        policy_hash: policy.hash(),
        session_id: session(),
        v: Default::default(),
    };
    let opened = SessionOpened {
        at,
        kind: Default::default(),
        media_type: "video/mp4".parse().unwrap(),
        owner: "local".parse().unwrap(),
        policy,
        session_id: session(),
        v: Default::default(),
    };
    let event = NodeEvent {
        at,
        detail: "é\n\"".into(),
        event: "log.created".into(),
        kind: Default::default(),
        v: Default::default(),
    };
    let other = br#"{"at":"1970-01-01T00:00:00.001Z","kind":"moon.phase","n":[5,{}],"v":1}"#;
    let entries =
        [Entry::SessionSealed(sealed), Entry::SessionOpened(opened), Entry::NodeEvent(event)];
    let mut bytes: Vec<_> = entries.iter().map(|entry| entry.to_bytes().unwrap()).collect();
    bytes.push(anchor_entry());
    bytes.push(other.to_vec());
    let newer = br#"{"at":"1970-01-01T00:00:00.001Z","kind":"x","n":[0.5,{}],"v":2}"#;
    bytes.push(newer.to_vec());
    bytes
}

fn manifest() -> Vec<u8> {
    let manifest: Manifest = Manifest {
        chunk_count: 0,
        chunks: Vec::new(),
        complete: true,
        created_at: Timestamp::from_unix_millis(1),
        media_type: "video/mp4".parse().unwrap(),
        merkle_root: merkle::EMPTY_ROOT,
        node_id: NodeId::of_public_key(log_key().verifier_key().public_key()),
        owner: "local".parse().unwrap(),
        plain_bytes: 0,
        policy_hash: Policy::with_suite(Suite::Aes256Gcm).hash(),
        sealed_at: Timestamp::from_unix_millis(5),
        segment_bytes: 16_384,
        session_id: session(),
        software: "test".into(),
        stored_bytes: 0,
        suite: Suite::Aes256Gcm,
        version: 1,
    };
    json::to_canonical(&manifest)
}

fn evidence() -> Evidence {
    let (key, entry) = (log_key(), entries().remove(0));
    let log = [merkle::leaf_hash(b"first"), merkle::leaf_hash(&entry)];
    let root = merkle::root(&log);
    let checkpoint = Checkpoint { origin: key.name().clone(), size: 2, root }.sign(&key).unwrap();
    let proof = TlogProof::new(1, vec![log[0]], &checkpoint).unwrap();
    let key = key.verifier_key().clone();
    Evidence { key, entry, manifest: Some(manifest()), chunks: Vec::new(), proof, anchor: None }
}

/// One of the node's golden vectors.
fn golden(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"));
    std::fs::read(folder.join(name)).unwrap()
}

/// A part of the anchor in the golden folder.
fn anchors(part: fn(&lucid_core::tron::anchor::AnchorProof) -> Vec<u8>) -> Vec<Vec<u8>> {
    let record = golden("data/anchors/00000000000000000012.json");
    let record = lucid_core::tron::anchor::AnchorRecord::parse(&record).unwrap();
    vec![part(record.proof())]
}

fn anchor_entry() -> Vec<u8> {
    let block_number = BlockNumber(70_000_002);
    let entry = Entry::AnchorTron(AnchorTron {
        at: Timestamp::from_unix_millis(1),
        block_id: BlockId::new(block_number, &Hash::of(b"block")),
        block_number,
        contract: None,
        form: AnchorForm::Memo,
        genesis: Genesis::NILE,
        kind: Default::default(),
        log_root: Hash::of(b"log"),
        log_size: 300,
        network: "nile".into(),
        tx_id: TransactionId(Hash::of(b"tx")),
        v: Default::default(),
    });
    entry.to_bytes().unwrap()
}

/// Good inputs of a decoder.
/// The first example of rend-spec-v3 §6.
const ONION: &[u8] = b"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/// A descriptor's outer layer: of a certificate only lengths and kinds are looked at.
fn descriptor() -> Vec<u8> {
    let zeros = "A".repeat(42);
    let certificate = format!("AQgAAAAAAQ{zeros}AQAgBA{}=", "A".repeat(129));
    let text = format!(
        "hs-descriptor 3\ndescriptor-lifetime 180\ndescriptor-signing-key-cert\n\
         -----BEGIN ED25519 CERT-----\n{certificate}\n-----END ED25519 CERT-----\n\
         revision-counter 12\nsuperencrypted\n"
    );
    assert!(lucid_tunnel::onion::Descriptor::parse(&text).is_ok(), "the seed is good");
    text.into_bytes()
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let evidence = evidence();
    let note = evidence.proof.checkpoint_text();
    match name {
        "anchor_record" => vec![golden("data/anchors/00000000000000000012.json")],
        "asciicast" => {
            let text = "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24},\"timestamp\":1}\n\
                        [0.1,\"o\",\"a\\u001b[0m\"]\n[0.2,\"r\",\"90x30\"]\n[0,\"x\",\"0\"]\n";
            vec![text.as_bytes().to_vec()]
        }
        "bundle" => {
            let entries = entries();
            let mut bundle = vec![entries.len() as u8 - 1];
            bundle.extend(merkle::encode_bundle(&entries).unwrap());
            vec![bundle]
        }
        "checkpoint" => vec![note.split("\n\n").next().unwrap().as_bytes().to_vec()],
        "chunk_file" => {
            let dek = || Dek::new([7; 32]);
            vec![chunk_file(&[5; 40_000], dek()), chunk_file(b"short", dek())]
        }
        "chunk_header" => vec![chunk_file(b"short", Dek::new([7; 32]))[..48].to_vec()],
        "entry" => entries(),
        "evidence" => {
            let anchored = ["anchored.lucid-proof", "memo.lucid-proof"].map(golden);
            [evidence.to_text().into_bytes()].into_iter().chain(anchored).collect()
        }
        "identity_file" => vec![b"# comment\nAGE-SECRET-KEY-1QQQ\n".to_vec()],
        "json_rpc" => [
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#,
            r#"[{"jsonrpc":"2.0","id":"a","method":"eth_getBalance","params":["0x0101010101010101010101010101010101010101","latest"]},{"jsonrpc":"2.0","method":"eth_blockNumber"}]"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"eth_call","params":[{"to":"0x0000000000000000000000000000000000000002","data":"0x00ff","gas":"0x10000"},"0x0"]}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"eth_getLogs","params":[{"fromBlock":"0x0","toBlock":"latest","address":[],"topics":[null,["0x0000000000000000000000000000000000000000000000000000000000000001"]]}]}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "key_file" => {
            let wrap = Kek::new([1; 32]).wrap(&session(), &Dek::new([2; 32]), [4; 12]);
            vec![KeyFile::new(vec![wrap]).to_bytes()]
        }
        "manifest" => vec![manifest()],
        "onion_address" => vec![ONION.to_vec()],
        "onion_descriptor" => vec![descriptor()],
        "payload" => vec![b"\x00\x40\x28\xb5\x2f\xfd\x20\x40\x45\x00\x00\x08\x61\x61\x01".to_vec()],
        "signed_note" => vec![note.into_bytes()],
        "tile_path" => vec![b"tile/0/x001/x234/067.p/17".to_vec(), b"tile/entries/000".to_vec()],
        "tlog_proof" => vec![evidence.proof.to_text().into_bytes()],
        "tor_reply" => vec![
            b"250-version=0.4.9.11\r\n250+a=\r\n..x\r\n.\r\n250 OK\r\n".to_vec(),
            b"650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=85 TAG=ap SUMMARY=\"a \\\"b\\\"\"\r\n".to_vec(),
            [b"650 HS_DESC UPLOADED ".as_slice(), &ONION[..56], b" UNKNOWN $AB~n\r\n"].concat(),
        ],
        "tron_address" => vec![b"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".to_vec()],
        "tron_amount" => vec![b"12.345678".to_vec(), b"9223372036854.775807".to_vec()],
        "tron_body" => anchors(|proof| {
            lucid_core::tron::Transaction::decode(&proof.transaction).unwrap().raw().to_vec()
        }),
        "tron_header" => anchors(|proof| proof.header.clone()),
        "tron_transaction" => anchors(|proof| proof.transaction.clone()),
        "tunnel_list" => vec![
            [
                br#"{"version":1,"services":[{"name":"gateway","ports":[{"port":80,"target":"[::1]:8080"}],"clients":[],"keys":[{"number":1,"address":""#
                    .as_slice(),
                ONION,
                br#"","made_at":1,"until":null}]}]}"#,
            ]
            .concat(),
        ],
        "upload" => vec![Upload::new(3600, Some(1 << 40)).unwrap().to_bytes()],
        "verifier_key" => vec![evidence.key.to_string().into_bytes()],
        other => panic!("no seed for {other}"),
    }
}

/// Where `LUCID_TEST_CORPUS` names a folder, the seeds are written there as `libfuzzer/` takes them.
fn keep(which: usize, number: usize, seed: &[u8]) {
    let Some(folder) = std::env::var_os("LUCID_TEST_CORPUS") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let name = format!("{}-{number}", TARGETS[which].0);
    let bytes = [&[u8::try_from(which).unwrap()], seed].concat();
    std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
}

#[test]
fn decoders_keep_their_promises() {
    assert!(evidence().verify(Some(log_key().verifier_key())).is_ok(), "the seeds are good");
    for (which, (name, target)) in TARGETS.iter().enumerate() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for (number, seed) in seeds(name).into_iter().enumerate() {
            keep(which, number, &seed);
            target(&seed);
            for round in 0..ROUNDS {
                let input = mutate(&mut random, &seed);
                let outcome = std::panic::catch_unwind(|| target(&input));
                assert!(outcome.is_ok(), "{name}, round {round}: {input:02x?}");
            }
        }
        target(b"");
    }
}
