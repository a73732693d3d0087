//! What a recording of a command holds.
#![allow(clippy::unwrap_used, reason = "clippy exempts test functions, not what they share")]

mod support;

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

use lucid_record::asciicast::{Data, Size};
use lucid_record::{
    Attach, ExitStatus, Outcome, RecordError, RecordOptions, StopCause, record, spawn,
};
use support::{Cast, Sink, shell};

fn run(options: RecordOptions) -> (Outcome, Cast) {
    let mut stream = Vec::new();
    let outcome = record(options, &mut stream).unwrap();
    (outcome, Cast::decode(&stream))
}

fn check(script: &str, output: &str, status: ExitStatus) {
    let (outcome, cast) = run(shell(script));
    assert_eq!(cast.output(), output, "{script}");
    assert_eq!(outcome, Outcome { status, stopped: None }, "{script}");
    let last = &cast.events.last().unwrap().data;
    assert_eq!(*last, Data::Exit(status.code()), "{script}");
}

/// What `seq 1 last` shows.
fn lines(last: u32) -> String {
    (1..=last).fold(String::new(), |lines, number| lines + &number.to_string() + "\r\n")
}

fn input_file(bytes: &[u8]) -> Attach {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    Attach::Descriptor(file.into())
}

#[test]
fn output_and_status_are_exact() {
    let exited = ExitStatus::Exited;
    check("printf 'one\\n\\ttwo'", "one\r\n\ttwo", exited(0));
    check("exit 3", "", exited(3));
    check("echo out; echo err >&2; exit 255", "out\r\nerr\r\n", exited(255));
    check("printf dead; kill -9 $$", "dead", ExitStatus::Signaled(9));
    check("test -t 0 && test -t 1 && test -t 2 && echo yes", "yes\r\n", exited(0));
    // After a silence that is longer than any wait of the recorder's.
    check("sleep 0.6; printf late", "late", exited(0));
    // Half a character, then its end; bytes that are none.
    check("printf '\\303'; sleep 0.1; printf '\\251!'", "é!", exited(0));
    check("printf 'a\\377b\\342\\202'", "a\u{fffd}b\u{fffd}", exited(0));
    // Something left behind keeps the terminal open; the command's output ends with the command.
    check("trap '' HUP; sleep 20 & echo done", "done\r\n", exited(0));
    // The terminal is let go of and opened again.
    check("exec </dev/null >/dev/null 2>&1; sleep 0.2; printf back >/dev/tty", "back", exited(0));
}

#[test]
fn a_character_is_not_cut_between_events() {
    let (typed, mut keys) = io::pipe().unwrap();
    let mut options = shell("printf 'h\\303'; read -r _; printf '\\251'");
    options.input = Attach::Descriptor(typed.into());
    // The second half is asked for when the first is in the recording.
    let mut sink =
        Sink::new(
            |bytes: &[u8]| {
                if bytes.ends_with(b"\"h\"]\n") { keys.write_all(b"\n") } else { Ok(()) }
            },
        );
    record(options, &mut sink).unwrap();
    let cast = Cast::decode(&sink.kept);
    let texts: Vec<&Data> = cast.events.iter().map(|event| &event.data).collect();
    let output = |text: &str| Data::Output(text.into());
    assert_eq!(texts, [&output("h"), &output("é"), &Data::Exit(0)]);
}

#[test]
fn the_header_says_what_was_recorded() {
    let mut options = shell("stty size");
    options.size = Size::new(101, 37);
    options.title = Some("a title".into());
    options.env = vec!["PATH".into(), "LUCID_NO_SUCH_VARIABLE".into()];
    let (_, cast) = run(options);
    assert_eq!(cast.output(), "37 101\r\n");
    assert_eq!(Some(cast.header.size), Size::new(101, 37));
    assert_eq!(cast.header.timestamp, Some(1_700_000_000));
    assert_eq!(cast.header.command.as_deref(), Some("/bin/sh -c 'stty size'"));
    assert_eq!(cast.header.title.as_deref(), Some("a title"));
    assert_eq!(cast.header.term_type, std::env::var("TERM").ok());
    let path = std::env::var("PATH").unwrap();
    assert_eq!(cast.header.env.into_iter().collect::<Vec<_>>(), [("PATH".to_owned(), path)]);

    let (_, cast) = run(shell("stty size"));
    assert_eq!(cast.output(), "24 80\r\n");
}

#[test]
fn a_command_runs_where_it_was_asked_for() {
    let here = std::env::current_dir().unwrap();
    check("pwd", &format!("{}\r\n", here.display()), ExitStatus::Exited(0));
}

#[test]
fn a_command_that_cannot_run_leaves_no_recording() {
    for (command, expected) in [
        (vec!["lucid-no-such-command"], "command not found: `lucid-no-such-command`"),
        (vec!["/"], "`/` cannot be run: it is a directory"),
        (vec![], "no command to record"),
    ] {
        let mut stream = Vec::new();
        let mut options = RecordOptions::new(command, 0);
        options.input = Attach::Nothing;
        let error = record(options, &mut stream).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(stream.is_empty());
    }
}

