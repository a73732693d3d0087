use sha3::{Digest, Keccak256};

use super::{
    testing::{SUCCESS, address, body, header, leaves, proof, sign, transaction},
    *,
};
use crate::{
    Hash, NodeId,
    note::{Checkpoint, KeyName, SigningKey},
    tron::{
        Address, BlockId, BlockNumber, Body, Contract, Creation, Header, HeaderBody, Path, Sun,
        Transaction, TronError, message,
    },
};

fn log_key() -> SigningKey {
    let unnamed = SigningKey::from_seed(KeyName::new("any").unwrap(), &[9; 32]);
    let id = NodeId::of_public_key(unnamed.verifier_key().public_key());
    SigningKey::from_seed(KeyName::new(id.log_origin()).unwrap(), &[9; 32])
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: log_key().name().clone(), size: 300, root: Hash::of(b"root") }
}

fn contract() -> Address {
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".parse().unwrap()
}

fn targets() -> [AnchorTarget; 2] {
    [AnchorTarget::Contract(contract()), AnchorTarget::Memo(address(7))]
}

fn verify(proof: &AnchorProof) -> Result<AnchorClaims, AnchorFinding> {
    proof.verify(&checkpoint(), &AnchorPins::default())
}

#[test]
fn the_selector_is_that_of_the_function() {
    assert_eq!(Keccak256::digest("anchor(bytes32,uint64)")[..4], SELECTOR);
}

#[test]
fn both_forms_hold_and_say_what_was_checked() {
    for target in targets() {
        let claims = verify(&proof(&checkpoint(), target)).unwrap();
        assert_eq!(claims.address, address(1));
        assert_eq!((claims.witness, claims.signer), (address(2), address(2)));
        assert_eq!(claims.block_number, BlockNumber(70_000_002));
        assert_eq!(claims.block.number(), claims.block_number);
        assert_eq!(claims.block_time.to_string(), "2027-01-15T08:00:03.000Z");
        assert_eq!(claims.genesis.name(), "nile");
        let (form, called) = match target {
            AnchorTarget::Contract(contract) => (AnchorForm::Contract, Some(contract)),
            AnchorTarget::Memo(_) => (AnchorForm::Memo, None),
        };
        assert_eq!((claims.form, claims.contract), (form, called));
        let checked = claims.checked_offline().join("\n");
        for said in [&claims.transaction.to_string(), &claims.block.to_string()] {
            assert!(checked.contains(said), "{checked}");
        }
        let needs = claims.needs_a_node().join("\n");
        assert!(needs.contains("is solid") && needs.contains("elected witness"), "{needs}");
        assert_eq!(needs.contains("LucidAnchors"), called.is_some(), "{needs}");
        assert!(!needs.contains("lets the key"), "{needs}");
    }
}

/// As anybody reads it in a block explorer.
#[test]
fn a_memo_is_the_body_of_the_checkpoint() {
    let body = body(&checkpoint(), AnchorTarget::Memo(address(7)));
    let memo = String::from_utf8(body.memo.clone()).unwrap();
    let lines: Vec<&str> = memo.split('\n').collect();
    assert_eq!(lines[..2], [log_key().name().as_str(), "300"]);
    assert_eq!((lines[2].len(), lines[3], lines.len()), (44, "", 4));
    assert_eq!(memo, checkpoint().to_body());
}

#[test]
fn a_witness_may_let_another_key_sign() {
    let anchor = transaction(&body(&checkpoint(), targets()[0]));
    let leaves = leaves(&anchor);
    let path = Path::of(&leaves, 2).unwrap();
    let proof = AnchorProof::new(Genesis::NILE, &anchor, &header(&leaves, 3), &path).unwrap();
    let claims = verify(&proof).unwrap();
    assert_eq!((claims.witness, claims.signer), (address(2), address(3)));
    assert!(claims.needs_a_node().iter().any(|need| need.contains("lets the key")));
}

