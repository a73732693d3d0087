//! A transaction is sent, looked up, and found in its block.

use lucid_core::tron::{BlockNumber, Sun, Transaction, TransactionId};
use serde_json::{Value, json};

use super::script::{Script, ok};
use crate::{
    Code, Failure, Next, Retry, Tron,
    testing::{OTHER, key, terms},
};

fn transaction() -> Transaction {
    key().sign(&terms().transfer(OTHER.parse().unwrap(), Sun::new(1), b"lucid v1")).unwrap()
}

fn says(code: &str, message: &str) -> Value {
    let (result, txid) = (code == "SUCCESS", transaction().id());
    json!({ "result": result, "code": code, "message": message, "transaction": "{}", "txid": txid })
}

#[tokio::test]
async fn every_code_is_told_apart() {
    let codes = [
        ("SUCCESS", Code::Success, Next::Wait),
        ("SIGERROR", Code::SigError, Next::Refused),
        ("CONTRACT_VALIDATE_ERROR", Code::ContractValidate, Next::Refused),
        ("CONTRACT_EXE_ERROR", Code::ContractExe, Next::Refused),
        ("BANDWITH_ERROR", Code::Bandwidth, Next::Refused),
        ("DUP_TRANSACTION_ERROR", Code::Duplicate, Next::LookUp),
        ("TAPOS_ERROR", Code::Tapos, Next::Rebuild),
        ("TOO_BIG_TRANSACTION_ERROR", Code::TooBig, Next::Rebuild),
        ("TRANSACTION_EXPIRATION_ERROR", Code::Expiration, Next::Rebuild),
        ("SERVER_BUSY", Code::ServerBusy, Next::Again),
        ("NO_CONNECTION", Code::NoConnection, Next::Again),
        ("NOT_ENOUGH_EFFECTIVE_CONNECTION", Code::NotEnoughConnections, Next::Again),
        ("BLOCK_UNSOLIDIFIED", Code::BlockUnsolidified, Next::Again),
        ("OTHER_ERROR", Code::Other, Next::Unknown),
        ("NEWER_ERROR", Code::Unknown("NEWER_ERROR".to_owned()), Next::Unknown),
    ];
    let script = Script::of(codes.iter().map(|(name, ..)| ok(says(name, "its words")))).await;
    let client = script.client();
    for (name, code, next) in codes {
        let broadcast = client.broadcast(&transaction()).await.unwrap();
        assert_eq!((broadcast.code.next(), broadcast.said.as_str()), (next, "its words"), "{name}");
        assert_eq!(broadcast.code, code);
    }
    let sent = format!(r#"{{"transaction":"{}"}}"#, hex::encode(transaction().encode()));
    assert!(script.asked().iter().all(|question| question.ends_with(&sent)));
    assert!(script.asked()[0].starts_with("POST /path-key/wallet/broadcasthex "));
}

#[tokio::test]
async fn answers_that_say_nothing_leave_it_open() {
    let id = transaction().id();
    let rows = [
        json!({}),
        json!({ "result": true, "code": "SERVER_BUSY", "txid": id }),
        json!({ "result": false, "code": "SUCCESS", "txid": id }),
        json!({ "result": true, "code": "SUCCESS", "txid": "00".repeat(32) }),
        json!({ "result": true, "code": "SUCCESS", "txid": "no id" }),
        json!({ "result": "true" }),
        json!({ "code": 4, "message": "words" }),
        json!({ "Error": "class java.lang.NullPointerException : null" }),
        json!([]),
        json!("SUCCESS"),
    ];
    let script = Script::of(rows.iter().map(ok)).await;
    let client = script.client();
    for row in &rows {
        let error = client.broadcast(&transaction()).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Unknown, "{row}: {error}");
    }
    // Not taken, by java-tron's own limiter: nothing was sent.
    let busy = "class java.lang.IllegalAccessException : lack of computing resources";
    let script = Script::of([ok(json!({ "Error": busy })), ok(json!({ "result": true }))]).await;
    let client = script.client();
    let error = client.broadcast(&transaction()).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Temporary { after: None }, "{error}");
    // `broadcasttransaction` leaves the first of the codes out.
    assert_eq!(client.broadcast(&transaction()).await.unwrap().code, Code::Success);
}

