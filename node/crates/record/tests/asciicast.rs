//! The format, written and read.
#![allow(clippy::unwrap_used, reason = "clippy exempts test functions, not what they share")]

use std::collections::BTreeMap;
use std::time::Duration;

use lucid_record::asciicast::{Data, Decoder, Encoder, Event, Header, LINE_BYTES_MAX, Size};
use proptest::prelude::*;

fn size(cols: u16, rows: u16) -> Size {
    Size::new(cols, rows).expect("no side is zero")
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn decode(stream: &[u8]) -> Result<(Header, Vec<Event>), String> {
    let decoder = Decoder::new(stream).map_err(|error| error.to_string())?;
    let header = decoder.header().clone();
    let events = decoder.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok((header, events))
}

#[test]
fn the_bytes_of_a_recording() {
    let mut header = Header::new(size(80, 24));
    header.term_type = Some("xterm-256color".into());
    header.timestamp = Some(1_504_467_315);
    header.command = Some("sh -c 'exit 3'".into());
    header.title = Some("Démo \"1\"".into());
    header.env = BTreeMap::from([("SHELL".into(), "/bin/zsh".into())]);
    let mut encoder = Encoder::new(Vec::new(), &header).unwrap();
    encoder.output(micros(248_000), b"\x1b[1mHello\x7f \\ \"\r\n").unwrap();
    encoder.input(micros(248_000), b"\x03").unwrap();
    encoder.output(micros(1_000_000), b"").unwrap();
    encoder.resize(micros(62_248_001), size(90, 30)).unwrap();
    // A clock that stepped back counts as standing still.
    encoder.marker(micros(5), "chapter").unwrap();
    encoder.output(micros(62_248_002), "é\u{2028}".as_bytes()).unwrap();
    let stream = encoder.finish(micros(3_662_248_002), 3).unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&stream).unwrap().lines().collect();

    assert!(lines[0].starts_with("{\"version\":3,\"term\":{"), "{}", lines[0]);
    let header: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let expected = serde_json::json!({
        "version": 3,
        "term": {"cols": 80, "rows": 24, "type": "xterm-256color"},
        "timestamp": 1_504_467_315,
        "command": "sh -c 'exit 3'",
        "title": "Démo \"1\"",
        "env": {"SHELL": "/bin/zsh"},
    });
    assert_eq!(header, expected);
    assert_eq!(
        lines[1..],
        [
            "[0.248000,\"o\",\"\\u001b[1mHello\u{7f} \\\\ \\\"\\r\\n\"]",
            "[0.000000,\"i\",\"\\u0003\"]",
            "[62.000001,\"r\",\"90x30\"]",
            "[0.000000,\"m\",\"chapter\"]",
            "[0.000001,\"o\",\"é\u{2028}\"]",
            "[3600.000000,\"x\",\"3\"]",
        ]
    );
    assert!(stream.ends_with(b"]\n"));
}

#[test]
fn a_character_without_an_end_comes_before_the_exit() {
    let mut encoder = Encoder::new(Vec::new(), &Header::new(size(1, 1))).unwrap();
    encoder.output(micros(1), b"a\xe2\x82").unwrap();
    encoder.input(micros(2), b"\xc3").unwrap();
    let stream = encoder.finish(micros(3), 0).unwrap();
    let (_, events) = decode(&stream).unwrap();
    let expected = [
        (1, Data::Output("a".into())),
        (3, Data::Output("\u{fffd}".into())),
        (3, Data::Input("\u{fffd}".into())),
        (3, Data::Exit(0)),
    ];
    assert_eq!(events, expected.map(|(at, data)| Event { at: micros(at), data }));
}

#[test]
fn intervals_do_not_drift() {
    // A third of a microsecond is lost at each event if each interval is cut by itself.
    let step = Duration::from_nanos(333_333);
    let mut encoder = Encoder::new(Vec::new(), &Header::new(size(80, 24))).unwrap();
    for event in 1..=3000 {
        encoder.output(step * event, b"x").unwrap();
    }
    let (_, events) = decode(&encoder.into_inner()).unwrap();
    assert_eq!(events.last().unwrap().at, micros(999_999));
}

/// The documentation's own example, comments and foreign fields included.
#[test]
fn the_published_example_is_read() {
    let stream = concat!(
        r#"{"version": 3, "term": {"cols": 80, "rows": 24, "type": "xterm-256color", "#,
        r##""theme": {"fg": "#d0d0d0"}}, "timestamp": 1504467315, "tags": ["a"], "title": "Demo", "##,
        r#""env": {"SHELL": "/bin/zsh"}}"#,
        "\n# event stream follows the header\n",
        r#"[0.248, "o", "\u001b[1;31mHello \u001b[32mWorld!\u001b[0m\n"]"#,
        "\n[1.001, \"o\", \"That was ok\\rThis is better.\"]\n[3.500, \"m\", \"\"]\n",
        "# terminal window resized to 90 cols and 30 rows\n",
        "[2.050, \"r\", \"90x30\"]\n[1, \"Z\", \"new\"]\n[0.887, \"x\", \"0\"]\n",
    );
    let (header, events) = decode(stream.as_bytes()).unwrap();
    assert_eq!((header.size, header.title.as_deref()), (size(80, 24), Some("Demo")));
    let times: Vec<u128> = events.iter().map(|event| event.at.as_millis()).collect();
    assert_eq!(times, [248, 1249, 4749, 6799, 7799, 8686]);
    assert_eq!(events[3].data, Data::Resize(size(90, 30)));
    assert_eq!(events[4].data, Data::Other { code: "Z".into(), data: "new".into() });
}

