//! What an evidence file proves, told to programs and to people.

use lucid_core::{ChunkIndex, Hash, counted, entry::Entry};
use serde::Serialize;

use super::{verify_anchor::AnchorReport, verify_witness::WitnessReport};
use crate::output::{in_one_line, table};

/// What the file proves.
#[derive(Serialize, Debug)]
pub struct Report {
    /// True: what does not hold is an error.
    pub verified: bool,
    /// The key that signed the checkpoint.
    pub key: String,
    /// Whether that is the key the verifier gave.
    pub key_pinned: bool,
    /// Place of the entry in the log.
    pub log_index: u64,
    /// Size of the log at the checkpoint.
    pub log_size: u64,
    /// Root of the log at the checkpoint.
    pub log_root: Hash,
    /// The `session.sealed` entry, or whatever entry a `.tlog-proof` carries.
    pub entry: serde_json::Value,
    /// Whether it is of a version and kind that is known here; else nothing follows from what is in it.
    pub known: bool,
    /// Whether the session had its owner's end mark, where the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The chunks the file speaks of.
    pub chunks: Vec<ChunkReport>,
    /// Who cosigned the checkpoint.
    pub witnesses: WitnessReport,
    /// What its TRON part proves, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<AnchorReport>,
    /// Plaintext bytes written by `--extract`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted_bytes: Option<u64>,
}

/// What is proved of one chunk.
#[derive(Serialize, Debug)]
pub struct ChunkReport {
    pub(super) index: ChunkIndex,
    pub(super) plain_bytes: u32,
    /// First and last plaintext byte, where the file says so.
    pub(super) plain_range: Option<(u64, u64)>,
    /// Whether its key is in the file, and right.
    pub(super) disclosed: bool,
    /// Whether its sealed bytes are in the file or were given beside it, and right.
    pub(super) content_checked: bool,
    pub(super) segments: Vec<u32>,
}

/// Whether an entry is of a version and a kind that say something here.
pub(super) fn is_known(entry: &[u8]) -> bool {
    Entry::parse(entry).is_ok_and(|entry| !matches!(entry, Entry::Other(_)))
}

impl Report {
    /// What the entry says of its session.
    fn session_rows(&self, field: &dyn Fn(&str) -> String) -> [(&'static str, String); 6] {
        let complete = match self.complete {
            Some(true) => "yes",
            Some(false) => "NO: the session was closed without its owner's end mark",
            None => "not stated: the file has no manifest",
        };
        [
            ("session", field("session_id")),
            ("owner", field("owner")),
            ("time", format!("{} by the node's clock", field("at"))),
            ("bytes", field("plain_bytes")),
            ("complete", complete.to_owned()),
            ("root", field("merkle_root")),
        ]
    }

    /// For people: what is proved, and what is not.
    #[must_use]
    pub fn text(&self) -> String {
        // Whoever holds the log's key chose the texts: none may look like another line, or hide one.
        let field = |name: &str| match &self.entry[name] {
            serde_json::Value::String(text) => in_one_line(text),
            other => in_one_line(&other.to_string()),
        };
        let pinned = match self.key_pinned {
            true => "the key you gave",
            false => "NOT PINNED: this proves only what this key says; compare it with the node's",
        };
        let mut rows = vec![("result", "verified".to_owned()), ("kind", field("kind"))];
        match self.known {
            true => rows.extend(self.session_rows(&field)),
            false => rows.push((
                "",
                "of a version or kind that is not known here: it says nothing about a session"
                    .to_owned(),
            )),
        }
        rows.extend([
            (
                "log",
                format!("entry {} of {}, root {}", self.log_index, self.log_size, self.log_root),
            ),
            ("key", self.key.clone()),
            ("", pinned.to_owned()),
        ]);
        rows.extend(self.witnesses.rows());
        rows.extend(self.anchor.iter().flat_map(AnchorReport::rows));
        for chunk in &self.chunks {
            let range = chunk.plain_range.map_or(counted(chunk.plain_bytes, "byte"), |(a, b)| {
                format!("plaintext bytes {a} to {b}")
            });
            let mut text = format!("{}: {range}, in the session", chunk.index);
            if chunk.content_checked {
                text.push_str(", sealed bytes checked");
            }
            if chunk.disclosed {
                text.push_str(", key disclosed");
            }
            if !chunk.segments.is_empty() {
                text.push_str(&format!(", segments {:?}", chunk.segments));
            }
            rows.push(("chunk", text));
        }
        rows.extend(self.extracted_bytes.map(|bytes| ("extracted", counted(bytes, "byte"))));
        table(&rows)
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::merkle;

    use super::*;

    #[test]
    fn what_an_unknown_entry_says_is_no_line_of_the_report() {
        let text = "session.sealed\nsession   d7d33a96\u{1b}[8m\u{202e}";
        for (entry, known) in [
            (r#"{"at":"2026-01-02T03:04:05.678Z","kind":"session.sealed","v":2}"#, false),
            (r#"{"at":"2026-01-02T03:04:05.678Z","kind":"some.thing","owner":"x","v":1}"#, false),
            (
                r#"{"at":"2026-01-02T03:04:05.678Z","detail":"","event":"store.opened","kind":"node.event","v":1}"#,
                true,
            ),
            ("{}", false),
        ] {
            assert_eq!(is_known(entry.as_bytes()), known, "{entry}");
        }
        let mut report = Report {
            verified: true,
            key: "lucid/00000000+key".to_owned(),
            key_pinned: true,
            log_index: 1,
            log_size: 2,
            log_root: merkle::EMPTY_ROOT,
            entry: serde_json::json!({ "kind": text, "session_id": text, "owner": text, "plain_bytes": 1, "v": 2 }),
            known: false,
            complete: None,
            chunks: Vec::new(),
            witnesses: WitnessReport::default(),
            anchor: None,
            extracted_bytes: None,
        };
        let shown = report.text();
        assert!(shown.contains("not known here") && !shown.contains("owner"), "{shown}");
        assert_eq!(shown.matches("session.sealed\\nsession").count(), 1, "{shown}");
        report.known = true;
        let shown = [shown, report.text()].concat();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert!(!shown.lines().any(|line| line.starts_with("session   d7d33a96")), "{shown}");
    }
}
