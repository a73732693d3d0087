use super::*;
use crate::{
    Hash, Parameters, Policy,
    block::{BlockNumber, Header},
    chunk::Suite,
    tron::{
        self, BlockId, TransactionId,
        anchor::{AnchorForm, Genesis},
    },
};

fn session() -> SessionId {
    SessionId::from_random([1; 16])
}

fn samples() -> Vec<Entry> {
    let at = Timestamp::from_unix_millis(1);
    let owner: crate::Owner = "local".parse().unwrap();
    let policy = Policy::with_suite(Suite::Aes256Gcm);
    vec![
        Entry::SessionOpened(SessionOpened {
            at,
            kind: Default::default(),
            media_type: "application/x-tar".parse().unwrap(),
            owner: owner.clone(),
            policy,
            session_id: session(),
            v: Default::default(),
        }),
        Entry::SessionSealed(SessionSealed {
            at,
            chunk_count: 2,
            kind: Default::default(),
            manifest_hash: Hash::of(b"m"),
            merkle_root: Hash::of(b"r"),
            owner,
            plain_bytes: 9_007_199_254_740_991,
            policy_hash: policy.hash(),
            session_id: session(),
            v: Default::default(),
        }),
        Entry::SessionVoided(SessionVoided {
            at,
            kind: Default::default(),
            reason: "gave \"up\"\n\u{7f}é\u{1}".into(),
            session_id: session(),
            v: Default::default(),
        }),
        Entry::SessionErased(SessionErased {
            at,
            kind: Default::default(),
            session_id: session(),
            v: Default::default(),
        }),
        Entry::UserChanged(UserChanged {
            at,
            by: "local".parse().unwrap(),
            kind: Default::default(),
            revoked: false,
            role: crate::access::Role::Operator,
            user: "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse().unwrap(),
            v: Default::default(),
        }),
        Entry::NodeEvent(NodeEvent {
            at,
            detail: String::new(),
            event: "log.created".into(),
            kind: Default::default(),
            v: Default::default(),
        }),
        Entry::EvmBody(EvmBody {
            at,
            data: vec![0xc0, 0xff, 0xfe],
            kind: Default::default(),
            number: BlockNumber(7),
            part: 1,
            v: Default::default(),
        }),
        Entry::EvmBlock(block(2)),
        Entry::ParametersChanged(parameters(&block(2))),
        Entry::AnchorTron(anchor()),
        Entry::AnchorTron(AnchorTron { contract: None, form: AnchorForm::Memo, ..anchor() }),
    ]
}

