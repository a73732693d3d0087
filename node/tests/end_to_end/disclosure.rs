//! What must never be seen: plaintext and keys, in any form, anywhere but where they belong.

use std::fs;

use lucid_core::{
    ChunkIndex, SessionId,
    keys::{Dek, Kek, KeyFile},
};

use crate::support::{Live, Node, Ran, Rng, files_below, run, text};

/// A text as long as a key that is in no file by chance.
const CANARY: &[u8; 32] = b"canary:J7qv0XwZ3mKt9bRcY5uLhE2s!";

/// A secret and what to call it.
struct Secret {
    name: String,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let hexadecimal = hex::encode(bytes);
        let mut forms = vec![bytes.to_owned(), hexadecimal.to_uppercase().into_bytes()];
        forms.push(hexadecimal.into_bytes());
        // Base64 has three forms of a text, by where it begins; without the ends that neighbours
        // have a part in.
        for shift in 0..3 {
            let encoded = base64(&[&vec![0; shift], bytes].concat());
            let whole = (shift * 8).div_ceil(6)..(shift + bytes.len()) * 8 / 6;
            forms.push(encoded[whole].to_owned());
            let encoded = forms[forms.len() - 1].iter();
            let url = encoded.map(|c| match c {
                b'+' => b'-',
                b'/' => b'_',
                c => *c,
            });
            forms.push(url.collect());
        }
        // As a list of numbers, which is what `Debug` makes of bytes.
        let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
        forms.push(numbers.join(", ").into_bytes());
        Self { name: name.into(), forms }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| contains(text, form))
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    let first = wanted[0];
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        rest = &rest[at..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// Without padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letter = |at: usize| (at..at + 6).fold(0, |value, at| value << 1 | bit(at));
    (0..bytes.len() * 8).step_by(6).map(|at| LETTERS[usize::from(letter(at))]).collect()
}

/// Plaintext in which the canary stands where it shrinks and where it does not.
fn plaintext() -> Vec<u8> {
    let mut rng = Rng::new(1);
    let mut bytes = Vec::new();
    for _ in 0..6 {
        bytes.extend_from_slice(&rng.bytes(20_011));
        bytes.extend_from_slice(CANARY);
        bytes.extend(b"plain text, over and over\n".iter().cycle().take(20_000));
        bytes.extend_from_slice(CANARY);
    }
    bytes
}

fn session_secrets(node: &Node, id: &str, kek: &Kek, chunks: u32) -> (Dek, Vec<Secret>) {
    let file = fs::read(node.data().join("keys").join(format!("{id}.json"))).unwrap();
    let session: SessionId = id.parse().unwrap();
    let dek = KeyFile::parse(&file).unwrap().unwrap_with(kek, &session).unwrap();
    let mut secrets = vec![Secret::new("the session's key", dek.as_bytes())];
    for index in 0..chunks {
        let key = dek.chunk_key(&session, ChunkIndex(index));
        secrets.push(Secret::new(format!("the key of chunk {index}"), key.as_bytes()));
    }
    (dek, secrets)
}

fn node_secrets(node: &Node) -> (Kek, Vec<Secret>) {
    let read = |name: &str| {
        let text = fs::read_to_string(node.data().join("secrets").join(name)).unwrap();
        Kek::from_hex(text.trim_end()).unwrap()
    };
    let (kek, seed) = (read("master.key"), read("node.key"));
    let secrets = vec![
        Secret::new("the master key", kek.as_bytes()),
        Secret::new("the log's signing key", seed.as_bytes()),
    ];
    (kek, secrets)
}

/// That none of `secrets` is in what a command said.
fn check_said(ran: &Ran, secrets: &[Secret], stdout_too: bool) {
    for secret in secrets {
        let Secret { name, .. } = secret;
        assert!(!secret.is_in(ran.stderr.as_bytes()), "{}: {name} is on stderr", ran.command);
        let printed = stdout_too && secret.is_in(&ran.stdout);
        assert!(!printed, "{}: {name} is on stdout", ran.command);
    }
}

/// That none of `secrets` is in a file of the data folder but those in `secrets/`.
fn check_folder(node: &Node, secrets: &[Secret]) {
    let private = node.data().join("secrets");
    let mut seen = 0;
    for path in files_below(&node.data()).into_iter().filter(|path| !path.starts_with(&private)) {
        let content = fs::read(&path).unwrap();
        for secret in secrets {
            assert!(!secret.is_in(&content), "{} is in {}", secret.name, path.display());
        }
        seen += 1;
    }
    // Mark, lock, key, index, checkpoint, tail, a chunk; and the database.
    assert!(seen > 7, "{seen} files were looked at");
}

#[test]
fn forms_are_found() {
    let secret = Secret::new("a secret", CANARY);
    let hexadecimal = hex::encode(CANARY);
    assert!(secret.is_in(CANARY));
    assert!(secret.is_in(format!("key={hexadecimal};").as_bytes()));
    assert!(secret.is_in(format!("{CANARY:?}").as_bytes()));
    for before in 0..4 {
        let text = base64(&[&vec![b'x'; before], &CANARY[..], b"more"].concat());
        assert!(secret.is_in(&text), "{before} bytes before it");
    }
    assert_eq!(base64(b"any carnal pleas"), b"YW55IGNhcm5hbCBwbGVhcw");
    assert!(!secret.is_in(b"something else"));
}

