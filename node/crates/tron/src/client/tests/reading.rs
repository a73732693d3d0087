//! Answers as java-tron gives them.

use lucid_core::tron::{BlockNumber, Sun, TransactionId};
use serde_json::{Value, json};

use super::script::{Answer, KEY, Script, ok, status};
use crate::{
    Account, Asked, ConstantCall, Energy, EnergyFrom, Failure, Resources, Tron,
    testing::{ADDRESS, BLOCK, OTHER},
};

/// A block of Nile, as TRON's documentation shows it.
pub(super) fn nile() -> Value {
    json!({
        "blockID": BLOCK,
        "block_header": {
            "raw_data": {
                "number": 66_987_565,
                "txTrieRoot": "faf8fe3858339ead25cc892461c82a59b84dca4a51c45b026676bf3f45a352a2",
                "witness_address": "41b2f713d57dbcec679d93a8849fa0cd0e4db594ba",
                "parentHash": "0000000003fe262c85cd6b02033f4c3e5c1efa35de256a17bd906dc61fb1aeed",
                "version": 34,
                "timestamp": 1_777_445_121_000_u64
            },
            "witness_signature": "5b3cf6cb15d52947989f7726f4907a144b39ccd667a1a0f98707b40cdfe65b96173ddf34ae8dcc5e78f136e0cf903a15c7128984aa2191f02333209d1879d3f900"
        },
        "transactions": [{ "whatever": ["is", "here"] }]
    })
}

/// A block of the vectors, with its transactions as java-tron prints them.
pub(super) fn block_of(count: usize) -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../../tests/clients/tron_vectors.json"))
            .unwrap();
    let blocks = vectors["blocks"].as_array().unwrap();
    let block = blocks.iter().find(|block| block["count"] == count).unwrap();
    let all = vectors["transactions"].as_array().unwrap().iter().take(count);
    let transactions: Vec<Value> = all
        .map(|transaction| {
            json!({
                "ret": [{ "contractRet": "SUCCESS" }],
                "signature": [transaction["signature"]],
                "txID": transaction["txid"],
                "raw_data": {},
                "raw_data_hex": transaction["raw"],
            })
        })
        .collect();
    let witness: lucid_core::tron::Address = block["witness"].as_str().unwrap().parse().unwrap();
    let header = block["header"].as_str().unwrap();
    json!({
        "blockID": block["id"],
        "block_header": {
            "raw_data": {
                "number": block["number"],
                "txTrieRoot": block["root"],
                "witness_address": witness.to_hex(),
                "parentHash": block["parent"],
                "version": block["version"],
                "timestamp": block["timestamp"],
            },
            // The last 65 bytes of the message.
            "witness_signature": header[header.len() - 130..],
        },
        "transactions": transactions,
    })
}

