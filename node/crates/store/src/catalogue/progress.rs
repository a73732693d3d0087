//! How far a catalogue is.

use lucid_core::{
    Hash,
    merkle::{CompactRange, TreeHead},
};

use super::runs::Run;

/// Bytes of a run's number and records.
const RUN_BYTES: usize = 8 + 4;

/// How far a catalogue is: in the same batch as what came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Progress {
    /// The log as far as it is taken up: enough to know its root, and to go on.
    pub(super) log: CompactRange,
    /// Owners that have numbers.
    pub(super) owners: u32,
    /// Sealed sessions whose chunks are still to be read.
    pub(super) unread: u64,
    /// Entries under the newest anchor; 0 where there is none.
    pub(super) anchored: u64,
    /// The runs of hashes.
    pub(super) runs: Vec<Run>,
}

impl Progress {
    /// The log as far as it is taken up.
    pub(super) fn head(&self) -> TreeHead {
        TreeHead { size: self.log.len(), root: self.log.root() }
    }

    /// Integers big-endian: entries (8) ‖ owners (4) ‖ unread (8) ‖ anchored (8) ‖ how many runs (4), and of each its number (8)
    /// and records (4) ‖ the log's perfect subtrees, largest first.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.log.len().to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.owners.to_be_bytes());
        bytes.extend_from_slice(&self.unread.to_be_bytes());
        bytes.extend_from_slice(&self.anchored.to_be_bytes());
        bytes.extend_from_slice(&(self.runs.len() as u32).to_be_bytes());
        for run in &self.runs {
            bytes.extend_from_slice(&run.number.to_be_bytes());
            bytes.extend_from_slice(&run.records.to_be_bytes());
        }
        bytes.extend(self.log.subtrees().iter().flat_map(|hash| hash.0));
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (owners, rest) = rest.split_first_chunk()?;
        let (unread, rest) = rest.split_first_chunk()?;
        let (anchored, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        let (listed, rest) = rest.split_at_checked(count.checked_mul(RUN_BYTES)?)?;
        let runs = listed.chunks(RUN_BYTES).map(|run| {
            let (number, records) = run.split_first_chunk()?;
            let records = u32::from_be_bytes(records.try_into().ok()?);
            Some(Run { number: u64::from_be_bytes(*number), records })
        });
        let runs = runs.collect::<Option<_>>()?;
        let (hashes, rest) = rest.as_chunks::<{ Hash::BYTES }>();
        let subtrees = hashes.iter().copied().map(Hash).collect();
        let log = CompactRange::from_subtrees(u64::from_be_bytes(*size), subtrees).ok()?;
        rest.is_empty().then_some(Self {
            log,
            owners: u32::from_be_bytes(*owners),
            unread: u64::from_be_bytes(*unread),
            anchored: u64::from_be_bytes(*anchored),
            runs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back() {
        let mut progress = Progress { owners: 3, unread: 4, anchored: 5, ..Progress::default() };
        for size in 0..10 {
            let bytes = progress.to_bytes();
            assert_eq!(Progress::parse(&bytes).as_ref(), Some(&progress), "{size}");
            assert_eq!(progress.head().size, size);
            for cut in 0..bytes.len() {
                assert_eq!(Progress::parse(&bytes[..cut]), None, "{size} {cut}");
            }
            progress.log.push(Hash::of(b"leaf"));
            progress.runs.push(Run { number: size, records: 7 });
        }
        assert_eq!(Progress::default().head(), TreeHead::EMPTY);
    }
}
