//! A terminal's recording, as an asciicast v2 file: a header line, then a line of JSON for every piece of
//! output, `[seconds, "o", text]`.
//!
//! What people record: commands that are typed a key at a time and echoed, listings and logs with
//! colours, a bar that is drawn over itself. Short lines of much syntax, which compress well.

use std::fmt::Write as _;

use super::Random;

/// Why writing to a string cannot fail.
const STRING: &str = "a string takes what it is given";

/// Seconds of the recording from the beginning of one block to that of the next: more than a block lasts.
const BLOCK_SECONDS: f64 = 4000.0;

/// What a line is at most; a block ends with one that is as long as what is left.
const LINE_BYTES: usize = 1024;

/// The escape character as JSON writes it.
const ESCAPE: &str = "\\u001b";

/// Fills `block`, which is block number `number`, with whole lines.
pub(super) fn fill(phrases: &[String], random: &mut Random, number: u64, block: &mut [u8]) {
    let mut text = String::with_capacity(block.len() + LINE_BYTES);
    if number == 0 {
        text.push_str(
            "{\"version\": 2, \"width\": 120, \"height\": 32, \"timestamp\": 1795396045}\n",
        );
    }
    let mut cast = Cast { text, second: number as f64 * BLOCK_SECONDS, bytes: block.len() };
    while cast.has_room() {
        let phrase = pick(phrases, random).trim_end();
        match random.below(8) {
            0 => cast.typed(phrase, random),
            1 => cast.progress(random),
            2 | 3 => cast.listing(phrases, random),
            _ => cast.log(phrase, random),
        }
    }
    cast.end();
    let count = block.len().min(cast.text.len());
    block.fill(b'\n');
    block[..count].copy_from_slice(&cast.text.as_bytes()[..count]);
}

/// Some are said more often than others.
fn pick<'a>(phrases: &'a [String], random: &mut Random) -> &'a str {
    &phrases[random.below(phrases.len()) * random.below(phrases.len()) / phrases.len()]
}

/// A block in the making.
struct Cast {
    text: String,
    second: f64,
    /// How long it will be.
    bytes: usize,
}

impl Cast {
    /// Output, `text` as JSON writes it.
    fn output(&mut self, after_s: f64, text: &str) {
        self.second += after_s;
        writeln!(self.text, "[{:.6}, \"o\", \"{text}\"]", self.second).expect(STRING);
    }

    /// Whether another line is sure to fit.
    fn has_room(&self) -> bool {
        self.text.len() + LINE_BYTES < self.bytes
    }

    /// A prompt, and a command that is echoed a key at a time.
    fn typed(&mut self, command: &str, random: &mut Random) {
        let colours = ["[1;32m", "[0m", "[1;34m"].map(|colour| format!("{ESCAPE}{colour}"));
        let [green, plain, blue] = &colours;
        self.output(0.2, &format!("{green}user@host{plain}:{blue}~/work{plain}$ "));
        for key in command.chars() {
            if !self.has_room() {
                return;
            }
            let after_s = 0.05 + random.below(200_000) as f64 / 1e6;
            self.output(after_s, key.encode_utf8(&mut [0; 4]));
        }
        self.output(0.3, "\\r\\n");
    }

    /// A bar, drawn over itself.
    fn progress(&mut self, random: &mut Random) {
        let total = 100 + random.below(9000);
        for percent in (0..=100).step_by(2 + random.below(6)) {
            if !self.has_room() {
                return;
            }
            let (drawn, done) = ("#".repeat(percent / 4), total * percent / 100);
            let bar = format!("\\r{ESCAPE}[K[{drawn:25}] {percent:3}% {done}/{total}");
            self.output(0.1 + random.below(20_000) as f64 / 1e6, &bar);
        }
        self.output(0.001, "\\r\\n");
    }

    /// Files with their sizes and times.
    fn listing(&mut self, phrases: &[String], random: &mut Random) {
        for _ in 0..5 + random.below(25) {
            if !self.has_room() {
                return;
            }
            let name = pick(phrases, random).split(' ').next().unwrap_or_default();
            let (size, day) = (random.below(10_000_000), 1 + random.below(28));
            let minute = random.below(60);
            let line = format!(
                "-rw-r--r-- 1 user user {size:9} Nov {day:2} 10:{minute:02} {name}.rs\\r\\n"
            );
            self.output(random.below(300) as f64 / 1e6, &line);
        }
    }

    /// A line of a program's log.
    fn log(&mut self, phrase: &str, random: &mut Random) {
        let levels = [("INFO", 32), ("INFO", 32), ("DEBUG", 34), ("WARN", 33)];
        let (level, colour) = levels[random.below(levels.len())];
        let (second, value) = (random.below(60), random.below(1_000_000));
        let line = format!(
            "{ESCAPE}[2m10:42:{second:02}{ESCAPE}[0m {ESCAPE}[{colour}m{level}{ESCAPE}[0m {phrase} \
             id={value}\\r\\n"
        );
        self.output(random.below(40_000) as f64 / 1e6, &line);
    }

    /// A last line of just the right length.
    fn end(&mut self) {
        let bare = format!("[{:.6}, \"o\", \"\"]\n", self.second).len();
        if let Some(rest) = self.bytes.checked_sub(self.text.len() + bare) {
            self.output(0.0, &" ".repeat(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::inputs::{BLOCK_BYTES, Generator, Kind};

    #[test]
    fn it_is_an_asciicast() {
        let cast = Generator::bytes(Kind::Asciicast, 2 * BLOCK_BYTES + 12_345);
        let text = String::from_utf8(cast).unwrap();
        let mut lines = text.lines();
        let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(header["version"], 2);
        let (mut before, mut count) = (0.0, 0);
        for line in lines {
            let (second, kind, _): (f64, String, String) = serde_json::from_str(line).unwrap();
            assert!(kind == "o" && second >= before, "{line}");
            (before, count) = (second, count + 1);
        }
        assert!(count > 10_000, "{count} lines");
        assert!(text.ends_with("]\n"));
    }

    #[test]
    fn an_end_without_room_for_a_line_is_empty_lines() {
        let cast = Generator::bytes(Kind::Asciicast, BLOCK_BYTES + 7);
        assert_eq!(cast[BLOCK_BYTES..], [b'\n'; 7]);
    }
}
