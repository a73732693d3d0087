//! What operators do with a running node, by the command line.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, SERVICES, Server},
    support::BINARY,
};

fn run(arguments: &[&str]) -> Output {
    run_with(&[], arguments)
}

fn run_with(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().envs(settings.iter().copied()).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}{err}", String::from_utf8_lossy(out));
    format!("{}{err}", String::from_utf8_lossy(out))
}

#[track_caller]
fn json_of(output: &Output, code: i32) -> Value {
    said(output, code);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_status_of_a_node_is_what_it_says_of_itself() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let (url, started) = (owner.url(""), std::time::SystemTime::now());
        owner.mint(&json!({}));
        let status = json_of(&run(&["status", "--url", &url, "--json"]), 0);
        assert_eq!((&status["ready"], &status["url"]), (&json!(true), &json!(url)));
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert!(status["resident_memory_bytes"].as_u64().unwrap() > 1 << 20, "{status}");
        let began: lucid_core::Timestamp = status["started_at"].as_str().unwrap().parse().unwrap();
        let now = started.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        assert!(now.abs_diff(began.unix_millis()) < 60_000, "{status}");
        if form == Form::One {
            assert_eq!(
                (&status["open_sessions"], &status["uploads_active"]),
                (&json!(1), &json!(0))
            );
        }
        let text = said(&run(&["status", "--url", &url]), 0);
        assert!(text.contains("ready") && text.contains("memory"), "{text}");
        server.stop();
    }
    let nobody = run(&["status", "--url", "http://127.0.0.1:1"]);
    assert!(said(&nobody, 74).contains("lucid-node run"));
    said(&run(&["status", "--url", "ftp://127.0.0.1"]), 64);
}

#[test]
fn a_health_check_tells_life_from_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Form::Each, folder.path());
    let listen = |name: &str| server.service(name).address().to_string();
    let places: Vec<_> = SERVICES.iter().map(|(name, _)| (*name, listen(name))).collect();
    for (name, listen) in &places {
        said(&run_with(&[("LUCID_LISTEN", listen)], &["healthcheck", name]), 0);
        said(&run_with(&[("LUCID_LISTEN", listen)], &["healthcheck", name, "--ready"]), 0);
    }
    server.kill_one("session-encryptor");
    let (name, listen) = &places[0];
    assert_eq!(*name, "session-encryptor");
    let dead = run_with(&[("LUCID_LISTEN", listen)], &["healthcheck", name]);
    assert!(said(&dead, 1).contains("nobody answers"));
    // The orchestrator lives, and cannot do its work.
    let (name, listen) = &places[1];
    said(&run_with(&[("LUCID_LISTEN", listen)], &["healthcheck", name]), 0);
    // What was said of the other counts for a moment.
    let waits = || run_with(&[("LUCID_LISTEN", listen)], &["healthcheck", name, "--ready"]);
    let killed = Instant::now();
    while waits().status.success() {
        assert!(killed.elapsed() < Duration::from_secs(5), "it does not notice");
    }
    assert!(said(&waits(), 1).contains("session-encryptor"), "it says what it lacks");
    let content = |listen: &str, more: &[&str]| {
        let arguments = [&["healthcheck", name, "--or-alive"][..], more].concat();
        run_with(&[("LUCID_LISTEN", listen)], &arguments)
    };
    let alive = content(listen, &["--ready", "--wait", "1"]);
    let text = said(&alive, 0);
    assert!(text.contains("is not ready") && text.contains("session-encryptor"), "{text}");
    assert!(said(&content(&places[0].1, &["--ready"]), 1).contains("nobody answers"));
    said(&content(listen, &[]), 64);
}

#[test]
fn a_health_check_waits_for_what_is_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_unready(Form::One, folder.path(), &[]);
    let listen = server.client().address().to_string();
    let ask = |more: &[&str]| {
        let arguments = [&["healthcheck", "--ready"][..], more].concat();
        run_with(&[("LUCID_LISTEN", &listen)], &arguments)
    };
    said(&ask(&["--wait", "60"]), 0);
    server.stop();
    let began = Instant::now();
    assert!(said(&ask(&["--wait", "1"]), 1).contains("nobody answers"));
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    for refused in ["0", "3601", "-1", "soon"] {
        said(&ask(&["--wait", refused]), 64);
    }
}

