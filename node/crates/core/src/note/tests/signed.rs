//! Signed notes: the published examples, what is malformed, and whose signature counts.

use ed25519_dalek::Verifier;

use super::*;

/// Text, vkey and note of signed-note.md, "Verifier keys, Example".
const C2SP_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const C2SP_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The note whose key is not published: signed-note.md, first example. Its text has blank lines.
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

/// From the documentation of golang.org/x/mod/sumdb/note.
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn published_notes_verify() {
    for (vkey, text, key_id) in [(C2SP_VKEY, C2SP_NOTE, "530d903a"), (GO_VKEY, GO_NOTE, "c74f20a3")]
    {
        let key: VerifierKey = vkey.parse().unwrap();
        let note = SignedNote::parse(text).unwrap();
        assert_eq!(note.to_string(), text);
        assert_eq!(note.signatures()[0].id().to_string(), key_id);
        assert_eq!(note.verify(&[&key]), Ok(vec![Verified { key: &key, seconds: None }]));
        for (at, changed) in bit_flips(text) {
            let believed = SignedNote::parse(&changed).and_then(|note| {
                note.verify(&[&key])?;
                Ok(())
            });
            assert!(believed.is_err(), "byte {at}: {changed:?}");
        }
    }
}

#[test]
fn a_text_may_have_blank_lines() {
    let poem = SignedNote::parse(POEM).unwrap();
    assert!(poem.text().ends_with("sole:\n\ned è subito sera.\n"));
    assert_eq!(poem.to_string(), POEM);
    for text in ["\n", "\n\n", "a\n\n", "\n\na\n", "\n\u{2014} a b\n", "\u{2014} x AAAAAAA=\n\n"] {
        let note = SignedNote::sign(text, &log_key(1)).unwrap();
        let parsed = SignedNote::parse(&note.to_string()).unwrap();
        assert_eq!((parsed.text(), &parsed), (text, &note));
        parsed.verify(&[log_key(1).verifier_key()]).unwrap();
    }
}

#[test]
fn malformed_notes() {
    let check = |text: &str, want| assert_eq!(SignedNote::parse(text), Err(want), "{text:?}");
    check("", NoteError::NoteShape);
    check("\n", NoteError::NoteShape);
    check("text\n", NoteError::NoteShape);
    check("\n\u{2014} a AAAAAAA=\n", NoteError::NoteShape);
    check("text\n\u{2014} a AAAAAAA=\n", NoteError::NoteShape);
    check("text\n\n\u{2014} a AAAAAAA=", NoteError::NoteShape);
    check("text\n\n", NoteError::NoteShape);
    check("text\n\n\u{2014} a AAAAAAA=\n\n", NoteError::NoteShape);
    check("text\r\n\n\u{2014} a AAAAAAA=\n", NoteError::ControlCharacter { at: 4 });
    check("te\txt\n\n\u{2014} a AAAAAAA=\n", NoteError::ControlCharacter { at: 2 });
    check("text\n\n\u{2014} a AAAAAAA=\n\0", NoteError::ControlCharacter { at: 21 });
    for bad in [
        "-- a AAAAAAA=",
        "\u{2013} a AAAAAAA=",
        "\u{2014}  a AAAAAAA=",
        "\u{2014} AAAAAAA=",
        "\u{2014}a AAAAAAA=",
        "\u{2014} a+b AAAAAAA=",
        "\u{2014} a\u{a0} AAAAAAA=",
        "\u{2014} a  AAAAAAA=",
        "\u{2014} a AAAAAAA= ",
        "\u{2014} a ",
        "\u{2014} a",
        " \u{2014} a AAAAAAA=",
        "\u{2014} a AAAAAAA",
        "\u{2014} a AAAAAAB=",
        // A key id without a signature.
        "\u{2014} a AAAAAA==",
    ] {
        check(&format!("text\n\n{bad}\n"), NoteError::SignatureLine { line: 1 });
        check(&format!("t\n\n\u{2014} a AAAAAAA=\n{bad}\n"), NoteError::SignatureLine { line: 2 });
        let alone = Err(NoteError::SignatureLine { line: 1 });
        assert_eq!(bad.parse::<NoteSignature>(), alone);
    }
    assert_eq!(SignedNote::from_bytes(b"\xff\n\n"), Err(NoteError::NotUtf8));
    assert_eq!(SignedNote::from_bytes(POEM.as_bytes()), SignedNote::parse(POEM));
    for torn in torn(C2SP_NOTE) {
        SignedNote::parse(&torn).unwrap_err();
    }
}

#[test]
fn length_and_signatures_have_limits() {
    let key = log_key(1);
    let line = "\u{2014} a AAAAAAA=\n";
    let many = |count| SignedNote::parse(&format!("text\n\n{}", line.repeat(count)));
    assert_eq!(many(64).unwrap().signatures().len(), 64);
    assert_eq!(many(65), Err(NoteError::SignatureCount { count: 65 }));
    let lines: Vec<_> = (0..64).map(|key| format!("\u{2014} k{key} AAAAAAA=\n")).collect();
    let lines = lines.concat();
    let mut full = SignedNote::parse(&format!("text\n\n{lines}")).unwrap();
    let one_more = full.add("\u{2014} k64 AAAAAAA=".parse().unwrap());
    assert_eq!(one_more, Err(NoteError::SignatureCount { count: 65 }));
    full.add("\u{2014} k63 AAAAAAE=".parse().unwrap()).unwrap();
    assert_eq!(
        full.to_string(),
        format!("text\n\n{}", lines.replace("k63 AAAAAAA", "k63 AAAAAAE"))
    );

    let overhead = SignedNote::sign("\n", &key).unwrap().to_string().len();
    let longest = format!("{}\n", "n".repeat(NOTE_BYTES_MAX - overhead));
    let mut note = SignedNote::sign(longest.clone(), &key).unwrap();
    assert_eq!(note.to_string().len(), NOTE_BYTES_MAX);
    assert_eq!(SignedNote::parse(&note.to_string()).as_ref(), Ok(&note));
    let too_long = |bytes| NoteError::NoteTooLong { bytes };
    assert_eq!(SignedNote::sign(format!("n{longest}"), &key), Err(too_long(NOTE_BYTES_MAX + 1)));
    assert_eq!(SignedNote::parse(&format!("n{note}")), Err(too_long(NOTE_BYTES_MAX + 1)));
    let before = note.clone();
    let added = note.add(line.trim_end().parse().unwrap());
    assert_eq!(added, Err(too_long(NOTE_BYTES_MAX + line.len())));
    assert_eq!(note, before);
}