fn anchor() -> AnchorTron {
    let block_number = tron::BlockNumber(70_000_002);
    AnchorTron {
        at: Timestamp::from_unix_millis(1),
        block_id: BlockId::new(block_number, &Hash::of(b"block")),
        block_number,
        contract: Some("TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse().unwrap()),
        form: AnchorForm::Contract,
        genesis: Genesis::NILE,
        kind: Default::default(),
        log_root: Hash::of(b"log"),
        log_size: 300,
        network: "nile".into(),
        tx_id: TransactionId(Hash::of(b"tx")),
        v: Default::default(),
    }
}

#[test]
fn anchors_agree_with_themselves() {
    let block = |number| BlockId::new(tron::BlockNumber(number), &Hash::of(b"block"));
    let number = tron::BlockNumber;
    for bad in [
        AnchorTron { block_number: number(70_000_003), ..anchor() },
        AnchorTron { block_number: number(0), block_id: block(0), ..anchor() },
        AnchorTron { block_number: number(1 << 53), block_id: block(1 << 53), ..anchor() },
        AnchorTron { contract: None, ..anchor() },
        AnchorTron { form: AnchorForm::Memo, ..anchor() },
        AnchorTron { genesis: Genesis(block(1)), network: "custom".into(), ..anchor() },
        AnchorTron { genesis: Genesis::MAINNET, ..anchor() },
        AnchorTron { log_size: 0, ..anchor() },
        AnchorTron { log_size: 1 << 53, ..anchor() },
        AnchorTron { network: "custom".into(), ..anchor() },
    ] {
        assert!(Entry::AnchorTron(bad.clone()).to_bytes().is_err(), "{bad:?}");
        assert!(Entry::parse(&json::to_canonical(&bad)).is_err(), "{bad:?}");
    }
    let custom = AnchorTron { genesis: Genesis(block(0)), network: "custom".into(), ..anchor() };
    assert!(Entry::AnchorTron(custom).to_bytes().is_ok());
}

fn block(parts: u32) -> EvmBlock {
    let at = Timestamp::from_unix_millis(1);
    let header = Header {
        gas_used: 21_000,
        log_root: Hash::of(b"log"),
        log_size: 7,
        number: BlockNumber(7),
        parent: Hash::of(b"parent"),
        receipts_root: Hash::of(b"receipts"),
        state_root: Hash::of(b"state"),
        time: at,
        tx_root: Hash::of(b"tx"),
    };
    let hash = header.hash();
    EvmBlock { at, hash, header, kind: Default::default(), parts, v: Default::default() }
}

fn parameters(of: &EvmBlock) -> ParametersChanged {
    ParametersChanged {
        at: of.at,
        block: of.header.number,
        block_hash: of.hash,
        kind: Default::default(),
        parameters: Parameters { session_bytes_max: 1 << 30, ..Parameters::default() },
        v: Default::default(),
    }
}

#[test]
fn parameters_have_bounds_and_follow_their_block() {
    let of = block(1);
    let changed = parameters(&of);
    assert!(changed.follows(Some(&Entry::EvmBlock(of))));
    assert!(!changed.follows(None));
    assert!(!changed.follows(Some(&samples()[0])));
    assert!(!changed.follows(Some(&Entry::ParametersChanged(changed.clone()))));
    let other = |of: EvmBlock| !changed.follows(Some(&Entry::EvmBlock(of)));
    assert!(other(EvmBlock { hash: Hash::of(b"another"), ..block(1) }));
    let header = Header { number: BlockNumber(8), ..block(1).header };
    assert!(other(EvmBlock { header, ..block(1) }));
    for bad in [
        ParametersChanged { block: BlockNumber(0), ..changed.clone() },
        ParametersChanged { block: BlockNumber(json::INTEGER_MAX + 1), ..changed.clone() },
        ParametersChanged {
            parameters: Parameters { zstd_level: 0, ..changed.parameters },
            ..changed.clone()
        },
    ] {
        let bad = Entry::ParametersChanged(bad);
        assert!(bad.to_bytes().is_err(), "{bad:?}");
        let Entry::ParametersChanged(entry) = &bad else { panic!("{bad:?}") };
        assert!(Entry::parse(&json::to_canonical(entry)).is_err(), "{bad:?}");
    }
}

#[test]
fn blocks_and_their_bodies_have_bounds() {
    let body = |bytes: usize, part, number| {
        Entry::EvmBody(EvmBody {
            at: Timestamp::from_unix_millis(1),
            data: vec![0; bytes],
            kind: Default::default(),
            number: BlockNumber(number),
            part,
            v: Default::default(),
        })
    };
    let largest = body(BODY_PART_BYTES_MAX, BODY_PARTS_MAX - 1, json::INTEGER_MAX).to_bytes();
    assert!(
        largest.is_ok_and(|bytes| bytes.len() < ENTRY_BYTES_MAX && Entry::parse(&bytes).is_ok())
    );
    for bad in [
        body(0, 0, 0),
        body(BODY_PART_BYTES_MAX + 1, 0, 0),
        body(1, BODY_PARTS_MAX, 0),
        body(1, 0, json::INTEGER_MAX + 1),
        Entry::EvmBlock(block(0)),
        Entry::EvmBlock(block(BODY_PARTS_MAX + 1)),
        Entry::EvmBlock(EvmBlock { hash: Hash::of(b"another"), ..block(1) }),
    ] {
        assert!(bad.to_bytes().is_err(), "{bad:?}");
    }
}

#[test]
fn every_kind_is_canonical_and_comes_back() {
    for entry in samples() {
        let bytes = entry.to_bytes().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let foreign = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(String::from_utf8(bytes.clone()), String::from_utf8(foreign));
        assert_eq!(Entry::parse(&bytes).unwrap(), entry);
        assert_eq!(value["kind"], entry.kind());
        assert_eq!(value["v"], 1);
    }
}

#[test]
fn no_altered_byte_gives_the_same_entry() {
    for entry in samples() {
        let bytes = entry.to_bytes().unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[place] ^= 1 << bit;
                if let Ok(other) = Entry::parse(&altered) {
                    assert_eq!(other.to_bytes().unwrap(), altered, "one encoding of each value");
                    assert_ne!(other, entry);
                }
            }
        }
    }
}

#[test]
fn unknown_kinds_are_kept() {
    let text = r#"{"at":"1970-01-01T00:00:00.001Z","hash":"00","kind":"moon.phase","n":5,"v":1}"#;
    let entry = Entry::parse(text.as_bytes()).unwrap();
    assert_eq!((entry.kind(), entry.at().unix_millis()), ("moon.phase", 1));
    assert_eq!(entry.to_bytes().unwrap(), text.as_bytes());
    assert_eq!(entry.session(), None);
}