fn tokens(client: &Client, folder: &Path) -> String {
    let path = folder.join("tokens");
    fs::write(&path, json!({"access_token": client.token}).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn accounts_are_managed_in_the_folder_or_as_an_admin_of_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (boss, other) = (Wallet::new(9), Wallet::new(2));
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    said(&run(&["init", "--data", data]), 0);
    let here =
        |arguments: &[&str]| run(&[&["users"], arguments, &["--data", data, "--json"]].concat());
    assert_eq!(json_of(&here(&["list"]), 0)["users"], json!([]));
    let granted = json_of(&here(&["grant", &boss.address, "admin"]), 0);
    assert_eq!((&granted["role"], &granted["revoked"]), (&json!("admin"), &json!(false)));
    assert!(said(&here(&["revoke", &boss.address]), 64).contains("no other admin"));
    said(&here(&["revoke", &other.address]), 1);
    said(&here(&["grant", "TNobody", "user"]), 64);
    said(&here(&["grant", &other.address, "boss"]), 64);

    let server = Server::start(Form::One, folder.path());
    let in_use = said(&here(&["list"]), 74);
    assert!(in_use.contains("--token-file"), "{in_use}");
    let admin = server.client().sign_in(&boss);
    let (url, tokens) = (admin.url(""), tokens(&admin, folder.path()));
    let there = |arguments: &[&str]| {
        let way = ["--url", &url, "--token-file", &tokens, "--json"];
        run(&[&["users"], arguments, &way].concat())
    };
    let granted = json_of(&there(&["grant", &other.address, "operator"]), 0);
    assert_eq!(granted["role"], "operator");
    let users = json_of(&there(&["list"]), 0);
    assert_eq!(users["users"].as_array().unwrap().len(), 2, "{users}");
    assert_eq!(json_of(&there(&["revoke", &other.address]), 0)["revoked"], true);
    said(&there(&["revoke", &Wallet::new(3).address]), 1);
    // A user is told so; a token goes nowhere in the open.
    let user = server.client().sign_in(&Wallet::new(4));
    let user = self::tokens(&user, folder.path());
    let refused = run(&["users", "list", "--url", &url, "--token-file", &user]);
    assert!(said(&refused, 64).contains("forbidden"));
    let open = run(&["users", "list", "--url", "http://192.0.2.1", "--token-file", &user]);
    assert!(said(&open, 64).contains("only over https"));
    server.stop();
    // What was changed over HTTP is in the folder, and in its ledger.
    let users = json_of(&here(&["list"]), 0)["users"].as_array().unwrap().len();
    assert_eq!(users, 3);
}

#[test]
fn doctor_looks_at_ports_secrets_and_peers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, folder.path());
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let listen = server.client().address().to_string();
    let line = |settings: &[(&str, &str)], check: &str| {
        let output = run_with(settings, &["doctor", "--data", data, "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = report["checks"].as_array().unwrap().clone();
        let found = lines.into_iter().find(|line| line["check"] == check);
        found.unwrap_or_else(|| panic!("{check} is not looked at: {report}"))
    };
    let here = [("LUCID_LISTEN", listen.as_str())];
    assert_eq!(line(&here, "port")["status"], "ok", "a node answers there");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    drop(std::thread::spawn(move || {
        // Somebody else's program, who hangs up on everyone.
        for stream in other.incoming() {
            drop(stream);
        }
    }));
    let taken = line(&[("LUCID_LISTEN", taken.as_str())], "port");
    assert_eq!(taken["status"], "fail", "{taken}");
    assert!(taken["remedy"].as_str().unwrap().contains("--listen"), "{taken}");
    let secret = folder.path().join("service.secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let secret = secret.to_str().unwrap();
    let file = [("LUCID_SERVICE_SECRET_FILE", secret)];
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(secret, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o600);
    assert_eq!(line(&file, "secret files")["status"], "ok");
    let url = server.client().url("");
    let peer = [file[0], ("LUCID_SESSION_CHUNKER_URL", url.as_str())];
    assert_eq!(line(&peer, "session-chunker")["status"], "ok");
    let peer = [file[0], ("LUCID_SESSION_CHUNKER_URL", "http://127.0.0.1:1")];
    let gone = line(&peer, "session-chunker");
    assert_eq!(gone["status"], "fail", "{gone}");
    assert!(gone["remedy"].as_str().unwrap().contains("serve session-chunker"), "{gone}");
    assert!(line(&[], "disk rate")["found"].as_str().unwrap().contains("/s"));
    server.stop();
}