#[test]
fn payloads_do_one_thing() {
    let read = |alter: &dyn Fn(&mut Body), target| {
        let mut body = body(&checkpoint(), target);
        alter(&mut body);
        AnchorPayload::read(&body)
    };
    let [call, memo] = targets();
    for target in [call, memo] {
        let payload = read(&|_| {}, target).unwrap();
        assert_eq!(payload, AnchorPayload::of(&checkpoint(), target));
        assert_eq!(payload.commits_to(&checkpoint()), Ok(()));
        for other in [
            Checkpoint { size: 301, ..checkpoint() },
            Checkpoint { root: Hash::of(b"x"), ..checkpoint() },
        ] {
            assert!(payload.commits_to(&other).is_err());
        }
    }
    let data = |alter: fn(&mut Vec<u8>)| {
        move |body: &mut Body| match &mut body.contract {
            Contract::Call(call) => alter(&mut call.data),
            other => panic!("{other:?}"),
        }
    };
    let refused = |alter: &dyn Fn(&mut Body), target, says: &str| {
        let message = read(alter, target).unwrap_err().to_string();
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    refused(&data(|data| data[0] ^= 1), call, "anchor(bytes32,uint64)");
    refused(&data(|data| data.push(0)), call, "anchor(bytes32,uint64)");
    refused(&data(|data| data.truncate(67)), call, "anchor(bytes32,uint64)");
    refused(&data(|data| data[36] = 1), call, "anchor(bytes32,uint64)");
    refused(&data(|data| data[59] = 1), call, "anchor(bytes32,uint64)");
    refused(&data(Vec::clear), call, "anchor(bytes32,uint64)");
    refused(&|body| body.memo = b"x".to_vec(), call, "memo");
    let sends = |body: &mut Body| match &mut body.contract {
        Contract::Call(call) => call.value = Sun::new(1),
        other => panic!("{other:?}"),
    };
    refused(&sends, call, "TRX");
    let moves = |amount: u64| {
        move |body: &mut Body| match &mut body.contract {
            Contract::Transfer(transfer) => transfer.amount = Sun::new(amount),
            other => panic!("{other:?}"),
        }
    };
    refused(&moves(0), memo, "1 sun");
    refused(&moves(2), memo, "1 sun");
    refused(&|body| body.fee_limit = Sun::new(1), memo, "limit of fees");
    refused(&|body| body.memo.clear(), memo, "three lines");
    refused(&|body| body.memo.truncate(body.memo.len() - 1), memo, "three lines");
    refused(&|body| body.memo.extend_from_slice(b"more\n"), memo, "three lines");
    refused(&|body| body.memo[0] = 0xff, memo, "three lines");
    let creates = |body: &mut Body| {
        body.contract = Contract::Create(Creation {
            owner: address(1),
            name: "LucidAnchors".into(),
            abi: None,
            bytecode: vec![0xfe],
            value: Sun::ZERO,
            caller_percent: 100,
            owner_energy_max: 1,
        });
    };
    refused(&creates, call, "creates a contract");
}

#[test]
fn another_log_with_the_same_root_has_another_memo() {
    let other =
        Checkpoint { origin: KeyName::new("lucid/0011223344556677").unwrap(), ..checkpoint() };
    let refused = proof(&other, targets()[1]).verify(&checkpoint(), &AnchorPins::default());
    assert!(matches!(refused, Err(AnchorFinding::OtherCheckpoint(_))), "{refused:?}");
}

#[test]
fn steps_are_those_of_the_path() {
    let all: Vec<Hash> = (0..40_u8).map(|n| Hash::of(&[n])).collect();
    let anchor = transaction(&body(&checkpoint(), targets()[0]));
    for count in 1..=all.len() {
        for index in 0..count {
            let mut leaves = all[..count].to_vec();
            leaves[index] = anchor.leaf().unwrap();
            let path = Path::of(&leaves, index as u32).unwrap();
            let header = header(&leaves, 2);
            let proof = AnchorProof::new(Genesis::NILE, &anchor, &header, &path).unwrap();
            assert_eq!(proof.path.len(), path.beside.len());
            assert!(verify(&proof).is_ok(), "{index} of {count}");
            for place in 0..proof.path.len() {
                let mut turned = proof.clone();
                turned.path[place] = match turned.path[place] {
                    Step::Left(hash) => Step::Right(hash),
                    Step::Right(hash) => Step::Left(hash),
                };
                assert_eq!(verify(&turned), Err(AnchorFinding::NotInBlock), "{index}/{count}");
            }
        }
    }
    let path = Path { index: 1, count: 5, beside: vec![] };
    assert!(Step::of_path(&path).is_empty(), "one that does not fit does not panic");
    let header = header(&all, 2);
    let made = AnchorProof::new(Genesis::NILE, &anchor, &header, &path);
    assert_eq!(made, Err(AnchorFinding::NotInBlock));
}

#[test]
fn what_does_not_hold_is_named() {
    let good = || proof(&checkpoint(), targets()[0]);
    let check = |alter: &dyn Fn(&mut AnchorProof), says: &str| {
        let mut altered = good();
        alter(&mut altered);
        let message = verify(&altered).unwrap_err().to_string();
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    check(&|p| p.signer = address(3), "not by");
    check(&|p| p.path.truncate(1), "not in the block");
    check(&|p| p.path.push(Step::Left(Hash::default())), "not in the block");
    check(&|p| p.path = vec![Step::Left(Hash::default()); 33], "the path is longer");
    check(&|p| p.transaction = vec![0; 4097], "the transaction is longer");
    check(&|p| p.header = vec![0; 1025], "the block header is longer");
    check(&|p| p.transaction.clear(), "the transaction");
    check(&|p| p.header.clear(), "the block header");
    check(&|p| p.transaction.push(0), "the transaction");
    // Of another account's transaction the signature is not the owner's.
    let body = body(&checkpoint(), targets()[0]);
    let foreign = Transaction::new(&body, sign(4, &body.encode()));
    assert!(matches!(foreign, Err(TronError::Signer { .. })));
    let unended = Transaction::new(&body, sign(1, &body.encode())).unwrap();
    check(&|p| p.transaction = unended.encode(), "SUCCESS");
    for ended in [
        message::Ended { contract_ret: 2, ..SUCCESS },
        message::Ended { fee: 1, ..SUCCESS },
        message::Ended { ret: 1, ..SUCCESS },
    ] {
        let ended = unended.clone().ended_as(ended);
        check(&|p| p.transaction = ended.encode(), "SUCCESS");
    }
    // Values that cannot be repeated in a report; each header is soundly signed.
    let body = header(&[Hash::default()], 2).body().clone();
    for (odd, says) in [
        (HeaderBody { version: -1, ..body.clone() }, "version"),
        (HeaderBody { number: BlockNumber(1 << 53), ..body.clone() }, "number"),
        (HeaderBody { timestamp_ms: 253_402_300_800_000, ..body.clone() }, "timestamp"),
    ] {
        let header = Header::new(odd.clone(), sign(2, &odd.encode())).unwrap();
        check(&|p| p.header = header.encode(), says);
    }
    let path = Path { index: 0, count: 1, beside: vec![] };
    let header = header(&[Hash::default()], 2);
    let made = AnchorProof::new(Genesis::NILE, &unended, &header, &path);
    assert_eq!(made, Err(AnchorFinding::NotSuccessful));
}

#[test]
fn pins_are_compared() {
    let [call, memo] = targets();
    let check = |target, pins: AnchorPins, says: Option<&str>| {
        let found = proof(&checkpoint(), target).verify(&checkpoint(), &pins);
        match (found, says) {
            (Ok(claims), None) => assert_eq!(claims.pins, pins),
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, says) => panic!("{found:?} is not {says:?}"),
        }
    };
    let none = AnchorPins::default;
    for target in [call, memo] {
        check(target, AnchorPins { address: Some(address(1)), ..none() }, None);
        check(target, AnchorPins { address: Some(address(2)), ..none() }, Some("not by T"));
        check(target, AnchorPins { network: Some(Genesis::NILE), ..none() }, None);
        let mainnet = AnchorPins { network: Some(Genesis::MAINNET), ..none() };
        check(target, mainnet, Some("on the network nile"));
    }
    check(call, AnchorPins { contract: Some(contract()), ..none() }, None);
    check(call, AnchorPins { contract: Some(address(9)), ..none() }, Some("a call of"));
    check(memo, AnchorPins { contract: Some(contract()), ..none() }, Some("by a memo"));
}

#[test]
fn a_network_without_a_name_holds_only_where_it_is_given() {
    let genesis = Genesis(BlockId::new(BlockNumber(0), &Hash::of(b"custom")));
    let mut custom = proof(&checkpoint(), targets()[0]);
    custom.genesis = genesis;
    assert_eq!(verify(&custom), Err(AnchorFinding::UnknownNetwork(genesis)));
    let pins = AnchorPins::of(&custom);
    assert_eq!(custom.verify(&checkpoint(), &pins).unwrap().genesis.name(), "custom");
}

/// The bytes of a header whose signature has the other s, or the other v, of the same meaning.
fn restated(header: &Header, alter: impl Fn(&mut [u8; 65])) -> Vec<u8> {
    let mut signature = *header.signature().as_bytes();
    alter(&mut signature);
    let mut bytes = header.encode();
    let start = bytes.len() - 65;
    bytes[start..].copy_from_slice(&signature);
    bytes
}

#[test]
fn a_headers_signature_has_one_form() {
    let anchor = transaction(&body(&checkpoint(), targets()[0]));
    let header = header(&leaves(&anchor), 2);
    assert_eq!(restated(&header, |_| {}), header.encode());
    let low = k256::ecdsa::Signature::from_slice(&header.signature().as_bytes()[..64]).unwrap();
    let (r, s) = low.split_scalars();
    let s_high = k256::ecdsa::Signature::from_scalars(*r, -*s).unwrap().to_bytes();
    let high = restated(&header, |signature| {
        signature[..64].copy_from_slice(&s_high);
        signature[64] ^= 1;
    });
    let large_v = restated(&header, |signature| signature[64] += 27);
    for other in [high, large_v] {
        let mut altered = proof(&checkpoint(), targets()[0]);
        altered.header = other;
        assert!(matches!(verify(&altered), Err(AnchorFinding::Header(_))));
    }
}

#[test]
fn no_bit_of_transaction_or_header_can_be_flipped() {
    for target in targets() {
        let good = proof(&checkpoint(), target);
        assert!(verify(&good).is_ok());
        for place in 0..good.transaction.len() * 8 {
            let mut altered = good.clone();
            altered.transaction[place / 8] ^= 1 << (place % 8);
            assert!(verify(&altered).is_err(), "bit {place} of the transaction");
        }
        for place in 0..good.header.len() * 8 {
            let mut altered = good.clone();
            altered.header[place / 8] ^= 1 << (place % 8);
            assert!(verify(&altered).is_err(), "bit {place} of the header");
        }
    }
}

#[test]
fn a_record_comes_back_and_every_byte_counts() {
    let note = checkpoint().sign(&log_key()).unwrap();
    let record = AnchorRecord::new(&note, proof(&checkpoint(), targets()[1])).unwrap();
    let bytes = record.to_bytes();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(bytes, serde_json_canonicalizer::to_vec(&value).unwrap(), "RFC 8785");
    assert_eq!(AnchorRecord::parse(&bytes).unwrap(), record);
    let holds = |bytes: &[u8]| {
        let key = log_key().verifier_key().clone();
        let parsed = AnchorRecord::parse(bytes);
        parsed.is_ok_and(|record| record.verify(&key, &AnchorPins::default()).is_ok())
    };
    assert!(holds(&bytes));
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[place] ^= 1 << bit;
            assert!(!holds(&altered), "bit {bit} of byte {place}");
        }
        assert!(!holds(&bytes[..place]), "cut at {place}");
    }
    let stranger = SigningKey::from_seed(log_key().name().clone(), &[8; 32]);
    assert!(record.verify(stranger.verifier_key(), &AnchorPins::default()).is_err());
}

