//! Streams of every length that is special, and parts of them.

use serde_json::Value;

use crate::support::{Node, Ran, Rng, mixed, text};

/// The root of a tree without leaves (RFC 6962 §2.1): the hash of nothing.
const EMPTY_ROOT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const CHUNK: usize = 65_536;

/// Records `input`, verifies it and gets it back, from standard input and from a file.
fn round_trip(node: &Node, input: &[u8], chunks: usize) -> Value {
    let words = "ingest - --json --chunk-bytes 64KiB";
    let result = node.feed(words, input).ok().json();
    let path = node.file("input", input);
    let of_file = node.run(&format!("ingest {path} --json --chunk-bytes 64KiB")).ok().json();
    for result in [&result, &of_file] {
        assert_eq!(result["plain_bytes"], input.len() as u64);
        assert_eq!(result["chunk_count"], chunks as u64, "{} bytes", input.len());
        let id = text(&result["session_id"]);
        let verified = node.run(&format!("verify {id} --decrypt --json")).ok().json();
        assert_eq!(verified["merkle_root"], result["merkle_root"]);
        assert_eq!(verified["plain_bytes"], result["plain_bytes"]);
        assert!(node.restore(&id) == input, "{} bytes", input.len());
        let target = node.name("restored");
        let report = node.run(&format!("restore {id} -o {target} --force --json")).ok().json();
        assert_eq!(report["plain_bytes"], input.len() as u64);
        assert!(std::fs::read(target).unwrap() == input);
    }
    result
}

#[test]
fn nothing_at_all() {
    let node = Node::new();
    let result = round_trip(&node, b"", 0);
    assert_eq!(result["merkle_root"], EMPTY_ROOT);
    assert_eq!(result["stored_bytes"], 0);
    let id = text(&result["session_id"]);
    node.run(&format!("restore {id} --range 0-0")).ends(64).says(&["which has 0 bytes"]);
    node.run(&format!("prove {id} --chunk 0")).ends(64).says(&["there is no chunk 0"]);
    let proof = node.name("proof");
    node.run(&format!("prove {id} -o {proof}")).ok();
    node.run(&format!("verify {proof} --key {}", node.log_key())).ok();
}

#[test]
fn lengths_around_chunks_and_segments() {
    let node = Node::new();
    let all = Rng::new(1).bytes(3 * CHUNK + 1);
    let rows = [
        (1, 1),
        (16_383, 1),
        (16_384, 1),
        (16_385, 1),
        (CHUNK - 1, 1),
        (CHUNK, 1),
        (CHUNK + 1, 2),
        (2 * CHUNK, 2),
        (3 * CHUNK + 1, 4),
    ];
    for (bytes, chunks) in rows {
        round_trip(&node, &all[..bytes], chunks);
        // What shrinks takes another way through compression.
        round_trip(&node, &vec![b'a'; bytes], chunks);
    }
    node.run("verify --all --decrypt").ok();
    node.run("ledger check").ok();
}

#[test]
fn twenty_megabytes_in_every_configuration() {
    let input = mixed(20_000_000, 2);
    let node = Node::new();
    let configurations = [
        ("", 3),
        ("--chunk-bytes 1MiB --workers 1", 20),
        ("--chunk-bytes 64KiB --workers 5 --zstd-level 1", 306),
        ("--suite chacha20-poly1305 --chunk-bytes 16MiB", 2),
        ("--suite aes-256-gcm --zstd-level 9 --chunk-bytes 4MiB", 5),
    ];
    for (words, chunks) in configurations {
        let result = node.feed(&format!("ingest - --json {words}"), &input).ok().json();
        assert_eq!(result["chunk_count"], chunks, "{words}");
        let stored = result["stored_bytes"].as_u64().unwrap();
        assert!(stored < 15_000_000, "half of it shrinks: {stored} {words}");
        assert!(node.restore(&text(&result["session_id"])) == input, "{words}");
    }
    let verified = node.run("verify --all --decrypt --json").ok().json();
    assert_eq!(verified["sessions"].as_array().unwrap().len(), configurations.len());
}

