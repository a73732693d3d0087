//! Sorted sets of short records, kept in blocks.
//!
//! A key for each record would cost sled more than the record: it notes for every page where it is, reads
//! that at each start, and a page has at most 16 keys. So a key stands for a block of records. A block's key is the
//! set's prefix and a record that none of its records is below; the block has every record of the set from there
//! to the next block's. A block that is full is halved, or, where what comes is the last of it, followed by
//! another one: what comes in order leaves full blocks behind.
//!
//! Invariant: no block is empty, and none has a record twice.

use super::{Files, stage::Stage};
use crate::error::StoreError;

/// A sorted set of records of one width.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// What its keys begin with, and no other set's.
    pub(super) prefix: Vec<u8>,
    /// Bytes of a record.
    pub(super) width: usize,
    /// Records of a block.
    pub(super) records_max: usize,
}

impl Space {
    fn key(&self, record: &[u8]) -> Vec<u8> {
        [self.prefix.as_slice(), record].concat()
    }

    /// The place of a record in a block, or where it would be.
    fn search(&self, block: &[u8], record: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, block.len() / self.width);
        while low < high {
            let middle = usize::midpoint(low, high);
            match block[middle * self.width..][..self.width].cmp(record) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn check(&self, files: &Files, block: &[u8]) -> Result<(), StoreError> {
        match !block.is_empty() && block.len().is_multiple_of(self.width) {
            true => Ok(()),
            false => Err(files.unsound("a block of records is none")),
        }
    }

    /// Puts a record in.
    pub(super) fn insert(&self, stage: &mut Stage<'_>, record: &[u8]) -> Result<(), StoreError> {
        assert_eq!(record.len(), self.width, "a record of this set");
        let wanted = self.key(record);
        let Some((key, mut block)) = stage.floor(&self.prefix, &wanted)? else {
            stage.set(wanted, record.to_vec());
            return Ok(());
        };
        self.check(stage.files, &block)?;
        let Err(place) = self.search(&block, record) else { return Ok(()) };
        let count = block.len() / self.width;
        if count < self.records_max {
            let at = place * self.width;
            block.splice(at..at, record.iter().copied());
            stage.set(key, block);
        } else if place == count {
            stage.set(wanted, record.to_vec());
        } else {
            let at = place * self.width;
            block.splice(at..at, record.iter().copied());
            let upper = block.split_off(count.div_ceil(2) * self.width);
            stage.set(self.key(&upper[..self.width]), upper);
            stage.set(key, block);
        }
        Ok(())
    }

    /// Takes a record out, where it is in.
    pub(super) fn remove(&self, stage: &mut Stage<'_>, record: &[u8]) -> Result<(), StoreError> {
        let Some((key, mut block)) = stage.floor(&self.prefix, &self.key(record))? else {
            return Ok(());
        };
        self.check(stage.files, &block)?;
        let Ok(place) = self.search(&block, record) else { return Ok(()) };
        let at = place * self.width;
        block.drain(at..at + self.width);
        match block.is_empty() {
            true => stage.remove(key),
            false => stage.set(key, block),
        }
        Ok(())
    }

    /// The records from `first` to `last`, both included, in order or the other way round.
    pub(super) fn scan<'a>(
        &self,
        files: &'a Files,
        (first, last): (&[u8], &[u8]),
        backwards: bool,
    ) -> Result<Scan<'a>, StoreError> {
        let (low, high) = (self.key(first), self.key(last));
        // The block that `first` is in may begin before it.
        let begin = files.tree.range(&self.prefix[..]..=&low[..]).next_back();
        let begin =
            files.sled(begin.transpose())?.map_or_else(|| low.clone(), |(key, _)| key.to_vec());
        Ok(Scan {
            files,
            space: self.clone(),
            at_end: low > high,
            blocks: files.tree.range(begin..=high),
            first: first.to_vec(),
            last: last.to_vec(),
            backwards,
            block: Vec::new(),
        })
    }

    /// The first record that is not below `from`.
    pub(super) fn first_from(
        &self,
        files: &Files,
        from: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let last = vec![0xff; self.width];
        self.scan(files, (from, &last), false)?.next().transpose()
    }
}

/// Records of a set, as they are read. What is put in or taken out meanwhile may or may not be among them; no
/// record comes twice.
pub(super) struct Scan<'a> {
    files: &'a Files,
    space: Space,
    blocks: sled::Iter,
    /// What is still to come lies from here to there.
    first: Vec<u8>,
    last: Vec<u8>,
    backwards: bool,
    at_end: bool,
    /// Records that were read and not given, the next one last.
    block: Vec<Vec<u8>>,
}

impl Scan<'_> {
    /// Reads the next block; whether there was one.
    fn read(&mut self) -> Result<bool, StoreError> {
        if self.at_end {
            return Ok(false);
        }
        let next = if self.backwards { self.blocks.next_back() } else { self.blocks.next() };
        let Some((_, block)) = self.files.sled(next.transpose())? else { return Ok(false) };
        self.space.check(self.files, &block)?;
        let wanted = |record: &&[u8]| **record >= self.first[..] && **record <= self.last[..];
        let records = block.chunks(self.space.width).filter(wanted).map(<[u8]>::to_vec);
        self.block = records.collect();
        if !self.backwards {
            self.block.reverse();
        }
        Ok(true)
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.block.pop() {
                // A block that is halved meanwhile is met again, from its middle.
                let (end, next) = match self.backwards {
                    true => (&mut self.last, before(&record)),
                    false => (&mut self.first, after(&record)),
                };
                match next {
                    Some(next) => *end = next,
                    None => self.at_end = true,
                }
                return Some(Ok(record));
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The next text of the same length; none after the last one.
pub(super) fn after(record: &[u8]) -> Option<Vec<u8>> {
    let mut next = record.to_vec();
    for byte in next.iter_mut().rev() {
        let (sum, carries) = byte.overflowing_add(1);
        *byte = sum;
        if !carries {
            return Some(next);
        }
    }
    None
}

/// The text of the same length before it; none before the first one.
pub(super) fn before(record: &[u8]) -> Option<Vec<u8>> {
    let mut next = record.to_vec();
    for byte in next.iter_mut().rev() {
        let (difference, borrows) = byte.overflowing_sub(1);
        *byte = difference;
        if !borrows {
            return Some(next);
        }
    }
    None
}
