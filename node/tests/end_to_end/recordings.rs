//! Terminals: recorded as asciicasts, whatever the command does.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Live, Node, text};

/// The header and the events of a recording.
fn cast(node: &Node, id: &str) -> (Value, Vec<Value>) {
    let text = String::from_utf8(node.restore(id)).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (lines.next().unwrap(), lines.collect())
}

/// All that was shown.
fn shown(events: &[Value]) -> String {
    events.iter().filter(|event| event[1] == "o").map(|event| text(&event[2])).collect()
}

fn record(node: &Node, options: &str, script: &str) -> crate::support::Ran {
    let mut command = node.command(&format!("record --json {options} -- sh -c"));
    command.arg(script);
    crate::support::run(command, &[])
}

#[test]
fn a_command_and_what_it_showed() {
    let node = Node::new();
    let ran =
        record(&node, "--title demo", "echo hello; printf '\\033[1mbold\\033[0m'; exit 3").ok();
    let result = ran.json();
    assert_eq!(result["media_type"], "application/x-asciicast");
    assert_eq!(result["exit_status"], "exit status 3");
    assert_eq!(result["complete"], true);
    let id = text(&result["session_id"]);
    let (header, events) = cast(&node, &id);
    assert_eq!(header["version"], 3);
    assert!(header["term"]["cols"].as_u64().unwrap() > 0);
    assert!(header["timestamp"].as_u64().unwrap() > 0);
    assert_eq!(header["title"], "demo");
    assert_eq!(shown(&events), "hello\r\n\u{1b}[1mbold\u{1b}[0m");
    assert_eq!(events.last().unwrap()[1], "x");
    assert_eq!(events.last().unwrap()[2], "3");
    for event in &events {
        assert!(event[0].as_f64().unwrap() >= 0.0 && event[1].is_string(), "{event}");
    }
    node.run(&format!("verify {id} --decrypt")).ok();
}

/// The command's own options are the command's, an unknown one before it is a mistake.
#[test]
fn options_before_and_after_the_command() {
    let node = Node::new();
    node.run("record --no-such-option echo x").ends(64).says(&["--no-such-option"]);
    assert!(!node.data().exists(), "and no session of a command of that name");
    for words in ["record --json echo -n --json x", "record --json -- echo -n --json x"] {
        let id = text(&node.run(words).ok().json()["session_id"]);
        assert_eq!(shown(&cast(&node, &id).1), "--json x");
    }
}

#[test]
fn much_output_is_all_there() {
    let node = Node::new();
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let result = record(&node, "--chunk-bytes 64KiB", script).ok().json();
    assert!(result["chunk_count"].as_u64().unwrap() > 1);
    let (_, events) = cast(&node, &text(&result["session_id"]));
    let expected: String = (0..20_000).map(|n| format!("line {n}\r\n")).collect();
    assert!(shown(&events) == expected);
}

#[test]
fn a_command_that_is_not_there() {
    let node = Node::new();
    node.run("init").ok();
    node.run("record -- no-such-command-anywhere").ends(64).says(&["no-such-command-anywhere"]);
    let listed = node.run("list --json").ok().json();
    assert_eq!(listed["sessions"][0]["state"], "voided");
    let id = node.only_session();
    assert!(!node.data().join("chunks").join(id).exists());
    node.run("verify --all").ok();
    // A file that is no program, too.
    let file = node.file("text", b"no program");
    node.run(&format!("record -- {file}")).ends(64);
}

#[test]
fn a_recording_that_is_stopped_is_incomplete() {
    let node = Node::new();
    let mut command = node.command("record --json --progress json --flush-after 50ms -- sh -c");
    command.arg("echo before; : > ready; sleep 1000; echo never");
    let mut live = Live::start(command);
    let id = live.opened();
    // What is shown is acknowledged while the command runs.
    live.acknowledged(1);
    while !node.path("ready").exists() {
        std::thread::yield_now();
    }
    live.signal(Signal::TERM);
    let ran = live.end().ok();
    let result = ran.json();
    assert_eq!(result["complete"], false);
    ran.says(&["stopped from outside", "incomplete"]);
    let (_, events) = cast(&node, &id);
    assert_eq!(shown(&events), "before\r\n");
    let shown = node.run(&format!("show {id} --json")).ok().json();
    assert_eq!(shown["manifest"]["complete"], false);
    node.run(&format!("verify {id}")).ok();
}

#[test]
fn a_recorder_that_is_killed_keeps_what_was_shown() {
    let node = Node::new();
    let mut command = node.command("record --progress json --flush-after 50ms -- sh -c");
    command.arg("echo shown; exec sleep 5");
    let mut live = Live::start(command);
    let id = live.opened();
    live.acknowledged(1);
    live.kill();
    let shown = node.run(&format!("show {id} --json")).ok().json();
    assert!(shown["acknowledged"]["plain_bytes"].as_u64().unwrap() > 0, "{shown}");
    node.run(&format!("seal {id}")).ok();
    let stream = String::from_utf8(node.restore(&id)).unwrap();
    assert!(stream.starts_with("{\"version\":3"), "{stream}");
    node.run(&format!("verify {id}")).ok();
}

#[test]
fn what_is_typed_is_kept_only_where_asked() {
    let node = Node::new();
    let recorded = |options: &str| {
        let mut command = node.command(&format!("record --json {options} -- sh -c"));
        command.arg("read secret; echo got it");
        let ran = crate::support::run(command, b"hunter2\n").ok();
        cast(&node, &text(&ran.json()["session_id"])).1
    };
    let events = recorded("");
    assert!(shown(&events).contains("got it"));
    assert!(events.iter().all(|event| !event.to_string().contains("hunter2")), "{events:?}");
    let typed = recorded("--input");
    let input = typed.iter().filter(|event| event[1] == "i").map(|event| text(&event[2]));
    assert!(input.collect::<String>().contains("hunter2"), "{typed:?}");
}
