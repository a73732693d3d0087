//! Putting and removing keys: nodes are read on the way down and written once, at the end.

use std::collections::HashSet;

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use super::{
    Nodes, Updated,
    node::{Link, Node, encode_branch, encode_extension, encode_leaf, stored},
    root_of,
};
use crate::error::ChainError;

/// A trie that is being changed.
pub(crate) struct Trie<'a> {
    nodes: &'a dyn Nodes,
    root: Option<Link>,
    /// Paths of nodes that were read: where nothing is written again, the node is gone.
    read: HashSet<Nibbles>,
}

impl<'a> Trie<'a> {
    /// The trie of `root`, of which nothing is read yet.
    pub(super) fn open(nodes: &'a dyn Nodes, root: B256) -> Self {
        let link = (root != EMPTY_ROOT_HASH).then(|| Link::Stored(RlpNode::word_rlp(&root)));
        Self { nodes, root: link, read: HashSet::new() }
    }

    /// Gives `key` the value `value`.
    pub(super) fn put(&mut self, key: &Nibbles, value: Vec<u8>) -> Result<(), ChainError> {
        let root = self.root.take();
        self.root = Some(self.put_below(root, key, 0, value)?);
        Ok(())
    }

    /// Takes `key` out, if it is there.
    pub(super) fn remove(&mut self, key: &Nibbles) -> Result<(), ChainError> {
        let root = self.root.take();
        self.root = self.remove_below(root, key, 0)?;
        Ok(())
    }

    /// The new root, and what is to be written for it.
    pub(super) fn close(mut self) -> Updated {
        let mut written = Vec::new();
        let root = match self.root.take() {
            // Nothing was changed: the link is the old root's hash.
            Some(Link::Stored(link)) => link.as_hash().unwrap_or(EMPTY_ROOT_HASH),
            Some(Link::Loaded(node)) => {
                self.write(*node, Nibbles::new(), &mut written);
                root_of(written.last().map(|(_, rlp)| rlp.as_slice()))
            }
            None => EMPTY_ROOT_HASH,
        };
        let mut nodes: Vec<_> = written.into_iter().map(|(path, rlp)| (path, Some(rlp))).collect();
        nodes.extend(self.read.into_iter().map(|path| (path, None)));
        Updated { root, nodes }
    }

    /// `link`, or nothing, with `key` put below it; `depth` nibbles of `key` lead there.
    fn put_below(
        &mut self,
        link: Option<Link>,
        key: &Nibbles,
        depth: usize,
        value: Vec<u8>,
    ) -> Result<Link, ChainError> {
        let rest = key.slice(depth..);
        let Some(link) = link else {
            return Ok(loaded(Node::Leaf { key: rest, value }));
        };
        let node = match self.load(link, key.slice(..depth))? {
            Node::Leaf { key: old, .. } if old == rest => Node::Leaf { key: rest, value },
            Node::Leaf { key: old, value: old_value } => {
                let shared = old.common_prefix_length(&rest);
                let mut children = [const { None }; 16];
                children[nibble(&old, shared)] =
                    Some(loaded(Node::Leaf { key: old.slice(shared + 1..), value: old_value }));
                children[nibble(&rest, shared)] =
                    Some(loaded(Node::Leaf { key: rest.slice(shared + 1..), value }));
                below(rest.slice(..shared), Node::Branch(Box::new(children)))
            }
            Node::Extension { key: run, child } => {
                let shared = run.common_prefix_length(&rest);
                if shared == run.len() {
                    let child = self.put_below(Some(child), key, depth + shared, value)?;
                    Node::Extension { key: run, child }
                } else {
                    let mut children = [const { None }; 16];
                    let after = run.slice(shared + 1..);
                    let old = match after.is_empty() {
                        true => child,
                        false => loaded(Node::Extension { key: after, child }),
                    };
                    children[nibble(&run, shared)] = Some(old);
                    children[nibble(&rest, shared)] =
                        Some(loaded(Node::Leaf { key: rest.slice(shared + 1..), value }));
                    below(rest.slice(..shared), Node::Branch(Box::new(children)))
                }
            }
            Node::Branch(mut children) => {
                let child = &mut children[nibble(&rest, 0)];
                *child = Some(self.put_below(child.take(), key, depth + 1, value)?);
                Node::Branch(children)
            }
        };
        Ok(loaded(node))
    }

