//! The services together, over a real store in one folder: one suite for the ports, run in one process
//! and over HTTP.

mod anchors;
mod chain_api;
mod endings;
mod governance;
mod hostile;
mod log;
mod manifests;
mod node;
mod parameters;
mod renamed;
mod servers;
mod sessions_data;
mod strange;
mod vm;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lucid_api::{
    Code, Problem,
    ports::{
        Answer, Asker, BodyStream, EventKind, ListOrder, ListSessions, NewSession, ProofRequest,
        SealJob, Session, SessionState, Subject, UploadJob, Uploaded,
    },
};
use lucid_core::{ChunkIndex, SegmentIndex, SessionId, chunk::Codec, evidence::Evidence};
use tokio_util::task::AbortOnDropHandle;

use self::{
    chain_api::{
        blocks_are_what_the_log_has, entries_are_found_by_kind_and_session,
        registrations_are_found_and_told_newest_first,
        the_node_says_who_it_is_and_why_a_transaction_failed,
    },
    endings::{
        a_session_that_nobody_could_read_is_not_sealed,
        the_completer_closes_what_rests_and_leaves_what_is_held,
    },
    governance::{
        another_chain_is_followed_from_its_beginning,
        proposals_are_made_and_shown_and_survive_a_restart,
        the_nodes_account_speaks_to_the_governor_for_governance_alone,
        what_could_not_be_carried_out_is_not_proposed, what_is_in_force_and_who_decides_is_said,
    },
    hostile::{
        a_disk_that_is_nearly_full_is_the_nodes_own, a_full_pool_keeps_no_member_from_voting,
        altered_rows_are_not_believed, no_decision_ends_the_chain_or_its_own_carrying_out,
        the_nodes_account_is_the_nodes,
    },
    log::{the_log_is_read_and_proved, witnesses_say_what_they_saw},
    manifests::several_manifests_are_given_each_in_its_place,
    node::{CHUNK, Node, Reach},
    parameters::{
        a_chain_begins_with_the_configured_parameters_and_a_decision_changes_what_follows,
        blocks_and_what_the_log_says_of_parameters_must_agree,
        retention_erases_exactly_what_is_due,
    },
    renamed::an_index_that_differs_from_the_log_is_not_believed,
    sessions_data::{
        an_index_of_another_log_or_a_damaged_one_is_made_anew,
        chunks_that_cannot_be_read_keep_nothing_else_from_being_found,
        one_finds_what_one_has_just_done, sessions_are_listed_by_time,
        the_index_goes_on_after_a_crash_and_without_its_folder,
        what_is_searched_for_is_found_by_whom_it_is_for,
    },
    vm::{
        a_chain_registers_what_was_sealed_once_and_survives_anything,
        an_append_whose_end_is_not_known_is_not_made_twice, calls_are_answered_as_json_rpc_says,
        what_computes_keeps_no_read_waiting,
    },
};
use super::sync::recordings::Recordings;

macro_rules! suite {
    ($($test:ident)*) => {
        mod in_one_process {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Reach::Local).await;
            })*
        }
        mod over_http {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Reach::Http).await;
            })*
        }
    };
}

suite! {
    a_life_in_parts
    proofs_of_every_kind_hold_and_others_are_refused
    one_holder_at_a_time_and_no_end_under_it
    lengths_are_set_once_and_end_the_upload
    an_owner_has_few_open_sessions_and_sees_them_newest_first
    the_completer_closes_what_rests_and_leaves_what_is_held
    a_session_that_nobody_could_read_is_not_sealed
    several_manifests_are_given_each_in_its_place
    events_tell_what_happens
    the_sync_hears_of_recordings
    the_log_is_read_and_proved
    witnesses_say_what_they_saw
    a_chain_registers_what_was_sealed_once_and_survives_anything
    an_append_whose_end_is_not_known_is_not_made_twice
    calls_are_answered_as_json_rpc_says
    what_computes_keeps_no_read_waiting
    what_is_in_force_and_who_decides_is_said
    proposals_are_made_and_shown_and_survive_a_restart
    what_could_not_be_carried_out_is_not_proposed
    the_nodes_account_speaks_to_the_governor_for_governance_alone
    another_chain_is_followed_from_its_beginning
    a_chain_begins_with_the_configured_parameters_and_a_decision_changes_what_follows
    blocks_and_what_the_log_says_of_parameters_must_agree
    retention_erases_exactly_what_is_due
    blocks_are_what_the_log_has
    registrations_are_found_and_told_newest_first
    entries_are_found_by_kind_and_session
    the_node_says_who_it_is_and_why_a_transaction_failed
    one_finds_what_one_has_just_done
    sessions_are_listed_by_time
    what_is_searched_for_is_found_by_whom_it_is_for
    chunks_that_cannot_be_read_keep_nothing_else_from_being_found
    the_index_goes_on_after_a_crash_and_without_its_folder
    an_index_of_another_log_or_a_damaged_one_is_made_anew
    a_full_pool_keeps_no_member_from_voting
    the_nodes_account_is_the_nodes
    a_disk_that_is_nearly_full_is_the_nodes_own
    altered_rows_are_not_believed
    an_index_that_differs_from_the_log_is_not_believed
    no_decision_ends_the_chain_or_its_own_carrying_out
}

