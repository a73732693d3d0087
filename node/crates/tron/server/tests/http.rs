//! The server over HTTP: reads, broadcasts, faults, orders.
#![allow(clippy::unwrap_used, reason = "clippy exempts test functions, not what they share")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use k256::ecdsa::SigningKey;
use lucid_tron_server::{Address, Code, Event, Fault, Handle, Rules, SUN, Scripted, Server};
use serde_json::{Value, json};

const TRANSFER: &str = "/wallet/createtransaction";
const SEND: &str = "/wallet/broadcasttransaction";
const NOW: &str = "/wallet/getnowblock";

fn rules() -> Rules {
    Rules { block_every: None, ..Rules::default() }
}

fn key() -> (SigningKey, Address) {
    let key = SigningKey::from_slice(&[0x11; 32]).unwrap();
    let address = Address::of_key(key.verifying_key());
    (key, address)
}

fn receiver() -> Address {
    Address::of_last(&[7; 20])
}

/// A server with an account of 100 TRX.
fn start(rules: Rules) -> Server {
    let server = Server::start(rules).unwrap();
    server.fund(key().1, 100 * SUN);
    server.fund(receiver(), 1);
    server
}

/// Status, Retry-After and body, of whatever status.
fn post(
    server: &Server,
    path: &str,
    body: &Value,
) -> Result<(u16, Option<String>, String), ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into();
    let mut answer =
        agent.post(format!("{}{path}", server.url())).send(body.to_string().as_bytes())?;
    let after = answer.headers().get("Retry-After").map(|v| v.to_str().unwrap().to_owned());
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
    Ok((answer.status().as_u16(), after, text))
}

