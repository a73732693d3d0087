//! Logs over ranges of blocks (`eth_getLogs`).

use alloy_primitives::{Address, B256, Log, keccak256};
use lucid_core::Hash;

use super::Patience;
use crate::{BlockNumber, Chain, ChainError, Head, error::damaged, keys, rows};

/// Blocks that one query looks through: their blooms are 2.5 MB.
pub const LOG_BLOCKS_MAX: u64 = 10_000;
/// Logs that one query answers: some 5 MB of JSON, their data not counted.
pub const LOGS_MAX: usize = 10_000;
/// Bytes of data that these logs hold together: their JSON is twice as long.
pub const LOG_BYTES_MAX: usize = 16 << 20;
/// Addresses, and topics in one position, that a query may name.
pub const ALTERNATIVES_MAX: usize = 1000;
/// A log has at most four topics (Yellow Paper, appendix H, `LOG4`).
const TOPICS_MAX: usize = 4;

/// Which logs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogFilter {
    /// From any of these; empty: from anybody.
    pub addresses: Vec<Address>,
    /// By position: any of these topics; empty: any topic, but there must be one.
    pub topics: Vec<Vec<B256>>,
}

/// A log, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// The block's hash.
    pub block_hash: Hash,
    /// The block's number.
    pub number: BlockNumber,
    /// The transaction's hash.
    pub transaction_hash: B256,
    /// The transaction's place in the block, from 0.
    pub transaction_index: u32,
    /// The log's place in the block, from 0.
    pub log_index: u64,
    /// The log.
    pub log: Log,
}

/// Where a log is, or would be: places are in the order of the logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogPlace {
    /// The block's number.
    pub number: BlockNumber,
    /// The log's place in the block, from 0.
    pub log_index: u64,
}

impl LogPlace {
    /// Where a block's logs begin.
    #[must_use]
    pub fn first_of(number: BlockNumber) -> Self {
        Self { number, log_index: 0 }
    }
}

/// As many logs as are told at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPart {
    /// The logs.
    pub logs: Vec<LogEntry>,
    /// Where the next one is; nothing where these are all.
    pub next: Option<LogPlace>,
}

impl LogFilter {
    /// Whether a log is one of these.
    #[must_use]
    pub fn matches(&self, log: &Log) -> bool {
        let topics = log.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self
                .topics
                .iter()
                .zip(topics)
                .all(|(any, topic)| any.is_empty() || any.contains(topic))
    }

    fn check(&self) -> Result<(), ChainError> {
        let too_large = |what, max| Err(ChainError::FilterTooLarge { what, max });
        if self.addresses.len() > ALTERNATIVES_MAX {
            return too_large("addresses", ALTERNATIVES_MAX);
        }
        if self.topics.len() > TOPICS_MAX {
            return too_large("topic positions", TOPICS_MAX);
        }
        if self.topics.iter().any(|any| any.len() > ALTERNATIVES_MAX) {
            return too_large("topics in one position", ALTERNATIVES_MAX);
        }
        Ok(())
    }
}

/// The three bits of a bloom that a value sets (Yellow Paper, 4.3.1): the low 11 bits of the first three
/// pairs of bytes of its Keccak-256, counted from the bloom's end.
struct Bits([u16; 3]);

impl Bits {
    fn of(value: &[u8]) -> Self {
        let hash = keccak256(value);
        Self([0, 2, 4].map(|at| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff))
    }

    fn are_in(&self, bloom: &[u8; 256]) -> bool {
        let is_set = |bit: u16| bloom[255 - usize::from(bit >> 3)] >> (bit & 7) & 1 == 1;
        self.0.into_iter().all(is_set)
    }
}

/// What a filter looks for in a bloom: hashed once for all blocks.
struct Sought {
    /// By position: addresses first, then topics; any of these bits, or anything where there are none.
    positions: Vec<Vec<Bits>>,
}

impl Sought {
    fn by(filter: &LogFilter) -> Self {
        let addresses = filter.addresses.iter().map(|address| Bits::of(address.as_slice()));
        let topics = filter.topics.iter();
        let topics = topics.map(|any| any.iter().map(|topic| Bits::of(topic.as_slice())).collect());
        Self { positions: std::iter::once(addresses.collect()).chain(topics).collect() }
    }

    /// Whether a block with this bloom may have one.
    fn may_be_in(&self, bloom: &[u8; 256]) -> bool {
        let any = |any: &Vec<Bits>| any.is_empty() || any.iter().any(|bits| bits.are_in(bloom));
        self.positions.iter().all(any)
    }
}

impl Chain {
    /// [`logs_within`](Self::logs_within) whatever time it takes.
    ///
    /// # Errors
    /// As that, but for the time.
    pub fn logs(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        filter: &LogFilter,
    ) -> Result<Vec<LogEntry>, ChainError> {
        self.logs_within(from, to, filter, Patience::ENDLESS)
    }