fn new(length: Option<u64>) -> NewSession {
    let owner = "TOwner".parse().unwrap();
    NewSession { owner, media_type: lucid_core::MediaType::octets(), length }
}

fn body(bytes: &[u8]) -> BodyStream {
    stream::iter([Ok::<_, Problem>(Bytes::copy_from_slice(bytes))]).boxed()
}

fn code<T>(answer: Answer<T>) -> Code {
    answer.err().expect("a problem").code
}

/// Who asks, where it does not matter.
fn asker() -> Asker {
    Asker::service("test")
}

fn sample(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * place / 7) as u8).collect()
}

impl Node {
    async fn upload(&self, session_id: SessionId, offset: u64, bytes: &[u8]) -> Answer<Uploaded> {
        let body_bytes = Some(bytes.len() as u64);
        let job = UploadJob { session_id, offset, body_bytes, checksum: None };
        self.chunker.upload(job, body(bytes)).await
    }

    async fn sealed(&self, plain: &[u8]) -> Session {
        let session = self.sessions.mint(new(Some(plain.len() as u64))).await.unwrap();
        let uploaded = self.upload(session.session_id, 0, plain).await.unwrap();
        assert_eq!(uploaded.session.state, SessionState::Sealed);
        uploaded.session
    }

    async fn prove(
        &self,
        session_id: SessionId,
        subject: Subject,
        attach: bool,
    ) -> Answer<Evidence> {
        let request = ProofRequest { session_id, subject, disclose: false, attach, anchored: true };
        let proof = self.merkle.prove(request).await?;
        let text = std::str::from_utf8(&proof.0).expect("text");
        let evidence = Evidence::parse(text).expect("evidence");
        evidence.verify(None).expect("it holds");
        Ok(evidence)
    }
}

