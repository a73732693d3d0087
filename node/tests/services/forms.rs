//! What only one form has, and what both say of themselves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, SERVICES, Server},
};

#[test]
fn internal_ports_are_not_to_be_had_through_the_gateway() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        for path in ["/internal/v1/sessions/session", "/internal/v1/encryptor/chunk_keys"] {
            owner.post(path, &json!({})).problem(404, "not_found");
        }
        server.stop();
    }
}

#[test]
fn services_answer_nobody_without_their_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::Each, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    for (name, setting) in SERVICES {
        // All but the gateway.
        if setting.is_none() {
            continue;
        }
        let mut service = server.service(name);
        for path in ["/internal/v1/ping", "/internal/v1/vault/call", "/api/v1/sessions", "/nothing"]
        {
            service.token = None;
            service.post(path, &json!({})).problem(401, "token_missing");
            // A person's token is none of a service's.
            service.token.clone_from(&owner.token);
            service.post(path, &json!({})).problem(401, "token_invalid");
        }
        assert_eq!(service.got("/health").status, 200, "{name}");
    }
    server.stop();
}

#[test]
fn services_with_different_secrets_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Form::Each, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    server.restart_one("session-chunker", &[("LUCID_SERVICE_SECRET", &"other".repeat(9))]);
    let session = owner.mint(&json!({}));
    owner.patch(&session, 0, b"bytes").unwrap().problem(502, "bad_gateway");
    let ready = server.service("session-chunker").got("/ready");
    let said = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(ready.status == 503 && said.contains("service_secret"), "{said}");
}

/// Services are started in any order, and one that is not there yet is waited for.
#[test]
fn a_service_waits_for_the_one_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Form::Each, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    let session = owner.mint(&json!({}));
    owner.patch(&session, 0, b"some bytes").unwrap();
    server.kill_one("session-encryptor");
    server.kill_one("session-orchestrator");
    server.spawn_one("session-orchestrator", &[]);
    let orchestrator = server.service("session-orchestrator");
    let start = std::time::Instant::now();
    while orchestrator.get("/health").is_none_or(|answer| answer.status != 200) {
        assert!(start.elapsed().as_secs() < 20, "it answers while it waits");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ready = orchestrator.got("/ready");
    assert_eq!(ready.status, 503, "{}", String::from_utf8_lossy(&ready.body));
    owner.get(&format!("/api/v1/sessions/{session}")).unwrap().problem(503, "unavailable");
    server.spawn_one("session-encryptor", &[]);
    server.wait_ready();
    assert_eq!(owner.offset(&session), 10, "and nothing is lost");
    owner.patch(&session, 10, b" and more").unwrap();
    owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
    let content = owner.got(&format!("/api/v1/sessions/{session}/content"));
    assert_eq!(content.body, b"some bytes and more");
    server.stop();
}

#[test]
fn a_service_without_a_secret_or_with_anothers_folder_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |name: &str, settings: &[(&str, &str)]| {
        let output = std::process::Command::new(crate::support::BINARY)
            .args(["serve", name, "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env_clear()
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = serve("merkle-builder", &[]);
    assert!(code == Some(64) && text.contains("LUCID_SERVICE_SECRET_FILE"), "{text}");
    let node = std::process::Command::new(crate::support::BINARY)
        .args(["init", "--data"])
        .arg(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(node.status.success());
    let secret = "secret-of-services-0123456789-0123456789";
    for name in ["session-encryptor", "session-orchestrator", "authentication"] {
        let (code, text) = serve(name, &[("LUCID_SERVICE_SECRET", secret)]);
        assert!(code == Some(64) && text.contains("a whole node's"), "{name}: {code:?} {text}");
    }
}

#[test]
fn health_readiness_and_metrics() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let client = server.client();
        assert_eq!(client.got("/health").status, 200);
        let document = client.got("/openapi.json").expect(200);
        assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
        let page = client.got("/docs");
        assert!(matches!(page.status, 200 | 301..=308), "{}", page.status);
        server.stop();
    }
}

/// Names of metrics in PromQL.
fn named(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("lucid_") || word.starts_with("process_"))
}

#[test]
fn every_metric_of_the_dashboard_is_measured() {
    let dashboard = concat!(env!("CARGO_MANIFEST_DIR"), "/../compose/grafana/lucid-node.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(dashboard).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 15);
    let wanted: BTreeSet<&str> = expressions.iter().flat_map(|e| named(e)).collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({"length": 5}));
        owner.patch(&session, 0, b"hello").unwrap();
        Client::new(owner.address()).got("/api/v1/auth/me").problem(401, "token_missing");
        let mut stranger = Client::new(owner.address());
        stranger.token = Some("x".to_owned());
        stranger.got("/api/v1/auth/me").problem(401, "token_invalid");
        let services: Vec<_> = match form {
            Form::One => vec!["run"],
            Form::Each => SERVICES.iter().map(|(name, _)| *name).collect(),
        };
        let text =
            |name: &&str| String::from_utf8(server.service(name).got("/metrics").body).unwrap();
        let all: Vec<String> = services.iter().map(text).collect();
        for text in &all {
            assert!(text.ends_with("# EOF\n") && text.contains("lucid_build_info"));
        }
        let lines = || all.iter().flat_map(|text| text.lines());
        for name in &wanted {
            let is_it = |line: &str| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            };
            assert!(lines().any(is_it), "{form:?}: nobody measures {name}");
        }
        let value = |name: &str| -> f64 {
            let line = lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{} "));
            line.unwrap_or_else(|| panic!("{name} is not there")).parse().unwrap()
        };
        // Opened and sealed, beside what was written when the node and its first account came to be.
        assert!(value("lucid_log_entries") >= 3.0);
        assert!(value("lucid_sessions_open") < 0.5);
        assert_eq!(all.iter().filter(|text| text.contains("lucid_plain_bytes_total 5")).count(), 1);
        assert!(value("lucid_disk_free_bytes") > 1e6);
        server.stop();
    }
}

#[test]
fn no_secret_is_in_a_log() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_LOG_LEVEL", "trace")];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        owner.patch(&session, 0, b"a very plain plaintext").unwrap();
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        owner.got(&format!("/api/v1/sessions/{session}/content"));
        let token = owner.token.clone().unwrap();
        let secrets = [token.as_str(), owner.refresh_token.as_deref().unwrap(), "plain plaintext"];
        let log = server.stop();
        assert!(log.len() > 1000, "trace says something");
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
}
