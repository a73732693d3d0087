use super::*;
use crate::{
    ChunkIndex, NodeId, SessionId, Timestamp,
    chunk::{ChunkHeader, Codec, MessageKeys, Salt, Suite},
    entry::{Entry, SessionSealed},
    json,
    keys::Dek,
    manifest::{Manifest, ManifestChunk},
    merkle::{self, SessionTree},
    note::{Checkpoint, KeyName, SigningKey},
    tron::{
        BlockId, BlockNumber,
        anchor::{AnchorFinding, AnchorPins, AnchorTarget, Genesis, Step, testing},
    },
};

fn session() -> SessionId {
    SessionId::from_random([1; 16])
}

fn log_key() -> SigningKey {
    key_of(&[9; 32])
}

/// The log key of the node with this seed, named after itself.
fn key_of(seed: &[u8; 32]) -> SigningKey {
    let unnamed = SigningKey::from_seed(KeyName::new("any").unwrap(), seed);
    let id = NodeId::of_public_key(unnamed.verifier_key().public_key());
    SigningKey::from_seed(KeyName::new(id.log_origin()).unwrap(), seed)
}

fn dek() -> Dek {
    Dek::new([3; 32])
}

/// A chunk of three segments, its sealed bytes, and their leaves.
fn chunk(index: u32) -> (ChunkSummary, Vec<u8>, Vec<Hash>) {
    let plain_bytes = 2 * 16_384 + 50;
    let header = ChunkHeader {
        suite: Suite::Aes256Gcm,
        codec: Codec::Stored,
        session: session(),
        index: ChunkIndex(index),
        plain_bytes,
        payload_bytes: plain_bytes,
    };
    let salt = Salt([index as u8; 24]);
    let key = dek().chunk_key(&session(), header.index);
    let commitment = MessageKeys::of_chunk(&key, &salt, &header).commitment();
    let sealed: Vec<u8> =
        (0..header.layout().sealed_bytes()).map(|i| i as u8 ^ index as u8).collect();
    let leaves: Vec<Hash> = sealed.chunks(16_400).map(merkle::leaf_hash).collect();
    let chunk_root = merkle::root(&leaves);
    (ChunkSummary { header, salt, commitment, chunk_root }, sealed, leaves)
}

fn evidence(chunks: u32, with_manifest: bool) -> Evidence {
    evidence_of(chunks, with_manifest, 1, 0)
}

/// Evidence of the chunks from `first` on, whose entry has `more` bytes than its chunks.
fn evidence_of(chunks: u32, with_manifest: bool, first: usize, more: i64) -> Evidence {
    let all: Vec<_> = (0..chunks).map(chunk).collect();
    let tree = SessionTree::from_leaves(all.iter().map(|c| c.0.session_leaf()).collect());
    let mut plain_bytes = 0;
    let mut stored_bytes = 0;
    for (summary, ..) in &all {
        plain_bytes += u64::from(summary.header.plain_bytes);
        stored_bytes += summary.layout().file_bytes();
    }
    plain_bytes = plain_bytes.saturating_add_signed(more);
    let manifest: Manifest = Manifest {
        chunk_count: chunks,
        chunks: all.iter().map(|c| ManifestChunk::from(&c.0)).collect(),
        complete: true,
        created_at: Timestamp::from_unix_millis(1),
        media_type: "video/mp4".parse().unwrap(),
        merkle_root: tree.root(),
        node_id: NodeId::of_public_key(log_key().verifier_key().public_key()),
        owner: "local".parse().unwrap(),
        plain_bytes,
        policy_hash: Hash::of(b"p"),
        sealed_at: Timestamp::from_unix_millis(2),
        segment_bytes: 16_384,
        session_id: session(),
        software: "test".into(),
        stored_bytes,
        suite: Suite::Aes256Gcm,
        version: 1,
    };
    let manifest = json::to_canonical(&manifest);
    let entry = Entry::SessionSealed(SessionSealed {
        at: Timestamp::from_unix_millis(2),
        chunk_count: chunks,
        kind: Default::default(),
        manifest_hash: Hash::of(&manifest),
        merkle_root: tree.root(),
        owner: "local".parse().unwrap(),
        plain_bytes,
        policy_hash: Hash::of(b"p"),
        session_id: session(),
        v: Default::default(),
    });
    let entry = entry.to_bytes().unwrap();
    let log: Vec<Hash> =
        [b"first".as_slice(), &entry, b"last"].iter().map(|e| merkle::leaf_hash(e)).collect();
    let key = log_key();
    let checkpoint = Checkpoint { origin: key.name().clone(), size: 3, root: merkle::root(&log) };
    let checkpoint = checkpoint.sign(&key).unwrap();
    let path = merkle::inclusion_proof(&log, 1).unwrap();
    let proof = TlogProof::new(1, path, &checkpoint).unwrap();
    let speak_of = |(summary, sealed, leaves): &(ChunkSummary, Vec<u8>, Vec<Hash>)| {
        let index = summary.header.index;
        ChunkEvidence {
            summary: *summary,
            path: tree.path(u64::from(index.0)).unwrap(),
            disclosed: Some(dek().chunk_key(&session(), index)),
            segments: vec![SegmentEvidence {
                index: SegmentIndex(1),
                leaf: leaves[1],
                path: merkle::inclusion_proof(leaves, 1).unwrap(),
            }],
            sealed: (index.0 == 1).then(|| sealed.clone()),
        }
    };
    let chunks = all.iter().skip(first).map(speak_of).collect();
    let manifest = with_manifest.then_some(manifest);
    Evidence { key: key.verifier_key().clone(), entry, manifest, chunks, proof, anchor: None }
}

