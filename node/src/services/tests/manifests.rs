//! Manifests, several at a time.

use std::fs;

use lucid_api::Code;

use super::{
    code, new,
    node::{CHUNK, Node, Reach},
    sample,
};

pub(super) async fn several_manifests_are_given_each_in_its_place(reach: Reach) {
    let node = Node::new(reach).await;
    let mut sealed = Vec::new();
    for count in [5, 2 * CHUNK + 1, 7] {
        let session = node.sealed(&sample(count)).await;
        sealed.push((session.session_id, session.sealed.unwrap().manifest_hash));
    }
    let [first, second, altered] = sealed[..] else { unreachable!("three were sealed") };
    let open = node.sessions.mint(new(None)).await.unwrap().session_id;
    let file = node.folder.path().join("data/sessions").join(altered.0.to_string());
    let file = file.join("manifest.json");
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, bytes).unwrap();

    let others = [altered, (open, first.1), (first.0, second.1)];
    let asked = [&[second][..], &others, &[first, second]].concat();
    let read = node.sessions.manifests(&asked).await.unwrap();
    assert_eq!(read.len(), asked.len());
    for (read, (session, hash)) in read.into_iter().zip(asked) {
        match others.contains(&(session, hash)) {
            true => assert_eq!(code(read), Code::Damaged),
            false => assert_eq!(read.unwrap(), node.sessions.manifest(session).await.unwrap()),
        }
    }
    assert!(node.sessions.manifests(&[]).await.unwrap().is_empty());
}
