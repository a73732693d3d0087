//! A node that lost its disk reads back what it had, and believes nothing that was not signed.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use lucid_core::{ChunkIndex, EntryIndex, Hash, SessionId, access::Role};
use lucid_mongo::{
    Collection, FaultKind, Had, ManifestState, PortError, ReadBack, ReadBackError, Source,
    stored_key,
};
use mongodb::bson::{Document, doc};

use crate::{
    node::{Kept, Node},
    support::{Place, Running, until},
};

/// A disk that has the first chunk of each session, or nothing, and takes manifests.
#[derive(Default)]
struct Disk {
    has_first: bool,
    coming: Mutex<Vec<u8>>,
    kept: Mutex<BTreeMap<SessionId, Vec<u8>>>,
}

impl Disk {
    fn new(has_first: bool) -> Self {
        Self { has_first, ..Self::default() }
    }
}

#[async_trait]
impl Had for Disk {
    fn put(&self, _: SessionId, bytes: &[u8]) -> io::Result<()> {
        self.coming.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    async fn ended(
        &self,
        session: SessionId,
        state: ManifestState,
        hash: Hash,
    ) -> Result<(), PortError> {
        let bytes = std::mem::take(&mut *self.coming.lock().unwrap());
        assert_eq!(state == ManifestState::Verified, Hash::of(&bytes) == hash);
        if state == ManifestState::Verified {
            self.kept.lock().unwrap().insert(session, bytes);
        }
        Ok(())
    }

    async fn has_chunk(&self, _: SessionId, index: ChunkIndex) -> Result<bool, PortError> {
        Ok(self.has_first && index.0 == 0)
    }
}

async fn filled() -> (Place, Arc<Node>) {
    let (place, node) = (Place::new().await, Node::new(1));
    node.some_of_everything();
    // More than a page of entries.
    node.sessions(100, 600, 2);
    node.anchor(node.size());
    let report = place.sent(&node, &Arc::new(Kept::default())).await;
    assert!(report.is_right(), "{report:#?}");
    (place, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_comes_back_byte_for_byte() {
    let (place, node) = filled().await;
    let key = stored_key(place.options(), node.id()).await.unwrap();
    assert_eq!(key, node.identity().key);
    let back = ReadBack::open(place.options(), &key, &|_, _| ()).await.unwrap();
    assert_eq!(back.head(), node.head().await.unwrap());
    assert_eq!(back.checkpoint(), node.checkpoint().await.unwrap());
    let mut next = 0;
    loop {
        let page = back.entries(EntryIndex(next)).await.unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            assert_eq!(entry, node.entry(next));
            next += 1;
        }
    }
    assert_eq!((next, back.unsigned_entries()), (node.size(), 0));
    let session = Node::session(100);
    let mut bytes = Vec::new();
    let state = back
        .manifest(session, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })
        .await;
    assert_eq!(state.unwrap(), ManifestState::Verified);
    assert_eq!(bytes, node.manifest_bytes(session));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_named() {
    let (place, node) = filled().await;
    let altered = Node::session(101);
    let chunk = doc! { "session_id": altered.to_string(), "idx": 1_i64 };
    let change = doc! { "$set": { "plain_bytes": 5_i64 } };
    place.all(Collection::Chunks).update_one(chunk, change).await.unwrap();
    let short = Node::session(102);
    let chunk = doc! { "session_id": short.to_string(), "idx": 1_i64 };
    place.all(Collection::Chunks).delete_one(chunk).await.unwrap();
    let back = ReadBack::open(place.options(), &node.identity().key, &|_, _| ()).await.unwrap();
    let mut told = BTreeMap::new();
    let tell = &mut |session: lucid_mongo::GoneSession| {
        told.insert(session.session, session);
    };
    let disk = Disk::new(true);
    let report = back.report(&disk, tell).await.unwrap();
    assert_eq!((report.sessions, told.len()), (606, 606));
    // 3 chunks of session 0, 2 of session 5, 2 of each of 600: each but the first. Session 1 was erased.
    assert_eq!((report.chunks_gone, report.sessions_with_loss), (2 + 1 + 600, 602));
    assert_eq!((report.sessions_open, report.manifests_lost), (1, 2));
    assert_eq!(told[&altered].manifest, Some(ManifestState::Altered));
    assert_eq!(told[&short].manifest, Some(ManifestState::Missing));
    assert_eq!(told[&Node::session(0)].gone, [1..=2]);
    assert_eq!(told[&Node::session(1)].state, "erased");
    assert_eq!(told[&Node::session(1)].chunks_gone, 0);
    // Sealed are all but the open and the voided one; two of the manifests are no more.
    let kept = disk.kept.into_inner().unwrap();
    assert_eq!((kept.len(), report.manifests_verified), (606 - 2 - 2, 606 - 2 - 2));
    assert!(kept.iter().all(|(session, bytes)| *bytes == node.manifest_bytes(*session)));
    let report = back.report(&Disk::new(false), &mut |_| ()).await.unwrap();
    assert_eq!(report.chunks_gone, 3 + 2 + 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_signed_is_refused() {
    let (place, node) = filled().await;
    let key = node.identity().key.clone();
    let entries = place.all(Collection::Entries);
    let id = |index: u64| doc! { "_id": format!("{}/{index:016}", node.id()) };
    let original: Document = entries.find_one(id(7)).await.unwrap().unwrap();
    let refused = async || ReadBack::open(place.options(), &key, &|_, _| ()).await.err().unwrap();
    // Forged: as well formed as the original.
    let forged = original.get_str("entry").unwrap().replace("local", "mally");
    assert_ne!(forged, original.get_str("entry").unwrap());
    entries.update_one(id(7), doc! { "$set": { "entry": forged } }).await.unwrap();
    assert!(matches!(refused().await, ReadBackError::Root { .. }), "{}", refused().await);
    entries.delete_one(id(7)).await.unwrap();
    assert!(matches!(refused().await, ReadBackError::Missing(7)), "{}", refused().await);
    entries.insert_one(&original).await.unwrap();
    let back = ReadBack::open(place.options(), &key, &|_, _| ()).await.unwrap();
    // Changed after the first reading.
    entries.update_one(id(7), doc! { "$set": { "entry": "{}" } }).await.unwrap();
    let changed = back.entries(EntryIndex(0)).await.unwrap_err();
    assert!(matches!(changed, ReadBackError::Changed(0, 1023)), "{changed}");
    entries.replace_one(id(7), &original).await.unwrap();
    // A forger who signs a log of his own.
    let forger = Node::new(9);
    forger.block();
    let note = forger.checkpoint().await.unwrap();
    let status = place.all(Collection::NodeStatus);
    let of_node = doc! { "_id": node.id().to_string() };
    let stolen =
        doc! { "$set": { "checkpoint": note, "public_key": forger.identity().key.to_string() } };
    status.update_one(of_node, stolen).await.unwrap();
    assert!(matches!(refused().await, ReadBackError::Checkpoint { .. }), "{}", refused().await);
    let key = stored_key(place.options(), node.id()).await;
    assert!(matches!(key, Err(ReadBackError::Key(_))));
    let other = ReadBack::open(place.options(), &Node::new(5).identity().key, &|_, _| ())
        .await
        .err()
        .unwrap();
    assert!(matches!(other, ReadBackError::NoNode(_)), "{other}");
}

/// A node whose log was put back as it was before, and that goes on with other entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_sends_nothing_over_its_later_self() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, 3, 2);
    assert!(place.sent(&node, &cursors).await.is_right());
    let before = place.find(Collection::Entries, doc! {}).await;
    let older = |goes_on: bool| {
        let older = Node::new(1);
        older.sessions(0, 1, 2);
        if goes_on {
            for number in 0..20 {
                older.user(&format!("other{number}"), Role::User);
            }
        }
        older
    };
    // With the cursors of another disk, and with its own: older, and longer by other entries.
    for (goes_on, cursors) in [
        (false, Arc::new(Kept::default())),
        (true, Arc::new(Kept::default())),
        (false, Arc::clone(&cursors)),
        (true, cursors),
    ] {
        let older = older(goes_on);
        assert_eq!(older.size() > node.size(), goes_on);
        let sync = place.sync(&older, &cursors);
        let running = Running::start(&sync);
        until(&sync, |status| status.faults[FaultKind::Forked as usize] > 0).await;
        running.stop().await;
        let told = sync.status().last_fault.unwrap().fault;
        assert!(told.text.contains("fork") && told.kind == FaultKind::Forked, "{told}");
        for mends in [false, true] {
            let refused = match mends {
                false => sync.verify(&|_| ()).await,
                true => sync.rebuild(&|_| ()).await,
            };
            assert_eq!(refused.unwrap_err().kind, FaultKind::Forked);
        }
        assert_eq!(place.find(Collection::Entries, doc! {}).await, before);
    }
    // The log as it was comes back.
    let key = node.identity().key.clone();
    let back = ReadBack::open(place.options(), &key, &|_, _| ()).await.unwrap();
    assert_eq!(back.head().size, node.size());
    back.close().await;
}

/// A number that nobody signed keeps no checkpoint out.
#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_is_not_signed_is_not_believed() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, 1, 2);
    assert!(place.sent(&node, &cursors).await.is_right());
    let of_node = doc! { "_id": node.id().to_string() };
    let grown = doc! { "$set": { "log_size": 1_i64 << 62 } };
    let documents = place.all(Collection::NodeStatus);
    documents.update_one(of_node.clone(), grown).await.unwrap();
    node.sessions(1, 2, 2);
    assert!(place.sent(&node, &cursors).await.is_right());
    let stored = documents.find_one(of_node).await.unwrap().unwrap();
    assert_eq!(stored.get_i64("log_size").unwrap(), node.size().cast_signed());
}
