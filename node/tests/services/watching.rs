//! `status --live`: a view that is kept up, in a terminal and for other programs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    client::Wallet,
    server::{Form, Server},
    support::BINARY,
};

/// A look comes each second; a machine that is busy with everything else gets this long.
const PATIENCE: Duration = Duration::from_secs(30);

struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(url: &str) -> Self {
        let mut command = Command::new(BINARY);
        command.env_clear().args(["status", "--live", "--every", "1", "--json", "--url", url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn look(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Ends it, and gives its exit code and what it said beside the looks.
    fn end(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

#[test]
fn what_goes_through_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    let mut watch = Watch::start(&owner.url(""));
    let first = watch.look();
    assert_eq!((&first["ready"], &first["rates"]), (&json!(true), &Value::Null));
    let id = owner.mint(&json!({}));
    assert_eq!(owner.patch(&id, 0, &vec![7; 3 << 20]).unwrap().status, 204);
    let begun = Instant::now();
    let seen = loop {
        let look = watch.look();
        if look["rates"]["plain_bytes"].as_f64().unwrap_or(0.0) > 0.0 {
            break look;
        }
        assert!(begun.elapsed() < PATIENCE, "{look}");
    };
    let rates = &seen["rates"];
    let came = rates["plain_bytes"].as_f64().unwrap() * rates["seconds"].as_f64().unwrap();
    assert!(came <= f64::from(3 << 20) * 1.01, "no more than came: {seen}");
    assert!(rates["http_requests"].as_f64().unwrap() > 0.0, "{seen}");
    assert!(seen["at"].as_str().unwrap() > first["at"].as_str().unwrap());
    assert_eq!(watch.end(), (Some(0), String::new()));

    // Who watches is told that nobody answers, and the view goes on.
    let mut watch = Watch::start(&owner.url(""));
    watch.look();
    server.stop();
    std::thread::sleep(Duration::from_secs(3));
    let (code, said) = watch.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody answers") && said.contains("lucid-node run"), "{said}");
}

#[test]
fn a_terminal_is_drawn_on_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, folder.path());
    let url = server.client().url("");
    // util-linux's own terminal between this test and the program.
    let line = format!("{BINARY} status --live --every 1 --url {url}; stty -a");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = script.spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut part, begun) = (String::new(), [0; 4096], Instant::now());
    // The second look has rates.
    while !seen.contains("B/s in") {
        let count = screen.read(&mut part).unwrap();
        assert!(count > 0 && begun.elapsed() < PATIENCE, "{seen:?}");
        seen.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    assert!(seen.starts_with("\u{1b}[?1049h\u{1b}[?25l\u{1b}[H"), "{seen:?}");
    assert!(seen.contains("ready") && seen.contains("throughput") && seen.contains("q ends this"));
    keys.write_all(b"q").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    let (_, after) = rest.split_once("\u{1b}[?25h\u{1b}[?1049l").expect("the first screen is back");
    // The keyboard is as it was.
    assert!(
        after.contains(" icanon") && after.contains(" echo ") && !after.contains("-icanon"),
        "{after}"
    );
    assert!(child.wait().unwrap().success());
    server.stop();
}