/// Short evidence whose checkpoint is anchored.
fn anchored(target: AnchorTarget) -> Evidence {
    let mut evidence = evidence(2, true);
    evidence.chunks.truncate(1);
    evidence.chunks[0].sealed = None;
    let checkpoint = Checkpoint::parse_body(evidence.proof.checkpoint().text()).unwrap();
    evidence.anchor = Some(testing::proof(&checkpoint, target));
    evidence
}

fn targets() -> [AnchorTarget; 2] {
    [AnchorTarget::Contract(testing::address(5)), AnchorTarget::Memo(testing::address(7))]
}

#[test]
fn sound_evidence_comes_back_and_holds() {
    for with_manifest in [false, true] {
        let text = evidence(4, with_manifest).to_text();
        let read = Evidence::parse(&text).unwrap();
        assert_eq!(read.to_text(), text);
        let claims = read.verify(Some(log_key().verifier_key())).unwrap();
        assert_eq!((claims.log_index, claims.checkpoint.size), (1, 3));
        assert_eq!(claims.sealed.session_id, session());
        assert_eq!(claims.complete, with_manifest.then_some(true));
        let chunk_bytes = 2 * 16_384 + 50;
        let ranges: Vec<_> = claims.chunks.iter().map(|c| c.plain_range.clone()).collect();
        let place = |i: u64| i * chunk_bytes..(i + 1) * chunk_bytes;
        let inner = |i| with_manifest.then(|| place(i));
        assert_eq!(ranges, [inner(1), inner(2), Some(place(3))]);
        assert!(claims.chunks.iter().all(|c| c.disclosed && c.segments.len() == 1));
        assert_eq!(claims.chunks.iter().filter(|c| c.attached).count(), 1);
        read.verify(None).unwrap();
    }
}

#[test]
fn another_nodes_key_is_refused() {
    let refused = evidence(2, false).verify(Some(key_of(&[8; 32]).verifier_key()));
    assert!(matches!(refused, Err(EvidenceFinding::OtherKey { .. })));
    let mut misnamed = evidence(2, false);
    let name = KeyName::new("lucid/0011223344556677").unwrap();
    misnamed.key = SigningKey::from_seed(name, &[9; 32]).verifier_key().clone();
    assert!(matches!(misnamed.verify(None), Err(EvidenceFinding::KeyName(_))));
}

/// Whether a file of these bytes proves anything, to somebody who knows the node's key.
fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    Evidence::parse(text).is_ok_and(|e| e.verify(Some(log_key().verifier_key())).is_ok())
}

#[test]
fn no_byte_can_be_flipped_dropped_or_doubled() {
    let text = evidence(3, true).to_text().into_bytes();
    assert!(holds(&text));
    // The attached segments are 66,000 bytes of base64: a sample of it stands for the rest.
    let start = text.windows(7).position(|w| w == b"sealed ").unwrap();
    let places =
        (0..text.len()).filter(|p| *p < start + 300 || p % 97 == 0 || p + 1500 > text.len());
    for place in places {
        for bit in 0..8 {
            let mut altered = text.clone();
            altered[place] ^= 1 << bit;
            assert!(!holds(&altered), "bit {bit} of byte {place}");
        }
        let dropped = [&text[..place], &text[place + 1..]].concat();
        assert!(dropped == text || !holds(&dropped), "byte {place} dropped");
        let doubled = [&text[..=place], &text[place..]].concat();
        assert!(!holds(&doubled), "byte {place} doubled");
    }
    for end in [0, 1, text.len() / 2, text.len() - 1] {
        assert!(!holds(&text[..end]), "cut at {end}");
    }
    assert!(!holds(&[text.as_slice(), b"\n"].concat()));
}

