//! Blocks and the witnesses that sign them.

use std::sync::{Arc, LazyLock};

use k256::ecdsa::SigningKey;
use prost::Message as _;

use super::{info::Info, state::State};
use crate::{
    address::Address,
    hash::{self, sha256, tree_root},
    message::{HeaderRaw, Transaction},
};

/// How many witnesses take turns.
pub(crate) const WITNESSES: usize = 27;
/// On how many of them a block must stand to be solid (70 of 100).
pub(crate) const WITNESSES_SOLID: usize = 19;
/// The version that java-tron 4.8 writes into its blocks (`Parameter.ChainConstant.BLOCK_VERSION`).
const VERSION: i32 = 32;

/// The witnesses' keys: the same in every run, from fixed seeds.
static KEYS: LazyLock<Vec<(SigningKey, Address)>> = LazyLock::new(|| {
    let key = |n: usize| {
        let seed = sha256(format!("witness {n} of the TRON server for tests").as_bytes());
        let key = SigningKey::from_slice(&seed).expect("all but one in 2^127 digests are keys");
        let address = Address::of_key(key.verifying_key());
        (key, address)
    };
    (0..WITNESSES).map(key).collect()
});

/// The addresses of the witnesses, in the order of their turns.
pub(crate) fn witnesses() -> impl Iterator<Item = Address> {
    KEYS.iter().map(|(_, address)| *address)
}

/// A block with what it changed.
#[derive(Clone)]
pub(crate) struct Block {
    /// Its number in eight bytes, then the last 24 of the SHA-256 of its header.
    pub(crate) id: [u8; 32],
    pub(crate) header: HeaderRaw,
    /// The witness's signature of the header's SHA-256; none on the first block.
    pub(crate) signature: Vec<u8>,
    /// With how each ended, as they are under the root.
    pub(crate) transactions: Vec<Transaction>,
    /// How each ended, at length.
    pub(crate) infos: Vec<Info>,
    /// Everything after it; dropped when a later block is solid.
    pub(crate) after: Option<Arc<State>>,
}

impl Block {
    /// The first block, nobody's.
    pub(crate) fn first(timestamp: i64, state: State) -> Self {
        let header = HeaderRaw {
            timestamp,
            tx_trie_root: vec![0; 32],
            parent_hash: sha256(b"the TRON server for tests").to_vec(),
            ..HeaderRaw::default()
        };
        Self::sealed(header, Vec::new(), Vec::new(), state, None)
    }

    /// The block after `parent` in a slot, by the witness whose turn it is.
    pub(crate) fn next(
        parent: &Self,
        timestamp: i64,
        slot: i64,
        done: Vec<(Transaction, Info)>,
        state: State,
    ) -> Self {
        let (transactions, infos): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let leaves = transactions.iter().map(|transaction| sha256(&transaction.encode_to_vec()));
        let turn = usize::try_from(slot).unwrap_or_default() % WITNESSES;
        let header = HeaderRaw {
            timestamp,
            tx_trie_root: tree_root(&leaves.collect::<Vec<_>>()).to_vec(),
            parent_hash: parent.id.to_vec(),
            number: parent.header.number + 1,
            witness_address: KEYS[turn].1.bytes().to_vec(),
            version: VERSION,
        };
        Self::sealed(header, transactions, infos, state, Some(&KEYS[turn].0))
    }

    fn sealed(
        header: HeaderRaw,
        transactions: Vec<Transaction>,
        infos: Vec<Info>,
        state: State,
        key: Option<&SigningKey>,
    ) -> Self {
        let digest = sha256(&header.encode_to_vec());
        let mut id = digest;
        id[..8].copy_from_slice(&header.number.to_be_bytes());
        let signature = key.map(|key| hash::sign(key, &digest)).unwrap_or_default();
        Self { id, header, signature, transactions, infos, after: Some(Arc::new(state)) }
    }
}
