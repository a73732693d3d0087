//! A recording with somebody at the terminal, and the signals it gets.
#![allow(clippy::unwrap_used, reason = "clippy exempts test functions, not what they share")]

mod support;

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use lucid_record::asciicast::{Data, Size};
use lucid_record::{Attach, ExitStatus, RecordOptions, record};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGWINCH;
use signal_hook::low_level::raise;
use support::{Cast, Desk, Sink, shell, wait_until};

fn at(desk: &Desk, script: &str) -> RecordOptions {
    let mut options = shell(script);
    options.input = desk.attach();
    options.output = desk.attach();
    options
}

#[test]
fn typing_and_output_pass_through() {
    let desk = Desk::new(91, 23);
    let script = "stty size; stty -echo; printf 'password: '; read -r x; stty echo; \
                  printf '\\nname: '; read -r y; echo \"[$x $y]\"";
    let options = at(&desk, script);
    let mut stream = Vec::new();
    let outcome = thread::scope(|scope| {
        let recording = scope.spawn(|| record(options, &mut stream).unwrap());
        desk.wait_for("password: ");
        assert!(desk.is_raw());
        desk.type_keys("hunter2\r");
        desk.wait_for("name: ");
        desk.type_keys("ann\r");
        let shown = desk.wait_for("]\r\n");
        assert!(shown.contains("ann\r\n[hunter2 ann]"), "{shown:?}");
        recording.join().unwrap()
    });
    assert_eq!(outcome.status, ExitStatus::Exited(0));
    assert!(!desk.is_raw());
    let cast = Cast::decode(&stream);
    assert_eq!(Some(cast.header.size), Size::new(91, 23));
    // What was typed is there where the terminal showed it, and nowhere else.
    let expected = "23 91\r\npassword: \r\nname: ann\r\n[hunter2 ann]\r\n";
    assert_eq!((cast.output().as_str(), cast.input().as_str()), (expected, ""));
}

#[test]
fn keys_reach_the_command_as_signals() {
    let desk = Desk::new(80, 24);
    let options = at(&desk, "echo ready; exec sleep 1000");
    let outcome = thread::scope(|scope| {
        let recording = scope.spawn(|| record(options, &mut io::sink()).unwrap());
        desk.wait_for("ready");
        desk.type_keys("\x03");
        recording.join().unwrap()
    });
    assert_eq!((outcome.status, outcome.stopped), (ExitStatus::Signaled(2), None));
}

#[test]
fn the_window_is_followed() {
    let desk = Desk::new(80, 24);
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let options = at(&desk, script);
    let mut stream = Vec::new();
    thread::scope(|scope| {
        let recording = scope.spawn(|| record(options, &mut stream).unwrap());
        desk.wait_for("ready");
        desk.resize(132, 43);
        raise(SIGWINCH).unwrap();
        desk.wait_for("43 132");
        recording.join().unwrap();
    });
    let cast = Cast::decode(&stream);
    let size = Size::new(132, 43).unwrap();
    assert_eq!(cast.rest(), [&Data::Resize(size), &Data::Exit(0)]);
    assert_eq!(cast.output(), "ready\r\n43 132\r\n");
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let desk = Desk::new(80, 24);
    let options = at(&desk, "echo ready; exec sleep 1000");
    let mut was_raw = false;
    let mut sink = Sink::new(|_: &[u8]| {
        was_raw = desk.is_raw();
        panic!("the sink panics, as this test wants it to");
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| record(options, &mut sink)));
    assert!(panicked.is_err());
    assert!(was_raw && !desk.is_raw());
}

#[test]
fn a_terminal_that_is_gone_does_not_end_the_recording() {
    let Desk { user, terminal } = Desk::new(80, 24);
    let mut options = shell("sleep 0.2; echo still here");
    options.input = Attach::Descriptor(terminal.try_clone().unwrap());
    options.output = Attach::Descriptor(terminal);
    drop(user);
    let mut stream = Vec::new();
    // No terminal to set into raw mode is a message, not a hang.
    match record(options, &mut stream) {
        Ok(_) => assert_eq!(Cast::decode(&stream).output(), "still here\r\n"),
        Err(error) => assert!(error.to_string().contains("the terminal"), "{error}"),
    }
}

/// The other side of the tests below: this test binary again, recording in its own process.
#[test]
fn recorder_process() {
    let Some(path) = std::env::var_os("LUCID_RECORD_TEST_FILE") else {
        return;
    };
    let mut options =
        shell("trap 'echo bye; exit 6' HUP; echo ready; while :; do sleep 0.05; done");
    options.input = Attach::Standard;
    let mut sink = File::create(path).unwrap();
    let outcome = record(options, &mut sink).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(6));
    // The recording is over: the signal has its usual effect.
    raise(signal_hook::consts::SIGTERM).unwrap();
}

/// A process that is killed where a test ends before it does.
struct Recorder(Child);

impl Drop for Recorder {
    fn drop(&mut self) {
        // Where it has ended there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts [`recorder_process`] by the words in `exec`, and returns when its recording has begun.
fn recorder(file: &Path, desk: &Desk, exec: &str) -> Recorder {
    let recorder = Command::new("/bin/sh")
        .args(["-c", &format!("{exec} \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["recorder_process", "--exact", "--nocapture"])
        .env("LUCID_RECORD_TEST_FILE", file)
        .stdin(desk.terminal.try_clone().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .map(Recorder)
        .unwrap();
    wait_until("the recording has begun", || {
        std::fs::read_to_string(file).is_ok_and(|stream| stream.contains("\"ready\\r"))
    });
    recorder
}

fn check_signals(exec: &str, signals: &[Signal], name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cast");
    let desk = Desk::new(80, 24);
    let mut recorder = recorder(&file, &desk, exec);
    assert!(desk.is_raw());
    for signal in signals {
        kill_process(Pid::from_child(&recorder.0), *signal).unwrap();
    }
    wait_until("the recording has ended", || recorder.0.try_wait().unwrap().is_some());
    let ended = recorder.0.wait().unwrap();
    assert_eq!(ended.signal(), Some(Signal::TERM.as_raw()), "{ended}");
    assert!(!desk.is_raw());
    let cast = Cast::decode(&std::fs::read(&file).unwrap());
    let marker = Data::Marker(format!("recording stopped by {name}"));
    assert_eq!(cast.rest(), [&marker, &Data::Exit(6)]);
    assert!(cast.output().ends_with("bye\r\n"), "{:?}", cast.output());
}

#[test]
fn signals_end_a_recording_in_order() {
    // Whatever these tests themselves were started to ignore, as by nohup.
    let exec = "exec env --default-signal=HUP,INT,TERM";
    check_signals(exec, &[Signal::TERM], "SIGTERM");
    check_signals(exec, &[Signal::INT], "SIGINT");
    check_signals(exec, &[Signal::HUP], "SIGHUP");
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    check_signals("trap '' HUP; exec", &[Signal::HUP, Signal::TERM], "SIGTERM");
}
