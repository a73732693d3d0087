//! The index of sessions over a real log: what is there is found, whatever happens meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{
        Answer, ConsistencyProof, Found, InclusionProof, ListIndexed, ListOrder, LogEntry, LogHead,
        Match, MatchKind, NewSession, Search, Session, SessionState, Statistics, TransparencyLog,
    },
};
use lucid_core::{
    EntryIndex, Hash, HashPrefix, Owner, SessionId, Timestamp,
    entry::{Entry, leaf},
    manifest::Manifest,
    merkle::TilePath,
};

use super::{
    CHUNK, Node, Reach, code, new,
    node::Index,
    sample,
    strange::{Altered, Switched},
};

fn owner(name: &str) -> Owner {
    name.parse().unwrap()
}

impl Node {
    async fn own_index(&self) -> Index {
        self.index("index", self.log.clone(), self.sessions.clone()).await
    }
}

impl Index {
    /// Waits until the index answers for itself.
    async fn ready(&self) {
        let start = Instant::now();
        while let Some(why) = self.local.away() {
            assert!(start.elapsed() < Duration::from_mins(1), "{why}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn found(&self, hash: Hash, by: Option<&str>) -> Vec<Match> {
        let search = search(hash.into(), by, None, 100);
        let Found { matches, complete } = self.port.search(search).await.unwrap();
        assert!(complete, "all chunks were searched");
        matches
    }

    async fn statistics(&self, of: Option<&str>) -> Statistics {
        self.port.statistics(of.map(owner)).await.unwrap()
    }
}

fn search(hash: HashPrefix, by: Option<&str>, after: Option<Match>, limit: u32) -> Search {
    Search { hash, owner: by.map(owner), after, limit }
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(|session| session.session_id).collect()
}

/// There is no moment at which somebody does not find what was answered.
pub(super) async fn one_finds_what_one_has_just_done(reach: Reach) {
    let node = Node::new(reach).await;
    let index = node.own_index().await;
    for round in 1..=5_u64 {
        let session = node.sessions.mint(new(None)).await.unwrap();
        let all = index.port.list(ListIndexed { limit: 100, ..Default::default() }).await.unwrap();
        assert_eq!(all[0], Session { upload: None, ..session.clone() });
        assert_eq!(index.statistics(None).await.open, 1);
        node.upload(session.session_id, 0, &sample(CHUNK + 1)).await.unwrap();
        let sealed = node.sessions.seal(session.session_id, true).await.unwrap();
        let root = sealed.sealed.as_ref().unwrap().merkle_root;
        let found = index.found(root, None).await;
        assert_eq!(
            found.iter().map(|found| found.session_id).collect::<Vec<_>>(),
            [session.session_id]
        );
        let listed =
            ListIndexed { state: Some(SessionState::Sealed), limit: 1, ..Default::default() };
        assert_eq!(index.port.list(listed).await.unwrap(), [sealed]);
        let Statistics {
            open,
            sealed,
            chunks,
            plain_bytes,
            stored_bytes,
            complete,
            sealed_by_day,
            ..
        } = index.statistics(Some("TOwner")).await;
        assert_eq!((open, sealed, chunks, complete), (0, round, 2 * round, true));
        assert_eq!(plain_bytes, round * (CHUNK as u64 + 1));
        assert!(stored_bytes > 0);
        assert_eq!(sealed_by_day.len(), 30);
        // It may be midnight.
        let of_days: u64 = sealed_by_day.iter().rev().take(2).map(|day| day.sealed).sum();
        assert_eq!(of_days, round);
    }
    let nobody = index.statistics(Some("TNobody")).await;
    assert_eq!((nobody.open, nobody.sealed, nobody.stored_bytes), (0, 0, 0));
    assert!(nobody.sealed_by_day.iter().all(|day| day.sealed == 0));
    index.stop().await;
}

pub(super) async fn sessions_are_listed_by_time(reach: Reach) {
    let node = Node::new(reach).await;
    let index = node.own_index().await;
    let mut minted = Vec::new();
    for number in 0..6 {
        // In milliseconds of their own.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let of = if number % 2 == 0 { "TOwner" } else { "TOther" };
        let media_type = lucid_core::MediaType::octets();
        let new = NewSession { owner: owner(of), media_type, length: None };
        minted.push(node.sessions.mint(new).await.unwrap());
    }
    node.sessions.seal(minted[2].session_id, true).await.unwrap();
    node.sessions.void(minted[3].session_id, String::new()).await.unwrap();
    let expected = |take: &dyn Fn(usize) -> bool| -> Vec<SessionId> {
        let all = minted.iter().enumerate().filter(|(place, _)| take(*place));
        all.map(|(_, session)| session.session_id).collect()
    };
    let oldest = ListIndexed { order: ListOrder::Oldest, limit: 100, ..Default::default() };
    let list = async |list: ListIndexed| ids(&index.port.list(list).await.unwrap());
    assert_eq!(list(oldest.clone()).await, expected(&|_| true));
    let mut newest = expected(&|_| true);
    newest.reverse();
    assert_eq!(list(ListIndexed { order: ListOrder::Newest, ..oldest.clone() }).await, newest);
    let (from, until) = (Some(minted[1].created_at), Some(minted[4].created_at));
    let timed = ListIndexed { from, until, ..oldest.clone() };
    assert_eq!(list(timed.clone()).await, expected(&|place| (1..4).contains(&place)));
    let own = ListIndexed { owner: Some(owner("TOwner")), ..timed.clone() };
    assert_eq!(list(own).await, expected(&|place| place == 2));
    let voided = ListIndexed { state: Some(SessionState::Voided), ..timed.clone() };
    assert_eq!(list(voided).await, expected(&|place| place == 3));
    let after = ListIndexed { after: Some(minted[2].session_id), limit: 1, ..timed.clone() };
    assert_eq!(list(after).await, expected(&|place| place == 3));
    let none = ListIndexed { until: Some(Timestamp::default()), ..timed.clone() };
    assert_eq!(list(none).await, []);
    let unknown = ListIndexed { after: Some(SessionId::from_random([9; 16])), ..timed.clone() };
    assert_eq!(code(index.port.list(unknown).await), Code::NotFound);
    let sealing = ListIndexed { state: Some(SessionState::Sealing), ..timed };
    assert_eq!(code(index.port.list(sealing).await), Code::InvalidRequest);
    index.stop().await;
}

pub(super) async fn what_is_searched_for_is_found_by_whom_it_is_for(reach: Reach) {
    let node = Node::new(reach).await;
    let index = node.own_index().await;
    let session = node.sealed(&sample(2 * CHUNK + 5)).await;
    let (id, sealed) = (session.session_id, session.sealed.unwrap());
    let media_type = lucid_core::MediaType::octets();
    let other = NewSession { owner: owner("TOther"), media_type, length: None };
    let other = node.sessions.mint(other).await.unwrap().session_id;
    let manifest = Manifest::parse(&node.sessions.manifest(id).await.unwrap()).unwrap();
    let entries = node.log.entries(EntryIndex(0), 1000).await.unwrap();
    let mut hashes = vec![
        (MatchKind::MerkleRoot, sealed.merkle_root, None, sealed.log_index),
        (MatchKind::ManifestHash, sealed.manifest_hash, None, sealed.log_index),
    ];
    for chunk in &manifest.chunks {
        let index = Some(chunk.index.0);
        hashes.push((MatchKind::ChunkRoot, chunk.chunk_root, index, sealed.log_index));
    }
    for LogEntry { index, entry } in &entries {
        if Entry::parse(entry.as_bytes()).unwrap().session() == Some(id) {
            hashes.push((MatchKind::Entry, leaf(entry.as_bytes()), None, *index));
        }
    }
    assert_eq!(hashes.len(), 2 + 3 + 2);
    for erased in [false, true] {
        for &(kind, hash, chunk, log_index) in &hashes {
            let expected = [Match { hash, kind, session_id: id, chunk, log_index }];
            assert_eq!(index.found(hash, None).await, expected);
            assert_eq!(index.found(hash, Some("TOwner")).await, expected);
            assert_eq!(index.found(hash, Some("TOther")).await, [], "{kind:?} is not another's");
            let prefix: HashPrefix = hash.to_string()[..10].parse().unwrap();
            let found = index.port.search(search(prefix, Some("TOwner"), None, 9)).await.unwrap();
            assert_eq!(found.matches, expected);
        }
        let statistics = index.statistics(None).await;
        match erased {
            false => {
                assert_eq!(statistics.stored_bytes, manifest.stored_bytes);
                // Its history stays, and with it what it is found by.
                node.sessions.erase(id).await.unwrap();
            }
            true => assert_eq!((statistics.stored_bytes, statistics.erased), (0, 1)),
        }
    }
    // What many have is given in pages, of everybody's or of one's own.
    let policy = manifest.policy_hash;
    let all = index.found(policy, None).await;
    assert_eq!(all.iter().map(|found| found.session_id).collect::<Vec<_>>(), [id, other]);
    let page = index.port.search(search(policy.into(), None, None, 1)).await.unwrap().matches;
    assert_eq!(page, all[..1]);
    let page = index.port.search(search(policy.into(), None, Some(page[0]), 1)).await.unwrap();
    assert_eq!(page.matches, all[1..]);
    let own = index.found(policy, Some("TOther")).await;
    assert_eq!(own, all[1..]);
    let cursor = search(policy.into(), Some("TOther"), Some(all[0]), 1);
    assert_eq!(code(index.port.search(cursor).await), Code::NotFound, "it is another's");
    assert_eq!(index.found(Hash([7; 32]), None).await, []);
    index.stop().await;
}

pub(super) async fn chunks_that_cannot_be_read_keep_nothing_else_from_being_found(reach: Reach) {
    let node = Node::new(reach).await;
    let altered = node.sealed(&sample(3 * CHUNK)).await;
    let whole = node.sealed(&sample(3 * CHUNK + 1)).await;
    let sessions = Arc::new(Altered {
        sessions: node.sessions.clone(),
        of: altered.session_id,
        changed: AtomicBool::new(true),
    });
    let index = node.index("index", node.log.clone(), sessions.clone()).await;
    let roots = async |id| {
        let manifest = Manifest::parse(&node.sessions.manifest(id).await.unwrap()).unwrap();
        manifest.chunks.iter().map(|chunk| chunk.chunk_root).collect::<Vec<_>>()
    };
    let asked = async |hash: Hash| index.port.search(search(hash.into(), None, None, 9)).await;
    // All of the whole one's, and of the other one nothing that it was not sealed with.
    for (number, root) in roots(whole.session_id).await.into_iter().enumerate() {
        let Found { matches, complete } = asked(root).await.unwrap();
        assert_eq!(matches[0].chunk, Some(number as u32));
        assert!(!complete, "it says that it could not search everything");
    }
    assert_eq!(asked(Hash([6; 32])).await.unwrap().matches, []);
    let root = altered.sealed.unwrap().merkle_root;
    assert_eq!(asked(root).await.unwrap().matches[0].session_id, altered.session_id);
    assert!(!index.statistics(None).await.complete);
    assert_eq!(index.local.lag().1, 1);
    index.stop().await;
    // Repaired, it is read at the next start.
    sessions.changed.store(false, Ordering::Relaxed);
    let index = node.index("index", node.log.clone(), sessions).await;
    let root = roots(altered.session_id).await[2];
    assert_eq!(index.found(root, None).await[0].chunk, Some(2));
    index.stop().await;
}

pub(super) async fn the_index_goes_on_after_a_crash_and_without_its_folder(reach: Reach) {
    let node = Node::new(reach).await;
    let index = node.own_index().await;
    let first = node.sealed(&sample(CHUNK)).await.sealed.unwrap();
    let before = index.found(first.merkle_root, None).await;
    assert_eq!(before.len(), 1);
    index.kill().await;
    let second = node.sealed(&sample(CHUNK + 1)).await.sealed.unwrap();
    let index = node.own_index().await;
    assert_eq!(index.found(first.merkle_root, None).await, before);
    let both = (before, index.found(second.merkle_root, None).await);
    let statistics = index.statistics(None).await;
    index.stop().await;

    std::fs::remove_dir_all(node.folder.path().join("index")).unwrap();
    let index = node.own_index().await;
    let again =
        (index.found(first.merkle_root, None).await, index.found(second.merkle_root, None).await);
    assert_eq!(again, both);
    assert_eq!(index.statistics(None).await, statistics);
    let local = index.local.clone();
    index.stop().await;
    assert!(local.away().is_some_and(|why| why.contains("stopping")), "{:?}", local.away());
}

pub(super) async fn an_index_of_another_log_or_a_damaged_one_is_made_anew(reach: Reach) {
    let (node, other) = (Node::new(reach).await, Node::new(reach).await);
    let own = node.sealed(b"of this one").await.sealed.unwrap().merkle_root;
    let mut others = Vec::new();
    for number in 0..3_u8 {
        others.push(other.sealed(&[number]).await.sealed.unwrap().merkle_root);
    }
    let log = Arc::new(Switched {
        logs: [node.log.clone(), other.log.clone()],
        is_other: AtomicBool::new(false),
    });
    let (to_other, back) = (true, false);
    let mut index = node.index("index", log.clone(), node.sessions.clone()).await;
    assert_eq!(index.found(own, None).await.len(), 1);
    // A longer log, while it follows; then a shorter one, as if it had been rolled back; each time at a start, too.
    for (is_other, restarts) in [(to_other, false), (back, false), (to_other, true), (back, true)] {
        index = if restarts {
            index.stop().await;
            log.is_other.store(is_other, Ordering::Relaxed);
            node.index("index", log.clone(), node.sessions.clone()).await
        } else {
            log.is_other.store(is_other, Ordering::Relaxed);
            let start = Instant::now();
            while index.local.away().is_none() {
                assert!(start.elapsed() < Duration::from_mins(1), "it does not notice");
                tokio::task::yield_now().await;
            }
            index
        };
        index.ready().await;
        let (there, gone) = if is_other { (others[0], own) } else { (own, others[0]) };
        let found = async |hash: Hash| {
            index.port.search(search(hash.into(), None, None, 9)).await.unwrap().matches.len()
        };
        assert_eq!((found(there).await, found(gone).await), (1, 0), "{is_other} {restarts}");
    }
    index.stop().await;
    std::fs::write(node.folder.path().join("index/db"), "no database").unwrap();
    let index = node.own_index().await;
    assert_eq!(index.found(own, None).await.len(), 1);
    index.stop().await;
    assert!(std::fs::read_dir(node.folder.path()).unwrap().any(|entry| {
        entry.unwrap().file_name().to_string_lossy().starts_with("index.damaged-")
    }));
}

/// Without a log nobody is told that something is not there.
#[tokio::test]
async fn what_is_not_known_is_not_answered() {
    struct Gone;
    fn gone<T>() -> Answer<T> {
        Err(Problem::new(Code::Unavailable, "it is away"))
    }
    #[async_trait]
    impl TransparencyLog for Gone {
        async fn head(&self) -> Answer<LogHead> {
            gone()
        }
        async fn resource(&self, _: TilePath) -> Answer<Bytes> {
            gone()
        }
        async fn entries(&self, _: EntryIndex, _: u32) -> Answer<Vec<LogEntry>> {
            gone()
        }
        async fn inclusion(&self, _: EntryIndex, _: u64) -> Answer<InclusionProof> {
            gone()
        }
        async fn consistency(&self, _: u64, _: u64) -> Answer<ConsistencyProof> {
            gone()
        }
        async fn keep_cosignatures(&self, _: String, _: Vec<String>) -> Answer<bool> {
            gone()
        }
    }
    let node = Node::new(Reach::Local).await;
    let index = node.index("index", Arc::new(Gone), node.sessions.clone()).await;
    let asked = index.port.search(search(Hash([1; 32]).into(), None, None, 9)).await;
    assert_eq!(code(asked), Code::Unavailable);
    assert_eq!(code(index.port.statistics(None).await), Code::Unavailable);
    assert!(index.local.away().is_some());
    index.stop().await;
}