#[test]
fn other_versions_are_kept_as_they_are() {
    let at = r#""at":"1970-01-01T00:00:00.001Z""#;
    let check = |text: &str, kind: &str, version: u64| {
        let entry = Entry::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!((entry.kind(), entry.at().unix_millis()), (kind, 1), "{text}");
        assert_eq!(entry.to_bytes().unwrap(), text.as_bytes());
        assert_eq!(entry.session(), None, "it is about no session that this version knows");
        match entry.of_this_version() {
            Err(EntryError::Version(found)) => assert_eq!(found, version),
            other => panic!("{text}: {other:?}"),
        }
    };
    check(&format!(r#"{{{at},"kind":"a.b","v":2}}"#), "a.b", 2);
    check(&format!(r#"{{{at},"kind":"a.b","v":0}}"#), "a.b", 0);
    check(&format!(r#"{{{at},"kind":"a.b","v":9007199254740991}}"#), "a.b", 9_007_199_254_740_991);
    // Kinds, fields and forms that version 1 does not have.
    check(&format!(r#" {{ "v":2,"kind":"Any kind at all",{at} }}"#), "Any kind at all", 2);
    check(
        &format!(r#"{{{at},"kind":"session.erased","session_id":7,"v":2}}"#),
        "session.erased",
        2,
    );
    check(&format!(r#"{{{at},"kind":"a.b","n":[1.5,null],"v":3,"é":1}}"#), "a.b", 3);
    for entry in samples() {
        assert_eq!(entry.clone().of_this_version().unwrap(), entry);
        let newer = String::from_utf8(entry.to_bytes().unwrap()).unwrap();
        check(&newer.replace("\"v\":1}", "\"v\":2}"), entry.kind(), 2);
    }
    let unknown = format!(r#"{{{at},"kind":"a.b","v":1}}"#);
    assert!(Entry::parse(unknown.as_bytes()).unwrap().of_this_version().is_ok(), "another kind");
}

#[test]
fn malformed_entries_are_refused() {
    let check = |text: &str| Entry::parse(text.as_bytes()).unwrap_err().to_string();
    let at = r#""at":"1970-01-01T00:00:00.001Z""#;
    for (text, says) in [
        (String::new(), "damaged"),
        ("{}".into(), "damaged"),
        (format!(r#"{{{at},"kind":"a.b"}}"#), "damaged"),
        (format!(r#"{{{at},"v":2}}"#), "damaged"),
        (r#"{"kind":"a.b","v":2}"#.into(), "damaged"),
        (r#"{"at":"1970-01-01","kind":"a.b","v":2}"#.into(), "damaged"),
        (format!(r#"{{{at},"kind":["a.b"],"v":2}}"#), "damaged"),
        (format!(r#"{{{at},"kind":"a.b","v":"2"}}"#), "damaged"),
        (format!(r#"{{{at},"kind":"a.b","v":-1}}"#), "damaged"),
        (format!(r#"{{{at},"kind":"a.b","v":2.5}}"#), "damaged"),
        (format!(r#"{{{at},"kind":"a.b","v":9007199254740992}}"#), "field v"),
        (format!(r#"{{{at},"kind":"a.b","v":2,"v":1}}"#), "damaged"),
        (format!(r#"{{{at},"kind":"a.b","v":2}}}}"#), "damaged"),
        (r#"[2,"a.b","1970-01-01T00:00:00.001Z"]"#.into(), "the entry"),
        (r#" [2,"a.b","1970-01-01T00:00:00.001Z"]"#.into(), "the entry"),
        (format!(r#"{{{at},"kind":"a.b","t":"{}","v":2}}"#, "x".repeat(65_535)), "65,535"),
        (format!(r#"{{{at},"kind":"ab","v":1}}"#), "kind"),
        (format!(r#"{{{at},"kind":"A.b","v":1}}"#), "kind"),
        (format!(r#"{{{at},"kind":"a..b","v":1}}"#), "kind"),
        (format!(r#"{{{at},"kind":"a.b","n":1.5,"v":1}}"#), "field n"),
        (format!(r#"{{{at},"kind":"a.b","n":9007199254740992,"v":1}}"#), "field n"),
        (format!(r#"{{{at},"kind":"a.b","v":1,"é":1}}"#), "the entry"),
        (format!(r#"{{{at},"kind":"a.b","v":1,"a":1}}"#), "canonical"),
        (format!(r#"{{{at},"kind":"a.b","v":1 }}"#), "canonical"),
        (format!(r#"{{{at},"kind":"session.erased","v":1}}"#), "session_id"),
        (format!(r#"{{{at},"kind":"a.b","t":"{}","v":1}}"#, "x".repeat(65_535)), "65,535"),
    ] {
        let message = check(&text);
        assert!(message.contains(says), "{says:?} not in {message:?}");
    }
    let latin = format!(r#"{{{at},"kind":"a.b","t":"x","v":2}}"#).replace('x', "\u{7f}");
    let latin: Vec<u8> = latin.bytes().map(|c| if c == 0x7f { 0xff } else { c }).collect();
    assert!(matches!(Entry::parse(&latin), Err(EntryError::Form(_))), "no UTF-8");
    let mut large = samples().remove(1);
    if let Entry::SessionSealed(entry) = &mut large {
        entry.plain_bytes += 1;
    }
    assert!(matches!(large.to_bytes(), Err(EntryError::Form(_))));
    let mut long = samples().remove(2);
    if let Entry::SessionVoided(entry) = &mut long {
        entry.reason = "x".repeat(1025);
    }
    assert!(matches!(long.to_bytes(), Err(EntryError::TextLength { field: "reason", .. })));
}