    /// What is left of `link` without `key`.
    fn remove_below(
        &mut self,
        link: Option<Link>,
        key: &Nibbles,
        depth: usize,
    ) -> Result<Option<Link>, ChainError> {
        let Some(link) = link else { return Ok(None) };
        let rest = key.slice(depth..);
        let left = match self.load(link, key.slice(..depth))? {
            Node::Leaf { key: old, .. } if old == rest => None,
            leaf @ Node::Leaf { .. } => Some(leaf),
            Node::Extension { key: run, child } if rest.starts_with(&run) => {
                match self.remove_below(Some(child), key, depth + run.len())? {
                    None => None,
                    Some(Link::Stored(child)) => {
                        Some(Node::Extension { key: run, child: Link::Stored(child) })
                    }
                    Some(Link::Loaded(child)) => Some(below(run, *child)),
                }
            }
            extension @ Node::Extension { .. } => Some(extension),
            Node::Branch(mut children) => {
                let child = &mut children[nibble(&rest, 0)];
                *child = self.remove_below(child.take(), key, depth + 1)?;
                self.shrink(children, key.slice(..depth))?
            }
        };
        Ok(left.map(loaded))
    }

    /// A branch at `path` that may have lost a child: with one left, that one takes its place.
    fn shrink(
        &mut self,
        mut children: Box<[Option<Link>; 16]>,
        path: Nibbles,
    ) -> Result<Option<Node>, ChainError> {
        let mut left = (0_u8..16).filter(|&place| children[usize::from(place)].is_some());
        match (left.next(), left.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Ok(Some(Node::Branch(children))),
            (Some(place), None) => {
                let step = Nibbles::from_nibbles([place]);
                match children[usize::from(place)].take() {
                    Some(link) => Ok(Some(below(step, self.load(link, path.join(&step))?))),
                    None => Ok(None),
                }
            }
        }
    }

    /// The node behind `link`, which stands at `path`.
    fn load(&mut self, link: Link, path: Nibbles) -> Result<Node, ChainError> {
        let link = match link {
            Link::Loaded(node) => return Ok(*node),
            Link::Stored(link) => link,
        };
        let node = stored(self.nodes, &link, &path)?;
        self.read.insert(path);
        Ok(node)
    }

    /// Writes `node`, which stands at `path`, after what is below it.
    fn write(
        &mut self,
        node: Node,
        path: Nibbles,
        written: &mut Vec<(Nibbles, Vec<u8>)>,
    ) -> RlpNode {
        let rlp = match node {
            Node::Leaf { key, value } => encode_leaf(&key, &value),
            Node::Extension { key, child } => {
                let child = self.write_link(child, path.join(&key), written);
                encode_extension(&key, &child)
            }
            Node::Branch(children) => {
                let mut links = [const { None }; 16];
                for ((place, child), link) in (0_u8..).zip(*children).zip(&mut links) {
                    let mut below = path;
                    below.push(place);
                    *link = child.map(|child| self.write_link(child, below, written));
                }
                encode_branch(links)
            }
        };
        let link = RlpNode::from_rlp(&rlp);
        self.read.remove(&path);
        written.push((path, rlp));
        link
    }

    fn write_link(
        &mut self,
        link: Link,
        path: Nibbles,
        written: &mut Vec<(Nibbles, Vec<u8>)>,
    ) -> RlpNode {
        match link {
            Link::Stored(link) => link,
            Link::Loaded(node) => self.write(*node, path, written),
        }
    }
}

fn loaded(node: Node) -> Link {
    Link::Loaded(Box::new(node))
}

/// Which child of a branch comes after `depth` nibbles of `key`.
fn nibble(key: &Nibbles, depth: usize) -> usize {
    usize::from(key.get(depth).expect("keys are 64 nibbles, and no key is the start of another"))
}

/// `node` behind the nibbles `run`: these join its own where it has some.
fn below(run: Nibbles, node: Node) -> Node {
    if run.is_empty() {
        return node;
    }
    match node {
        Node::Leaf { key, value } => Node::Leaf { key: run.join(&key), value },
        Node::Extension { key, child } => Node::Extension { key: run.join(&key), child },
        branch @ Node::Branch(_) => Node::Extension { key: run, child: loaded(branch) },
    }
}
