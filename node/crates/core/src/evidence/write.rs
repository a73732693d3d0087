//! Writes evidence files.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ChunkEvidence, Evidence, anchor};
use crate::Hash;

/// Bytes on each base64 line but the last: 64 characters.
pub(super) const SEALED_LINE_BYTES: usize = 48;

impl Evidence {
    /// The file's text.
    ///
    /// # Panics
    /// Never for an entry and manifest that were parsed from JSON: those are UTF-8.
    #[must_use]
    pub fn to_text(&self) -> String {
        let json = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut text = String::from("lucid-evidence/v1\n");
        put(&mut text, "key", &self.key.to_string());
        put(&mut text, "entry", &json(&self.entry));
        if let Some(manifest) = &self.manifest {
            put(&mut text, "manifest", &json(manifest));
        }
        for chunk in &self.chunks {
            put_chunk(&mut text, chunk);
        }
        text.push_str("tlog-proof\n");
        text.push_str(&self.proof.to_text());
        if let Some(proof) = &self.anchor {
            anchor::write(&mut text, proof);
        }
        text.push_str("end\n");
        text
    }
}

pub(super) fn put(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(' ');
    text.push_str(value);
    text.push('\n');
}

fn put_chunk(text: &mut String, chunk: &ChunkEvidence) {
    let summary = &chunk.summary;
    put(text, "chunk", &summary.header.index.to_string());
    put(text, "header", &hex::encode(summary.header.to_bytes()));
    put(text, "salt", &hex::encode(summary.salt.0));
    put(text, "commitment", &hex::encode(summary.commitment.0));
    put(text, "root", &summary.chunk_root.to_string());
    put_path(text, &chunk.path);
    if let Some(key) = &chunk.disclosed {
        put(text, "disclose", &key.to_hex());
    }
    for segment in &chunk.segments {
        put(text, "segment", &format!("{} {}", segment.index, segment.leaf));
        put_path(text, &segment.path);
    }
    if let Some(sealed) = &chunk.sealed {
        put(text, "sealed", &sealed.len().to_string());
        for line in sealed.chunks(SEALED_LINE_BYTES) {
            STANDARD.encode_string(line, text);
            text.push('\n');
        }
    }
}

fn put_path(text: &mut String, path: &[Hash]) {
    put(text, "path", &path.len().to_string());
    for hash in path {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{hash}");
    }
}
