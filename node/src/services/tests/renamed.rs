//! An index of sessions that says otherwise than the log.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code,
    ports::{
        Answer, ConsistencyProof, InclusionProof, ListIndexed, ListOrder, LogEntry, LogHead,
        SessionState, TransparencyLog,
    },
};
use lucid_core::{EntryIndex, merkle::TilePath};

use super::{Node, Reach, code, hostile::until};

/// A log in which entries can be another owner's than those that were taken up from it.
struct Renamed {
    log: Arc<dyn TransparencyLog>,
    is_renamed: AtomicBool,
}

#[async_trait]
impl TransparencyLog for Renamed {
    async fn head(&self) -> Answer<LogHead> {
        self.log.head().await
    }
    async fn resource(&self, path: TilePath) -> Answer<Bytes> {
        self.log.resource(path).await
    }
    async fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>> {
        let mut entries = self.log.entries(from, limit).await?;
        if self.is_renamed.load(Ordering::Relaxed) {
            for entry in &mut entries {
                entry.entry = entry.entry.replace("TOwner", "TOther");
            }
        }
        Ok(entries)
    }
    async fn inclusion(&self, index: EntryIndex, size: u64) -> Answer<InclusionProof> {
        self.log.inclusion(index, size).await
    }
    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof> {
        self.log.consistency(from, to).await
    }
    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool> {
        self.log.keep_cosignatures(checkpoint, lines).await
    }
}

pub(super) async fn an_index_that_differs_from_the_log_is_not_believed(reach: Reach) {
    let node = Node::new(reach).await;
    let session = node.sealed(b"somebody's").await;
    let renamed = Arc::new(Renamed { log: node.log.clone(), is_renamed: AtomicBool::new(false) });
    let index = node.index("index", renamed.clone(), node.sessions.clone()).await;
    let list = || {
        let list = ListIndexed {
            owner: Some("TOwner".parse().unwrap()),
            state: Some(SessionState::Sealed),
            from: None,
            until: None,
            order: ListOrder::Newest,
            after: None,
            limit: 10,
        };
        index.port.list(list)
    };
    let found = until("it is listed", async || list().await.ok()).await;
    assert_eq!(found[0].session_id, session.session_id);
    renamed.is_renamed.store(true, Ordering::Relaxed);
    assert_eq!(code(list().await), Code::Unavailable);
    renamed.is_renamed.store(false, Ordering::Relaxed);
    let again = until("it is made anew, and listed", async || list().await.ok());
    assert_eq!(again.await, found);
    index.stop().await;
}
