//! What is waited for on a machine's console: one line after the other, each within its time, and never one that says
//! that the machine is lost.

use std::time::Duration;

use serde::Serialize;

/// A line that is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// What it is, for people.
    pub(super) what: &'static str,
    /// What the line has in it.
    pub(super) has: &'static str,
    /// How long after the one before.
    pub(super) within: Duration,
}

/// Lines after which nothing good comes.
const LOST: [&str; 7] = [
    "Kernel panic",
    "lucid-card: storage: the card has no room",
    "lucid-card: lucid-node is NOT ready",
    "You are in emergency mode",
    "(initramfs)",
    "ALERT!",
    "Internal error: Oops",
];

/// A line that came.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Seen {
    pub(super) what: &'static str,
    /// Seconds after the machine was started.
    pub(super) seconds: f64,
    pub(super) line: String,
}

/// What a line means for those who wait.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Step {
    /// It is not the one.
    On,
    /// It is the one; others follow.
    Seen,
    /// It is the last one.
    Done,
    /// It says that the machine is lost.
    Lost(String),
}

/// The waiting.
#[derive(Debug)]
pub(super) struct Script {
    waits: Vec<Wait>,
    pub(super) seen: Vec<Seen>,
}

impl Script {
    pub(super) fn new(waits: Vec<Wait>) -> Self {
        Self { waits, seen: Vec::new() }
    }

    /// The one that is waited for now; `None` when all have come.
    pub(super) fn next(&self) -> Option<Wait> {
        self.waits.get(self.seen.len()).copied()
    }

    /// Takes a line that came so many seconds after the start.
    pub(super) fn take(&mut self, line: &str, seconds: f64) -> Step {
        if LOST.iter().any(|lost| line.contains(lost)) {
            return Step::Lost(line.to_owned());
        }
        match self.next() {
            Some(wait) if line.contains(wait.has) => {
                self.seen.push(Seen { what: wait.what, seconds, line: line.to_owned() });
                if self.next().is_some() { Step::Seen } else { Step::Done }
            }
            _ => Step::On,
        }
    }
}

/// A line as a console sends it, without what moves cursors and sets colours, and at most 400 characters of it.
pub(super) fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' && characters.peek() == Some(&'[') {
            characters.next();
            // The sequence ends with a letter (ECMA-48, 5.4).
            while characters.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
        } else if !c.is_control() {
            plain.push(c);
        }
        if plain.len() >= 400 {
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        let within = Duration::from_mins(1);
        Script::new(vec![
            Wait { what: "kernel", has: "Linux version", within },
            Wait { what: "ready", has: "lucid-card: lucid-node is ready", within },
        ])
    }

    #[test]
    fn lines_count_in_their_order() {
        let mut script = script();
        assert_eq!(script.take("lucid-card: lucid-node is ready", 0.1), Step::On, "too early");
        assert_eq!(script.take("[    0.0] Linux version 6.12", 0.5), Step::Seen);
        assert_eq!(script.take("[    0.0] Linux version 6.12", 0.6), Step::On);
        assert_eq!(script.next().unwrap().what, "ready");
        assert_eq!(script.take("[  30.0] lucid-card: lucid-node is ready, 30 s", 31.0), Step::Done);
        assert!(script.next().is_none());
        let seconds: Vec<_> = script.seen.iter().map(|seen| seen.seconds).collect();
        assert_eq!(seconds, [0.5, 31.0]);
    }

    #[test]
    fn a_machine_that_is_lost_is_not_waited_for() {
        for line in [
            "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs",
            "You are in emergency mode. After logging in, type",
            "(initramfs) ",
            "lucid-card: lucid-node is NOT ready: failed, no answer",
        ] {
            assert_eq!(script().take(line, 1.0), Step::Lost(line.to_owned()));
        }
    }

    #[test]
    fn colours_are_no_text() {
        assert_eq!(plain(b"\x1b[0;32m  OK  \x1b[0m] Started\r"), "  OK  ] Started");
        assert_eq!(plain(b"\x1b["), "");
        assert!(plain(&vec![b'a'; 10_000]).len() <= 400);
    }
}