#[test]
fn ranges() {
    let node = Node::new();
    let input = mixed(4 * CHUNK + 1000, 3);
    let id = node.ingest(&input);
    let end = input.len() as u64 - 1;
    let (chunk, mut rng) = (CHUNK as u64, Rng::new(4));
    let mut ranges = vec![
        (0, 0),
        (0, end),
        (end, end),
        (chunk - 1, chunk),
        (chunk, chunk),
        (chunk, 2 * chunk - 1),
        (1, 4 * chunk),
        (16_383, 16_384),
    ];
    for _ in 0..20 {
        let first = rng.below(end);
        ranges.push((first, first + rng.below(end + 1 - first)));
    }
    for (first, last) in ranges {
        let ran = node.run(&format!("restore {id} --range {first}-{last}")).ok();
        assert!(ran.stdout == input[first as usize..=last as usize], "{first}-{last}");
    }
    let ran = node.run(&format!("restore {id} --range 70000-")).ok();
    assert!(ran.stdout == input[70_000..]);
    for bad in [format!("0-{}", end + 1), format!("{}-", end + 1), "5-4".into(), "x-1".into()] {
        let ran = node.run(&format!("restore {id} --range {bad}")).ends(64);
        assert!(ran.stdout.is_empty(), "{bad}");
    }
}

#[test]
fn a_result_has_every_field() {
    let node = Node::new();
    let ran = node.feed("ingest - --json --owner alice --media-type video/mp4", b"bytes").ok();
    let result = ran.json();
    for field in ["merkle_root", "manifest_hash"] {
        let hash = text(&result[field]);
        assert_eq!(hash.len(), 64, "{field}");
        assert!(hash.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{field}: {hash}");
    }
    assert_eq!(text(&result["session_id"]).len(), 36);
    for (field, value) in
        [("chunk_count", 1), ("plain_bytes", 5), ("log_index", 2), ("log_size", 3)]
    {
        assert_eq!(result[field], value, "{field}");
    }
    let (id, chunk) =
        (text(&result["session_id"]), |index| node.chunk(&text(&result["session_id"]), index));
    assert_eq!(result["stored_bytes"], std::fs::metadata(chunk(0)).unwrap().len());
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(result["complete"], true);
    assert_eq!(result["media_type"], "video/mp4");
    assert!(text(&result["checkpoint"]).starts_with("lucid/"));
    let shown = node.run(&format!("show {id} --json")).ok().json();
    assert_eq!(shown["owner"], "alice");
    assert_eq!(shown["merkle_root"], result["merkle_root"]);
    one_line(&ran);
    one_line(&node.run("list --json").ok());
}

/// A program reads one line, and standard error has nothing for it.
fn one_line(ran: &Ran) {
    let first = ran.stdout.iter().position(|byte| *byte == b'\n');
    assert_eq!(first, Some(ran.stdout.len() - 1));
}

#[test]
fn the_same_bytes_twice_are_two_sessions_that_share_nothing() {
    let node = Node::new();
    let (first, second) = (node.ingest(b"the same"), node.ingest(b"the same"));
    let chunks = [&first, &second].map(|id| std::fs::read(node.chunk(id, 0)).unwrap());
    assert_eq!(chunks[0].len(), chunks[1].len());
    assert_ne!(chunks[0][48..], chunks[1][48..], "another key, another salt");
}

#[test]
fn a_named_pipe_is_a_stream() {
    let node = Node::new();
    node.run("init").ok();
    let pipe = node.path("pipe");
    let made = rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    );
    made.unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, mixed(100_000, 5)).unwrap()
    });
    let result = node.run(&format!("ingest {} --json", pipe.display())).ok().json();
    writer.join().unwrap();
    assert!(node.restore(&text(&result["session_id"])) == mixed(100_000, 5));
}
