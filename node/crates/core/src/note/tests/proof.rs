//! Log proofs: a small log's proofs verify, and anything changed in them does not.

use proptest::prelude::*;

use super::*;

fn proof(size: u8, index: u8) -> TlogProof {
    let text = checkpoint(size).sign(&log_key(1)).unwrap();
    let path = merkle::inclusion_proof(&leaves(size), index.into()).unwrap();
    TlogProof::new(index.into(), path, &text).unwrap()
}

#[test]
fn every_proof_of_a_small_log_verifies() {
    let key = log_key(1);
    for size in 1..=20 {
        for index in 0..size {
            let text = proof(size, index).to_text();
            let parsed = TlogProof::parse(&text).unwrap();
            assert_eq!((parsed.to_text(), &parsed), (text, &proof(size, index)));
            let leaf = leaves(size)[usize::from(index)];
            assert_eq!(parsed.verify(leaf, key.verifier_key()), Ok(checkpoint(size)));
        }
    }
}

#[test]
fn layout() {
    let text = proof(2, 1).with_extra(b"extra information".to_vec()).unwrap().to_text();
    let (proof_lines, checkpoint_text) = text.split_once("\n\n").unwrap();
    let lines: Vec<_> = proof_lines.lines().collect();
    // H(0x00 ‖ 0x00), the sibling.
    let sibling = "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=";
    let extra = "extra ZXh0cmEgaW5mb3JtYXRpb24=";
    assert_eq!(lines, ["c2sp.org/tlog-proof@v1", extra, "index 1", sibling]);
    assert_eq!(checkpoint_text, checkpoint(2).sign(&log_key(1)).unwrap());

    let single = proof(1, 0);
    assert!(
        single.to_text().starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n1\n")
    );
    assert_eq!((single.index(), single.path(), single.extra()), (0, &[][..], None));
    assert_eq!(single.checkpoint_text(), single.checkpoint().to_string());
}

#[test]
fn every_changed_byte_is_refused() {
    let key = log_key(1);
    let leaf = leaves(7)[3];
    let text = proof(7, 3).to_text();
    let believed = |text: &str| {
        TlogProof::parse(text).is_ok_and(|proof| proof.verify(leaf, key.verifier_key()).is_ok())
    };
    assert!(believed(&text));
    for (at, changed) in bit_flips(&text) {
        assert!(!believed(&changed), "{at}: {changed:?}");
    }
    for torn in torn(&text) {
        assert!(!believed(&torn), "{torn:?}");
    }
}

#[test]
fn what_the_proof_does_not_prove_is_refused() {
    let key = log_key(1);
    let inclusion = |leaf| proof(7, 3).verify(leaf, key.verifier_key()).unwrap_err();
    assert!(matches!(
        inclusion(leaves(7)[2]),
        NoteError::Inclusion(merkle::ProofError::RootMismatch { .. })
    ));
    let other = log_key(2);
    let untrusted = proof(7, 3).verify(leaves(7)[3], other.verifier_key());
    assert_eq!(untrusted, Err(NoteError::Untrusted));
    let text = proof(7, 3).to_text().replacen("index 3", "index 7", 1);
    let beyond = merkle::ProofError::IndexBeyondTree { index: 7, size: 7 };
    assert_eq!(
        TlogProof::parse(&text).unwrap().verify(leaves(7)[3], key.verifier_key()),
        Err(beyond.into())
    );
}