#[test]
fn no_byte_of_anchored_evidence_can_be_changed() {
    for (target, whole) in targets().into_iter().zip([true, false]) {
        let text = anchored(target).to_text().into_bytes();
        assert!(holds(&text));
        // What is before the log's proof is the same in both.
        let start = text.windows(11).position(|w| w == b"tlog-proof\n").unwrap();
        for place in if whole { 0..text.len() } else { start..text.len() } {
            for bit in 0..8 {
                let mut altered = text.clone();
                altered[place] ^= 1 << bit;
                assert!(!holds(&altered), "bit {bit} of byte {place}");
            }
            // Also by another digit or letter, not only by a flipped bit.
            for byte in *b"09aT" {
                let mut altered = text.clone();
                altered[place] = byte;
                assert!(altered == text || !holds(&altered), "byte {place} as {byte}");
            }
            let dropped = [&text[..place], &text[place + 1..]].concat();
            assert!(dropped == text || !holds(&dropped), "byte {place} dropped");
            let doubled = [&text[..=place], &text[place..]].concat();
            assert!(!holds(&doubled), "byte {place} doubled");
            assert!(!holds(&text[..place]), "cut at {place}");
        }
        assert!(!holds(&[text.as_slice(), b"\n"].concat()));
    }
}

#[test]
fn anchored_evidence_comes_back_and_says_where() {
    for target in targets() {
        let evidence = anchored(target);
        let text = evidence.to_text();
        let read = Evidence::parse(&text).unwrap();
        assert_eq!((read.to_text(), &read.anchor), (text, &evidence.anchor));
        let claims = read.verify(Some(log_key().verifier_key())).unwrap();
        let anchor = claims.anchor.unwrap();
        assert_eq!(anchor.address, testing::address(1));
        let pins = AnchorPins { address: Some(testing::address(2)), ..AnchorPins::default() };
        let refused = read.verify_anchored(None, &pins);
        let other =
            AnchorFinding::OtherAddress { found: testing::address(1), wanted: testing::address(2) };
        assert!(matches!(refused, Err(EvidenceFinding::Anchor(found)) if found == other));
        let without = self::evidence(2, true).verify_anchored(None, &pins);
        assert!(matches!(without, Err(EvidenceFinding::NoAnchor)));
    }
}

