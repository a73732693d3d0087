//! Transactions byte for byte as tronweb makes them of the same: what is signed, ids, signatures.
//!
//! The vectors are made, and checked to be tronweb's still, by `node/tests/clients/tron_vectors.mjs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use lucid_core::{
    Timestamp,
    tron::{Body, Sun, TronError},
};
use lucid_tron::{Key, NewContract, Terms, calls, read_abi};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/clients/tron_vectors.json")).unwrap()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn bytes(of: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(of, name)).unwrap()
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("{name}"))
}

fn terms(vectors: &Value, vector: &Value) -> Terms {
    let reference = &vectors["reference"];
    // A block's id that the reference is of.
    let block = format!(
        "000000000000{}{}{}",
        text(reference, "ref_block_bytes"),
        text(reference, "ref_block_hash"),
        "00".repeat(16)
    );
    Terms {
        owner: text(vector, "owner").parse().unwrap(),
        reference: block.parse().unwrap(),
        at: Timestamp::from_unix_millis(number(reference, "timestamp")),
        expires: Timestamp::from_unix_millis(number(reference, "expiration")),
        fee_limit: Sun::new(vector["fee_limit_sun"].as_u64().unwrap_or(0)),
    }
}

fn body(terms: &Terms, vector: &Value) -> Body {
    match text(vector, "kind") {
        "transfer" => terms.transfer(
            text(vector, "to").parse().unwrap(),
            Sun::new(number(vector, "amount_sun")),
            &bytes(vector, "memo"),
        ),
        "call" => terms.call(
            text(vector, "contract").parse().unwrap(),
            Sun::new(number(vector, "value_sun")),
            bytes(vector, "data"),
        ),
        "create" => terms.create(NewContract {
            name: text(vector, "contract_name").to_owned(),
            abi: read_abi(&vector["abi"].to_string()).unwrap(),
            bytecode: bytes(vector, "bytecode"),
            arguments: Vec::new(),
            caller_percent: number(vector, "percent").try_into().unwrap(),
            owner_energy_max: number(vector, "energy_max").try_into().unwrap(),
        }),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_built_and_signed_is_tronwebs() {
    let vectors = vectors();
    let mut kinds = [0; 3];
    for vector in vectors["transactions"].as_array().unwrap() {
        let name = text(vector, "name");
        let body = body(&terms(&vectors, vector), vector);
        assert_eq!(hex::encode(body.encode()), text(vector, "raw"), "{name}");
        let key = Key::parse(text(vector, "key")).unwrap();
        assert_eq!(key.address().to_string(), text(vector, "owner"), "{name}");
        let signed = key.sign(&body).unwrap();
        assert_eq!(signed.id().to_string(), text(vector, "txid"), "{name}");
        assert_eq!(signed.signature().to_string(), text(vector, "signature"), "{name}");
        assert_eq!(hex::encode(signed.encode()), text(vector, "message"), "{name}");
        assert_eq!(signed.signature().signer(&signed.id().0), Ok(key.address()), "{name}");
        let creates = body.creates().map(|address| address.to_hex());
        assert_eq!(creates.as_deref(), vector["creates"].as_str(), "{name}");
        kinds[["transfer", "call", "create"].iter().position(|k| *k == vector["kind"]).unwrap()] +=
            1;
    }
    assert_eq!(kinds, [5, 4, 2]);
}

#[test]
fn calldata_is_tronwebs() {
    let vectors = vectors();
    let named = |name: &str| {
        let all = vectors["transactions"].as_array().unwrap();
        all.iter().find(|vector| vector["name"] == name).unwrap()
    };
    let vector = named("call");
    let root = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
    let contract = text(vector, "contract").parse().unwrap();
    let anchor = terms(&vectors, vector).anchor(contract, root, 4711);
    assert_eq!(hex::encode(anchor.encode()), text(vector, "raw"));

    let to = |at: usize| text(&vectors["accounts"][at], "address").parse().unwrap();
    for (name, to, amount) in [
        ("TRC-20 transfer", to(1), U256::from(1_500_000)),
        ("TRC-20 transfer of the most there is", to(0), U256::MAX),
    ] {
        let vector = named(name);
        let token = text(vector, "contract").parse().unwrap();
        let transfer = terms(&vectors, vector).trc20_transfer(token, to, amount);
        assert_eq!(hex::encode(transfer.encode()), text(vector, "raw"), "{name}");
    }
}

#[test]
fn what_is_called_is_what_the_contract_has() {
    let artefact = include_str!("../../../contracts/artefacts/LucidAnchors.json");
    let artefact: Value = serde_json::from_str(artefact).unwrap();
    let abi = read_abi(&artefact["abi"].to_string()).unwrap();
    let signatures: Vec<String> = abi
        .entrys
        .iter()
        .filter(|entry| entry.kind == 2)
        .map(|entry| {
            let inputs: Vec<&str> = entry.inputs.iter().map(|input| input.kind.as_str()).collect();
            format!("{}({})", entry.name, inputs.join(","))
        })
        .collect();
    assert!(signatures.iter().any(|one| one == calls::anchorCall::SIGNATURE), "{signatures:?}");
}

#[test]
fn what_no_transaction_says_is_not_signed() {
    let vectors = vectors();
    let transactions = vectors["transactions"].as_array().unwrap();
    let creation = transactions.iter().find(|vector| vector["kind"] == "create").unwrap();
    let terms = terms(&vectors, creation);
    let key = Key::parse(text(creation, "key")).unwrap();
    let new = NewContract {
        name: "Name".to_owned(),
        abi: read_abi("[]").unwrap(),
        bytecode: vec![0x60],
        arguments: vec![],
        caller_percent: 100,
        owner_energy_max: 1,
    };
    assert!(key.sign(&terms.create(new.clone())).is_ok());
    for bad in [
        NewContract { caller_percent: 101, ..new.clone() },
        NewContract { name: "x".repeat(33), ..new.clone() },
        NewContract { arguments: vec![0; 500 * 1024], ..new.clone() },
    ] {
        assert!(key.sign(&terms.create(bad)).is_err());
    }
    let other = Key::parse(&"22".repeat(32)).unwrap();
    let error = other.sign(&terms.create(new)).unwrap_err();
    assert!(matches!(error, TronError::Signer { .. }));
    assert!(!error.to_string().contains("2222"));
}

#[test]
fn interfaces_are_a_compilers() {
    for bad in [
        "",
        "{}",
        "[1]",
        r#"[{"name":"x"}]"#,
        r#"[{"type":"procedure"}]"#,
        r#"[{"type":"function","stateMutability":"pureish"}]"#,
        r#"[{"type":"function","inputs":[{"name":"x"}]}]"#,
        r#"[{"type":"event","inputs":[{"name":"x","type":"y","indexed":"yes"}]}]"#,
    ] {
        assert!(read_abi(bad).is_err(), "{bad}");
    }
}