#[tokio::test]
async fn heads_are_read_and_questions_are_as_they_should_be() {
    let script =
        Script::of([ok(nile()), ok(nile()), ok(json!({ "blockID": "0".repeat(64) }))]).await;
    let client = script.client();
    let head = client.head().await.unwrap();
    assert_eq!(head.id(), BLOCK.parse().unwrap());
    assert!(head.is_signed_by_witness());
    assert_eq!(client.solid_head().await.unwrap(), head);
    assert_eq!(client.genesis().await.unwrap().number(), BlockNumber(0));
    let asked = script.asked();
    for (question, path) in asked.iter().zip([
        "wallet/getnowblock",
        "walletsolidity/getnowblock",
        "wallet/getblockbynum",
    ]) {
        assert!(question.starts_with(&format!("POST /path-key/{path} HTTP/1.1\r\n")), "{question}");
        assert!(question.contains(&format!("tron-pro-api-key: {KEY}\r\n")), "{question}");
        assert!(question.contains("content-type: application/json\r\n"), "{question}");
    }
    assert!(asked[2].ends_with(r#"{"num":0}"#));
}

#[tokio::test]
async fn blocks_are_held_against_themselves() {
    for count in [0, 1, 3, 11] {
        let answer = block_of(count);
        let number = BlockNumber(answer["block_header"]["raw_data"]["number"].as_u64().unwrap());
        let script = Script::of([ok(&answer)]).await;
        let block = script.client().block(number).await.unwrap().unwrap();
        assert_eq!(block.transactions().len(), count);
        for transaction in answer["transactions"].as_array().unwrap() {
            let id: TransactionId = transaction["txID"].as_str().unwrap().parse().unwrap();
            let (envelope, path) = block.find(id).unwrap().unwrap();
            assert_eq!(path.check(&envelope.leaf(), &block.header().body().root), Ok(()));
        }
        assert_eq!(block.find(TransactionId(lucid_core::Hash::default())).unwrap(), None);
    }
    let none = Script::of([ok("{}")]).await;
    assert_eq!(none.client().block(BlockNumber(1)).await, Ok(None));
}

#[tokio::test]
async fn blocks_that_contradict_themselves_are_refused() {
    type Alter = fn(&mut Value);
    let rows: [(&str, Alter); 13] = [
        ("another id", |b| b["blockID"] = BLOCK.into()),
        ("another number", |b| b["block_header"]["raw_data"]["number"] = 1.into()),
        ("another time", |b| b["block_header"]["raw_data"]["timestamp"] = 1.into()),
        ("another witness", |b| {
            b["block_header"]["raw_data"]["witness_address"] =
                "41b2f713d57dbcec679d93a8849fa0cd0e4db594ba".into();
        }),
        ("no root", |b| b["block_header"]["raw_data"]["txTrieRoot"] = "".into()),
        ("no signature", |b| b["block_header"]["witness_signature"] = "".into()),
        ("a transaction less", |b| {
            b["transactions"].as_array_mut().unwrap().pop();
        }),
        ("a transaction twice", |b| {
            let last = b["transactions"][2].clone();
            b["transactions"].as_array_mut().unwrap().push(last);
        }),
        ("another order", |b| b["transactions"].as_array_mut().unwrap().reverse()),
        ("another end", |b| b["transactions"][1]["ret"][0]["contractRet"] = "REVERT".into()),
        ("an end that is not known", |b| b["transactions"][1]["ret"][0]["orderId"] = "00".into()),
        ("another id of a transaction", |b| b["transactions"][1]["txID"] = BLOCK.into()),
        ("another transaction", |b| {
            b["transactions"][1]["raw_data_hex"] = b["transactions"][0]["raw_data_hex"].clone();
        }),
    ];
    for (what, alter) in rows {
        let mut answer = block_of(3);
        let number = BlockNumber(answer["block_header"]["raw_data"]["number"].as_u64().unwrap());
        alter(&mut answer);
        let script = Script::of([ok(answer)]).await;
        let error = script.client().block(number).await.unwrap_err();
        let failure = &error.failure;
        assert!(
            matches!(failure, Failure::Contradicts(_) | Failure::Malformed(_)),
            "{what}: {error}"
        );
    }
}

#[tokio::test]
async fn accounts_and_what_they_have() {
    // As TRON's documentation shows them.
    let account = json!({
        "address": "41dd791d6b49e190062d650e6a23c575510d35f2f9", "balance": 1_793_227_200,
        "create_time": 1_776_933_207_000_u64, "free_net_usage": 441,
        "frozenV2": [{}, { "type": "ENERGY" }, { "type": "TRON_POWER" }], "asset_optimized": true
    });
    let resources = json!({
        "freeNetUsed": 441, "freeNetLimit": 600, "TotalNetLimit": 43_200_000_000_u64,
        "assetNetUsed": [{ "key": "1005416", "value": 0 }], "EnergyUsed": 5, "EnergyLimit": 3,
        "NetLimit": 100
    });
    let script =
        Script::of([ok(&account), ok(&account), ok("{}\n"), ok(resources), ok("{}")]).await;
    let client = script.client();
    let address =
        lucid_core::tron::Address::from_hex("41dd791d6b49e190062d650e6a23c575510d35f2f9").unwrap();
    let wanted = Account { address, balance: Sun::new(1_793_227_200), is_contract: false };
    assert_eq!(client.account(address).await, Ok(Some(wanted)));
    let error = client.account(OTHER.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Contradicts(_)), "{error}");
    assert_eq!(client.account(address).await, Ok(None));
    let left = Resources { free_bandwidth: 159, staked_bandwidth: 100, energy: 0 };
    assert_eq!(client.resources(address).await, Ok(left));
    assert_eq!(client.resources(address).await, Ok(Resources::default()));
    let hex = format!(r#"{{"address":"{}"}}"#, address.to_hex());
    assert!(script.asked()[0].ends_with(&hex));
}

#[tokio::test]
async fn parameters_are_all_there_once() {
    let parameter = |key: &str, value: i64| json!({ "key": key, "value": value });
    let all = vec![
        parameter("getTransactionFee", 1000),
        parameter("getEnergyFee", 100),
        parameter("getMemoFee", 1_000_000),
        parameter("getCreateAccountFee", 100_000),
        parameter("getCreateNewAccountFeeInSystemContract", 1_000_000),
        parameter("getCreateNewAccountBandwidthRate", 1),
        parameter("getMaxFeeLimit", 15_000_000_000),
        parameter("getDynamicEnergyIncreaseFactor", 2000),
        json!({ "key": "getAllowSomethingNew" }),
    ];
    let mut free = all.clone();
    free[2] = json!({ "key": "getMemoFee" });
    let (mut twice, mut without, mut negative) = (all.clone(), all.clone(), all.clone());
    twice.push(parameter("getEnergyFee", 1));
    without.remove(1);
    negative[1] = parameter("getEnergyFee", -1);
    let answers =
        [&all, &free, &twice, &without, &negative].map(|p| ok(json!({ "chainParameter": p })));
    let script = Script::of(answers.into_iter().chain([ok("{}")])).await;
    let client = script.client();
    let read = client.parameters().await.unwrap();
    assert_eq!((read.energy, read.memo), (Sun::new(100), Sun::new(1_000_000)));
    assert_eq!((read.fee_limit_max, read.energy_growth), (Sun::new(15_000_000_000), 2000));
    assert_eq!(client.parameters().await.unwrap().memo, Sun::ZERO, "a zero is left out");
    for what in ["twice", "without", "negative", "nothing"] {
        let error = client.parameters().await.unwrap_err();
        assert!(matches!(error.failure, Failure::Malformed(_)), "{what}: {error}");
    }
}

#[tokio::test]
async fn contracts() {
    let address = OTHER.parse::<lucid_core::tron::Address>().unwrap();
    let owner = ADDRESS.parse::<lucid_core::tron::Address>().unwrap();
    let contract = json!({
        "contract_address": address.to_hex(), "origin_address": owner.to_hex(), "abi": {},
        "bytecode": "6080", "name": "TetherToken", "origin_energy_limit": 1_000_000_000
    });
    let script = Script::of([ok(contract), ok("{}")]).await;
    let client = script.client();
    let found = client.contract(address).await.unwrap().unwrap();
    assert_eq!((found.owner, found.name.as_str()), (owner, "TetherToken"));
    assert_eq!((found.bytecode, found.caller_percent), (vec![0x60, 0x80], 0));
    assert_eq!(client.contract(address).await, Ok(None));
}

fn asked() -> Asked {
    Asked {
        owner: ADDRESS.parse().unwrap(),
        contract: Some(OTHER.parse().unwrap()),
        value: Sun::ZERO,
        data: vec![1, 2, 3, 4],
    }
}

/// `Error("no")`, as Solidity encodes it.
const REASON: &str = concat!(
    "08c379a0",
    "0000000000000000000000000000000000000000000000000000000000000020",
    "0000000000000000000000000000000000000000000000000000000000000002",
    "6e6f000000000000000000000000000000000000000000000000000000000000"
);

/// What java-tron answers of a call that reverts.
fn reverts() -> Answer {
    ok(json!({
        "result": { "result": true, "message": hex::encode("REVERT opcode executed") },
        "energy_used": 300, "constant_result": [REASON],
        "transaction": { "ret": [{ "ret": "FAILED" }] }
    }))
}

#[tokio::test]
async fn calls_that_are_not_sent() {
    let fine = json!({
        "result": { "result": true }, "energy_used": 935, "constant_result": ["00ff"],
        "transaction": { "ret": [{}], "visible": false }
    });
    let none = json!({ "result": {
        "code": "CONTRACT_VALIDATE_ERROR", "message": hex::encode("Smart contract is not exist.")
    } });
    let script = Script::of([ok(fine), reverts(), ok(none)]).await;
    let client = script.client();
    let wanted = ConstantCall { returned: vec![0, 0xff], energy: 935, failed: None };
    assert_eq!(client.constant_call(&asked()).await, Ok(wanted));
    let failed = client.constant_call(&asked()).await.unwrap().failed.unwrap();
    assert!(failed.contains("no"), "{failed}");
    let error = client.constant_call(&asked()).await.unwrap_err();
    assert!(error.to_string().contains("CONTRACT_VALIDATE_ERROR Smart contract is not exist."));
    let question = &script.asked()[0];
    for part in [r#""data":"01020304""#, r#""call_value":0"#, r#""contract_address":"41"#] {
        assert!(question.contains(part), "{question}");
    }
}

#[tokio::test]
async fn energy_is_estimated_or_else_called() {
    let estimate = json!({ "result": { "result": true }, "energy_required": 1870 });
    let cannot = json!({ "result": {
        "code": "CONTRACT_VALIDATE_ERROR",
        "message": hex::encode("this node does not support estimate energy")
    } });
    let called =
        json!({ "result": { "result": true }, "energy_used": 935, "constant_result": [""] });
    let script = Script::of([
        ok(estimate),
        ok(&cannot),
        ok(&called),
        status("405 Method Not Allowed", ""),
        ok(&called),
        ok(&cannot),
        reverts(),
    ])
    .await;
    let client = script.client();
    let energy = |units, from| Ok(Energy { units, from });
    assert_eq!(client.energy(&asked()).await, energy(1870, EnergyFrom::Estimate));
    assert_eq!(client.energy(&asked()).await, energy(935, EnergyFrom::Call));
    assert_eq!(client.energy(&asked()).await, energy(935, EnergyFrom::Call));
    let error = client.energy(&asked()).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Reverted(_)), "{error}");
}