#[test]
fn malformed_records_are_refused() {
    let note = checkpoint().sign(&log_key()).unwrap();
    let record = AnchorRecord::new(&note, proof(&checkpoint(), targets()[0])).unwrap();
    let text = String::from_utf8(record.to_bytes()).unwrap();
    let check = |from: &str, to: &str, says: &str| {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        let message = AnchorRecord::parse(altered.as_bytes()).unwrap_err().to_string();
        assert!(message.contains(says), "{says:?} not in {message:?}");
    };
    check("\"version\":1", "\"version\":2", "version 2");
    check("\"version\":1", "\"version\":01", "JSON");
    check("\"nile\"", "\"mainnet\"", "network");
    check("{\"checkpoint\"", "{ \"checkpoint\"", "canonical");
    check("\"header\":\"", "\"header\":\"0", "header");
    check("\"transaction\":\"0a", "\"transaction\":\"0A", "transaction");
    check("\"side\":\"right\"", "\"side\":\"above\"", "JSON");
    check("\\n\\n", "\\n", "checkpoint");
    let step = format!("{{\"hash\":\"{}\",\"side\":\"left\"}}", Hash::default());
    check("\"path\":[", &format!("\"path\":[{}", format!("{step},").repeat(40)), "path");
    let long = vec![b' '; AnchorRecord::BYTES_MAX + 1];
    assert!(matches!(AnchorRecord::parse(&long), Err(RecordError::TooLong)));
    assert!(AnchorRecord::new("no note", record.proof().clone()).is_err());
}