async fn a_life_in_parts(reach: Reach) {
    let node = Node::new(reach).await;
    let plain = sample(5 * CHUNK + 17);
    let session = node.sessions.mint(new(None)).await.unwrap();
    let id = session.session_id;
    assert_eq!((session.state, session.upload.unwrap().offset), (SessionState::Open, 0));
    let (first, second) = plain.split_at(100_000);
    assert_eq!(node.upload(id, 0, first).await.unwrap().offset, 100_000);
    assert_eq!(code(node.upload(id, 0, first).await), Code::UploadOffset);
    assert_eq!(node.upload(id, 100_000, second).await.unwrap().offset, plain.len() as u64);
    let sealed = node.sessions.seal(id, true).await.unwrap().sealed.unwrap();
    assert_eq!(sealed.plain_bytes, plain.len() as u64);
    assert_eq!(code(node.sessions.seal(id, true).await), Code::SessionState);
    assert_eq!(code(node.upload(id, plain.len() as u64, b"more").await), Code::SessionState);
    assert_eq!(code(node.sessions.void(id, String::new()).await), Code::SessionState);

    let (mut content, mut from) = (Vec::new(), 0);
    loop {
        let page = node.sessions.chunks(id, ChunkIndex(from), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        for summary in page {
            assert_eq!(summary.0.header.index.0, from);
            content.extend_from_slice(&node.encryptor.open(id, summary).await.unwrap().0);
            from += 1;
        }
    }
    assert!(content == plain && from == sealed.chunk_count);

    assert_eq!(node.sessions.erase(id).await.unwrap().state, SessionState::Erased);
    assert_eq!(code(node.encryptor.chunk_keys(id, vec![ChunkIndex(0)]).await), Code::Gone);
    assert!(node.prove(id, Subject::Session, false).await.is_ok(), "its history stays");
}

async fn proofs_of_every_kind_hold_and_others_are_refused(reach: Reach) {
    let node = Node::new(reach).await;
    let plain = sample(3 * CHUNK + 5);
    let id = node.sealed(&plain).await.session_id;
    let chunk = |index| Subject::Chunk { chunk: ChunkIndex(index) };
    let segment = |chunk, segment| Subject::Segment {
        chunk: ChunkIndex(chunk),
        segment: SegmentIndex(segment),
    };
    let range = |first, last| Subject::Range { first, last };
    assert!(node.prove(id, Subject::Session, false).await.unwrap().chunks.is_empty());
    for index in 0..4 {
        let evidence = node.prove(id, chunk(index), index == 1).await.unwrap();
        assert_eq!(evidence.chunks[0].summary.header.index.0, index);
        assert!(evidence.chunks[0].disclosed.is_none());
        assert_eq!(evidence.chunks[0].sealed.is_some(), index == 1);
    }
    let evidence = node.prove(id, segment(2, 0), false).await.unwrap();
    assert_eq!(evidence.chunks[0].segments[0].index.0, 0);
    for (first, last, chunks) in
        [(0, 0, 1), (CHUNK as u64 - 1, CHUNK as u64, 2), (0, plain.len() as u64 - 1, 4)]
    {
        let evidence = node.prove(id, range(first, last), false).await.unwrap();
        assert_eq!(evidence.chunks.len(), chunks);
        assert!(evidence.chunks.iter().all(|chunk| chunk.disclosed.is_some()));
    }
    let none = SessionId::from_random([9; 16]);
    for (session, subject, expected) in [
        (id, chunk(4), Code::NotFound),
        (id, segment(0, 99), Code::NotFound),
        (id, segment(9, 0), Code::NotFound),
        (id, range(5, 4), Code::RangeNotSatisfiable),
        (id, range(0, plain.len() as u64), Code::RangeNotSatisfiable),
        (none, Subject::Session, Code::NotFound),
    ] {
        assert_eq!(
            code(node.prove(session, subject.clone(), false).await),
            expected,
            "{subject:?}"
        );
    }
    let open = node.sessions.mint(new(None)).await.unwrap().session_id;
    assert_eq!(code(node.prove(open, Subject::Session, false).await), Code::SessionState);
}

async fn one_holder_at_a_time_and_no_end_under_it(reach: Reach) {
    let node = Node::new(reach).await;
    let id = node.sessions.mint(new(None)).await.unwrap().session_id;
    let lease = node.sessions.begin_upload(id, 0).await.unwrap();
    assert_eq!(code(node.sessions.begin_upload(id, 0).await), Code::UploadInUse);
    assert_eq!(code(node.sessions.seal(id, true).await), Code::UploadInUse);
    assert_eq!(code(node.sessions.void(id, String::new()).await), Code::UploadInUse);
    let policy = lease.policy;
    let job = |lease| SealJob {
        lease,
        session_id: id,
        index: ChunkIndex(0),
        codec: Codec::Stored,
        plain_bytes: 5,
        policy,
    };
    let payload = || lucid_api::ports::Payload(Bytes::from_static(b"hello"));
    let sealed = node.encryptor.seal(job(lease.lease), payload()).await.unwrap();
    node.sessions.end_upload(lease.lease, id).await.unwrap();
    let next = node.sessions.begin_upload(id, 0).await.unwrap();
    // What the first holder left under way counts no more, here nor there.
    assert_eq!(code(node.encryptor.seal(job(lease.lease), payload()).await), Code::UploadInUse);
    let late = node.sessions.acknowledge(lease.lease, id, vec![sealed]).await;
    assert_eq!(code(late), Code::UploadInUse);
    let sealed = node.encryptor.seal(job(next.lease), payload()).await.unwrap();
    assert_eq!(node.sessions.acknowledge(next.lease, id, vec![sealed]).await.unwrap(), 5);
    assert_eq!(node.sessions.acknowledge(next.lease, id, Vec::new()).await.unwrap(), 5);
    node.sessions.end_upload(next.lease, id).await.unwrap();
    assert_eq!(code(node.sessions.end_upload(next.lease, id).await), Code::UploadInUse);
    assert_eq!(node.sessions.void(id, "no more".into()).await.unwrap().state, SessionState::Voided);
    assert_eq!(code(node.sessions.begin_upload(id, 5).await), Code::Gone);
    let malformed = SealJob { plain_bytes: 6, ..job(next.lease) };
    let malformed = node.encryptor.seal(malformed, payload()).await;
    assert!(matches!(code(malformed), Code::InvalidRequest));
}

async fn lengths_are_set_once_and_end_the_upload(reach: Reach) {
    let node = Node::new(reach).await;
    let id = node.sessions.mint(new(None)).await.unwrap().session_id;
    node.upload(id, 0, b"hello").await.unwrap();
    assert_eq!(code(node.sessions.set_length(id, 4).await), Code::Conflict);
    assert_eq!(node.sessions.set_length(id, 7).await.unwrap().length, Some(7));
    assert_eq!(node.sessions.set_length(id, 7).await.unwrap().length, Some(7));
    assert_eq!(code(node.sessions.set_length(id, 8).await), Code::Conflict);
    assert_eq!(code(node.upload(id, 5, b"too long").await), Code::TooLarge);
    assert_eq!(node.upload(id, 5, b"!").await.unwrap().session.state, SessionState::Open);
    assert_eq!(node.upload(id, 6, b"!").await.unwrap().session.state, SessionState::Sealed);
    let empty = node.sessions.mint(new(Some(0))).await.unwrap().session_id;
    let uploaded = node.upload(empty, 0, b"").await.unwrap();
    assert_eq!(uploaded.session.state, SessionState::Sealed, "an empty session is one, too");
}

async fn an_owner_has_few_open_sessions_and_sees_them_newest_first(reach: Reach) {
    let node = Node::new(reach).await;
    let mut minted = Vec::new();
    for _ in 0..3 {
        minted.push(node.sessions.mint(new(None)).await.unwrap().session_id);
    }
    assert_eq!(code(node.sessions.mint(new(None)).await), Code::TooManySessions);
    let other = NewSession { owner: "TOther".parse().unwrap(), ..new(None) };
    node.sessions.mint(other).await.unwrap();
    let list = |state, after, limit| {
        let owner = Some("TOwner".parse().unwrap());
        node.sessions.list(ListSessions { owner, state, after, order: ListOrder::Newest, limit })
    };
    let ids = |sessions: Vec<Session>| -> Vec<_> {
        sessions.into_iter().map(|session| session.session_id).collect()
    };
    minted.reverse();
    assert_eq!(ids(list(None, None, 10).await.unwrap()), minted);
    assert_eq!(ids(list(None, Some(minted[0]), 1).await.unwrap()), minted[1..2]);
    node.sessions.seal(minted[1], true).await.unwrap();
    let open = list(Some(SessionState::Open), None, 10).await.unwrap();
    assert_eq!(ids(open), [minted[0], minted[2]]);
    assert_eq!(ids(list(Some(SessionState::Sealed), None, 10).await.unwrap()), minted[1..2]);
    assert_eq!(code(list(Some(SessionState::Sealing), None, 10).await), Code::InvalidRequest);
    node.sessions.mint(new(None)).await.unwrap();
}

async fn events_tell_what_happens(reach: Reach) {
    let node = Node::new(reach).await;
    let mut events = node.sessions.events().await.unwrap();
    let session = node.sealed(b"hello").await;
    let mut kinds = Vec::new();
    while kinds.len() < 3 {
        let event = events.next().await.unwrap();
        assert_eq!(event.session_id, session.session_id);
        kinds.push(event.kind);
    }
    let state = |state| EventKind::State { state };
    let progress = EventKind::Progress { offset: 5, length: Some(5) };
    assert_eq!(kinds, [state(SessionState::Open), progress, state(SessionState::Sealed)]);
}

async fn the_sync_hears_of_recordings(reach: Reach) {
    let node = Node::new(reach).await;
    let (recordings, sessions) = (Recordings::new(), node.sessions.clone());
    let heard = Arc::clone(&recordings);
    let listening = AbortOnDropHandle::new(tokio::spawn(async move {
        recordings.listen(sessions).await;
    }));
    assert!(!heard.go_on());
    // It is told of those that begin once it listens.
    let until = Instant::now() + Duration::from_secs(30);
    while !heard.go_on() {
        assert!(Instant::now() < until, "it hears of none");
        node.sealed(b"hello").await;
    }
    drop(listening);
}