fn ask(server: &Server, path: &str, body: &Value) -> Value {
    let (status, _, text) = post(server, path, body).unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

/// A signed transfer of some SUN.
fn transfer(server: &Server, sun: i64) -> Value {
    let (key, owner) = key();
    let (owner, to) = (owner.hex(), receiver().hex());
    let body = json!({ "owner_address": owner, "to_address": to, "amount": sun });
    let mut built = ask(server, TRANSFER, &body);
    let id = hex::decode(built["txID"].as_str().expect("it is built")).unwrap();
    let (signature, recovery) = key.sign_prehash_recoverable(&id);
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(u8::from(recovery.is_y_odd()));
    built["signature"] = json!([hex::encode(bytes)]);
    built
}

fn fault(server: &Handle, path: &str, fault: Fault) {
    server.fault(Scripted { path: Some(path.to_owned()), times: 1, fault });
}

#[test]
fn what_is_sent_is_found_and_becomes_solid() {
    let server = start(rules());
    let sent = transfer(&server, 5);
    let by_id = json!({ "value": sent["txID"] });
    let answer = ask(&server, SEND, &sent);
    assert_eq!(answer, json!({ "result": true, "txid": sent["txID"] }));
    let info = "/wallet/gettransactioninfobyid";
    let solid = "/walletsolidity/gettransactioninfobyid";
    assert_eq!(ask(&server, "/wallet/gettransactionbyid", &by_id)["txID"], sent["txID"]);
    assert_eq!(ask(&server, info, &by_id), json!({}));
    server.make_blocks(1);
    assert_eq!(ask(&server, info, &by_id)["blockNumber"], 31);
    assert_eq!(ask(&server, solid, &by_id), json!({}));
    server.make_blocks(17);
    assert_eq!(ask(&server, solid, &by_id), json!({}));
    server.make_blocks(1);
    assert_eq!(ask(&server, solid, &by_id)["blockNumber"], 31);
    let again = ask(&server, SEND, &sent);
    assert_eq!(again["code"], "DUP_TRANSACTION_ERROR");
    assert_eq!(hex::decode(again["message"].as_str().unwrap()).unwrap(), b"Dup transaction.");
    let journal = server.journal();
    let [entry] = journal.entries.as_slice() else { panic!("{journal:?}") };
    assert_eq!((entry.included(), entry.owner), (Some(31), key().1));
    assert!(matches!(entry.events[0], Event::Accepted { head: 30 }));
}

#[test]
fn every_code_can_be_scripted_with_the_transaction_taken_or_not() {
    let server = start(rules());
    let codes = [
        Code::SigError,
        Code::ContractValidateError,
        Code::ContractExeError,
        Code::BandwithError,
        Code::DupTransactionError,
        Code::TaposError,
        Code::TooBigTransactionError,
        Code::TransactionExpirationError,
        Code::ServerBusy,
        Code::NoConnection,
        Code::NotEnoughEffectiveConnection,
        Code::BlockUnsolidified,
        Code::OtherError,
    ];
    for (n, code) in (0..).zip(codes) {
        for taken in [false, true] {
            let sent = transfer(&server, 10 + 2 * n + i64::from(taken));
            fault(&server, "broadcasttransaction", Fault::Broadcast { code, taken });
            let answer = ask(&server, SEND, &sent);
            assert_eq!(answer["code"], code.name());
            assert_eq!(answer["result"], Value::Null);
            let entry = server.journal().by_id(sent["txID"].as_str().unwrap()).cloned();
            assert_eq!(entry.is_some(), taken, "{code:?}");
        }
    }
}

#[test]
fn connections_are_cut_and_hung_with_the_transaction_taken_or_not() {
    let server = start(rules());
    let rows = [
        (Fault::Cut, false),
        (Fault::Lost, true),
        (Fault::Hang { taken: false }, false),
        (Fault::Hang { taken: true }, true),
    ];
    for (n, (scripted, taken)) in (0..).zip(rows) {
        let sent = transfer(&server, 5 + n);
        fault(&server, "broadcasttransaction", scripted.clone());
        let hangs = matches!(scripted, Fault::Hang { .. });
        let body = sent.to_string();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let head =
            format!("POST {SEND} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        // A hung connection says nothing; a cut one ends, with or without a reset.
        let timed_out = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert_eq!((timed_out, answer.len()), (hangs, 0), "{scripted:?}");
        let entry = server.journal().by_id(sent["txID"].as_str().unwrap()).cloned();
        assert_eq!(entry.is_some(), taken, "{scripted:?}");
    }
}

#[test]
fn the_other_faults_are_what_they_say() {
    let server = start(rules());
    let now = |scripted: Fault| {
        fault(&server, "getnowblock", scripted);
        post(&server, NOW, &json!({})).unwrap()
    };
    let five = Some("5".to_owned());
    assert_eq!(now(Fault::TooMany { retry_after: Some(5) }).0, 429);
    assert_eq!(now(Fault::TooMany { retry_after: Some(5) }).1, five);
    assert_eq!(now(Fault::TooMany { retry_after: None }).1, None);
    assert_eq!(now(Fault::Forbidden { retry_after: None }).0, 403);
    assert_eq!(now(Fault::Forbidden { retry_after: Some(5) }).1, five);
    let (status, _, text) = now(Fault::ErrorInside { text: "no".to_owned() });
    assert_eq!((status, text.trim()), (200, r#"{"Error":"no"}"#));
    let (status, _, text) = now(Fault::Html);
    assert!(status == 500 && text.starts_with("<html>"), "{text}");
    let (status, _, text) = now(Fault::Truncated);
    assert!(status == 200 && serde_json::from_str::<Value>(&text).is_err(), "{text}");
    let (_, _, text) = now(Fault::Oversize { bytes: 10 << 20 });
    assert!(text.len() > 10 << 20 && serde_json::from_str::<Value>(&text).is_ok());
    // And then everything is well again.
    assert!(ask(&server, NOW, &json!({}))["blockID"].is_string());
    assert_eq!(server.asked(NOW), 10);
}

#[test]
fn a_node_behind_shows_less_and_knows_no_later_reference() {
    let server = start(rules());
    server.make_blocks(20);
    server.set_behind(10);
    let number =
        |path: &str| ask(&server, path, &json!({}))["block_header"]["raw_data"]["number"].clone();
    assert_eq!((number(NOW), number("/walletsolidity/getnowblock")), (json!(40), json!(32)));
    assert_eq!(ask(&server, "/wallet/getblockbynum", &json!({ "num": 41 })), json!({}));
    server.set_behind(0);
    let sent = transfer(&server, 5);
    server.set_behind(10);
    assert_eq!(ask(&server, SEND, &sent)["code"], "TAPOS_ERROR");
}

#[test]
fn an_api_key_is_asked_for() {
    let server = start(Rules { api_key: Some("secret".to_owned()), ..rules() });
    assert_eq!(post(&server, NOW, &json!({})).unwrap().0, 401);
    let with = |key: &str| {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(format!("{}{NOW}", server.url()));
        request.header("TRON-PRO-API-KEY", key).send("{}").unwrap().status().as_u16()
    };
    assert_eq!((with("secret"), with("another")), (200, 401));
}

#[test]
fn a_clock_that_is_off_shows_in_the_blocks() {
    let time = |rules: Rules| start(rules).position().time_ms;
    let (now, ahead) = (time(rules()), time(Rules { clock_off_ms: 3_600_000, ..rules() }));
    assert!((3_590_000..3_620_000).contains(&(ahead - now)), "{}", ahead - now);
    let server = start(rules());
    let sent = transfer(&server, 5);
    server.skip_time(3_600_000);
    server.make_blocks(1);
    assert_eq!(ask(&server, SEND, &sent)["code"], "TRANSACTION_EXPIRATION_ERROR");
}

#[test]
fn transactions_that_contradict_themselves_are_refused() {
    let server = start(rules());
    let good = transfer(&server, 5);
    let rows: [(&str, &str, Value); 6] = [
        ("another hex", "/raw_data_hex", json!("0a")),
        ("another id", "/txID", json!("00".repeat(32))),
        ("an unknown field", "/raw_data/scripts", json!("00")),
        ("a text for a number", "/raw_data/expiration", json!("1")),
        ("no hex", "/raw_data/ref_block_hash", json!("xyz")),
        ("another type's url", "/raw_data/contract/0/parameter/type_url", json!("x")),
    ];
    for (what, place, value) in rows {
        let mut sent = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        sent.pointer_mut(parent).unwrap()[name] = value;
        let answer = ask(&server, SEND, &sent);
        assert!(answer["Error"].is_string(), "{what}: {answer}");
    }
    // Without what follows from the rest, it is the same transaction.
    let mut bare = good.clone();
    let map = bare.as_object_mut().unwrap();
    map.remove("raw_data_hex");
    map.remove("txID");
    assert_eq!(ask(&server, SEND, &bare)["txid"], good["txID"]);
}

#[test]
fn what_a_call_would_take_is_told_unless_that_is_off() {
    let ask_both = |rules: Rules| {
        let server = start(rules);
        let contract = server.put_anchors();
        let parameter = format!("{}{:064x}", "ab".repeat(32), 7);
        let body = json!({
            "owner_address": key().1, "contract_address": contract, "visible": true,
            "function_selector": "anchor(bytes32,uint64)", "parameter": parameter,
        });
        let ask = |method: &str, body: &Value| ask(&server, &format!("/wallet/{method}"), body);
        let mut reverts = body.clone();
        reverts["parameter"] = json!("ab");
        assert_eq!(
            ask("triggerconstantcontract", &reverts)["result"]["message"],
            "REVERT opcode executed"
        );
        let nowhere = json!({ "owner_address": key().1, "contract_address": key().1, "data": "00",
            "visible": true });
        let answer = ask("triggerconstantcontract", &nowhere);
        assert_eq!(answer["result"]["message"], "Smart contract is not exist.");
        (ask("triggerconstantcontract", &body), ask("estimateenergy", &body))
    };
    let (called, estimated) = ask_both(rules());
    assert_eq!(
        (&called["energy_used"], &called["result"]["result"]),
        (&json!(2_100), &json!(true))
    );
    assert_eq!(called["logs"][0]["topics"][2], "ab".repeat(32));
    assert_eq!(estimated, json!({ "result": { "result": true }, "energy_required": 2_100 }));
    let (called, estimated) = ask_both(Rules { estimate_energy: false, ..rules() });
    assert_eq!(called["energy_used"], 2_100);
    assert_eq!(estimated["result"]["code"], "CONTRACT_VALIDATE_ERROR");
    assert_eq!(estimated["result"]["message"], "this node does not support estimate energy");
}

#[test]
fn orders_are_taken_where_they_are_allowed() {
    let server = start(Rules { control: true, ..rules() });
    let made = ask(&server, "/control", &json!({ "do": "put_anchors" }));
    let at = json!({ "value": made["address"], "visible": true });
    assert_eq!(ask(&server, "/wallet/getcontract", &at)["name"], "LucidAnchors");
    ask(&server, "/control", &json!({ "do": "make_blocks", "count": 3 }));
    assert_eq!(ask(&server, "/control", &json!({ "do": "position" }))["head"], 33);
    let script = json!({ "path": "getnowblock", "times": 1, "fault": "html" });
    ask(&server, "/control", &json!({ "do": "fault", "script": script }));
    assert_eq!(post(&server, NOW, &json!({})).unwrap().0, 500);
    assert_eq!(post(&server, "/control", &json!({ "do": "nonsense" })).unwrap().0, 400);
    assert_eq!(post(&start(rules()), "/control", &json!({ "do": "position" })).unwrap().0, 404);
}

#[test]
fn blocks_come_by_themselves_and_the_port_is_free_afterwards() {
    let server = start(Rules { block_every: Some(Duration::from_millis(2)), ..Rules::default() });
    let address = server.address();
    assert!(address.port() < 32_768);
    let begin = server.position().head;
    while server.position().head < begin + 25 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(server.position().solid > begin - 18);
    fault(&server, "getnowblock", Fault::Hang { taken: false });
    let mut hung = TcpStream::connect(address).unwrap();
    hung.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    hung.write_all(b"GET /wallet/getnowblock HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    drop(server);
    // It ends, well or with a reset, and with nothing said.
    assert_eq!(hung.read(&mut [0; 10]).unwrap_or_default(), 0);
    Server::start(Rules { port: Some(address.port()), ..rules() }).unwrap();
}

#[test]
fn the_program_says_where_it_is_and_ends_when_asked() {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };
    let mut program = Command::new(env!("CARGO_BIN_EXE_tron-server"))
        .args(["--fund", &receiver().to_string(), "--anchors"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert!(said["anchors"].as_str().unwrap().starts_with('T'));
    let url = format!("{}/wallet/getaccount", said["url"].as_str().unwrap());
    let body = json!({ "address": receiver().hex() }).to_string();
    let account = ureq::post(url).send(body).unwrap().body_mut().read_to_string().unwrap();
    let account: Value = serde_json::from_str(&account).unwrap();
    assert_eq!(account["balance"], 1_000_000 * SUN);
    let id = program.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(program.wait().unwrap().success());
}
