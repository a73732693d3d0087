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
    let all: Vec<_> = (0..chunks).map(chunk).collect();
    let tree = SessionTree::from_leaves(all.iter().map(|c| c.0.session_leaf()).collect());
    let mut plain_bytes = 0;
    let mut stored_bytes = 0;
    for (summary, ..) in &all {
        plain_bytes += u64::from(summary.header.plain_bytes);
        stored_bytes += summary.layout().file_bytes();
    }
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
    let chunks = all.iter().skip(1).map(speak_of).collect();
    let manifest = with_manifest.then_some(manifest);
    Evidence { key: key.verifier_key().clone(), entry, manifest, chunks, proof }
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
