//! Lines to events, strictly: what this accepts, every v3 reader should accept.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Data, Event, Header, Size, VERSION};
use crate::RecordError;

/// The longest line that is read: a recorder's event is one read of a terminal, kilobytes. The
/// bound keeps a stream without newlines from filling memory.
pub const LINE_BYTES_MAX: u64 = 8 << 20;

/// The longest time since the start, 2^33 s (272 years): up to here an interval's double is exact
/// to the microsecond.
const SECONDS_MAX: f64 = 8_589_934_592.0;

/// Reads a recording: the header when it is made, then an iterator of events.
///
/// Comment lines (`#`) are skipped after the header. Every line must end in a newline: one that
/// does not was torn, and is an error. After an error the iterator ends.
#[derive(Debug)]
pub struct Decoder<R: BufRead> {
    reader: R,
    header: Header,
    line: u64,
    at_micros: u64,
    done: bool,
}

impl<R: BufRead> Decoder<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`RecordError::Cast`] where it is no v3 header, [`RecordError::CastRead`] where it could
    /// not be read.
    pub fn new(mut reader: R) -> Result<Self, RecordError> {
        let line = read_line(&mut reader, 1)?
            .ok_or_else(|| cast(1, "the stream is empty; it should begin with a header"))?;
        let header = parse_header(&line).map_err(|problem| cast(1, problem))?;
        Ok(Self { reader, header, line: 1, at_micros: 0, done: false })
    }

    /// What the first line said.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn next_event(&mut self) -> Result<Option<Event>, RecordError> {
        loop {
            self.line += 1;
            let Some(line) = read_line(&mut self.reader, self.line)? else {
                return Ok(None);
            };
            if line.first() == Some(&b'#') {
                continue;
            }
            let (interval_micros, data) =
                parse_event(&line).map_err(|problem| cast(self.line, problem))?;
            self.at_micros = self.at_micros.checked_add(interval_micros).ok_or_else(|| {
                cast(self.line, "the intervals add up to more than a clock holds")
            })?;
            return Ok(Some(Event { at: Duration::from_micros(self.at_micros), data }));
        }
    }
}

impl<R: BufRead> Iterator for Decoder<R> {
    type Item = Result<Event, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let event = self.next_event().transpose();
        self.done = !matches!(event, Some(Ok(_)));
        event
    }
}

fn cast(line: u64, problem: impl Into<String>) -> RecordError {
    RecordError::Cast { line, problem: problem.into() }
}

/// One line without its newline, `None` at the end of the stream.
fn read_line(reader: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, RecordError> {
    let mut line = Vec::new();
    let read = reader
        .take(LINE_BYTES_MAX + 1)
        .read_until(b'\n', &mut line)
        .map_err(|source| RecordError::CastRead { line: number, source })?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() == Some(b'\n') {
        return Ok(Some(line));
    }
    if read as u64 > LINE_BYTES_MAX {
        return Err(cast(number, format!("it is longer than {LINE_BYTES_MAX} bytes")));
    }
    Err(cast(number, "it has no newline: the recording was cut off here"))
}

fn parse_event(line: &[u8]) -> Result<(u64, Data), String> {
    let value: Value =
        serde_json::from_slice(line).map_err(|error| format!("no JSON ({error})"))?;
    let Some([interval, code, data]) = value.as_array().map(Vec::as_slice) else {
        return Err("an event is an array of interval, code and data".into());
    };
    let seconds = interval
        .as_f64()
        .filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))
        .ok_or("the interval must be a number of seconds, zero or more")?;
    let (Some(code), Some(data)) = (code.as_str(), data.as_str()) else {
        return Err("code and data must be strings".into());
    };
    let data = match code {
        "o" => Data::Output(data.into()),
        "i" => Data::Input(data.into()),
        "m" => Data::Marker(data.into()),
        "r" => Data::Resize(
            Size::parse(data).ok_or_else(|| format!("`{data}` is no size; one is COLSxROWS"))?,
        ),
        "x" => Data::Exit(data.parse().map_err(|_| format!("`{data}` is no exit status"))?),
        other => Data::Other { code: other.into(), data: data.into() },
    };
    Ok((micros(seconds), data))
}

/// Whole microseconds; `seconds` was checked to lie in `0..=SECONDS_MAX`.
#[allow(clippy::cast_sign_loss, reason = "the range was checked by the only caller")]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn parse_header(line: &[u8]) -> Result<Header, String> {
    let fields: Map<String, Value> = serde_json::from_slice(line)
        .map_err(|error| format!("the header must be a JSON object ({error})"))?;
    match fields.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => return Err(format!("it is version {other}, not {VERSION}")),
        None => return Err("the header has no `version` number".into()),
    }
    let term =
        fields.get("term").and_then(Value::as_object).ok_or("the header has no `term` object")?;
    let cells = |name: &str| {
        term.get(name)
            .and_then(Value::as_u64)
            .and_then(|count| u16::try_from(count).ok())
            .ok_or_else(|| format!("`term.{name}` must be a number of cells"))
    };
    let size = Size::new(cells("cols")?, cells("rows")?)
        .ok_or("`term.cols` and `term.rows` must not be zero")?;
    let timestamp = match fields.get("timestamp") {
        None => None,
        Some(value) => Some(value.as_u64().ok_or("`timestamp` must be whole seconds")?),
    };
    let env = match fields.get("env") {
        None => BTreeMap::new(),
        Some(value) => value
            .as_object()
            .ok_or("`env` must be an object")?
            .iter()
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or("the values of `env` must be strings")?,
    };
    Ok(Header {
        size,
        term_type: text(term, "type")?,
        timestamp,
        command: text(&fields, "command")?,
        title: text(&fields, "title")?,
        env,
    })
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(format!("`{name}` must be a string")),
    }
}
