//! Decisions as the people of three nodes meet them: one node runs, the other two are members that sign for
//! themselves, from a command line.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use lucid_chain::Signer;
use lucid_core::Hash;
use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::{BINARY, mixed},
};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);
/// Seconds: long enough for a busy machine to vote in, short enough to wait for.
const VOTING_DELAY: &str = "5";
const VOTING_PERIOD: &str = "20";
const TIMELOCK_DELAY: &str = "5";

/// A member whose own node is elsewhere.
struct Member {
    key: tempfile::NamedTempFile,
    address: String,
}

impl Member {
    fn new(seed: u8) -> Self {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), hex::encode([seed; 32])).unwrap();
        let address = Signer::new(&[seed; 32]).unwrap().address().to_checksum(None);
        Self { key, address }
    }

    /// As the setting `governance_nodes` has it.
    fn named(&self) -> String {
        format!("{} {}", self.address, Hash::of(self.address.as_bytes()))
    }
}

/// `lucid-node governance …` against a node.
fn govern(client: &Client, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().arg("governance").args(arguments).arg("--url").arg(client.url(""));
    command.output().unwrap()
}

/// The same by a member.
fn govern_as(client: &Client, member: &Member, arguments: &[&str]) -> Output {
    let key = ["--evm-key", member.key.path().to_str().unwrap()];
    govern(client, &[arguments, &key].concat())
}

#[track_caller]
fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// That it was refused, with this in what it said.
#[track_caller]
fn refused(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains(expected), "no {expected:?} in {said}");
}

fn proposals(id: &str) -> String {
    format!("/api/v1/governance/proposals/{id}")
}

impl Client {
    fn proposal(&self, id: &str) -> Value {
        self.got(&proposals(id)).expect(200)
    }

    fn act(&self, id: &str, what: &str, body: &Value) -> crate::client::Answer {
        self.post(&format!("{}/{what}", proposals(id)), body)
    }

