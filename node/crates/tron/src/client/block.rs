//! A block as it is answered, held against itself.

use lucid_core::{
    Hash,
    tron::{
        BlockId, BlockNumber, Header, HeaderBody, Path, Signature, TransactionId, TronError,
        message::Envelope, root,
    },
};
use serde::Deserialize;

use super::{
    Failure,
    answers::{TransactionJson, address, bytes, read},
};

/// A block with its transactions, whose ids and root fit its header, and its header its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    header: Header,
    transactions: Vec<Envelope>,
    leaves: Vec<Hash>,
}

impl Block {
    /// Its header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its transactions, in their order.
    #[must_use]
    pub fn transactions(&self) -> &[Envelope] {
        &self.transactions
    }

    /// A transaction and its path to the block's root; nothing where the block does not have it.
    ///
    /// # Errors
    /// None that a block can have: its own transactions have paths.
    pub fn find(&self, id: TransactionId) -> Result<Option<(&Envelope, Path)>, TronError> {
        let mut places = (0..).zip(&self.transactions);
        match places.find(|(_, one)| Hash::of(&one.raw_data) == id.0) {
            Some((index, envelope)) => Ok(Some((envelope, Path::of(&self.leaves, index)?))),
            None => Ok(None),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct BlockJson {
    #[serde(rename = "blockID")]
    id: String,
    block_header: HeaderJson,
    #[serde(default)]
    transactions: Vec<TransactionJson>,
}

/// A block of which the transactions are not looked at.
#[derive(Deserialize)]
pub(super) struct HeadJson {
    #[serde(rename = "blockID")]
    id: String,
    block_header: HeaderJson,
}

/// Of the first block, whose header is like no other's.
#[derive(Deserialize)]
pub(super) struct GenesisJson {
    #[serde(rename = "blockID")]
    id: String,
}

#[derive(Deserialize)]
struct HeaderJson {
    raw_data: HeaderRawJson,
    witness_signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderRawJson {
    number: u64,
    timestamp: u64,
    tx_trie_root: String,
    parent_hash: String,
    #[serde(rename = "witness_address")]
    witness: String,
    #[serde(default)]
    version: i32,
    #[serde(default)]
    account_state_root: String,
}

impl GenesisJson {
    pub(super) fn id(&self) -> Result<BlockId, Failure> {
        let id: BlockId = read("a block's id", &self.id)?;
        match id.number() {
            BlockNumber(0) => Ok(id),
            other => Err(Failure::Contradicts(format!("block 0 was asked for, not {other}"))),
        }
    }
}

impl HeadJson {
    pub(super) fn header(&self) -> Result<Header, Failure> {
        self.block_header.header(&self.id)
    }
}

impl HeaderJson {
    /// The header, which hashes to the block's id.
    fn header(&self, id: &str) -> Result<Header, Failure> {
        let raw = &self.raw_data;
        let body = HeaderBody {
            timestamp_ms: raw.timestamp,
            root: read("a block's root", &raw.tx_trie_root)?,
            parent: read("a block's parent", &raw.parent_hash)?,
            number: BlockNumber(raw.number),
            witness: address("a block's witness", &raw.witness)?,
            version: raw.version,
            account_state_root: match raw.account_state_root.as_str() {
                "" => None,
                text => Some(read("a block's account root", text)?),
            },
        };
        let id: BlockId = read("a block's id", id)?;
        let wrong = |error: TronError| Failure::Contradicts(format!("block {id}: {error}"));
        let signature = bytes("a block's signature", &self.witness_signature, Signature::BYTES)?;
        let signature = Signature::from_bytes(&signature).map_err(wrong)?;
        let header = Header::new(body, signature).map_err(wrong)?;
        if header.id() != id {
            return Err(Failure::Contradicts(format!(
                "the header of block {id} is that of {}",
                header.id()
            )));
        }
        Ok(header)
    }
}

impl BlockJson {
    /// The block, whose transactions hash to its root.
    pub(super) fn block(self, asked: BlockNumber) -> Result<Block, Failure> {
        let header = self.block_header.header(&self.id)?;
        let number = header.body().number;
        if number != asked {
            return Err(Failure::Contradicts(format!("block {asked} was asked for, not {number}")));
        }
        let transactions = self.transactions.into_iter().map(TransactionJson::envelope);
        let transactions: Vec<Envelope> = transactions.collect::<Result<_, _>>()?;
        let leaves: Vec<Hash> = transactions.iter().map(Envelope::leaf).collect();
        if root(&leaves) != header.body().root {
            let id = header.id();
            return Err(Failure::Contradicts(format!(
                "block {id} has other transactions than its root"
            )));
        }
        Ok(Block { header, transactions, leaves })
    }
}
