//! The log, as it is read: the orchestrator writes it, and so it is the one that has it open.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{
        Answer, ConsistencyProof, ENTRIES_MAX, InclusionProof, LogEntry, LogHead, TransparencyLog,
    },
};
use lucid_core::{
    EntryIndex,
    merkle::{TILE_WIDTH, TilePath},
    note::NoteSignature,
};
use lucid_store::{LogReader, StoreError};

use super::{Orchestrator, Parts};
use crate::services::{problem, problem::of_store};

/// Bytes of entries in one answer, but for a larger one that is alone.
const PAGE_BYTES_MAX: usize = 4 << 20;

impl Parts {
    fn read<T>(&self, look: impl FnOnce(&LogReader) -> Result<T, StoreError>) -> Answer<T> {
        self.store.with_log(look).map_err(of_store)
    }

    fn head(&self) -> Answer<LogHead> {
        self.read(|log| {
            Ok(LogHead {
                key: self.store.log_key().verifier_key().to_string(),
                size: log.size(),
                root: log.root(),
                checkpoint: log.published(),
                cosigned: log.cosigned().map(|cosigned| cosigned.note().to_string()),
            })
        })
    }

    /// A page of entries. The log is looked at for one bundle at a time, which is what it reads of the disk for a
    /// single entry too; so nobody waits for a page.
    fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>> {
        let size = self.read(|log| Ok(log.size()))?;
        let end = from.0.saturating_add(limit.min(ENTRIES_MAX).into()).min(size);
        let (mut page, mut bytes, mut next) = (Vec::new(), 0, from.0);
        while next < end {
            let bundle_end = (next / TILE_WIDTH + 1).saturating_mul(TILE_WIDTH).min(end);
            let range = EntryIndex(next)..EntryIndex(bundle_end);
            let entries =
                self.read(|log| Ok(log.entries(range)?.collect::<Result<Vec<_>, _>>()?))?;
            for (index, entry) in (next..).zip(entries) {
                bytes += entry.len();
                if bytes > PAGE_BYTES_MAX && !page.is_empty() {
                    return Ok(page);
                }
                let entry = String::from_utf8(entry).map_err(|error| problem::internal(&error))?;
                page.push(LogEntry { index, entry });
            }
            next = bundle_end;
        }
        Ok(page)
    }

    fn keep_cosignatures(&self, checkpoint: &str, lines: &[String]) -> Answer<bool> {
        let malformed = |_| Problem::new(Code::InvalidRequest, "a line is no cosignature");
        let lines = lines.iter().map(|line| line.parse::<NoteSignature>().map_err(malformed));
        let lines = lines.collect::<Answer<_>>()?;
        self.store.keep_cosignatures(checkpoint, lines).map_err(of_store)
    }
}

#[async_trait]
impl TransparencyLog for Orchestrator {
    async fn head(&self) -> Answer<LogHead> {
        self.run(Parts::head).await
    }

    async fn resource(&self, path: TilePath) -> Answer<Bytes> {
        self.run(move |parts| {
            let found = parts.read(|log| Ok(log.resource(path)?))?;
            found.map(Bytes::from).ok_or_else(|| {
                Problem::new(Code::NotFound, format!("the log has not grown into {path} yet"))
            })
        })
        .await
    }

    async fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>> {
        self.run(move |parts| parts.entries(from, limit)).await
    }

    async fn inclusion(&self, index: EntryIndex, size: u64) -> Answer<InclusionProof> {
        self.run(move |parts| {
            parts.read(|log| {
                let path = log.inclusion_proof(index, size)?;
                Ok(InclusionProof { leaf: log.leaf(index)?, root: log.root_at(size)?, path })
            })
        })
        .await
    }

    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof> {
        self.run(move |parts| {
            parts.read(|log| {
                let path = log.consistency_proof(from, to)?;
                let (from_root, to_root) = (log.root_at(from)?, log.root_at(to)?);
                Ok(ConsistencyProof { from_root, to_root, path })
            })
        })
        .await
    }

    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool> {
        self.run(move |parts| parts.keep_cosignatures(&checkpoint, &lines)).await
    }
}