    /// Waits until a proposal is in a state.
    fn until(&self, id: &str, state: &str) -> Value {
        let start = Instant::now();
        loop {
            let proposal = self.proposal(id);
            if proposal["state"] == state {
                return proposal;
            }
            assert!(start.elapsed() < PATIENCE, "it is not {state}: {proposal}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Proposes; a node is a member from a second after the chain's beginning on.
    fn propose(&self, title: &str, actions: &Value) -> String {
        let body = json!({"title": title, "description": "Because.", "actions": actions});
        let start = Instant::now();
        loop {
            let answer = self.post("/api/v1/governance/proposals", &body);
            if answer.status != 409 {
                return answer.expect(201)["proposal"].as_str().unwrap().to_owned();
            }
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("only members propose"), "{detail}");
            assert!(start.elapsed() < PATIENCE, "{detail}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// That something is refused with this code, and says this.
    #[track_caller]
    fn refuses(&self, path: &str, body: &Value, code: (u16, &str), said: &str) {
        let answer = self.post(path, body);
        answer.problem(code.0, code.1);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(said), "no {said:?} in {detail}");
    }

    /// Uploads and seals a session of some length; gives its manifest.
    fn recorded(&self, length: usize) -> Value {
        let session = self.mint(&json!({"length": length}));
        assert_eq!(self.patch(&session, 0, &mixed(length, 5)).unwrap().status, 204);
        self.got(&format!("/api/v1/sessions/{session}/manifest")).expect(200)
    }
}

/// What is refused before anything is on the chain.
fn what_is_refused_at_once(admin: &Client, user: &Client, nobody: &Client) {
    let path = "/api/v1/governance/proposals";
    let set = |name: &str, value: Value| json!([{"set_parameter": {"name": name, "value": value}}]);
    let body = |actions: Value| json!({"title": "T", "actions": actions});
    let good = body(set("chunk_bytes", json!(65_536)));
    nobody.post(path, &good).problem(401, "token_missing");
    user.post(path, &good).problem(403, "forbidden");
    let invalid = (400, "invalid_request");
    admin.refuses(
        path,
        &body(set("chunk_bytes", json!(65_535))),
        invalid,
        "from 65536 to 16777216",
    );
    admin.refuses(path, &body(set("moon_phase", json!(1))), invalid, "chunk_bytes, zstd_level");
    admin.refuses(path, &body(set("zstd_level", json!(3))), (409, "conflict"), "3 already");
    admin.refuses(path, &body(set("zstd_level", json!("three"))), invalid, "the body");
    admin.refuses(path, &body(json!([{"set_moon": {}}])), invalid, "the body");
    admin.refuses(path, &body(json!([])), invalid, "actions");
    let none = Hash::of(b"none").to_string();
    for act in ["queue", "execute", "cancel"] {
        admin.act(&none, act, &json!({})).problem(404, "not_found");
        user.act(&none, act, &json!({})).problem(403, "forbidden");
    }
    admin.act(&none, "vote", &json!({"support": "perhaps"})).problem(400, "invalid_request");
    admin.act("12", "queue", &json!({})).problem(400, "invalid_request");
    nobody.got(&proposals(&none)).problem(404, "not_found");
}

/// A proposal is canceled by who made it while it is pending, and by nobody else.
fn a_proposal_is_canceled(admin: &Client, member: &Member, token: &str) {
    let actions = json!([{"set_quorum": {"percent": 100}}]);
    let id = admin.propose("Everybody, always", &actions);
    refused(&govern_as(admin, member, &["cancel", &id]), "only who proposed it");
    let said = done(&govern(admin, &["cancel", &id[..8], "--token-file", token]));
    assert!(said.contains("canceled") && said.contains(&id), "{said}");
    assert_eq!(admin.proposal(&id)["state"], "canceled");
}

/// The three vote; who may not, or has, is told so.
fn all_vote(admin: &Client, id: &str, members: &[Member; 2], stranger: &Member) {
    let conflict = (409, "conflict");
    let path = |what: &str| format!("{}/{what}", proposals(id));
    let nothing = json!({});
    admin.refuses(&path("vote"), &json!({"support": "for"}), conflict, "opens at");
    admin.until(id, "active");
    admin.refuses(&path("cancel"), &nothing, conflict, "canceled only before its vote");
    let reason = json!({"support": "for", "reason": "Short chunks are proved sooner."});
    admin.act(id, "vote", &reason).expect(200);
    admin.refuses(&path("vote"), &json!({"support": "against"}), conflict, "already");
    done(&govern_as(admin, &members[0], &["vote", &id[..6], "for"]));
    refused(&govern_as(admin, &members[0], &["vote", id, "against"]), "already");
    let against = ["vote", id, "against", "--reason", "They cost more."];
    let said = done(&govern_as(admin, &members[1], &[&against[..], &["--json"]].concat()));
    let acted: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(acted["proposal"], id);
    assert!(acted["transaction"].as_str().is_some_and(|hash| hash.starts_with("0x")), "{acted}");
    refused(&govern_as(admin, stranger, &["vote", id, "for"]), "was no member");
    admin.refuses(&path("queue"), &nothing, conflict, "its vote ends at");
    admin.refuses(&path("execute"), &nothing, conflict, "only one that is queued");
    let proposal = admin.proposal(id);
    assert_eq!(proposal["votes"], json!({"for": 2, "against": 1, "abstain": 0}));
    assert_eq!((&proposal["quorum"], &proposal["voters"]), (&json!(2), &json!(3)));
    assert_eq!(proposal["own_vote"], json!({"cast": true, "eligible": true}));
    let ballots = proposal["ballots"].as_array().unwrap();
    let said: Vec<_> =
        ballots.iter().map(|ballot| (&ballot["support"], &ballot["reason"])).collect();
    let reasons = [json!("Short chunks are proved sooner."), json!(""), json!("They cost more.")];
    let (yes, no) = (json!("for"), json!("against"));
    assert_eq!(said, [(&yes, &reasons[0]), (&yes, &reasons[1]), (&no, &reasons[2])]);
    assert_eq!(ballots[1]["voter"], members[0].address.as_str());
}

/// Queued, waited for, carried out: by two members, and refused to be too early.
fn it_is_carried_out(admin: &Client, id: &str, members: &[Member; 2]) {
    let conflict = (409, "conflict");
    let path = |what: &str| format!("{}/{what}", proposals(id));
    admin.until(id, "succeeded");
    admin.refuses(&path("vote"), &json!({"support": "for"}), conflict, "is over");
    refused(&govern_as(admin, &members[0], &["vote", id, "for"]), "needs one that is active");
    admin.refuses(&path("execute"), &json!({}), conflict, "queue it");
    let queued = done(&govern_as(admin, &members[0], &["queue", id]));
    assert!(queued.contains("queued") && queued.contains(id), "{queued}");
    admin.refuses(&path("execute"), &json!({}), conflict, "can be executed from");
    refused(&govern_as(admin, &members[1], &["execute", id]), "the delay is not over");
    let start = Instant::now();
    loop {
        let executed = govern_as(admin, &members[1], &["execute", id]);
        if executed.status.success() {
            break;
        }
        refused(&executed, "the delay is not over");
        assert!(start.elapsed() < PATIENCE, "it is never executed");
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(admin.proposal(id)["state"], "executed");
    admin.refuses(&path("execute"), &json!({}), conflict, "is executed");
}

/// What a command line shows of it, by anybody where the log is public.
fn it_is_shown(nobody: &Client, id: &str) {
    let shown = done(&govern(nobody, &["show", &id[..10]]));
    for expected in
        [id, "Smaller chunks", "set chunk_bytes to 65536", "2 for, 1 against", "executed"]
    {
        assert!(shown.contains(expected), "no {expected:?} in {shown}");
    }
    let listed = done(&govern(nobody, &["proposals"]));
    assert!(listed.contains(&id[..12]) && listed.contains("canceled"), "{listed}");
    let history = done(&govern(nobody, &["history", "--limit", "1"]));
    assert!(history.contains("65536") && history.contains(&id[..12]), "{history}");
    let settings = done(&govern(nobody, &["settings"]));
    assert!(
        settings.contains("this node") && settings.contains("2 for or abstaining"),
        "{settings}"
    );
    let parameters = done(&govern(nobody, &["parameters"]));
    assert!(parameters.contains("65536 to 16777216"), "{parameters}");
    let none = govern(nobody, &["show", "ffffffffff"]);
    assert_eq!(none.status.code(), Some(1), "{}", String::from_utf8_lossy(&none.stderr));
    refused(&govern(nobody, &["show", "12"]), "6 to 64 hex digits");
}

fn three_nodes_decide(form: Form) {
    let folder = tempfile::tempdir().unwrap();
    let (wallet, members) = (Wallet::new(1), [Member::new(0x21), Member::new(0x22)]);
    let nodes = format!("{},{}", members[0].named(), members[1].named());
    let settings = [
        ("LUCID_CHAIN", "true"),
        ("LUCID_PUBLIC_LOG", "true"),
        ("LUCID_ADMINS", wallet.address.as_str()),
        ("LUCID_GOVERNANCE_NODES", nodes.as_str()),
        ("LUCID_GOVERNANCE_VOTING_DELAY", VOTING_DELAY),
        ("LUCID_GOVERNANCE_VOTING_PERIOD", VOTING_PERIOD),
        ("LUCID_GOVERNANCE_VOTE_EXTENSION", "1"),
        ("LUCID_GOVERNANCE_QUORUM", "50"),
        ("LUCID_GOVERNANCE_DELAY", TIMELOCK_DELAY),
        ("LUCID_REQUESTS_PER_MINUTE", "100000"),
    ];
    let mut server = Server::start_with(form, folder.path(), &settings);
    let nobody = server.client();
    let admin = server.client().sign_in(&wallet);
    let user = server.client().sign_in(&Wallet::new(2));
    let token = token_file(&admin, folder.path());
    let older = admin.recorded(200_000);
    assert_eq!(older["chunk_count"], 1);

    what_is_refused_at_once(&admin, &user, &nobody);
    a_proposal_is_canceled(&admin, &members[0], &token);
    let actions = json!([{"set_parameter": {"name": "chunk_bytes", "value": 65_536}}]);
    let id = admin.propose("Smaller chunks", &actions);
    all_vote(&admin, &id, &members, &Member::new(0x33));
    it_is_carried_out(&admin, &id, &members);

    let parameters = nobody.got("/api/v1/governance/parameters").expect(200);
    assert_eq!(parameters["parameters"][0]["value"], 65_536);
    let history = nobody.got("/api/v1/governance/parameters/history?limit=1").expect(200);
    let change = &history["changes"][0];
    assert_eq!((&change["proposal"], &change["to"]), (&json!(id), &json!(65_536)));
    assert_eq!((&change["name"], &change["from"]), (&json!("chunk_bytes"), &json!(8_388_608)));
    let newer = admin.recorded(200_000);
    assert_eq!(newer["chunk_count"], 4);
    assert_eq!(newer["chunks"][0]["plain_bytes"], 65_536);
    assert_ne!(newer["policy_hash"], older["policy_hash"]);
    assert_eq!(newer["policy_hash"], policy_hash(&parameters, &newer));
    let path = format!("/api/v1/sessions/{}/manifest", older["session_id"].as_str().unwrap());
    assert_eq!(admin.got(&path).expect(200), older, "a session keeps what it was promised");
    it_is_shown(&nobody, &id);

    // Another node's member proposes, by itself.
    let propose = ["propose", "--title", "Squeeze", "--set", "zstd_level=9", "--json"];
    let said = done(&govern_as(&nobody, &members[1], &propose));
    let acted: Value = serde_json::from_str(&said).unwrap();
    let proposal = nobody.proposal(acted["proposal"].as_str().unwrap());
    assert_eq!(proposal["proposer"], members[1].address.as_str());
    let propose = ["propose", "--title", "No", "--set", "zstd_level=10"];
    refused(&govern_as(&nobody, &members[1], &propose), "from 1 to 9");

    let (before, settings) =
        (nobody.proposal(&id), nobody.got("/api/v1/governance/settings").expect(200));
    assert_eq!(settings["node_count"], 3);
    server.kill_and_restart();
    assert_eq!(nobody.proposal(&id), before);
    open_proposals_are_counted(&nobody, &server.service(server.governance()));
    assert_eq!(admin.recorded(200_000)["chunk_count"], 4, "also after a restart");
    server.stop();
}

/// The metric comes to say how many proposals something can still come of.
fn open_proposals_are_counted(nobody: &Client, service: &Client) {
    let start = Instant::now();
    loop {
        let listed = nobody.got("/api/v1/governance/proposals").expect(200);
        let listed = listed["proposals"].as_array().unwrap();
        let is_open = |proposal: &&Value| {
            let ended = ["canceled", "defeated", "executed"];
            !ended.contains(&proposal["state"].as_str().unwrap())
        };
        let open = listed.iter().filter(is_open).count();
        let metrics = String::from_utf8(service.got("/metrics").body).unwrap();
        if metrics.contains(&format!("lucid_governance_open_proposals{{}} {open}\n")) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "not {open}: {metrics}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// The hash of the policy with these parameters, and the suite of a session's manifest: as an auditor makes
/// it, from the documentation alone.
fn policy_hash(parameters: &Value, manifest: &Value) -> Value {
    let parameters = parameters["parameters"].as_array().unwrap().iter();
    let of = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["value"].clone());
    let mut policy: BTreeMap<_, _> = parameters.map(of).collect();
    policy.insert("suite".to_owned(), manifest["suite"].clone());
    policy.insert("version".to_owned(), json!(2));
    json!(Hash::of(serde_json::to_string(&policy).unwrap().as_bytes()).to_string())
}

fn token_file(client: &Client, folder: &Path) -> String {
    let path = folder.join("token");
    std::fs::write(&path, client.token.as_ref().unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn three_nodes_decide_in_one_process() {
    three_nodes_decide(Form::One);
}

#[test]
fn three_nodes_decide_in_a_process_each() {
    three_nodes_decide(Form::Each);
}

#[test]
fn a_node_without_a_chain_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(Form::One, folder.path(), &[("LUCID_PUBLIC_LOG", "true")]);
    let client = server.client();
    client.got("/api/v1/governance/parameters").problem(404, "not_found");
    let shown = govern(&client, &["parameters"]);
    assert_eq!(shown.status.code(), Some(1), "{}", String::from_utf8_lossy(&shown.stderr));
    server.stop();
}

#[test]
fn decisions_are_for_whoever_signed_in_where_the_log_is_not_public() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(Form::One, folder.path(), &[("LUCID_CHAIN", "true")]);
    let (nobody, user) = (server.client(), server.client().sign_in(&Wallet::new(2)));
    for path in ["parameters", "parameters/history", "proposals", "settings"] {
        let path = format!("/api/v1/governance/{path}");
        nobody.got(&path).problem(401, "token_missing");
        user.got(&path).expect(200);
    }
    let token = token_file(&user, folder.path());
    done(&govern(&user, &["settings", "--token-file", &token]));
    refused(&govern(&user, &["settings"]), "token_missing");
    server.stop();
}
