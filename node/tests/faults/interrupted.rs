//! Inputs that fall silent, signals, and going on afterwards with the same input or with another.

use std::{fs, os::unix::process::ExitStatusExt, process::Command};

use rustix::process::Signal;

use crate::support::{Live, Node, Ran, flip, mixed, text};

const INGEST: &str = "ingest - --json --progress json --workers 2 --chunk-bytes 64KiB";

/// A session of `input` that `signal` interrupted with all of it acknowledged.
fn interrupted(node: &Node, input: &[u8], signal: Signal) -> (String, Ran) {
    let mut live = Live::start(node.command(&format!("{INGEST} --flush-after 50ms")));
    let id = live.opened();
    live.write(input);
    live.acknowledged(input.len() as u64);
    live.signal(signal);
    (id, live.end())
}

#[test]
fn what_was_sent_is_kept_while_the_pipe_stays_open() {
    let node = Node::new();
    let mut live = Live::start(node.command(&format!("{INGEST} --flush-after 300ms")));
    let id = live.opened();
    let input = mixed(200_000, 1);
    live.write(&input[..1000]);
    live.acknowledged(1000);
    live.write(&input[1000..70_000]);
    live.acknowledged(70_000);
    live.write(&input[70_000..]);
    let result = live.close().ok().json();
    assert_eq!(result["session_id"], id.as_str());
    assert_eq!(result["complete"], true);
    assert!(node.restore(&id) == input);
}

#[test]
fn a_stopped_writer_is_waited_for() {
    let node = Node::new();
    let mut live = Live::start(node.command(&format!("{INGEST} --flush-after 300ms")));
    let id = live.opened();
    live.write(b"before");
    live.acknowledged(6);
    live.signal(Signal::STOP);
    live.write(b" and after");
    live.signal(Signal::CONT);
    live.acknowledged(16);
    live.close().ok();
    assert_eq!(node.restore(&id), b"before and after");
}

#[test]
fn a_signal_stops_it_and_it_goes_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let node = Node::new();
        let input = mixed(300_000, 2);
        let (id, ran) = interrupted(&node, &input[..150_000], signal);
        ran.ends(74).says(&[
            "interrupted",
            &format!("acknowledged and kept of session {id}: 150000 bytes in 3 chunks"),
            &format!("go on with: lucid-node ingest - --resume {id} --data "),
            &format!("close it as incomplete with: lucid-node seal {id} --data "),
        ]);
        let resumed = node.feed(&format!("{INGEST} --resume {id}"), &input).ok();
        let result = resumed.json();
        assert_eq!(result["plain_bytes"], 300_000);
        assert_eq!(result["complete"], true);
        assert!(node.restore(&id) == input);
        node.run(&format!("verify {id} --decrypt")).ok();
    }
}

#[test]
fn a_signal_stops_a_file_too() {
    let node = Node::new();
    // Large enough to be still at it, however late the signal.
    let input = mixed(64 << 20, 3);
    let path = node.file("input", &input);
    let words = format!("ingest {path} --progress json --workers 1 --chunk-bytes 64KiB");
    let mut live = Live::start(node.command(&words));
    let id = live.opened();
    live.acknowledged(1);
    live.signal(Signal::TERM);
    live.end().ends(74).says(&["interrupted", &format!("lucid-node ingest {path} --resume {id}")]);
    node.run(&format!("ingest {path} --resume {id}")).ok();
    assert!(node.restore(&id) == input);
}