#[test]
fn no_plaintext_and_no_key_is_anywhere() {
    let node = Node::new();
    let input = plaintext();
    let recorded = node.feed("ingest - --json --chunk-bytes 64KiB --log-level trace", &input).ok();
    let id = text(&recorded.json()["session_id"]);
    let chunks = u32::try_from(recorded.json()["chunk_count"].as_u64().unwrap()).unwrap();
    let (kek, mut secrets) = node_secrets(&node);
    let (_, of_session) = session_secrets(&node, &id, &kek, chunks);
    secrets.extend(of_session);
    secrets.push(Secret::new("the plaintext", CANARY));
    check_said(&recorded, &secrets, true);
    check_folder(&node, &secrets);
    // The search finds what is there: the keys where they belong, the plaintext in the input.
    let master = fs::read(node.data().join("secrets/master.key")).unwrap();
    assert!(secrets[0].is_in(&master) && secrets[secrets.len() - 1].is_in(&input));
    let (out, proof) = (node.name("out"), node.name("proof"));
    let commands = [
        format!("verify {id} --decrypt"),
        format!("show {id}"),
        format!("show {id} --json"),
        format!("restore {id} -o {out}"),
        format!("prove {id} --chunk 0 --attach -o {proof}"),
        format!("verify {proof}"),
        "list --json".into(),
        "ledger head".into(),
        "ledger check".into(),
        "ledger rebuild".into(),
        format!("ledger export {}", node.name("export")),
        "doctor --json".into(),
        "config show".into(),
        "config show --json".into(),
        format!("restore {id} -o {out}"),
        format!("erase {id}"),
    ];
    for words in commands {
        check_said(&node.run(&format!("{words} --log-level trace")), &secrets, true);
    }
    let exported = files_below(&node.path("export"));
    for path in exported.iter().chain([&node.path("proof")]) {
        let content = fs::read(path).unwrap();
        assert!(secrets.iter().all(|it| !it.is_in(&content)), "{}", path.display());
    }
    let restored = node.run(&format!("restore {id} --log-level trace")).ok();
    check_said(&restored, &secrets, false);
    check_folder(&node, &secrets);
}

#[test]
fn a_disclosed_key_is_that_of_its_chunk_alone() {
    let node = Node::new();
    let id = node.ingest(&plaintext());
    let (kek, of_node) = node_secrets(&node);
    let (_, of_session) = session_secrets(&node, &id, &kek, 4);
    let proof = node.path("proof");
    let words = format!("prove {id} --chunk 2 --disclose --attach -o {}", proof.display());
    check_said(&node.run(&words).ok(), &of_session, true);
    let evidence = fs::read(proof).unwrap();
    let found: Vec<_> = of_node
        .iter()
        .chain(&of_session)
        .filter(|secret| secret.is_in(&evidence))
        .map(|secret| secret.name.as_str())
        .collect();
    assert_eq!(found, ["the key of chunk 2"]);
}

#[test]
fn a_crash_leaves_no_plaintext_either() {
    let node = Node::new();
    let words = "ingest - --progress json --chunk-bytes 64KiB --workers 2 --log-level trace";
    let mut live = Live::start(node.command(words));
    let id = live.opened();
    live.write(&plaintext());
    live.acknowledged(65_536);
    let ran = live.kill();
    let (kek, mut secrets) = node_secrets(&node);
    secrets.extend(session_secrets(&node, &id, &kek, 8).1);
    secrets.push(Secret::new("the plaintext", CANARY));
    check_said(&ran, &secrets, true);
    check_folder(&node, &secrets);
    check_said(&node.run("list --log-level trace").ok(), &secrets, true);
    check_folder(&node, &secrets);
}

#[test]
fn what_goes_wrong_says_no_secret() {
    let node = Node::new();
    let id = node.ingest(&plaintext());
    let (kek, mut secrets) = node_secrets(&node);
    secrets.extend(session_secrets(&node, &id, &kek, 4).1);
    secrets.push(Secret::new("the plaintext", CANARY));
    // A key where another thing is wanted, and a key that is nearly one.
    let nearly = format!("{}0\n", &*kek.to_hex());
    let path = node.file("nearly", nearly.as_bytes());
    for words in ["list", "config show", "config check", "doctor", "ingest -"] {
        let mut command = node.command(&format!("{words} --log-level trace"));
        command.env("LUCID_MASTER_KEY_FILE", &path);
        check_said(&run(command, &[]).ends(64), &secrets, true);
        let mut command = node.command(&format!("{words} --log-level trace"));
        command.env("LUCID_MASTER_KEY", nearly.trim_end());
        check_said(&run(command, &[]), &secrets, true);
    }
    let ran = node.run(&format!("restore {id} --identity {path}"));
    check_said(&ran.ends(64), &secrets, true);
    crate::support::flip(&node.chunk(&id, 1), 5_000);
    check_said(&node.run(&format!("verify {id} --decrypt")).ends(1), &secrets, true);
    check_said(&node.run(&format!("restore {id} -o {}", node.name("out"))).ends(1), &secrets, true);
}
