//! Blocks into the log, each after the one before it.
//!
//! Who makes blocks may be in another process: an append of which it heard nothing may still come, after it
//! has looked and gone on. So each block is held against the last one in the log, under a lock that is kept
//! until it is in.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{Answer, BlockLog},
};
use lucid_core::{
    EntryIndex, Hash,
    entry::{Entry, EvmBlock},
};
use lucid_store::StoreError;

use super::{Orchestrator, Parts};
use crate::services::problem::{internal, of_store};

/// Entries that are looked at together, from the log's end.
const PAGE: u64 = 256;

/// The last block in the log.
#[derive(Default)]
pub(super) struct LastBlock(Mutex<Known>);

/// What is known of it.
#[derive(Clone, Copy, Default)]
enum Known {
    /// Nothing: the log is to be looked at.
    #[default]
    Nothing,
    /// There is none.
    NoBlock,
    /// This one.
    Block(Hash),
}

impl LastBlock {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have appended.
            let mut known = poisoned.into_inner();
            *known = Known::Nothing;
            known
        })
    }
}

/// A block's entries: parts of its body, then its header, which is given too, then what the parameters
/// are where it changed them. Whether it did is for who executes it to say.
fn block(entries: &[String]) -> Answer<(Vec<Entry>, EvmBlock)> {
    let refuse = |why: &str| Problem::new(Code::InvalidRequest, why);
    let parsed = entries
        .iter()
        .map(|entry| Entry::parse(entry.as_bytes()).map_err(|error| refuse(&error.to_string())));
    let parsed = parsed.collect::<Answer<Vec<_>>>()?;
    let of_block = match parsed.split_last() {
        Some((Entry::ParametersChanged(changed), before)) if changed.follows(before.last()) => {
            before
        }
        _ => &parsed[..],
    };
    match of_block.split_last() {
        Some((Entry::EvmBlock(block), parts))
            if parts.len() as u64 == u64::from(block.parts)
                && parts.iter().all(|part| matches!(part, Entry::EvmBody(_))) =>
        {
            let block = block.clone();
            Ok((parsed, block))
        }
        _ => Err(refuse("the entries are not those of one block")),
    }
}

impl Parts {
    fn append_block(&self, entries: &[String]) -> Answer<u64> {
        let (entries, block) = block(entries)?;
        let mut known = self.last_block.lock();
        if let Known::Nothing = *known {
            *known = self.find_last_block()?;
        }
        let follows = match *known {
            Known::Block(hash) => block.header.number.0 > 0 && block.header.parent == hash,
            Known::NoBlock | Known::Nothing => block.header.number.0 == 0,
        };
        if !follows {
            let number = block.header.number;
            let detail = format!("block {number} does not follow the last one in the log");
            return Err(Problem::new(Code::Conflict, detail));
        }
        // Until it is known to be in, it may or may not be.
        *known = Known::Nothing;
        let committed = self.store.append(&entries).map_err(of_store)?;
        *known = Known::Block(block.hash);
        Ok(committed.first.0 + u64::from(block.parts))
    }

    /// Looks for the last block from the log's end.
    fn find_last_block(&self) -> Answer<Known> {
        let size = self.store.with_log(|log| Ok(log.size())).map_err(of_store)?;
        let mut end = size;
        while end > 0 {
            let start = end.saturating_sub(PAGE);
            let page = self.store.with_log(|log| {
                let range = EntryIndex(start)..EntryIndex(end);
                Ok(log.entries(range)?.collect::<Result<Vec<_>, _>>()?)
            });
            for entry in page.map_err(of_store)?.iter().rev() {
                if let Entry::EvmBlock(block) = Entry::parse(entry).map_err(|e| internal(&e))? {
                    return Ok(Known::Block(block.hash));
                }
            }
            end = start;
        }
        Ok(Known::NoBlock)
    }
}

#[async_trait]
impl BlockLog for Orchestrator {
    async fn append_block(&self, entries: Vec<String>) -> Answer<u64> {
        self.run(move |parts| parts.append_block(&entries)).await
    }

    async fn room(&self) -> Answer<()> {
        self.run(|parts| match parts.store.check_room() {
            // It is asked again and again: who asks says it once.
            Err(error @ StoreError::DiskFull { .. }) => {
                Err(Problem::new(Code::DiskFull, error.to_string()))
            }
            other => other.map_err(of_store),
        })
        .await
    }
}