#[test]
fn malformed() {
    let good = proof(3, 0).with_extra(b"data".to_vec()).unwrap().to_text();
    let check = |from: &str, to: &str, want| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert_eq!(TlogProof::parse(&text), Err(want), "{text:?}");
    };
    check(&good, "", NoteError::ProofHeader);
    check(&good, "c2sp.org/tlog-proof@v1", NoteError::ProofHeader);
    check("@v1", "@v2", NoteError::ProofHeader);
    check("@v1\n", "@v1\r\n", NoteError::ProofHeader);
    check("c2sp", " c2sp", NoteError::ProofHeader);
    check("extra ZGF0YQ==", "extra ", NoteError::ProofExtra);
    check("extra ZGF0YQ==", "extra ZGF0YQ", NoteError::ProofExtra);
    check("extra ZGF0YQ==", "extra ZGF0YR==", NoteError::ProofExtra);
    check("extra ZGF0YQ==", "extra  ZGF0YQ==", NoteError::ProofExtra);
    check("extra ZGF0YQ==", "extra !", NoteError::ProofExtra);
    check(&good, "c2sp.org/tlog-proof@v1\nextra ZGF0YQ==", NoteError::ProofExtra);
    check("extra ZGF0YQ==", "Extra ZGF0YQ==", NoteError::ProofIndex);
    check("extra ZGF0YQ==", "extra", NoteError::ProofIndex);
    check("extra ZGF0YQ==", "", NoteError::ProofIndex);
    check("extra ZGF0YQ==\n", "extra ZGF0YQ==\nextra ZGF0YQ==\n", NoteError::ProofIndex);
    check("index 0\n", "", NoteError::ProofIndex);
    for index in ["", "-1", "+0", "00", "0 ", "x", "18446744073709551616"] {
        check("index 0", &format!("index {index}"), NoteError::ProofIndex);
    }
    check("index 0\n", "index 0\n!\n", NoteError::ProofHash { line: 1 });
    check("index 0\n", "index 0\nAAAA\n", NoteError::ProofHash { line: 1 });
    check("=\n\n", "=\n!\n\n", NoteError::ProofHash { line: 3 });
    // Without the empty line the checkpoint's origin is read as a hash.
    check("=\n\n", "=\n", NoteError::ProofHash { line: 3 });
    // With another one, what follows has a line too many.
    check("=\n\n", "=\n\n\n", NoteError::ExtensionLine);
    check(ORIGIN, "", NoteError::CheckpointOrigin);
    check("\n3\n", "\n03\n", NoteError::CheckpointSize);
    let body = checkpoint(3).to_body();
    check(&body, &format!("{body}more\n"), NoteError::ExtensionLine);
}

#[test]
fn limits() {
    let text = checkpoint(3).sign(&log_key(1)).unwrap();
    let long = |hashes| TlogProof::new(0, vec![merkle::EMPTY_ROOT; hashes], &text);
    let longest = long(63).unwrap();
    assert_eq!(TlogProof::parse(&longest.to_text()).as_ref(), Ok(&longest));
    assert_eq!(long(64), Err(NoteError::ProofPath));
    let line = format!("index 0\n{}\n", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let longer = longest.to_text().replacen("index 0\n", &line, 1);
    assert_eq!(TlogProof::parse(&longer), Err(NoteError::ProofPath));

    assert_eq!(longest.clone().with_extra(Vec::new()), Err(NoteError::ProofExtra));
    let too_much = longest.with_extra(vec![0; PROOF_BYTES_MAX]);
    assert!(matches!(too_much, Err(NoteError::ProofTooLong { .. })));
    let bytes = PROOF_BYTES_MAX + 1;
    assert_eq!(TlogProof::parse(&"a".repeat(bytes)), Err(NoteError::ProofTooLong { bytes }));
}

proptest! {
    /// What parses is what was written, wherever lines are dropped, doubled or moved.
    #[test]
    fn one_encoding(order in prop::collection::vec(0_usize..12, 8..13)) {
        let text = proof(3, 1).with_extra(b"data".to_vec()).unwrap().to_text();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let shuffled: String = order.iter().filter_map(|&line| lines.get(line)).copied().collect();
        for text in [shuffled, text] {
            if let Ok(proof) = TlogProof::parse(&text) {
                prop_assert_eq!(proof.to_text(), text);
            }
        }
    }
}
