//! What commands print: one JSON object, or text for people. Standard output is for results,
//! standard error for everything else.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use crate::failure::Outcome;

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object a command, instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a result: as JSON, or by `text`.
    ///
    /// # Errors
    /// Standard output's.
    pub fn print<T: Serialize>(self, result: &T, text: impl FnOnce(&T) -> String) -> Outcome {
        let mut line = match self.json {
            true => serde_json::to_string(result).map_err(io::Error::from)?,
            false => text(result),
        };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        let mut stdout = io::stdout().lock();
        Ok(stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())?)
    }
}

/// Whether what is told beside the result goes to the log.
static NOTICES_ARE_LOGGED: AtomicBool = AtomicBool::new(false);

/// From now on notices are lines of the log: whoever reads that as JSON reads nothing else.
pub fn log_notices() {
    NOTICES_ARE_LOGGED.store(true, Ordering::Relaxed);
}

/// Tells the user something beside the result. Names of files come from anyone: what would steer a
/// terminal is shown as an escape.
pub fn notice(message: &str) {
    if NOTICES_ARE_LOGGED.load(Ordering::Relaxed) {
        tracing::warn!("{message}");
        return;
    }
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "lucid-node: {}", without_controls(message));
}

/// Whether a character changes how others are shown, instead of being shown itself: a control character, one
/// that changes the direction of writing (Unicode's `Bidi_Control`, UAX #9), a separator of lines, or one of
/// those that are not seen at all. Joiners are not among them: scripts and emoji need those.
#[must_use]
pub fn steers(c: char) -> bool {
    let unseen = matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    unseen || c.is_control()
}

/// A text from anyone, with what would steer a terminal, or the eye, as escapes; line ends stay.
#[must_use]
pub fn without_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\n' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same, where nothing may look like another line.
#[must_use]
pub fn in_one_line(text: &str) -> String {
    without_controls(text).replace('\n', "\\n")
}

/// A count of bytes for people, in binary units.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A rate for people.
#[must_use]
pub fn human_rate(bytes: u64, seconds: f64) -> String {
    #[expect(clippy::cast_sign_loss, reason = "neither a count nor a duration is negative")]
    let rate = (bytes as f64 / seconds.max(1e-9)) as u64;
    format!("{}/s", human_bytes(rate))
}

/// Lines of `name  value`, the values aligned.
#[must_use]
pub fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_steer_the_terminal() {
        assert_eq!(without_controls("a\u{1b}[2Jé\nb\u{9b}"), "a\\u{1b}[2Jé\nb\\u{9b}");
    }

    #[test]
    fn a_title_cannot_be_written_backwards() {
        let shown = without_controls("Raise \u{202e}quorum\u{2069} \u{feff}now\u{2028}!\u{e0041}");
        let expected = "Raise \\u{202e}quorum\\u{2069} \\u{feff}now\\u{2028}!\\u{e0041}";
        assert_eq!(shown, expected);
        // Scripts that are written from right to left, and joined emoji, are shown as they are.
        for text in ["שלום", "مرحبا", "می\u{200c}خواهم", "👩\u{200d}💻"] {
            assert_eq!(without_controls(text), text);
        }
    }
}