fn pipe(node: &Node, name: &str) -> String {
    let path = node.name(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Nobody writes to the pipe, so that opening it never ends by itself.
#[test]
fn a_signal_ends_the_wait_for_a_pipe() {
    for signal in [Signal::INT, Signal::TERM] {
        let node = Node::new();
        let id = node.ingest(b"a recording");
        let (input, identity) = (pipe(&node, "input"), pipe(&node, "identity"));
        let output = node.name("restored");
        for words in [
            format!("ingest {input}"),
            format!("ingest {input} --resume {id}"),
            format!("restore {id} --identity {identity} -o {output}"),
            format!("verify {id} --decrypt --identity {identity}"),
        ] {
            let mut live = Live::start(node.command(&words));
            live.has_folder(&node.data());
            live.signal(signal);
            live.end().ends(74);
        }
        // Nothing was begun that would be left over.
        let listed = node.run("list --json").ok().json();
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(node.restore(&id), b"a recording");
    }
}

/// Those that catch no signal die of it.
#[test]
fn a_signal_ends_the_wait_for_another_file() {
    let node = Node::new();
    node.ingest(b"a recording");
    let pipe = pipe(&node, "pipe");
    let mut live = Live::start(node.command(&format!("ledger check --against {pipe}")));
    live.has_folder(&node.data());
    live.signal(Signal::TERM);
    assert_eq!(live.end().status.signal(), Some(15));
}

/// The pipe is open, and silent.
#[test]
fn a_signal_ends_the_wait_for_what_a_pipe_gives() {
    let node = Node::new();
    let pipe = pipe(&node, "pipe");
    let mut live = Live::start(node.command(&format!("ingest {pipe} --progress json")));
    let writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let id = live.opened();
    live.signal(Signal::TERM);
    live.end().ends(74).says(&["interrupted", &format!("--resume {id}")]);
    drop(writer);
}

#[test]
fn a_changed_input_is_refused_with_the_place() {
    let node = Node::new();
    let input = mixed(150_000, 4);
    let (id, _) = interrupted(&node, &input, Signal::TERM);
    let resume = format!("ingest - --resume {id}");
    for place in [0, 1, 65_535, 65_536, 149_999] {
        let mut changed = input.clone();
        changed[place] ^= 0x80;
        let ran = node.feed(&resume, &changed).ends(64);
        ran.says(&[&format!("differs from it at byte {place}")]);
    }
    for length in [0, 1, 65_536, 149_999] {
        let ran = node.feed(&resume, &input[..length]).ends(64);
        ran.says(&[&format!("the input ends at byte {length}"), "150000 bytes of the session"]);
    }
    // None of that harmed it, and the same input with nothing more ends it.
    node.feed(&resume, &input).ok();
    assert!(node.restore(&id) == input);
    node.feed(&resume, &input).ends(64).says(&["sealed"]);
}

#[test]
fn it_hears_a_signal_while_it_waits_for_an_input_to_compare() {
    let node = Node::new();
    let input = mixed(150_000, 5);
    let (id, _) = interrupted(&node, &input, Signal::TERM);
    let mut live = Live::start(node.command(&format!("{INGEST} --resume {id}")));
    live.opened();
    live.write(&input[..70_000]);
    live.signal(Signal::TERM);
    live.end().ends(74).says(&["interrupted"]);
    node.feed(&format!("ingest - --resume {id}"), &input).ok();
    assert!(node.restore(&id) == input);
}

#[test]
fn a_store_that_fails_is_told_while_the_input_is_silent() {
    let node = Node::new();
    let input = mixed(100_000, 6);
    let (id, _) = interrupted(&node, &input, Signal::TERM);
    // No disk has that much: the next chunk is refused, and the pipe stays open.
    let words = format!("{INGEST} --resume {id} --reserve-bytes 900TiB");
    let mut live = Live::start(node.command(&words));
    live.opened();
    live.write(&input);
    live.write(&mixed(65_536, 7));
    live.end().ends(74).says(&["the disk is nearly full", &format!("--resume {id}")]);
}

/// The second ends it at once, in whatever it is; nothing acknowledged is lost by that.
#[test]
fn two_signals_lose_nothing() {
    let node = Node::new();
    let mut live = Live::start(node.command(&format!("{INGEST} --flush-after 50ms")));
    let id = live.opened();
    live.write(b"kept");
    live.acknowledged(4);
    // Stopped, so that both are there when it goes on.
    live.signal(Signal::STOP);
    live.signal(Signal::INT);
    live.signal(Signal::TERM);
    live.signal(Signal::CONT);
    let ran = live.end();
    assert!(!ran.status.success(), "{}", ran.status);
    let shown = node.run(&format!("show {id} --json")).ok().json();
    assert_eq!(shown["acknowledged"]["plain_bytes"], 4);
}

#[test]
fn what_was_interrupted_can_be_sealed_or_voided() {
    let node = Node::new();
    let (sealed, _) = interrupted(&node, b"as far as it went", Signal::INT);
    let result = node.run(&format!("seal {sealed} --json")).ok().json();
    assert_eq!(result["complete"], false);
    assert_eq!(node.restore(&sealed), b"as far as it went");
    node.run(&format!("verify {sealed}")).ok();
    let (voided, _) = interrupted(&node, b"a mistake", Signal::INT);
    node.run(&format!("void {voided}")).ends(64).says(&["--yes"]);
    node.run(&format!("void {voided} --yes")).ok();
    for words in ["restore", "prove", "seal", "ingest - --resume"] {
        node.run(&format!("{words} {voided}")).ends(64).says(&["voided"]);
    }
    let states = node.run("list --json").ok().json();
    let states: Vec<_> =
        states["sessions"].as_array().unwrap().iter().map(|row| text(&row["state"])).collect();
    assert_eq!(states, ["sealed", "voided"]);
}

/// Of a chunk that was sealed and not acknowledged, every segment must authenticate under the session's
/// key: the right beginning over other segments is no chunk of the session.
#[test]
fn an_unacknowledged_chunk_is_kept_only_if_all_of_it_is_authentic() {
    let input = mixed(150_000, 4);
    for (place, kept) in [(None, 150_000), (Some(104), 131_072), (Some(-1), 131_072)] {
        let node = Node::new();
        let (id, ran) = interrupted(&node, &input, Signal::INT);
        ran.ends(74);
        // The last record of the index is lost, and with it the acknowledgement.
        let index = node.data().join("sessions").join(&id).join("index");
        let records = fs::read(&index).unwrap();
        fs::write(&index, &records[..records.len() - 140]).unwrap();
        let (chunk, orphan) = (node.chunk(&id, 2), node.chunk(&id, 2).with_extension("lck.orphan"));
        if let Some(place) = place {
            flip(&chunk, place);
        }
        let shown = node.run(&format!("show {id} --json")).ok().json();
        assert_eq!(shown["acknowledged"]["plain_bytes"], kept, "{place:?}: {shown}");
        assert_eq!((chunk.exists(), orphan.exists()), (place.is_none(), place.is_some()));
        node.feed(&format!("{INGEST} --resume {id}"), &input).ok();
        assert!(node.restore(&id) == input);
    }
}
