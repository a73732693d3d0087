//! What tor says, cut into replies (control-spec §2.3). Pure: bytes in, replies out.
//!
//! ```text
//! 250-key=value CRLF          a line, more follow
//! 250+key= CRLF data . CRLF   a line with data, which ends at a lone dot; a dot at a line's start is doubled
//! 250 OK CRLF                 the last line
//! ```
//!
//! Everything is bounded: an endless line, reply or list is an error, after which the connection is of no use.

use std::fmt;

use zeroize::Zeroizing;

/// Longest line in bytes: a circuit's line has some hundred, a descriptor's fewer.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest reply in bytes: a thousand circuits, twenty of the largest descriptors.
pub(super) const REPLY_BYTES_MAX: usize = 1 << 20;
/// Most lines of a reply, those of its data aside.
pub(super) const REPLY_LINES_MAX: usize = 4096;
/// What begins an event.
const EVENT: u16 = 650;

/// Why bytes are no reply. What they were is not repeated: there may be a key in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplyError {
    /// No end of line.
    #[error("a line is longer than {LINE_BYTES_MAX} bytes")]
    LongLine,
    /// No last line.
    #[error("a reply is longer than {REPLY_BYTES_MAX} bytes or {REPLY_LINES_MAX} lines")]
    LongReply,
    /// A line that ends in a line feed alone.
    #[error("a line does not end in CR LF")]
    LineEnd,
    /// No three digits and a separator.
    #[error("a line does not begin with three digits and a space, minus or plus sign")]
    Status,
    /// A reply whose lines do not belong together.
    #[error("the lines of a reply have different numbers")]
    Mixed,
    /// Not UTF-8.
    #[error("a line is no UTF-8")]
    Text,
}

/// One line, and the data that came with it. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    text: Zeroizing<String>,
    data: Option<Zeroizing<String>>,
}

impl Line {
    /// The line without its number.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The data after it, with a line feed after each of their lines.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.data.as_ref().map(|data| data.as_str())
    }
}

/// A whole reply: at least one line. Its `Debug` shows none of them: one may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    lines: Vec<Line>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} of {} lines)", self.status, self.lines.len())
    }
}

impl Reply {
    /// Its number, 0 to 999; 250 is done, 650 an event.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Its lines in their order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The text of its last line: `OK`, or why not.
    #[must_use]
    pub fn last(&self) -> &str {
        self.lines.last().map_or("", Line::text)
    }

    /// Whether nobody asked for it.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.status == EVENT
    }

    /// Whether what was asked was done (2yz).
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.status / 100 == 2
    }
}

/// Cuts a stream into replies. After an error it has no further use.
#[derive(Default)]
pub struct Decoder {
    /// What came and is not a whole line yet.
    rest: Zeroizing<Vec<u8>>,
    /// How much of `rest` has no line end in it.
    looked_at: usize,
    status: Option<u16>,
    lines: Vec<Line>,
    /// Data that are not at their end.
    data: Option<Zeroizing<String>>,
    /// Bytes of the lines and data so far.
    bytes: usize,
}

