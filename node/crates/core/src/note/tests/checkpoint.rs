//! Checkpoints and cosignatures: a real one with its witnesses, and what is refused.

use super::*;
use crate::note::key::KeyPair;

/// The example of tlog-checkpoint.md.
const EXAMPLE: &str =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

/// A checkpoint of a public Certificate Transparency log, cosigned by public witnesses in May 2026
/// (the log's own two lines are of other keys and types, and so ignored here).
const COSIGNED: &str = "arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
";

/// The published keys of those three witnesses.
const WITNESSES: [&str; 3] = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
];

#[test]
fn bodies() {
    let check = |body: &str, origin: &str, size| {
        let parsed = Checkpoint::parse_body(body).unwrap();
        assert_eq!((parsed.origin.as_str(), parsed.size), (origin, size));
        assert_eq!(parsed.to_body(), body);
    };
    check(EXAMPLE, "example.com/behind-the-sofa", 20_852_163);
    check(&Checkpoint { size: 0, root: merkle::EMPTY_ROOT, ..checkpoint(0) }.to_body(), ORIGIN, 0);
    check(&Checkpoint { size: u64::MAX, ..checkpoint(1) }.to_body(), ORIGIN, u64::MAX);
}

#[test]
fn malformed_bodies() {
    let check = |from: &str, to: &str, want| {
        let body = EXAMPLE.replacen(from, to, 1);
        assert_ne!(body, EXAMPLE);
        assert_eq!(Checkpoint::parse_body(&body), Err(want), "{body:?}");
    };
    check(EXAMPLE, "", NoteError::CheckpointShape);
    check(EXAMPLE, "example.com/behind-the-sofa\n20852163\n", NoteError::CheckpointShape);
    check("q2I=\n", "q2I=", NoteError::CheckpointShape);
    check("example.com/behind-the-sofa\n", "\n", NoteError::CheckpointOrigin);
    check("behind-the-sofa", "behind the sofa", NoteError::CheckpointOrigin);
    check("sofa", "sofa+", NoteError::CheckpointOrigin);
    for size in ["", "0x1", "020852163", "+20852163", "-1", "20852163 ", "18446744073709551616"] {
        check("20852163", size, NoteError::CheckpointSize);
    }
    for root in ["", "q2I", "q2J=", "q2I==", "q2I= ", "AAq2I="] {
        check("q2I=", root, NoteError::CheckpointRoot);
    }
    check("/Xajj", "_Xajj", NoteError::CheckpointRoot);
    for lines in ["\n", "extension\n", "extension", " ", "more\nlines\n"] {
        check("q2I=\n", &format!("q2I=\n{lines}"), NoteError::ExtensionLine);
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let key = log_key(1);
    let text = checkpoint(5).sign(&key).unwrap();
    assert_eq!(Checkpoint::verify(&text, key.verifier_key()), Ok(checkpoint(5)));
    for (at, changed) in bit_flips(&text) {
        assert!(Checkpoint::verify(&changed, key.verifier_key()).is_err(), "{at}: {changed:?}");
    }
    for torn in torn(&text) {
        assert!(Checkpoint::verify(&torn, key.verifier_key()).is_err(), "{torn:?}");
    }
}

#[test]
fn a_log_speaks_for_its_own_origin_only() {
    let stranger = SigningKey::from_seed(name("example.com/other"), &[1; 32]);
    let mismatch =
        NoteError::OriginMismatch { origin: name(ORIGIN), key: name("example.com/other") };
    assert_eq!(checkpoint(5).sign(&stranger), Err(mismatch.clone()));
    let forged = SignedNote::sign(checkpoint(5).to_body(), &stranger).unwrap().to_string();
    assert_eq!(Checkpoint::verify(&forged, stranger.verifier_key()), Err(mismatch));
    let key = log_key(1);
    assert_eq!(Checkpoint::verify(&forged, key.verifier_key()), Err(NoteError::Untrusted));
    let text = SignedNote::sign("not a checkpoint\n", &key).unwrap().to_string();
    let refused = Err(NoteError::CheckpointShape);
    assert_eq!(Checkpoint::verify(&text, key.verifier_key()), refused);
}

#[test]
fn public_witnesses_verify() {
    let keys = WITNESSES.map(|vkey| vkey.parse::<VerifierKey>().unwrap());
    let known: Vec<_> = keys.iter().collect();
    let note = SignedNote::parse(COSIGNED).unwrap();
    assert_eq!(note.to_string(), COSIGNED);
    let want: Vec<_> =
        known.iter().map(|key| Verified { key, seconds: Some(0x6a12_2120) }).collect();
    assert_eq!(note.verify(&known), Ok(want));
    let later = COSIGNED.replacen("1432088532", "1432088533", 1);
    let refused = SignedNote::parse(&later).unwrap().verify(&known);
    assert_eq!(refused, Err(NoteError::BadSignature { key: keys[0].label() }));
}

#[test]
fn cosignatures_are_added_and_counted() {
    let (log, witnesses) = (log_key(1), [witness_key(2), witness_key(3), witness_key(4)]);
    let keys = witnesses.each_ref().map(CosigningKey::verifier_key);
    let mut note = SignedNote::parse(&checkpoint(5).sign(&log).unwrap()).unwrap();
    note.cosign(&witnesses[0], 1_679_315_147).unwrap();
    note.cosign(&witnesses[1], 0).unwrap();
    let (got, cosigned) =
        Checkpoint::verify_cosigned(&note.to_string(), log.verifier_key(), &keys).unwrap();
    assert_eq!(got, checkpoint(5));
    let at = |key, seconds| Verified { key, seconds: Some(seconds) };
    assert_eq!(cosigned, [at(keys[0], 1_679_315_147), at(keys[1], 0)]);

    note.cosign(&witnesses[1], i64::MAX as u64).unwrap();
    let text = note.to_string();
    let (_, cosigned) = Checkpoint::verify_cosigned(&text, log.verifier_key(), &keys[1..]).unwrap();
    assert_eq!(cosigned, [at(keys[1], i64::MAX as u64)], "the newer one replaced the older");
    let (_, nobody) = Checkpoint::verify_cosigned(&text, log.verifier_key(), &keys[2..]).unwrap();
    assert_eq!(nobody, [], "an absent witness is no error");
}

#[test]
fn what_is_no_cosignature_is_refused() {
    let (log, witness) = (log_key(1), witness_key(2));
    let (log_vkey, key) = (log.verifier_key(), witness.verifier_key());
    let text = checkpoint(5).sign(&log).unwrap();
    let seconds = 1 << 63;
    assert_eq!(witness.cosign(&checkpoint(5), seconds), Err(NoteError::Time { seconds }));
    let mut prose = SignedNote::sign("prose\n", &log).unwrap();
    assert_eq!(prose.cosign(&witness, 0), Err(NoteError::CheckpointShape));

    // A witness's line is no log's, a log's no witness's, and a log must have signed.
    let alone = witness.cosign(&checkpoint(5), 7).unwrap();
    let unsigned = format!("{}\n{alone}\n", checkpoint(5).to_body());
    assert_eq!(Checkpoint::verify_cosigned(&unsigned, log_vkey, &[key]), Err(NoteError::Untrusted));
    let wrong = |key: &VerifierKey| NoteError::WrongKeyType { key: key.label() };
    assert_eq!(Checkpoint::verify(&text, key), Err(wrong(key)));
    let by_log = Checkpoint::verify_cosigned(&text, log_vkey, &[log_vkey]);
    assert_eq!(by_log, Err(wrong(log_vkey)));

    let good = alone.bytes().to_vec();
    let check = |bytes: &[u8]| {
        let text = format!("{text}{}\n", NoteSignature::of_key(key, bytes));
        let refused = Err(NoteError::BadSignature { key: key.label() });
        assert_eq!(Checkpoint::verify_cosigned(&text, log_vkey, &[key]), refused, "{bytes:?}");
        Checkpoint::verify(&text, log_vkey).unwrap();
    };
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 0x80;
        check(&bytes);
    }
    check(&good[..71]);
    check(&good[..7]);
    check(&good[8..]);
    check(&[good.as_slice(), &[0]].concat());
    // A time beyond 2^63 - 1, truly signed.
    let late = 1_u64 << 63;
    let pair = KeyPair::new(key.name().clone(), SignatureType::CosignatureV1, &[2; 32]);
    let message = format!("cosignature/v1\ntime {late}\n{}", checkpoint(5).to_body());
    let signature = pair.sign(message.as_bytes());
    check(&[&late.to_be_bytes(), signature.as_slice()].concat());
}