#[test]
fn a_script_without_an_interpreter_line_runs_as_in_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    std::fs::write(&path, "echo \"$1\"; exit 4\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let mut options = shell("");
    options.command = vec![path.into(), "word".into()];
    let (outcome, cast) = run(options);
    assert_eq!((cast.output().as_str(), outcome.status), ("word\r\n", ExitStatus::Exited(4)));
}

#[test]
fn a_slow_sink_loses_nothing() {
    // 10 MB, ten times what is queued.
    let mut writes = 0;
    let mut sink = Sink::new(|_: &[u8]| {
        writes += 1;
        std::thread::sleep(Duration::from_millis(if writes == 3 { 1500 } else { 5 }));
        Ok(())
    });
    record(shell("seq 1 1450000"), &mut sink).unwrap();
    let expected = lines(1_450_000);
    assert!(expected.len() > 10_000_000);
    assert!(Cast::decode(&sink.kept).output() == expected, "the output differs");
}

#[test]
fn the_end_of_the_input_reaches_the_command() {
    for (input, output) in
        [(&b""[..], ""), (b"a\nb\n", "a\r\nb\r\n"), (b"half a line", "half a line")]
    {
        let mut options = shell("cat; echo ' end'");
        options.input = input_file(input);
        let (_, cast) = run(options);
        assert_eq!(cast.output(), format!("{output} end\r\n"));
        assert_eq!(cast.input(), "");
    }
    check("cat", "", ExitStatus::Exited(0));
}

#[test]
fn input_nobody_reads_holds_nothing_up() {
    let mut options = shell("sleep 0.3; exit 5");
    options.input = Attach::Descriptor(File::open("/dev/zero").unwrap().into());
    assert_eq!(run(options).0.status, ExitStatus::Exited(5));
}

#[test]
fn input_is_recorded_only_on_request() {
    for (capture_input, expected) in [(false, ""), (true, "hunter2\n")] {
        let mut options = shell("read -r password; echo ok");
        options.input = input_file(b"hunter2\n");
        options.capture_input = capture_input;
        let mut stream = Vec::new();
        record(options, &mut stream).unwrap();
        let cast = Cast::decode(&stream);
        assert_eq!((cast.output().as_str(), cast.input().as_str()), ("ok\r\n", expected));
        assert_eq!(String::from_utf8(stream).unwrap().contains("hunter2"), capture_input);
    }
}

#[test]
fn a_failing_sink_hangs_the_command_up() {
    // A signal that ends the command, and one that it ignores until it is killed.
    for (trap, status) in [("", ExitStatus::Signaled(1)), ("trap '' HUP;", ExitStatus::Signaled(9))]
    {
        let mut options =
            shell(&format!("{trap} echo ready; while :; do sleep 0.1; echo more; done"));
        options.hangup_grace = Duration::from_millis(300);
        let mut seen = Vec::new();
        let mut sink = Sink::new(|bytes: &[u8]| {
            seen.extend_from_slice(bytes);
            let ready = String::from_utf8_lossy(&seen).contains("\"ready\\r");
            if ready { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        match record(options, &mut sink).unwrap_err() {
            RecordError::Sink { source, status: found } => {
                assert_eq!((source.kind(), found), (io::ErrorKind::StorageFull, status));
            }
            other => panic!("{other}"),
        }
        assert!(!String::from_utf8_lossy(&sink.kept).contains("\"ready\\r"));
    }
}

#[test]
fn a_recording_can_be_pulled() {
    let mut recording = spawn(shell("seq 1 50000; exit 7")).unwrap();
    let mut stream = Vec::new();
    recording.read_to_end(&mut stream).unwrap();
    let expected = lines(50_000);
    assert_eq!(Cast::decode(&stream).output(), expected);
    assert_eq!(recording.finish().unwrap().status, ExitStatus::Exited(7));

    let abandoned = spawn(shell("yes")).unwrap();
    assert!(matches!(abandoned.finish(), Err(RecordError::Sink { .. })));
    assert!(matches!(
        spawn(RecordOptions::new(["lucid-no-such-command"], 0)),
        Err(RecordError::CommandNotFound { .. })
    ));
}

#[test]
fn what_was_shown_is_out_before_the_end() {
    let (held, keys) = io::pipe().unwrap();
    let mut options = shell("echo shown; cat");
    options.input = Attach::Descriptor(held.into());
    let mut recording = spawn(options).unwrap();
    let (mut stream, mut buffer) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&stream).contains("shown\\r\\n") {
        let read = recording.read(&mut buffer).unwrap();
        assert!(read > 0, "the recording ended early");
        stream.extend_from_slice(&buffer[..read]);
    }
    drop(keys);
    recording.read_to_end(&mut stream).unwrap();
    assert_eq!(Cast::decode(&stream).output(), "shown\r\n");
    assert_eq!(recording.finish().unwrap().stopped, None::<StopCause>);
}

#[test]
fn a_user_who_looks_away_does_not_hold_the_end_up() {
    // A full pipe stands for a terminal stopped with ^S: it takes a little, then nothing.
    let (unread, shown) = io::pipe().unwrap();
    let mut options = shell("yes");
    options.output = Attach::Descriptor(shown.into());
    let mut written = 0;
    let mut sink = Sink::new(|bytes: &[u8]| {
        written += bytes.len();
        if written < 50_000 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    });
    assert!(matches!(record(options, &mut sink), Err(RecordError::Sink { .. })));
    drop(unread);
}