impl Decoder {
    /// Takes what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next whole reply; nothing where more has to come.
    ///
    /// # Errors
    /// [`ReplyError`]; the stream cannot be read on.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.next_line()? {
            if let Some(status) = self.take(&line)? {
                self.status = None;
                self.bytes = 0;
                return Ok(Some(Reply { status, lines: std::mem::take(&mut self.lines) }));
            }
        }
        Ok(None)
    }

    /// A line without its end.
    fn next_line(&mut self) -> Result<Option<Zeroizing<String>>, ReplyError> {
        let found = self.rest[self.looked_at..].iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| at + self.looked_at) else {
            self.looked_at = self.rest.len();
            return if self.looked_at > LINE_BYTES_MAX {
                Err(ReplyError::LongLine)
            } else {
                Ok(None)
            };
        };
        if end > LINE_BYTES_MAX {
            return Err(ReplyError::LongLine);
        }
        let line = self.rest[..end].strip_suffix(b"\r").ok_or(ReplyError::LineEnd)?;
        let line = std::str::from_utf8(line).map_err(|_| ReplyError::Text)?;
        let line = Zeroizing::new(line.to_owned());
        self.rest.drain(..=end);
        self.looked_at = 0;
        self.bytes += line.len() + 2;
        if self.bytes > REPLY_BYTES_MAX || self.lines.len() >= REPLY_LINES_MAX {
            return Err(ReplyError::LongReply);
        }
        Ok(Some(line))
    }

    /// Puts a line where it belongs; the status where it was a reply's last one.
    fn take(&mut self, line: &str) -> Result<Option<u16>, ReplyError> {
        if let Some(data) = &mut self.data {
            if line == "." {
                let data = self.data.take();
                // Data begin with a line, which is there.
                self.lines.last_mut().expect("data follow a line").data = data;
            } else {
                data.push_str(line.strip_prefix('.').unwrap_or(line));
                data.push('\n');
            }
            return Ok(None);
        }
        let (head, text) = line.split_at_checked(4).ok_or(ReplyError::Status)?;
        let (digits, separator) = head.split_at_checked(3).ok_or(ReplyError::Status)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ReplyError::Status);
        }
        let status: u16 = digits.parse().map_err(|_| ReplyError::Status)?;
        if *self.status.get_or_insert(status) != status {
            return Err(ReplyError::Mixed);
        }
        self.lines.push(Line { text: Zeroizing::new(text.to_owned()), data: None });
        match separator {
            " " => Ok(Some(status)),
            "-" => Ok(None),
            "+" => {
                self.data = Some(Zeroizing::default());
                Ok(None)
            }
            _ => Err(ReplyError::Status),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each reply as its number, lines and data.
    type Plain = Vec<(u16, Vec<(String, Option<String>)>)>;

    fn decode(bytes: &[u8], step: usize) -> Result<Plain, ReplyError> {
        let mut decoder = Decoder::default();
        let mut replies = Vec::new();
        for piece in bytes.chunks(step) {
            decoder.feed(piece);
            while let Some(reply) = decoder.next_reply()? {
                let line = |line: &Line| (line.text().to_owned(), line.data().map(str::to_owned));
                replies.push((reply.status(), reply.lines().iter().map(line).collect()));
            }
        }
        Ok(replies)
    }

    fn line(text: &str) -> (String, Option<String>) {
        (text.to_owned(), None)
    }

    #[test]
    fn replies_are_whole_however_they_come() {
        let rows: [(&str, Plain); 6] = [
            ("250 OK\r\n", vec![(250, vec![line("OK")])]),
            ("250 \r\n", vec![(250, vec![line("")])]),
            (
                "250-version=0.4.9.11\r\n250 OK\r\n515 Bad\r\n",
                vec![(250, vec![line("version=0.4.9.11"), line("OK")]), (515, vec![line("Bad")])],
            ),
            (
                "250+a=\r\none\r\n..two\r\n.\r\n250 OK\r\n",
                vec![(250, vec![("a=".into(), Some("one\n.two\n".into())), line("OK")])],
            ),
            (
                "250+a=\r\n.\r\n250 OK\r\n",
                vec![(250, vec![("a=".into(), Some(String::new())), line("OK")])],
            ),
            ("650 NETWORK_LIVENESS UP\r\n250", vec![(650, vec![line("NETWORK_LIVENESS UP")])]),
        ];
        for (text, expected) in rows {
            for step in [1, 2, 3, 7, text.len()] {
                assert_eq!(decode(text.as_bytes(), step).unwrap(), expected, "{text:?} by {step}");
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let long_line = "250 ".to_owned() + &"x".repeat(LINE_BYTES_MAX) + "\r\n";
        let endless = "250-".to_owned() + &"x".repeat(LINE_BYTES_MAX + 1);
        let many = "250-x\r\n".repeat(REPLY_LINES_MAX + 1);
        let data = "250+x\r\n".to_owned() + &("y".repeat(1022) + "\r\n").repeat(1025);
        let rows: [(&[u8], ReplyError); 14] = [
            (b"250 OK\n", ReplyError::LineEnd),
            (b"\r\n", ReplyError::Status),
            (b"250\r\n", ReplyError::Status),
            (b"25 OK\r\n", ReplyError::Status),
            (b"+50 OK\r\n", ReplyError::Status),
            (b"250_OK\r\n", ReplyError::Status),
            ("25é OK\r\n".as_bytes(), ReplyError::Status),
            ("250é\r\n".as_bytes(), ReplyError::Status),
            (b"250-a\r\n251 OK\r\n", ReplyError::Mixed),
            (b"250 \xff\r\n", ReplyError::Text),
            (long_line.as_bytes(), ReplyError::LongLine),
            (endless.as_bytes(), ReplyError::LongLine),
            (many.as_bytes(), ReplyError::LongReply),
            (data.as_bytes(), ReplyError::LongReply),
        ];
        for (bytes, expected) in rows {
            for step in [4096, bytes.len()] {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]);
                assert_eq!(decode(bytes, step), Err(expected), "{shown:?}");
            }
        }
    }

    #[test]
    fn no_line_is_shown() {
        let mut decoder = Decoder::default();
        decoder.feed(b"250-PrivateKey=ED25519-V3:secret\r\n250 OK\r\n");
        let reply = decoder.next_reply().unwrap().unwrap();
        assert_eq!(format!("{reply:?}"), "Reply(250 of 2 lines)");
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_replies_or_an_error(bytes: Vec<u8>, step in 1_usize..9) {
            let _ = decode(&bytes, step);
        }

        #[test]
        fn pieces_make_no_difference(text in "(250[ +-][a-z.]{0,3}\r\n|\\.\r\n|\\.\\.\r\n){0,12}", step in 1_usize..9) {
            prop_assert_eq!(decode(text.as_bytes(), step), decode(text.as_bytes(), 4096));
        }
    }
}
