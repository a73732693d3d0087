//! Puts what workers finish in any order back into order.
//!
//! The gate decides and never waits: a worker that hands in a chunk is told whether it now has to
//! acknowledge, and which chunks. While it does so, others hand in theirs and go on; it then gets
//! what has come together meanwhile as one group.

use std::collections::BTreeMap;

use lucid_core::chunk::ChunkSummary;

/// Chunks that are durable but not yet acknowledged.
pub(crate) struct Gate {
    next: u32,
    waiting: BTreeMap<u32, ChunkSummary>,
    busy: bool,
}

impl Gate {
    pub(crate) fn new(next: u32) -> Self {
        Self { next, waiting: BTreeMap::new(), busy: false }
    }

    /// Hands in a chunk. `Some` makes the caller the one who acknowledges.
    pub(crate) fn hand_in(&mut self, chunk: ChunkSummary) -> Option<Vec<ChunkSummary>> {
        let known = self.waiting.insert(chunk.header.index.0, chunk);
        assert!(known.is_none(), "each index is taken from the source once");
        if self.busy {
            return None;
        }
        self.take()
    }

    /// The caller acknowledged a group; is there another?
    pub(crate) fn acknowledged(&mut self) -> Option<Vec<ChunkSummary>> {
        assert!(self.busy, "only who was given a group reports one");
        self.busy = false;
        self.take()
    }

    fn take(&mut self) -> Option<Vec<ChunkSummary>> {
        let mut group = Vec::new();
        while let Some(chunk) = self.waiting.remove(&self.next) {
            self.next += 1;
            group.push(chunk);
        }
        self.busy = !group.is_empty();
        self.busy.then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lucid_core::{
        ChunkIndex, Hash, SessionId,
        chunk::{ChunkHeader, Codec, Commitment, Salt, Suite},
    };
    use proptest::prelude::*;

    fn chunk(index: u32) -> ChunkSummary {
        let header = ChunkHeader {
            suite: Suite::Aes256Gcm,
            codec: Codec::Stored,
            session: SessionId::from_random([0; 16]),
            index: ChunkIndex(index),
            plain_bytes: 1,
            payload_bytes: 1,
        };
        let (salt, commitment) = (Salt([0; 24]), Commitment([0; 32]));
        ChunkSummary { header, salt, commitment, chunk_root: Hash::of(b"") }
    }

    fn indices(group: Option<Vec<ChunkSummary>>) -> Option<Vec<u32>> {
        Some(group?.iter().map(|chunk| chunk.header.index.0).collect())
    }

    #[test]
    fn groups_form_behind_a_slow_acknowledgement() {
        let mut gate = Gate::new(5);
        assert_eq!(indices(gate.hand_in(chunk(6))), None, "5 is missing");
        assert_eq!(indices(gate.hand_in(chunk(5))), Some(vec![5, 6]));
        assert_eq!(indices(gate.hand_in(chunk(7))), None, "someone acknowledges already");
        assert_eq!(indices(gate.hand_in(chunk(9))), None);
        assert_eq!(indices(gate.acknowledged()), Some(vec![7]));
        assert_eq!(indices(gate.hand_in(chunk(8))), None);
        assert_eq!(indices(gate.acknowledged()), Some(vec![8, 9]));
        assert_eq!(indices(gate.acknowledged()), None);
    }

    proptest! {
        #[test]
        fn any_order_comes_out_in_order(order in Just((0_u32..40).collect::<Vec<_>>()).prop_shuffle(), lazy: u64) {
            let mut gate = Gate::new(0);
            let (mut out, mut held) = (Vec::new(), false);
            for (step, index) in order.into_iter().enumerate() {
                let given = gate.hand_in(chunk(index));
                prop_assert!(!(held && given.is_some()), "one acknowledges at a time");
                held |= given.is_some();
                out.extend(indices(given).unwrap_or_default());
                if held && lazy >> (step % 64) & 1 == 1 {
                    let more = gate.acknowledged();
                    held = more.is_some();
                    out.extend(indices(more).unwrap_or_default());
                }
            }
            while held {
                let more = gate.acknowledged();
                held = more.is_some();
                out.extend(indices(more).unwrap_or_default());
            }
            prop_assert_eq!(out, (0..40).collect::<Vec<_>>());
        }
    }
}