#[test]
fn a_network_of_ones_own_is_held_by_the_verifier_alone() {
    let mut evidence = anchored(targets()[0]);
    let genesis = Genesis(BlockId::new(BlockNumber(0), &Hash::of(b"custom")));
    evidence.anchor.as_mut().unwrap().genesis = genesis;
    let text = evidence.to_text();
    let pins = AnchorPins { network: Some(genesis), ..AnchorPins::default() };
    let holds = |text: &str| {
        Evidence::parse(text).is_ok_and(|read| read.verify_anchored(None, &pins).is_ok())
    };
    assert!(holds(&text));
    assert!(Evidence::parse(&text).unwrap().verify(None).is_err(), "nothing holds the id");
    let start = text.find("network custom").unwrap();
    for place in start..start + "network custom ".len() + 64 {
        for bit in 0..7 {
            let mut altered = text.clone().into_bytes();
            altered[place] ^= 1 << bit;
            assert!(!holds(&String::from_utf8(altered).unwrap()), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn an_anchor_of_another_checkpoint_is_refused() {
    let mut evidence = anchored(targets()[0]);
    let other = Checkpoint { origin: log_key().name().clone(), size: 4, root: Hash::of(b"x") };
    evidence.anchor = Some(testing::proof(&other, targets()[0]));
    let message = evidence.verify(None).unwrap_err().to_string();
    assert!(message.contains("another checkpoint"), "{message}");
}

#[test]
fn malformed_anchors_name_the_line() {
    let text = anchored(targets()[0]).to_text();
    let first = text.lines().position(|line| line == "anchor tron/v1").unwrap() + 1;
    let check = |from: &str, to: &str, says: &str| {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        let message = Evidence::parse(&altered).unwrap_err().to_string();
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    let line = |after: usize| format!("line {}:", first + after);
    check("anchor tron/v1", "anchor tron/v2", "\"tron/v2\" is not known here");
    check("\nanchor tron/v1", "", "tlog-proof");
    check("network nile", "network custom", &line(1));
    check("network nile 0", "network nile 1", &line(1));
    check("transaction 0a", "transaction 0A", &line(2));
    check("transaction 0a", "transaction 0", &line(2));
    check("signer T", "signer t", &line(4));
    check("\nright ", "\nabove ", "left or right");
    check("\nend\n", "\nleft 00\nend\n", "form");
    let long = format!("transaction {}", "00".repeat(4097));
    check("transaction ", &long, &line(2));
    let path = text.rfind("path 3").unwrap();
    let long = format!("{}path 33{}", &text[..path], &text[path + 6..]);
    assert!(Evidence::parse(&long).unwrap_err().to_string().contains(&line(5)));
    // A step more, or one less, than the line before says.
    let mut anchor = anchored(targets()[0]).anchor.unwrap();
    assert_eq!(anchor.path.len(), 3);
    anchor.path.push(Step::Left(Hash::default()));
    let more = Evidence { anchor: Some(anchor), ..anchored(targets()[0]) }.to_text();
    assert!(Evidence::parse(&more.replace("path 4", "path 3")).is_err());
    assert!(Evidence::parse(&text.replacen("path 3\n", "path 2\n", 1)).is_err());
}

fn broken(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = evidence(4, true);
    change(&mut evidence);
    evidence.verify(None).unwrap_err().to_string()
}

#[test]
fn false_claims_are_named() {
    let check = |change: &dyn Fn(&mut Evidence), says: &str| {
        let message = broken(change);
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    check(&|e| e.chunks[0].summary.chunk_root = Hash::of(b"x"), "chunk 1 is not in the session");
    check(&|e| e.chunks[0].summary.salt.0[0] ^= 1, "chunk 1 is not in the session");
    check(
        &|e| {
            e.chunks[0].path.pop();
        },
        "chunk 1 is not in the session",
    );
    check(&|e| e.chunks[1].disclosed = Some(ChunkKey::new([0; 32])), "key of chunk 2");
    check(&|e| e.chunks[1].segments[0].leaf = Hash::of(b"x"), "segment 1 is not in chunk 2");
    check(&|e| e.chunks[1].segments[0].index = SegmentIndex(2), "segment 2 is not in chunk 2");
    check(&|e| e.chunks[0].sealed.as_mut().unwrap()[9] ^= 1, "attached segments of chunk 1");
    check(&|e| e.manifest.as_mut().unwrap()[20] ^= 1, "its hash differs");
    check(&|e| e.entry = b"{}".to_vec(), "damaged");
    check(
        &|e| e.chunks[0].summary.header.session = SessionId::from_random([2; 16]),
        "another session",
    );
    let text = String::from_utf8(evidence(2, false).entry).unwrap();
    let other = text.replace("\"plain_bytes\":65636", "\"plain_bytes\":65637");
    assert_ne!(text, other);
    check(&|e| e.entry = other.clone().into_bytes(), "log proof");
}

/// A node can sign an entry that is at odds with its own chunks: no proof without the manifest may hide it.
#[test]
fn lengths_that_cannot_be_are_no_proof() {
    const CHUNK: i64 = 2 * 16_384 + 50;
    let verify = |first, more| evidence_of(4, false, first, more).verify(None);
    for (first, more) in
        [(0, 0), (1, 0), (1, 7), (1, 1 - CHUNK), (3, 3 - 3 * CHUNK), (4, 4 - 4 * CHUNK)]
    {
        assert_eq!(verify(first, more).unwrap().chunks.len(), 4 - first, "{first} {more}");
    }
    for (first, more) in
        [(0, -1), (0, 1), (1, -CHUNK), (3, 2 - 3 * CHUNK), (4, 3 - 4 * CHUNK), (3, -4 * CHUNK)]
    {
        let error = verify(first, more).unwrap_err();
        assert!(matches!(error, EvidenceFinding::Lengths { .. }), "{first} {more}: {error}");
    }
    let none = evidence_of(0, false, 0, 0).verify(None).unwrap();
    assert!(none.chunks.is_empty());
}

#[test]
fn malformed_files_name_the_line() {
    let text = evidence(3, false).to_text();
    let check = |from: &str, to: &str, says: &str| {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text);
        let message = Evidence::parse(&altered).unwrap_err().to_string();
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    check("lucid-evidence/v1", "lucid-evidence/v2", "not known here");
    check("lucid-evidence/v1", "something else", "not an evidence file");
    check("key lucid/", "kex lucid/", "line 2");
    check("chunk 1\n", "chunk 01\n", "line 4");
    check("chunk 1\n", "chunk 2\n", "line 5");
    check("header 4c55", "header 4C55", "line 5");
    check("header 4c55", "header 4d55", "LUC1");
    check("\npath 2\n", "\npath 33\n", "line 9");
    check("\nsealed ", "\nsealed 0", "sealed");
    check("tlog-proof\n", "tlog-prof\n", "tlog-proof");
    check("\nend\n", "\nend", "form");
    check("tlog-proof@v1\n", "tlog-proof@v1\nextra YQ==\n", "form");
}
