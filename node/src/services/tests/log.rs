//! The log through its port, and its witness through its own.

use lucid_api::Code;
use lucid_core::{
    EntryIndex, Hash,
    merkle::{leaf_hash, verify_consistency, verify_inclusion},
    note::{AddCheckpoint, Checkpoint, SignedNote, TlogProof, VerifierKey},
};

use super::{Node, Reach, code, new};

pub(super) async fn the_log_is_read_and_proved(reach: Reach) {
    let node = Node::new(reach).await;
    let before = node.log.head().await.unwrap();
    node.sealed(b"hello").await;
    node.sealed(b"again").await;
    let head = node.log.head().await.unwrap();
    let key: VerifierKey = head.key.parse().unwrap();
    let checkpoint = Checkpoint::verify(&head.checkpoint, &key).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root, head.cosigned), (head.size, head.root, None));
    assert_eq!(head.size, before.size + 4, "two sessions were opened and sealed");

    let entries = node.log.entries(EntryIndex(0), 1000).await.unwrap();
    assert_eq!(entries.len() as u64, head.size);
    let page = node.log.entries(EntryIndex(1), 2).await.unwrap();
    assert_eq!(page, entries[1..3]);
    assert_eq!(node.log.entries(EntryIndex(head.size), 5).await.unwrap(), []);
    for entry in &entries {
        let proof = node.log.inclusion(EntryIndex(entry.index), head.size).await.unwrap();
        assert_eq!((proof.leaf, proof.root), (leaf_hash(entry.entry.as_bytes()), head.root));
        verify_inclusion(head.root, head.size, entry.index, proof.leaf, &proof.path).unwrap();
    }
    let grown = node.log.consistency(before.size, head.size).await.unwrap();
    assert_eq!((grown.from_root, grown.to_root), (before.root, head.root));
    verify_consistency(before.size, before.root, head.size, head.root, &grown.path).unwrap();

    let tile = format!("tile/0/000.p/{}", head.size).parse().unwrap();
    let leaves: Vec<u8> =
        entries.iter().flat_map(|entry| leaf_hash(entry.entry.as_bytes()).0).collect();
    assert_eq!(node.log.resource(tile).await.unwrap(), leaves);
    for beyond in ["tile/0/000", "tile/1/000", "tile/entries/001.p/1"] {
        let answer = node.log.resource(beyond.parse().unwrap()).await;
        assert_eq!(code(answer), Code::NotFound, "{beyond}");
    }
    let size = head.size;
    assert_eq!(code(node.log.inclusion(EntryIndex(0), size + 1).await), Code::NotFound);
    assert_eq!(code(node.log.inclusion(EntryIndex(size), size).await), Code::NotFound);
    assert_eq!(code(node.log.consistency(1, size + 1).await), Code::NotFound);
    assert_eq!(code(node.log.consistency(0, size).await), Code::NotFound);
}

pub(super) async fn witnesses_say_what_they_saw(reach: Reach) {
    let node = Node::new(reach).await;
    let witness: VerifierKey =
        node.witness.witnessing().await.unwrap().witness_key.parse().unwrap();
    let first = node.log.head().await.unwrap();
    let origin = Hash::of(first.key.parse::<VerifierKey>().unwrap().name().as_str().as_bytes());
    assert_eq!(code(node.witness.witnessed(origin).await), Code::NotFound);
    let session = node.sealed(b"hello").await;
    node.asking.round().await.unwrap();
    let head = node.log.head().await.unwrap();
    let key: VerifierKey = head.key.parse().unwrap();
    let cosigned = head.cosigned.clone().unwrap();
    assert_eq!(head.checkpoint, cosigned, "what is published has the cosignature");
    let (checkpoint, by) = Checkpoint::verify_cosigned(&cosigned, &key, &[&witness]).unwrap();
    assert_eq!((checkpoint.size, by.len()), (head.size, 1));
    assert_eq!(node.asking.witnessed_size(), Some(head.size));
    assert_eq!(node.witness.witnessed(origin).await.unwrap(), cosigned);

    // Evidence carries it, also once the log has grown beyond it.
    node.sessions.mint(new(None)).await.unwrap();
    let grown = node.log.head().await.unwrap();
    assert_eq!((grown.size, grown.cosigned), (head.size + 1, Some(cosigned.clone())));
    let proof = node.sessions.ledger_proof(session.session_id).await.unwrap();
    let leaf = leaf_hash(proof.entry.as_bytes());
    let proof = TlogProof::parse(&proof.tlog_proof).unwrap();
    assert_eq!(proof.checkpoint_text(), cosigned);
    proof.verify(leaf, &key).unwrap();

    // Nothing but what follows is cosigned, and nothing but this log's is kept.
    let request = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        checkpoint: SignedNote::parse(&grown.checkpoint).unwrap(),
    };
    let reply = node.witness.add_checkpoint(request.to_string().into()).await.unwrap();
    assert_eq!((reply.status, reply.body), (409, format!("{}\n", head.size)));
    let reply = node.witness.add_checkpoint("old x\n".into()).await.unwrap();
    assert_eq!(reply.status, 400);
    let strange = cosigned.replacen(&head.root_line(), &Hash([1; 32]).line(), 1);
    assert_eq!(code(node.log.keep_cosignatures(strange, vec![]).await), Code::Conflict);
    let earlier = node.log.keep_cosignatures(first.checkpoint, vec![]).await.unwrap();
    assert!(!earlier, "an earlier one than is kept is of no use");
    node.asking.round().await.unwrap();
    assert_eq!(node.asking.witnessed_size(), Some(grown.size));
}

/// A root as it stands in a checkpoint.
trait Line {
    fn line(&self) -> String;
}

impl Line for Hash {
    fn line(&self) -> String {
        let origin = "x".parse().unwrap();
        let body = Checkpoint { origin, size: 1, root: *self }.to_body();
        body.lines().nth(2).unwrap().to_owned()
    }
}

trait RootLine {
    fn root_line(&self) -> String;
}

impl RootLine for lucid_api::ports::LogHead {
    fn root_line(&self) -> String {
        self.root.line()
    }
}