    /// The logs that match `filter` in the blocks from `from` to `to`, both included, in order. A range may
    /// end beyond the head.
    ///
    /// # Errors
    /// [`ChainError::RangeBackwards`], [`ChainError::NoSuchBlock`] where it begins beyond the head,
    /// [`ChainError::RangeTooWide`], [`ChainError::TooManyLogs`], [`ChainError::LogsTooLong`] and
    /// [`ChainError::FilterTooLarge`], which say the bound, [`ChainError::OutOfTime`], and the database's.
    pub fn logs_within(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        filter: &LogFilter,
        patience: Patience<'_>,
    ) -> Result<Vec<LogEntry>, ChainError> {
        let (head, to) = self.log_range(from, to, filter)?;
        let (sought, mut found, mut bytes) = (Sought::by(filter), Vec::new(), 0);
        for row in self.tree.range(keys::bloom(from)..=keys::bloom(to)) {
            let (number, bloom) = bloom_row(&row?)?;
            patience.check(number)?;
            let before = found.len();
            if sought.may_be_in(&bloom) {
                self.logs_of(&head, number, filter, &mut found)?;
            }
            if found.len() > LOGS_MAX {
                return Err(ChainError::TooManyLogs { logs_max: LOGS_MAX, number });
            }
            bytes += found[before..].iter().map(|entry| entry.log.data.data.len()).sum::<usize>();
            if bytes > LOG_BYTES_MAX {
                return Err(ChainError::LogsTooLong { bytes_max: LOG_BYTES_MAX, number });
            }
        }
        Ok(found)
    }

    /// The logs that match `filter` from `from` to the end of block `to`, in order: as many as one answer and the
    /// time hold, and at least one where there is any. So a block with more of them than that is told in parts.
    ///
    /// # Errors
    /// As [`logs_within`](Self::logs_within), but for too many and too long ones, and for the time only where
    /// it was over before the first block.
    pub fn logs_part(
        &self,
        from: LogPlace,
        to: BlockNumber,
        filter: &LogFilter,
        patience: Patience<'_>,
    ) -> Result<LogPart, ChainError> {
        let (head, to) = self.log_range(from.number, to, filter)?;
        let (sought, mut logs, mut bytes) = (Sought::by(filter), Vec::new(), 0);
        for row in self.tree.range(keys::bloom(from.number)..=keys::bloom(to)) {
            let (number, bloom) = bloom_row(&row?)?;
            if let Err(over) = patience.check(number) {
                let next = Some(LogPlace::first_of(number));
                return if number > from.number { Ok(LogPart { logs, next }) } else { Err(over) };
            }
            let mut found = Vec::new();
            if sought.may_be_in(&bloom) {
                self.logs_of(&head, number, filter, &mut found)?;
            }
            for entry in found {
                let place = LogPlace { number, log_index: entry.log_index };
                if place < from {
                    continue;
                }
                bytes += entry.log.data.data.len();
                if logs.len() >= LOGS_MAX || (bytes > LOG_BYTES_MAX && !logs.is_empty()) {
                    return Ok(LogPart { logs, next: Some(place) });
                }
                logs.push(entry);
            }
        }
        Ok(LogPart { logs, next: None })
    }

    /// Checks a query; gives the head, and the last block that is looked at.
    fn log_range(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        filter: &LogFilter,
    ) -> Result<(Head, BlockNumber), ChainError> {
        filter.check()?;
        if from > to {
            return Err(ChainError::RangeBackwards { from, to });
        }
        // Blocks stay as they are: nothing has to be held still.
        let head = self.head();
        let last = head.header.number;
        if from > last {
            return Err(ChainError::NoSuchBlock { number: from, head: last });
        }
        let to = to.min(last);
        let blocks = to.0 - from.0 + 1;
        match blocks > LOG_BLOCKS_MAX {
            true => Err(ChainError::RangeTooWide { blocks, blocks_max: LOG_BLOCKS_MAX }),
            false => Ok((head, to)),
        }
    }

    fn logs_of(
        &self,
        head: &Head,
        number: BlockNumber,
        filter: &LogFilter,
        found: &mut Vec<LogEntry>,
    ) -> Result<(), ChainError> {
        let (block_hash, _) = self.header_below(head, number)?;
        let receipts = self.receipts_of(number)?;
        // A transaction's hash is Keccak-256 of its bytes, whatever its type (EIP-2718).
        let hashes: Vec<_> = self.body_of(number)?.iter().map(keccak256).collect();
        let mut log_index = 0;
        for (transaction_index, receipt) in (0_u32..).zip(receipts) {
            for log in receipt.logs {
                if filter.matches(&log) {
                    let transaction_hash = *hashes
                        .get(transaction_index as usize)
                        .ok_or_else(|| damaged(format!("the transactions of block {number}")))?;
                    found.push(LogEntry {
                        block_hash,
                        number,
                        transaction_hash,
                        transaction_index,
                        log_index,
                        log,
                    });
                }
                log_index += 1;
            }
        }
        Ok(())
    }
}

/// Whose bloom a row is, and the bloom.
fn bloom_row(
    (key, bloom): &(sled::IVec, sled::IVec),
) -> Result<(BlockNumber, [u8; 256]), ChainError> {
    let number = rows::number(key.get(1..).unwrap_or_default())?;
    let bloom = bloom.as_ref().try_into();
    Ok((number, bloom.map_err(|_| damaged(format!("the bloom of block {number}")))?))
}
