//! One function for each decoder of bytes from outside. Each takes any bytes and panics where the
//! decoder breaks its promise: it never panics itself, and what it accepts has one encoding, so
//! writing it again gives the same bytes.
//!
//! `tests/mutations.rs` runs them in the ordinary test suite over mutated good inputs; the package in
//! `libfuzzer/` runs them under coverage guidance: see its README.

#![allow(clippy::missing_panics_doc, reason = "a panic is how each of them reports")]

mod rpc;
mod tor;
mod tron;

use std::io::Cursor;

use lucid_core::{
    Upload,
    chunk::ChunkHeader,
    entry::Entry,
    evidence::Evidence,
    json,
    keys::{Kek, KeyFile},
    manifest::Manifest,
    merkle::{self, TilePath},
    note::{Checkpoint, SignedNote, TlogProof, VerifierKey},
    tron::anchor::{AnchorPins, AnchorRecord},
};
use lucid_pipeline::{codec::Decompressor, open::ChunkOpener, wraps};
use lucid_record::asciicast::Decoder;

pub use self::{
    rpc::json_rpc,
    tor::{onion_address, onion_descriptor, tor_reply, tunnel_list},
    tron::{tron_address, tron_amount, tron_body, tron_header, tron_transaction},
};

/// A decoder under test.
pub type Target = fn(&[u8]);

/// Every decoder, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("anchor_record", anchor_record),
    ("asciicast", asciicast),
    ("bundle", bundle),
    ("checkpoint", checkpoint),
    ("chunk_file", chunk_file),
    ("chunk_header", chunk_header),
    ("entry", entry),
    ("evidence", evidence),
    ("identity_file", identity_file),
    ("json_rpc", json_rpc),
    ("key_file", key_file),
    ("manifest", manifest),
    ("onion_address", onion_address),
    ("onion_descriptor", onion_descriptor),
    ("payload", payload),
    ("signed_note", signed_note),
    ("tile_path", tile_path),
    ("tlog_proof", tlog_proof),
    ("tor_reply", tor_reply),
    ("tron_address", tron_address),
    ("tron_amount", tron_amount),
    ("tron_body", tron_body),
    ("tron_header", tron_header),
    ("tron_transaction", tron_transaction),
    ("tunnel_list", tunnel_list),
    ("upload", upload),
    ("verifier_key", verifier_key),
];

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Files that a node keeps of its anchors: read, and their proofs checked.
pub fn anchor_record(bytes: &[u8]) {
    if let Ok(record) = AnchorRecord::parse(bytes) {
        assert_eq!(record.to_bytes(), bytes);
        assert!(bytes.len() <= AnchorRecord::BYTES_MAX);
        // Whether it holds is not the question: it must say so without a panic.
        let proof = record.proof();
        let _ = proof.verify(record.checkpoint(), &AnchorPins::of(proof));
    }
}

/// asciicast v3 recordings: read to the end, whatever is in them.
pub fn asciicast(bytes: &[u8]) {
    if let Ok(decoder) = Decoder::new(Cursor::new(bytes)) {
        for event in decoder {
            if event.is_err() {
                return;
            }
        }
    }
}

/// C2SP entry bundles.
pub fn bundle(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let count = usize::from(*count) + 1;
    if let Ok(entries) = merkle::decode_bundle(bytes, count) {
        assert_eq!(merkle::encode_bundle(&entries).ok().as_deref(), Some(bytes));
    }
}

/// Checkpoint bodies.
pub fn checkpoint(bytes: &[u8]) {
    let Some(body) = text(bytes) else { return };
    if let Ok(checkpoint) = Checkpoint::parse_body(body) {
        assert_eq!(checkpoint.to_body(), body);
    }
}

/// Chunk files: hashed, and opened with a key that is not theirs.
pub fn chunk_file(bytes: &[u8]) {
    let mut opener = ChunkOpener::new();
    let count = bytes.len() as u64;
    let scanned = opener.scan(&mut Cursor::new(bytes), count, None);
    let key = |header: &ChunkHeader| {
        lucid_core::keys::Dek::new([7; 32]).chunk_key(&header.session, header.index)
    };
    let opened = opener.open(&mut Cursor::new(bytes), count, None, key);
    if let Ok((summary, plain)) = opened {
        assert_eq!(plain.len(), summary.header.plain_bytes as usize);
        assert_eq!(scanned.ok(), Some(summary), "what opens can be hashed, to the same root");
    }
}

/// Chunk headers.
pub fn chunk_header(bytes: &[u8]) {
    let Ok(bytes) = <&[u8; ChunkHeader::BYTES]>::try_from(bytes) else { return };
    if let Ok(header) = ChunkHeader::parse(bytes) {
        assert_eq!(&header.to_bytes(), bytes);
    }
}

/// Ledger entries.
pub fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.to_bytes().ok().as_deref(), Some(bytes));
    }
}

/// Evidence files: read, and checked without a key to trust.
pub fn evidence(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(evidence) = Evidence::parse(text) {
        assert_eq!(evidence.to_text(), text);
        // Whether it holds is not the question: it must say so without a panic.
        let _ = evidence.verify(None);
    }
}

/// age identity files.
pub fn identity_file(bytes: &[u8]) {
    if let Ok(identities) = wraps::parse_identities(bytes) {
        assert!(!identities.is_empty());
    }
}

/// Key files, and their wraps with a key that is not theirs.
pub fn key_file(bytes: &[u8]) {
    if let Ok(file) = KeyFile::parse(bytes) {
        assert_eq!(file.to_bytes(), bytes);
        let session = lucid_core::SessionId::from_random([1; 16]);
        assert!(file.unwrap_with(&Kek::new([3; 32]), &session).is_err());
    }
}

/// Manifests.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(json::to_canonical(&manifest), bytes);
    }
}

/// Payloads of compressed chunks.
pub fn payload(bytes: &[u8]) {
    let Some((size, frame)) = bytes.split_first_chunk::<2>() else { return };
    let mut plain = vec![0; usize::from(u16::from_be_bytes(*size))];
    // Either it is one frame of exactly that length, or it is refused.
    let _ = Decompressor::default().decompress(frame, &mut plain);
}

/// C2SP signed notes.
pub fn signed_note(bytes: &[u8]) {
    if let Ok(note) = SignedNote::from_bytes(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
}

/// Paths of tiles and bundles, which come from HTTP requests.
pub fn tile_path(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
    }
}

/// C2SP tlog-proofs.
pub fn tlog_proof(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(proof) = TlogProof::parse(text) {
        assert_eq!(proof.to_text(), text);
    }
}

/// The facts of an upload.
pub fn upload(bytes: &[u8]) {
    if let Ok(upload) = Upload::parse(bytes) {
        assert_eq!(upload.to_bytes(), bytes);
        assert!(bytes.len() <= Upload::BYTES_MAX);
    }
}

/// C2SP verifier keys.
pub fn verifier_key(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
}