#[test]
fn only_texts_are_signed() {
    let key = log_key(1);
    assert_eq!(SignedNote::sign("text", &key), Err(NoteError::NoteShape));
    assert_eq!(SignedNote::sign("", &key), Err(NoteError::NoteShape));
    assert_eq!(SignedNote::sign("a\rb\n", &key), Err(NoteError::ControlCharacter { at: 1 }));
}

#[test]
fn a_known_key_must_verify_and_others_are_ignored() {
    let (key, other) = (log_key(1), log_key(2));
    let (known, unknown) = (key.verifier_key(), other.verifier_key());
    let verified = Verified { key: known, seconds: None };
    let note = SignedNote::sign("text\n", &key).unwrap();
    assert_eq!(note.verify(&[known]), Ok(vec![verified]));
    assert_eq!(note.verify(&[unknown]), Err(NoteError::Untrusted), "same name, other id");
    assert_eq!(note.verify(&[]), Err(NoteError::Untrusted));
    assert_eq!(note.verify(&[unknown, known, known]), Ok(vec![verified]));

    let mut both = note.clone();
    both.add(other.sign("text\n")).unwrap();
    assert_eq!(both.verify(&[known]), Ok(vec![verified]));
    let keys: Vec<_> = both.verify(&[unknown, known]).unwrap().iter().map(|v| v.key).collect();
    assert_eq!(keys, [known, unknown], "in the note's order");

    // The signature of the known key over another text: one bad line refuses the whole note.
    let bad = key.sign("other\n");
    let refused = Err(NoteError::BadSignature { key: format!("{ORIGIN}+{}", known.id()) });
    let mut replaced = both.clone();
    replaced.add(bad.clone()).unwrap();
    assert_eq!(replaced.signatures().len(), 2, "a key's new signature replaces its old one");
    assert_eq!(replaced.verify(&[known, unknown]), refused);
    replaced.verify(&[unknown]).unwrap();
    let repeated = SignedNote::parse(&format!("{note}{bad}\n")).unwrap();
    assert_eq!(repeated.verify(&[known]), refused, "a second signature is not passed over");
    let twice = SignedNote::parse(&format!("{note}{}\n", note.signatures()[0])).unwrap();
    assert_eq!(twice.verify(&[known]), Ok(vec![verified]));

    // The same id under another name is another key.
    let line = note.signatures()[0].to_string().replace(ORIGIN, "example.com/other");
    let renamed = SignedNote::parse(&format!("text\n\n{line}\n")).unwrap();
    assert_eq!(renamed.verify(&[known]), Err(NoteError::Untrusted));
}

#[test]
fn keys_that_cannot_be_told_apart_are_refused() {
    // Two seeds, found by trying, whose keys under one name have the same 32-bit id.
    let [one, two] = [114_838_u32, 116_370].map(|n| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        SigningKey::from_seed(name(ORIGIN), &seed)
    });
    let (a, b) = (one.verifier_key(), two.verifier_key());
    assert_eq!((a.id(), a == b), (b.id(), false));
    let note = SignedNote::sign("text\n", &one).unwrap();
    assert_eq!(note.verify(&[a, b]), Err(NoteError::AmbiguousKey { key: a.label() }));
    assert_eq!(note.verify(&[b]), Err(NoteError::BadSignature { key: b.label() }));
    note.verify(&[a, a]).unwrap();
}

#[test]
fn a_signature_has_64_bytes_and_one_encoding() {
    let key = log_key(1);
    let good = key.sign("text\n").bytes().to_vec();
    let refused = Err(NoteError::BadSignature { key: key.verifier_key().label() });
    let check = |bytes: &[u8]| {
        let line = NoteSignature::of_key(key.verifier_key(), bytes);
        let note = SignedNote::parse(&format!("text\n\n{line}\n")).unwrap();
        assert_eq!(note.verify(&[key.verifier_key()]), refused, "{bytes:?}");
    };
    check(&good[..63]);
    check(&[good.as_slice(), &[0]].concat());
    check(&[0; 64]);
    // s + l is the same scalar in another encoding (RFC 8032 §5.1.7 refuses it).
    let order =
        hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut malleable = good.clone();
    let mut carry = 0;
    for (byte, add) in malleable[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    check(&malleable);
    // R is the neutral element and s = k a: the equation holds, whoever holds the key can make it,
    // and it is no signature by the strict rules.
    let neutral = "01000000000000000000000000000000000000000000000000000000000000003777571940ee7be9\
                   f8ff4e09e1fb6f0740d2ca4e806a6ab4c0d6f35bddf19c0f";
    let neutral = hex::decode(neutral).unwrap();
    let lenient = ed25519_dalek::VerifyingKey::from_bytes(key.verifier_key().public_key()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&neutral).unwrap();
    lenient.verify(b"text\n", &signature).unwrap();
    check(&neutral);
}
