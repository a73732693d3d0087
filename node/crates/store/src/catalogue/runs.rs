//! Hashes: sorted runs of records, which are merged.
//!
//! Hashes fall anywhere. To put each into its place at once would be to read and write a block for each. So what
//! one batch has is sorted and written one after another, as a run of its own; when there are many runs of about
//! one size, they become one. What is looked for is looked for in every run: some dozens, and one more for every ten
//! thousand sessions.
//!
//! A run is a set of blocks (`posting`) under `h` ‖ its number. Which runs there are stands in
//! [`Progress`](super::progress::Progress), so that a merge is one batch with that.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    Files,
    keys::{self, HashRecord},
    posting::Scan,
    stage::Stage,
};
use crate::error::StoreError;

/// So many runs of about one size become one.
const MERGED_AT: usize = 8;
/// Records of the longest run: a batch has all that a merge writes, 7 MB.
const RECORDS_MAX: u32 = 1 << 17;

/// A run of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Its number; larger ones are younger.
    pub(super) number: u64,
    /// Records that it has.
    pub(super) records: u32,
}

impl Run {
    /// Runs of one size class are merged: eight of one are about one of the next.
    fn size_class(self) -> u32 {
        self.records.max(1).ilog2() / 3
    }
}

/// Writes a batch's hashes as a run.
pub(super) fn add(stage: &mut Stage<'_>, runs: &mut Vec<Run>) {
    let mut records = std::mem::take(&mut stage.hashes);
    if records.is_empty() {
        return;
    }
    records.sort_unstable();
    records.dedup();
    write(stage, runs, &records);
}

fn write(stage: &mut Stage<'_>, runs: &mut Vec<Run>, records: &[[u8; HashRecord::BYTES]]) {
    let number = runs.iter().map(|run| run.number + 1).max().unwrap_or(0);
    let space = keys::hashes(number);
    for block in records.chunks(space.records_max) {
        let key = [space.prefix.as_slice(), &block[0]].concat();
        stage.set(key, block.concat());
    }
    // A batch and a merge are bounded far below that.
    let records = u32::try_from(records.len()).unwrap_or(u32::MAX);
    runs.push(Run { number, records });
}

/// Which runs are to become one now; none where there are few.
fn due(runs: &[Run]) -> Vec<Run> {
    let mut by_size = runs.to_vec();
    by_size.sort_unstable_by_key(|run| (run.records, run.number));
    let classes = by_size.chunk_by(|one, other| one.size_class() == other.size_class());
    for class in classes.filter(|class| class.len() >= MERGED_AT) {
        let mut sum = 0_u32;
        let fitting = class.iter().take_while(|run| {
            sum = sum.saturating_add(run.records);
            sum <= RECORDS_MAX
        });
        let fitting: Vec<_> = fitting.copied().collect();
        if fitting.len() > 1 {
            return fitting;
        }
    }
    Vec::new()
}

/// Makes one run of some, where there are many; gives whether it did.
pub(super) fn merge(stage: &mut Stage<'_>, runs: &mut Vec<Run>) -> Result<bool, StoreError> {
    let sources = due(runs);
    if sources.is_empty() {
        return Ok(false);
    }
    let mut records = Vec::new();
    for record in
        scan(stage.files, &sources, (&[0; HashRecord::BYTES], &[0xff; HashRecord::BYTES]))?
    {
        let record: [u8; HashRecord::BYTES] =
            record?.try_into().map_err(|_| stage.files.unsound("a hash's record is none"))?;
        records.push(record);
    }
    for run in &sources {
        let keys = stage.files.tree.scan_prefix(keys::hashes(run.number).prefix).keys();
        for key in keys {
            let key = stage.files.sled(key)?;
            stage.remove(key.to_vec());
        }
    }
    write(stage, runs, &records);
    runs.retain(|run| !sources.contains(run));
    Ok(true)
}

/// Records of some runs, in order, each once.
pub(super) struct Merged<'a> {
    scans: Vec<Scan<'a>>,
    /// The next record of each.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Option<Vec<u8>>,
}

/// The records of `runs` from one to another, both included.
pub(super) fn scan<'a>(
    files: &'a Files,
    runs: &[Run],
    (first, last): (&[u8], &[u8]),
) -> Result<Merged<'a>, StoreError> {
    let scans = runs.iter().map(|run| keys::hashes(run.number).scan(files, (first, last), false));
    let scans = scans.collect::<Result<Vec<_>, _>>()?;
    let mut merged = Merged { scans, heads: BinaryHeap::new(), last: None };
    for place in 0..merged.scans.len() {
        merged.refill(place)?;
    }
    Ok(merged)
}

impl Merged<'_> {
    fn refill(&mut self, place: usize) -> Result<(), StoreError> {
        if let Some(record) = self.scans[place].next().transpose()? {
            self.heads.push(Reverse((record, place)));
        }
        Ok(())
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((record, place)) = self.heads.pop()?;
            if let Err(error) = self.refill(place) {
                return Some(Err(error));
            }
            // Chunks that were taken up twice are in two runs.
            if self.last.as_ref() != Some(&record) {
                self.last = Some(record.clone());
                return Some(Ok(record));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds runs of these sizes one by one, and merges as is due; gives the sizes that are left.
    fn left(sizes: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut runs: Vec<Run> = Vec::new();
        for (number, records) in (0..).zip(sizes) {
            runs.push(Run { number, records });
            loop {
                let due = due(&runs);
                if due.is_empty() {
                    break;
                }
                runs.retain(|run| !due.contains(run));
                let records = due.iter().map(|run| run.records).sum();
                assert!(records <= RECORDS_MAX);
                runs.push(Run { number: number + 1000, records });
            }
        }
        runs.iter().map(|run| run.records).collect()
    }

    #[test]
    fn many_runs_become_few_and_none_too_long() {
        assert_eq!(left([3; 7]), [3; 7]);
        assert_eq!(left([3; 8]), [24]);
        for size in [1, 2, 9, 100, 3000, 40_000, 65_536, 100_000, RECORDS_MAX] {
            let count = 2000_u32;
            let runs = left(vec![size; count as usize]);
            let sum: u64 = runs.iter().map(|run| u64::from(*run)).sum();
            assert_eq!(sum, u64::from(size) * u64::from(count), "nothing is lost");
            let long = sum.div_ceil(u64::from(RECORDS_MAX) / 2) as usize;
            assert!(runs.len() <= 48 + long, "{size}: {} runs", runs.len());
        }
    }
}
