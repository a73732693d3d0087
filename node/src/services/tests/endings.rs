//! Ends of sessions that nobody asked for, or that would be for nothing.

use std::{fs, time::Duration};

use lucid_api::{Code, ports::SessionState};

use super::{
    code, new,
    node::{Node, Reach},
};
use crate::services::orchestrator::LeftAlone;

pub(super) async fn the_completer_closes_what_rests_and_leaves_what_is_held(reach: Reach) {
    let node = Node::expiring(reach, Duration::ZERO).await;
    let resting = node.sessions.mint(new(None)).await.unwrap().session_id;
    node.upload(resting, 0, b"all there was").await.unwrap();
    let held = node.sessions.mint(new(None)).await.unwrap().session_id;
    node.sessions.begin_upload(held, 0).await.unwrap();
    assert_eq!(node.orchestrator.complete_once(&mut LeftAlone::default()).await.unwrap(), 1);
    assert_eq!(node.sessions.session(resting).await.unwrap().state, SessionState::Sealed);
    assert_eq!(node.sessions.session(held).await.unwrap().state, SessionState::Open);
    let manifest = node.sessions.manifest(resting).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((&manifest["complete"], &manifest["plain_bytes"]), (&false.into(), &13.into()));
    let patient = Node::new(reach).await;
    patient.sessions.mint(new(None)).await.unwrap();
    assert_eq!(patient.orchestrator.complete_once(&mut LeftAlone::default()).await.unwrap(), 0);
}

/// Sealed, it would be in the log for good.
pub(super) async fn a_session_that_nobody_could_read_is_not_sealed(reach: Reach) {
    let node = Node::expiring(reach, Duration::ZERO).await;
    let session = node.sessions.mint(new(None)).await.unwrap().session_id;
    node.upload(session, 0, b"begun").await.unwrap();
    let key_of = |session| node.folder.path().join(format!("data/keys/{session}.json"));
    let (key, aside) = (key_of(session), node.folder.path().join("aside"));
    let other = node.sessions.mint(new(None)).await.unwrap().session_id;
    fs::rename(&key, &aside).unwrap();
    // Its owner, who asks; the upload's end, where its length was told; and the completer.
    let refused = async || {
        let problem = node.sessions.seal(session, true).await.unwrap_err();
        assert_eq!(problem.code, Code::Damaged);
        assert!(problem.detail.contains("key file"), "{problem:?}");
        assert_eq!(node.sessions.session(session).await.unwrap().state, SessionState::Open);
    };
    refused().await;
    fs::copy(key_of(other), &key).unwrap();
    refused().await;
    assert_eq!(
        node.orchestrator.complete_once(&mut LeftAlone::default()).await.unwrap(),
        1,
        "the other one"
    );
    refused().await;
    fs::rename(&aside, &key).unwrap();
    // Nothing was ended by what was refused.
    assert_eq!(node.upload(session, 5, b", and on").await.unwrap().offset, 13);
    assert_eq!(node.sessions.seal(session, true).await.unwrap().state, SessionState::Sealed);
    assert_eq!(node.sessions.session(other).await.unwrap().state, SessionState::Sealed);

    let told = node.sessions.mint(new(Some(4))).await.unwrap().session_id;
    node.upload(told, 0, b"wh").await.unwrap();
    fs::remove_file(key_of(told)).unwrap();
    assert!(matches!(code(node.upload(told, 2, b"at").await), Code::Damaged | Code::Gone));
    assert_eq!(node.sessions.session(told).await.unwrap().state, SessionState::Open);
    assert_eq!(
        node.sessions.void(told, "its key is lost".to_owned()).await.unwrap().state,
        SessionState::Voided
    );
}
