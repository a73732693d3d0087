//! The published proof vectors of transparency-dev/merkle: good proofs verify, and each malformed
//! one is refused. See `data/rfc6962/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

use base64::{Engine, prelude::BASE64_STANDARD};
use lucid_core::{
    Hash,
    merkle::{verify_consistency, verify_inclusion},
};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inclusion {
    file: String,
    desc: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consistency {
    file: String,
    desc: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// The hash that a vector means, or none where its length is wrong: our types have no such hash, so
/// whoever reads one has refused it already.
fn hash(base64: &str) -> Option<Hash> {
    let mut bytes = BASE64_STANDARD.decode(base64).unwrap();
    // The roots "don't care 1" and "don't care 2" stand for any two hashes that differ.
    if bytes.starts_with(b"don't care") {
        bytes.resize(Hash::BYTES, 0);
    }
    bytes.try_into().ok().map(Hash)
}

fn path(proof: Option<&Vec<String>>) -> Option<Vec<Hash>> {
    proof.map_or(Some(Vec::new()), |hashes| hashes.iter().map(|text| hash(text)).collect())
}

fn cases<C: DeserializeOwned>(json: &str) -> Vec<C> {
    let cases: Vec<C> = serde_json::from_str(json).unwrap();
    assert_eq!(cases.len(), 98);
    cases
}

/// Of `verified`, `None` was refused before it reached the verifier.
fn check(file: &str, desc: &str, want_err: bool, verified: Option<bool>) {
    assert_eq!(verified.unwrap_or(false), !want_err, "{file}: {desc}");
}

#[test]
fn inclusion() {
    let (mut good, mut of_wrong_length) = (0, 0);
    for case in cases::<Inclusion>(include_str!("data/rfc6962/inclusion.json")) {
        let verified = (|| {
            let (root, leaf) = (hash(&case.root)?, hash(&case.leaf_hash)?);
            let path = path(case.proof.as_ref())?;
            Some(verify_inclusion(root, case.tree_size, case.leaf_idx, leaf, &path).is_ok())
        })();
        check(&case.file, &case.desc, case.want_err, verified);
        good += usize::from(!case.want_err);
        of_wrong_length += usize::from(verified.is_none());
    }
    assert_eq!((good, of_wrong_length), (6, 26));
}

#[test]
fn consistency() {
    let (mut good, mut of_wrong_length) = (0, 0);
    for case in cases::<Consistency>(include_str!("data/rfc6962/consistency.json")) {
        let verified = (|| {
            let (old, new) = (hash(&case.root1)?, hash(&case.root2)?);
            let path = path(case.proof.as_ref())?;
            Some(verify_consistency(case.size1, old, case.size2, new, &path).is_ok())
        })();
        check(&case.file, &case.desc, case.want_err, verified);
        good += usize::from(!case.want_err);
        of_wrong_length += usize::from(verified.is_none());
    }
    assert_eq!((good, of_wrong_length), (6, 16));
}
