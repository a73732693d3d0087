//! A node that is killed again and again while it anchors: one transaction for one anchor, and none is lost.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use lucid_tron_server::{Rules, SUN, Server as Tron};
use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::Rng,
};

/// A key of tests alone, and its account.
const KEY: &str = "da146374a75310b9666e834ee4ad0866d6f4035967bfc76217c5a495fff9f0d0";
const KILLS: usize = 100;
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// The log's anchors.
fn anchors(client: &Client) -> Vec<Value> {
    let (mut anchors, mut path) = (Vec::new(), "/api/v1/log/entries?limit=200".to_owned());
    loop {
        let page = client.got(&path).expect(200);
        let entries = page["entries"].as_array().unwrap().iter();
        let entries =
            entries.map(|it| serde_json::from_str(it["entry"].as_str().unwrap()).unwrap());
        anchors.extend(entries.filter(|entry: &Value| entry["kind"] == "anchor.tron"));
        match page["next"].as_u64() {
            Some(next) => path = format!("/api/v1/log/entries?limit=200&after={next}"),
            None => return anchors,
        }
    }
}

/// Waits until nothing is on its way.
fn settled(client: &Client) {
    let start = Instant::now();
    loop {
        let state = client.got("/api/v1/anchors/tron").expect(200);
        if state["under_way"].is_null() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{state}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_killed_while_it_anchors_sends_each_anchor_once() {
    let rules = Rules {
        block_every: Some(Duration::from_millis(15)),
        solid_after: Some(4),
        ..Rules::default()
    };
    let tron = Tron::start(rules).unwrap();
    let contract = tron.put_anchors().to_string();
    let admin = Wallet::new(1);
    let settings = [
        ("LUCID_ADMINS", admin.address.as_str()),
        ("LUCID_TRON_NETWORK", "custom"),
        ("LUCID_TRON_RPC_URL", &tron.url()),
        ("LUCID_TRON_PRIVATE_KEY", KEY),
        ("LUCID_TRON_CONTRACT", &contract),
        ("LUCID_ANCHOR_FEE_PER_DAY_MAX", "10000000000"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(Form::One, folder.path(), &settings);
    let state = server.client().sign_in(&admin).got("/api/v1/anchors/tron").expect(200);
    let account = state["account"].as_str().unwrap().parse().unwrap();
    tron.fund(account, 10_000 * SUN);
    let (mut rng, mut asked) = (Rng::seeded("anchoring"), 0);
    for _ in 0..KILLS {
        let client = server.client().sign_in(&admin);
        let session = client.mint(&json!({}));
        client.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        asked += usize::from(client.post("/api/v1/anchors/tron", &json!({})).status / 100 == 2);
        // An anchor takes about 100 ms here, from due to solid.
        thread::sleep(Duration::from_millis(rng.below(150)));
        server.kill_and_restart();
    }
    let client = server.client().sign_in(&admin);
    settled(&client);
    let session = client.mint(&json!({}));
    client.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
    assert_eq!(client.post("/api/v1/anchors/tron", &json!({})).status / 100, 2);
    let start = Instant::now();
    while client.got(&format!("/api/v1/sessions/{session}")).expect(200)["state"] != "anchored" {
        assert!(start.elapsed() < PATIENCE, "the last session is not anchored");
        thread::sleep(Duration::from_millis(20));
    }
    settled(&client);

    let anchors = anchors(&client);
    assert!(asked > KILLS / 4 && anchors.len() > KILLS / 4, "{asked} asked, {}", anchors.len());
    let sizes: Vec<_> = anchors.iter().map(|anchor| anchor["log_size"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, next| one < next), "each is of more of the log: {sizes:?}");
    let logged: BTreeSet<_> =
        anchors.iter().map(|anchor| anchor["tx_id"].as_str().unwrap().to_owned()).collect();
    let journal = tron.journal();
    let sent = journal.by_owner(account).filter(|it| it.included().is_some());
    let sent: Vec<_> = sent.collect();
    let payloads: BTreeSet<_> = sent.iter().map(|it| &it.payload).collect();
    assert_eq!(payloads.len(), sent.len(), "no anchor has two transactions");
    let sent: BTreeSet<_> = sent.iter().map(|it| it.id.clone()).collect();
    assert_eq!(sent, logged, "what was sent is in the log, and nothing else");
    server.stop();
}
