//! A node in memory, between its RLP and its RLP.

use alloy_primitives::keccak256;
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNode, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

use super::Nodes;
use crate::ChainError;

/// What a parent knows of a child.
pub(super) enum Link {
    /// Its hash, or its RLP where that is shorter than 32 bytes: it is as the database has it.
    Stored(RlpNode),
    /// It was read, and is written again.
    Loaded(Box<Node>),
}

/// A node whose children may be in memory too.
pub(super) enum Node {
    /// The rest of a key and its value.
    Leaf { key: Nibbles, value: Vec<u8> },
    /// Nibbles that all keys below share; a branch follows.
    Extension { key: Nibbles, child: Link },
    /// A child for each next nibble, at least two.
    Branch(Box<[Option<Link>; 16]>),
}

impl Node {
    /// Reads what [`encode`] wrote.
    pub(super) fn decode(mut rlp: &[u8]) -> Option<Self> {
        let node = TrieNode::decode(&mut rlp).ok()?;
        if !rlp.is_empty() {
            return None;
        }
        match node {
            TrieNode::EmptyRoot => None,
            TrieNode::Leaf(leaf) => Some(Self::Leaf { key: leaf.key, value: leaf.value }),
            TrieNode::Extension(node) => {
                Some(Self::Extension { key: node.key, child: Link::Stored(node.child) })
            }
            TrieNode::Branch(BranchNode { stack, state_mask }) => {
                let mut children = [const { None }; 16];
                let mut stack = stack.into_iter();
                for (nibble, child) in (0_u8..).zip(&mut children) {
                    if state_mask.is_bit_set(nibble) {
                        *child = Some(Link::Stored(stack.next()?));
                    }
                }
                Some(Self::Branch(Box::new(children)))
            }
        }
    }
}

/// The node of `nodes` at `path`, if it is the one that its parent's `link` names.
pub(super) fn stored(
    nodes: &dyn Nodes,
    link: &RlpNode,
    path: &Nibbles,
) -> Result<Node, ChainError> {
    let damaged = |what: &str| ChainError::Damaged {
        what: format!("{}, node at path {path:?}: {what}", nodes.name()),
    };
    let rlp = nodes.node(path)?.ok_or_else(|| damaged("missing"))?;
    let same = match link.as_hash() {
        Some(hash) => keccak256(&rlp) == hash,
        None => rlp == link.as_slice(),
    };
    if !same {
        return Err(damaged("not the one that its parent names"));
    }
    Node::decode(&rlp).ok_or_else(|| damaged("no node"))
}

/// The RLP of a leaf.
pub(super) fn encode_leaf(key: &Nibbles, value: &[u8]) -> Vec<u8> {
    encoded(&LeafNodeRef::new(key, value))
}

/// The RLP of an extension.
pub(super) fn encode_extension(key: &Nibbles, child: &RlpNode) -> Vec<u8> {
    encoded(&ExtensionNodeRef::new(key, child.as_slice()))
}

/// The RLP of a branch.
pub(super) fn encode_branch(children: [Option<RlpNode>; 16]) -> Vec<u8> {
    let mut mask = TrieMask::default();
    let mut stack = Vec::with_capacity(16);
    for (nibble, child) in (0_u8..).zip(children) {
        if let Some(child) = child {
            mask.set_bit(nibble);
            stack.push(child);
        }
    }
    encoded(&BranchNode::new(stack, mask))
}

fn encoded(node: &impl Encodable) -> Vec<u8> {
    let mut rlp = Vec::with_capacity(node.length());
    node.encode(&mut rlp);
    rlp
}