#[test]
fn what_is_no_recording_is_refused() {
    const HEAD: &str = "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n";
    let headers = [
        ("", "line 1 is not asciicast v3: the stream is empty"),
        ("{}", "line 1 is not asciicast v3: it has no newline"),
        ("# comment\n", "the header must be a JSON object"),
        ("[1]\n", "the header must be a JSON object"),
        ("{\"version\":2,\"width\":80,\"height\":24}\n", "version 2, not 3"),
        ("{\"version\":\"3\",\"term\":{\"cols\":80,\"rows\":24}}\n", "no `version` number"),
        ("{\"version\":3}\n", "no `term` object"),
        ("{\"version\":3,\"term\":{\"cols\":80}}\n", "`term.rows` must be a number"),
        ("{\"version\":3,\"term\":{\"cols\":65536,\"rows\":1}}\n", "`term.cols` must be a number"),
        ("{\"version\":3,\"term\":{\"cols\":0,\"rows\":24}}\n", "must not be zero"),
        ("{\"version\":3,\"term\":{\"cols\":1,\"rows\":1},\"env\":{\"A\":1}}\n", "values of `env`"),
        ("{\"version\":3,\"term\":{\"cols\":1,\"rows\":1},\"title\":[]}\n", "`title` must be a"),
        ("{\"version\":3,\"term\":{\"cols\":1,\"rows\":1},\"timestamp\":-1}\n", "whole seconds"),
    ];
    for (stream, expected) in headers {
        let message = decode(stream.as_bytes()).unwrap_err();
        assert!(message.contains(expected), "{stream}: {message}");
    }
    let events = [
        (
            "[0.1,\"o\",\"cut",
            "line 2 is not asciicast v3: it has no newline: the recording was cut",
        ),
        ("\n", "no JSON"),
        ("{}\n", "an event is an array"),
        ("[0.1,\"o\"]\n", "an event is an array"),
        ("[0.1,\"o\",\"a\",0]\n", "an event is an array"),
        ("[-0.1,\"o\",\"a\"]\n", "the interval must be"),
        ("[\"0.1\",\"o\",\"a\"]\n", "the interval must be"),
        ("[1e300,\"o\",\"a\"]\n", "the interval must be"),
        ("[0.1,1,\"a\"]\n", "must be strings"),
        ("[0.1,\"x\",0]\n", "must be strings"),
        ("[0.1,\"o\",\"\\ud800\"]\n", "no JSON"),
        ("[0.1,\"r\",\"80\"]\n", "`80` is no size"),
        ("[0.1,\"r\",\"80x\"]\n", "is no size"),
        ("[0.1,\"r\",\"+8x2\"]\n", "is no size"),
        ("[0.1,\"r\",\"0x24\"]\n", "is no size"),
        ("[0.1,\"x\",\"done\"]\n", "`done` is no exit status"),
    ];
    for (line, expected) in events {
        let message = decode(format!("{HEAD}{line}").as_bytes()).unwrap_err();
        assert!(message.contains(expected), "{line}: {message}");
    }
    let not_utf8 = [HEAD.as_bytes(), b"[0.1,\"o\",\"\xff\"]\n"].concat();
    assert!(decode(&not_utf8).unwrap_err().contains("no JSON"));
    let endless = [HEAD.as_bytes(), &vec![b'#'; LINE_BYTES_MAX as usize + 2]].concat();
    assert!(decode(&endless).unwrap_err().contains("longer than"));
}

#[test]
fn the_iterator_ends_after_an_error() {
    let stream = "{\"version\":3,\"term\":{\"cols\":1,\"rows\":1}}\nx\n[1,\"o\",\"a\"]\n";
    let mut decoder = Decoder::new(stream.as_bytes()).unwrap();
    assert!(decoder.next().unwrap().is_err());
    assert!(decoder.next().is_none());
}

fn data() -> impl Strategy<Value = Data> {
    let text = any::<String>().prop_filter("an empty text is no event", |text| !text.is_empty());
    prop_oneof![
        text.clone().prop_map(Data::Output),
        text.prop_map(Data::Input),
        (1u16.., 1u16..).prop_map(|(cols, rows)| Data::Resize(size(cols, rows))),
        any::<String>().prop_map(Data::Marker),
        any::<i32>().prop_map(Data::Exit),
        any::<String>().prop_map(|data| Data::Other { code: "Z".into(), data }),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    let text = || prop::option::of(any::<String>());
    let env = prop::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    let parts = (1u16.., 1u16.., text(), prop::option::of(any::<u64>()), text(), text(), env);
    parts.prop_map(|(cols, rows, term_type, timestamp, command, title, env)| Header {
        size: size(cols, rows),
        term_type,
        timestamp,
        command,
        title,
        env,
    })
}

proptest! {
    /// What is written is read, times to the microsecond, up to a month a step.
    #[test]
    fn what_is_written_is_read(
        header in header(),
        steps in prop::collection::vec((0u64..2_592_000_000_000, data()), 0..20),
    ) {
        let mut encoder = Encoder::new(Vec::new(), &header).unwrap();
        let mut at = 0;
        let mut events = Vec::new();
        for (step, data) in steps {
            at += step;
            encoder.write(micros(at), &data).unwrap();
            events.push(Event { at: micros(at), data });
        }
        prop_assert_eq!(decode(&encoder.into_inner()).unwrap(), (header, events));
    }

    /// No bytes make the decoder panic.
    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = decode(&[b"{\"version\":3,\"term\":{\"cols\":1,\"rows\":1}}\n", &*bytes].concat());
    }
}
