//! The asciicast v3 format: what asciinema 3 writes and its player reads.
//!
//! Owns: the shape of the header and of each event, the UTF-8 and the interval rules. It does no
//! I/O but on the reader and writer it is given, and reads no clock.
//!
//! The stream is newline-delimited JSON (<https://docs.asciinema.org/manual/asciicast/v3/>):
//!
//! ```text
//! {"version":3,"term":{"cols":80,"rows":24,"type":"xterm"},"timestamp":1504467315}
//! [0.248000,"o","hello\r\n"]
//! [1.001000,"r","90x30"]
//! [0.000100,"x","0"]
//! ```
//!
//! An interval counts from the previous *event*, so that a recording can be cut and joined. That
//! makes rounding add up: intervals here are differences of whole microseconds since the start,
//! and the sum of any prefix is exact.

use std::collections::BTreeMap;
use std::time::Duration;

mod decoder;
mod encoder;
mod utf8;

pub use decoder::{Decoder, LINE_BYTES_MAX};
pub use encoder::Encoder;

/// The format's version, the header's `version`.
pub const VERSION: u64 = 3;

/// The media type under which players know the format.
pub const MEDIA_TYPE: &str = "application/x-asciicast";

/// A terminal's size in character cells; neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    cols: u16,
    rows: u16,
}

impl Size {
    /// What a terminal has had since the VT100, and what is assumed where nobody knows.
    pub const DEFAULT: Self = Self { cols: 80, rows: 24 };

    /// A size, or `None` where one side is zero: a terminal that does not know its size says so.
    pub fn new(cols: u16, rows: u16) -> Option<Self> {
        (cols > 0 && rows > 0).then_some(Self { cols, rows })
    }

    /// Columns.
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    pub fn rows(self) -> u16 {
        self.rows
    }

    /// From the data of an `r` event, `COLSxROWS` in plain decimal.
    fn parse(text: &str) -> Option<Self> {
        let (cols, rows) = text.split_once('x')?;
        let plain = |side: &str| side.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(cols) || !plain(rows) {
            return None;
        }
        Self::new(cols.parse().ok()?, rows.parse().ok()?)
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}x{}", self.cols, self.rows)
    }
}

/// The first line: what is known before anything happens.
///
/// Optional fields that are `None` (or an empty `env`) are left out of the line. Fields of other
/// writers (`term.theme`, `tags`, …) are accepted when read, and dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The terminal's size at the start.
    pub size: Size,
    /// `term.type`: the value of `TERM`.
    pub term_type: Option<String>,
    /// When it began, in seconds since 1970 (UTC).
    pub timestamp: Option<u64>,
    /// The command line, quoted for a shell.
    pub command: Option<String>,
    /// A title for people.
    pub title: Option<String>,
    /// Environment variables that were worth keeping.
    pub env: BTreeMap<String, String>,
}

impl Header {
    /// A header that says nothing but the size.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            term_type: None,
            timestamp: None,
            command: None,
            title: None,
            env: BTreeMap::new(),
        }
    }
}

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Since the start of the recording (not since the previous event), in whole microseconds.
    pub at: Duration,
    /// What happened.
    pub data: Data,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// `o`: the command wrote to its terminal.
    Output(String),
    /// `i`: the user typed.
    Input(String),
    /// `r`: the window has a new size.
    Resize(Size),
    /// `m`: a place worth finding again, with its label.
    Marker(String),
    /// `x`: the command ended; 128 + n where signal n ended it, as shells say it.
    Exit(i32),
    /// A code this crate does not know; the format asks readers to pass it through.
    Other {
        /// The code.
        code: String,
        /// Its data, uninterpreted.
        data: String,
    },
}