#[tokio::test]
async fn transactions_are_those_that_were_asked_for() {
    let sent = transaction();
    let answer = json!({
        "ret": [{ "contractRet": "SUCCESS" }], "signature": [sent.signature().to_string()],
        "txID": sent.id(), "raw_data": {}, "raw_data_hex": hex::encode(sent.raw())
    });
    let mut altered = answer.clone();
    altered["raw_data_hex"] = "00".into();
    let script = Script::of([ok(&answer), ok(&answer), ok("{}"), ok(&answer), ok(&altered)]).await;
    let client = script.client();
    let found = client.transaction(sent.id()).await.unwrap().unwrap();
    let read = Transaction::from_envelope(found.clone()).unwrap();
    assert_eq!(read.ended().map(|ended| ended.contract_ret), Some(1));
    assert_eq!((read.id(), read.body()), (sent.id(), sent.body()));
    assert_eq!(client.solid_transaction(sent.id()).await, Ok(Some(found)));
    assert_eq!(client.transaction(sent.id()).await, Ok(None));
    let other = TransactionId(lucid_core::Hash::default());
    for id in [other, sent.id()] {
        let error = client.transaction(id).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Contradicts(_)), "{error}");
    }
    let asked = format!(r#"{{"value":"{}"}}"#, sent.id());
    assert!(script.asked()[1].ends_with(&asked), "{}", script.asked()[1]);
    assert!(script.asked()[1].contains("/walletsolidity/gettransactionbyid "));
}

#[tokio::test]
async fn infos_say_whether_it_did_what_it_says() {
    let id = transaction().id();
    let transfer = json!({
        "id": id, "fee": 1_100_000, "blockNumber": 66_985_120,
        "blockTimeStamp": 1_777_437_762_000_u64, "contractResult": [""], "receipt": { "net_usage": 345 }
    });
    let call = json!({
        "id": id, "fee": 5_254_500, "blockNumber": 66_985_120,
        "blockTimeStamp": 1_777_437_762_000_u64, "contractResult": [""],
        "contract_address": "419ff8fc48fb114ccd5bbdc24a86f0c73082f08825", "log": [{ "data": "00" }],
        "receipt": { "energy_fee": 4_458_500, "energy_usage_total": 44_585, "result": "SUCCESS" }
    });
    let failed = json!({
        "id": id, "fee": 1, "blockNumber": 1, "blockTimeStamp": 1, "result": "FAILED",
        "receipt": { "result": "OUT_OF_ENERGY" }, "resMessage": hex::encode("Not enough energy")
    });
    let other = json!({ "id": "00".repeat(32), "blockNumber": 1, "blockTimeStamp": 1 });
    let answers = [&transfer, &call, &failed, &other].map(ok);
    let script = Script::of(answers.into_iter().chain([ok("{}"), ok(json!({ "id": id }))])).await;
    let client = script.client();
    let info = client.solid_info(id).await.unwrap().unwrap();
    assert_eq!((info.block, info.fee), (BlockNumber(66_985_120), Sun::new(1_100_000)));
    assert_eq!((info.failed, info.energy, info.contract), (None, 0, None));
    let info = client.info(id).await.unwrap().unwrap();
    assert_eq!((info.failed.clone(), info.energy, info.contract.is_some()), (None, 44_585, true));
    let info = client.solid_info(id).await.unwrap().unwrap();
    assert_eq!(info.failed.as_deref(), Some("OUT_OF_ENERGY Not enough energy"));
    let error = client.solid_info(id).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Contradicts(_)), "{error}");
    assert_eq!(client.solid_info(id).await, Ok(None));
    let error = client.solid_info(id).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Malformed(_)), "{error}");
}
