//! Holding values against a trie: each is in it, or none is, as somebody read it elsewhere.

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use super::{
    Nodes,
    node::{Link, Node, stored},
};
use crate::error::ChainError;

/// A key, and what it should lead to.
type Expected = (Nibbles, Option<Vec<u8>>);

/// Whether each of `values` is what the trie of `root` has under its key; `None` is nothing. Keys are hashed
/// already, in any order, each once. A node on the way of several is read and hashed once.
///
/// # Errors
/// [`ChainError::Damaged`] where one is not, or where a node is not the one that its parent names; the source's.
pub(crate) fn hold(
    nodes: &dyn Nodes,
    root: B256,
    values: impl IntoIterator<Item = (B256, Option<Vec<u8>>)>,
) -> Result<(), ChainError> {
    let values = values.into_iter().map(|(key, value)| (Nibbles::unpack(key), value));
    let mut values: Vec<Expected> = values.collect();
    values.sort_unstable_by_key(|(key, _)| *key);
    let link = (root != EMPTY_ROOT_HASH).then(|| RlpNode::word_rlp(&root));
    below(nodes, link, Nibbles::new(), &values)
}

/// Holds `values`, whose keys all begin with `path`, against what is behind `link`, which stands there.
fn below(
    nodes: &dyn Nodes,
    link: Option<RlpNode>,
    path: Nibbles,
    values: &[Expected],
) -> Result<(), ChainError> {
    if values.is_empty() {
        return Ok(());
    }
    let Some(link) = link else { return none(nodes, values) };
    match stored(nodes, &link, &path)? {
        Node::Leaf { key, value } => values.iter().try_for_each(|(of, expected)| {
            let there = (of.slice(path.len()..) == key).then_some(&value);
            same(nodes, of, there, expected.as_ref())
        }),
        Node::Extension { key, child } => {
            let path = path.join(&key);
            let from = values.partition_point(|(of, _)| of.slice(..path.len()) < path);
            let to = values.partition_point(|(of, _)| of.slice(..path.len()) <= path);
            none(nodes, &values[..from])?;
            none(nodes, &values[to..])?;
            below(nodes, Some(link_of(child)), path, &values[from..to])
        }
        Node::Branch(children) => {
            let mut rest = values;
            for (nibble, child) in (0_u8..).zip(*children) {
                let mut at = path;
                at.push(nibble);
                let end = rest.partition_point(|(of, _)| of.get(path.len()) <= Some(nibble));
                let (here, after) = rest.split_at(end);
                below(nodes, child.map(link_of), at, here)?;
                rest = after;
            }
            Ok(())
        }
    }
}

/// A link as a node from the database has it.
fn link_of(link: Link) -> RlpNode {
    match link {
        Link::Stored(link) => link,
        Link::Loaded(_) => unreachable!("a decoded node's links are stored ones"),
    }
}

/// That there should be nothing.
fn none(nodes: &dyn Nodes, values: &[Expected]) -> Result<(), ChainError> {
    values.iter().try_for_each(|(of, expected)| same(nodes, of, None, expected.as_ref()))
}

fn same(
    nodes: &dyn Nodes,
    key: &Nibbles,
    there: Option<&Vec<u8>>,
    expected: Option<&Vec<u8>>,
) -> Result<(), ChainError> {
    match there == expected {
        true => Ok(()),
        false => Err(ChainError::Damaged {
            what: format!("{}: the row of {key:?} is not what the trie has", nodes.name()),
        }),
    }
}
