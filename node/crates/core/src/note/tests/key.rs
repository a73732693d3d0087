//! Names and keys: published ones, and every way to spell one wrongly.

use super::*;
use crate::hash::parse_lower_hex;

/// From signed-note.md, "Verifier keys, Example".
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn names() {
    let long = "n".repeat(1000);
    for name in ["a", "example.com/foo", "lucid/00ff", "ž—è", "a\u{7f}", "=", long.as_str()] {
        let parsed: KeyName = name.parse().unwrap();
        assert_eq!(parsed.to_string(), name);
    }
    let bad = ["", " ", "a b", "a+b", "+", "a\n", "\ta", "a\u{a0}b", "\u{2003}", "a\0", "a\u{85}"];
    for name in bad {
        assert_eq!(KeyName::new(name), Err(NoteError::KeyName), "{name:?}");
    }
}

#[test]
fn published_verifier_keys() {
    for (text, kind) in [
        (VKEY, SignatureType::Ed25519),
        // From the documentation of golang.org/x/mod/sumdb/note.
        (
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            SignatureType::Ed25519,
        ),
        // Of a running witness, from transparency-dev/formats.
        (
            "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
            SignatureType::CosignatureV1,
        ),
    ] {
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!((key.to_string().as_str(), key.kind()), (text, kind));
        let again = VerifierKey::new(key.name().clone(), kind, key.public_key());
        assert_eq!(again, Ok(key));
    }
}

/// A key text with these parts, with the id that belongs to them.
fn vkey(name: &str, key: &[u8]) -> String {
    let id = Hash::of_parts(&[name.as_bytes(), b"\n", key]);
    format!("{name}+{}+{}", hex::encode(&id.0[..4]), line::base64(key))
}

#[test]
fn malformed_verifier_keys() {
    let check = |text: &str, want| assert_eq!(text.parse::<VerifierKey>(), Err(want), "{text}");
    let key = VKEY.parse::<VerifierKey>().unwrap();
    let typed = |kind: u8, key: &[u8]| [&[kind], key].concat();
    assert_eq!(vkey("example.com/foo", &typed(1, key.public_key())), VKEY);

    for text in [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+30d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k+",
        &vkey("a", &typed(1, &[9; 31])),
        &vkey("a", &typed(1, &[9; 33])),
    ] {
        check(text, NoteError::VerifierKey);
    }
    check(&VKEY[15..], NoteError::KeyName);
    check(&VKEY.replace("/foo", " foo"), NoteError::KeyName);
    for kind in [0, 2, 3, 5, 6, 0xff] {
        check(&vkey("a", &typed(kind, key.public_key())), NoteError::SignatureType(kind));
    }
    for (from, to) in [("530d", "530e"), ("foo", "fop"), ("example", "Example")] {
        let name = KeyName::new(VKEY.replace(from, to).split('+').next().unwrap()).unwrap();
        check(&VKEY.replacen(from, to, 1), NoteError::KeyId { name });
    }
}

#[test]
fn unsound_public_keys() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    // y = 2^255 - 19 + 3 is a second encoding of y = 3, a point of large order.
    let mut three = [0xff; 32];
    (three[0], three[31]) = (0xf0, 0x7f);
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    for key in [[0; 32], one, minus_one, three, off_curve] {
        for kind in [SignatureType::Ed25519, SignatureType::CosignatureV1] {
            let refused = VerifierKey::new(KeyName::new("a").unwrap(), kind, &key);
            assert_eq!(refused, Err(NoteError::PublicKey), "{key:?}");
        }
    }
    let mut canonical_three = [0; 32];
    canonical_three[0] = 3;
    let name = KeyName::new("a").unwrap();
    VerifierKey::new(name, SignatureType::Ed25519, &canonical_three).unwrap();
}

#[test]
fn seeds_give_rfc_8032_keys() {
    // RFC 8032 §7.1, TEST 1.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let key = SigningKey::from_seed(
        KeyName::new("example.com").unwrap(),
        &parse_lower_hex(seed).unwrap(),
    );
    assert_eq!(hex::encode(key.verifier_key().public_key()), public);
    let text = key.verifier_key().to_string();
    assert_eq!(text.parse().as_ref(), Ok(key.verifier_key()));
}
