//! Events to lines.

use std::io::{self, Write};
use std::time::Duration;

use super::utf8::Utf8Carry;
use super::{Data, Header, Size, VERSION};

/// Writes a recording: the header when it is made, then one line an event.
///
/// Each line reaches the writer in one `write_all`, newline included. Times are given since the
/// start of the recording; one that lies before its predecessor counts as equal to it. The writer
/// is not buffered here, and not flushed.
#[derive(Debug)]
pub struct Encoder<W: Write> {
    writer: W,
    line: Vec<u8>,
    previous_micros: u128,
    output: Utf8Carry,
    input: Utf8Carry,
}

impl<W: Write> Encoder<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn new(writer: W, header: &Header) -> io::Result<Self> {
        let mut encoder = Self {
            writer,
            line: Vec::new(),
            previous_micros: 0,
            output: Utf8Carry::default(),
            input: Utf8Carry::default(),
        };
        encoder.line = header_line(header)?;
        encoder.writer.write_all(&encoder.line)?;
        Ok(encoder)
    }

    /// `o`: bytes the command wrote. Bytes that complete no character yet are kept for the next
    /// call, and no event is written for them alone.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn output(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        let text = self.output.decode(bytes);
        self.text_event(at, "o", &text)
    }

    /// `i`: bytes the user typed, cut as in [`Self::output`].
    ///
    /// # Errors
    /// What the writer answers.
    pub fn input(&mut self, at: Duration, bytes: &[u8]) -> io::Result<()> {
        let text = self.input.decode(bytes);
        self.text_event(at, "i", &text)
    }

    /// `r`: the window has this size now.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn resize(&mut self, at: Duration, size: Size) -> io::Result<()> {
        self.event(at, "r", &size.to_string())
    }

    /// `m`: marks this place.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn marker(&mut self, at: Duration, label: &str) -> io::Result<()> {
        self.event(at, "m", label)
    }

    /// `x`: ends the recording with the command's exit status, characters without an end first.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn finish(mut self, at: Duration, exit: i32) -> io::Result<W> {
        self.flush_partial(at)?;
        self.event(at, "x", &exit.to_string())?;
        Ok(self.writer)
    }

    /// Any event, as the decoder gave it.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn write(&mut self, at: Duration, data: &Data) -> io::Result<()> {
        match data {
            Data::Output(text) => self.output(at, text.as_bytes()),
            Data::Input(text) => self.input(at, text.as_bytes()),
            Data::Resize(size) => self.resize(at, *size),
            Data::Marker(label) => self.marker(at, label),
            Data::Exit(status) => {
                self.flush_partial(at)?;
                self.event(at, "x", &status.to_string())
            }
            Data::Other { code, data } => self.event(at, code, data),
        }
    }

    /// Flushes the writer. Half a character stays here.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// The writer; what is done to it is between the caller and the reader.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The writer, with no exit event: the recording just stops.
    pub fn into_inner(self) -> W {
        self.writer
    }

    fn flush_partial(&mut self, at: Duration) -> io::Result<()> {
        if let Some(cut) = self.output.finish() {
            self.event(at, "o", cut.encode_utf8(&mut [0; 4]))?;
        }
        if let Some(cut) = self.input.finish() {
            self.event(at, "i", cut.encode_utf8(&mut [0; 4]))?;
        }
        Ok(())
    }

    fn text_event(&mut self, at: Duration, code: &str, text: &str) -> io::Result<()> {
        if text.is_empty() { Ok(()) } else { self.event(at, code, text) }
    }

    fn event(&mut self, at: Duration, code: &str, data: &str) -> io::Result<()> {
        let at_micros = at.as_micros().max(self.previous_micros);
        let interval = at_micros - self.previous_micros;
        self.line.clear();
        write!(self.line, "[{}.{:06},", interval / 1_000_000, interval % 1_000_000)?;
        serde_json::to_writer(&mut self.line, code)?;
        self.line.push(b',');
        serde_json::to_writer(&mut self.line, data)?;
        self.line.extend_from_slice(b"]\n");
        self.writer.write_all(&self.line)?;
        self.previous_micros = at_micros;
        Ok(())
    }
}

/// The header's line, `version` first: that is how a stream is told apart by its beginning.
fn header_line(header: &Header) -> io::Result<Vec<u8>> {
    let Size { cols, rows } = header.size;
    let mut line = Vec::new();
    write!(line, r#"{{"version":{VERSION},"term":{{"cols":{cols},"rows":{rows}"#)?;
    text_field(&mut line, "type", header.term_type.as_ref())?;
    line.push(b'}');
    if let Some(timestamp) = header.timestamp {
        write!(line, r#","timestamp":{timestamp}"#)?;
    }
    text_field(&mut line, "command", header.command.as_ref())?;
    text_field(&mut line, "title", header.title.as_ref())?;
    if !header.env.is_empty() {
        line.extend_from_slice(br#","env":"#);
        serde_json::to_writer(&mut line, &header.env)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(line)
}

fn text_field(line: &mut Vec<u8>, name: &str, value: Option<&String>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    write!(line, r#","{name}":"#)?;
    serde_json::to_writer(line, value)?;
    Ok(())
}
