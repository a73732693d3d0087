//! What a test found, and how it says it.

use serde::Serialize;

use super::{console::Seen, cut::Cut};
use crate::report::{Row, is_whole, table};

/// What was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    /// What the first start's console said, and when.
    pub(super) first_start: Vec<Seen>,
    /// Seconds from QEMU's start to the node's readiness, on the first start and on the one after the cut.
    pub(super) ready_seconds: Vec<f64>,
    /// Memory that is in use with the node ready, and the node's own, in MiB.
    pub(super) memory_mib: Option<u64>,
    pub(super) node_memory_mib: Option<u64>,
    /// Bytes that were recorded, and bytes that the card was given to write for them.
    pub(super) recorded_bytes: Option<u64>,
    pub(super) card_bytes: Option<u64>,
    /// The same, one over the other.
    pub(super) written_for_each: Option<f64>,
    pub(super) acknowledged_bytes: Option<u64>,
    /// Acknowledged after the cut: no less.
    pub(super) found_bytes: Option<u64>,
    pub(super) cut: Option<Cut>,
    pub(super) seed: u64,
    pub(super) steps: Vec<Row>,
}

impl Told {
    pub(super) fn is_good(&self) -> bool {
        is_whole(&self.steps)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{name:34}  {value}\n"));
            }
        };
        let starts: Vec<_> =
            self.ready_seconds.iter().map(|seconds| format!("{seconds:.0} s")).collect();
        line("ready after the start (emulated)", (!starts.is_empty()).then(|| starts.join(", ")));
        line("memory in use", self.memory_mib.map(|mib| format!("{mib} MiB")));
        line("the node's", self.node_memory_mib.map(|mib| format!("{mib} MiB")));
        line("recorded", self.recorded_bytes.map(|bytes| format!("{bytes} bytes")));
        line("written to the card for it", self.card_bytes.map(|bytes| format!("{bytes} bytes")));
        line("for each byte", self.written_for_each.map(|ratio| format!("{ratio:.4}")));
        line(
            "acknowledged before the cut",
            self.acknowledged_bytes.map(|bytes| format!("{bytes} bytes")),
        );
        line("found after it", self.found_bytes.map(|bytes| format!("{bytes} bytes")));
        line(
            "the cut",
            self.cut.map(|cut| {
                format!(
                    "{} writes and {} flushes, {} writes not flushed, {} of them lost (seed {})",
                    cut.writes, cut.flushes, cut.unflushed, cut.lost, self.seed
                )
            }),
        );
        table(&self.steps, &text)
    }
}
