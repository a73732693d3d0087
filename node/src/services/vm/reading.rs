//! Reading the chain from the log: what the database has not, or all of it.

use std::sync::Arc;

use lucid_api::ports::{ENTRIES_MAX, LogEntry, LogHead};
use lucid_chain::{
    Chain, ChainError, ChainId, Genesis, HISTORY_BLOCKS,
    alloy_primitives::U256,
    logged::{Gathering, Logged, genesis_entries},
};
use lucid_core::{EntryIndex, Hash, entry::Entry, note::VerifierKey};
use lucid_store::Tree;

use super::{Parts, VmError};
use crate::context::now;

/// What the node's account has when a chain begins: a thousand million coins of 10^18 wei. A registration
/// costs some 60 millionths of one, and the account gives to whom the operator names.
const COINS: u64 = 1_000_000_000;

/// Chain ids that follow from a node's id are these and the 2^32 after it ("L" in the fifth byte): no
/// public chain's are so large.
const CHAIN_IDS: u64 = 0x4c << 32;

/// The Ed25519 key that signs the log.
fn log_key(head: &LogHead) -> Result<[u8; 32], VmError> {
    let key: Result<VerifierKey, _> = head.key.parse();
    let key = key.map_err(|error| VmError::Broken(format!("the log's key: {error}")))?;
    Ok(*key.public_key())
}

/// The chain id of the node whose log `key` signs: two nodes' transactions are not each other's.
fn chain_id(key: &[u8; 32]) -> u64 {
    let Hash([a, b, c, d, ..]) = Hash::of(key);
    CHAIN_IDS + u64::from(u32::from_be_bytes([a, b, c, d]))
}

/// Puts a chain together from the log's entries.
struct Reader {
    tree: Tree,
    chain: Option<Chain>,
    gathering: Gathering,
    /// The database had a chain; whether its head is in the log, and whether the log's chain is another.
    had: bool,
    head_seen: bool,
    is_another: bool,
}

impl Reader {
    /// Takes a page of entries.
    fn take(&mut self, page: Vec<LogEntry>) -> Result<(), VmError> {
        for LogEntry { index, entry } in page {
            if self.is_another {
                break;
            }
            let entry = Entry::parse(entry.as_bytes())
                .map_err(|error| VmError::Broken(format!("entry {index} of the log: {error}")))?;
            let at =
                |error: ChainError| VmError::Broken(format!("entry {index} of the log: {error}"));
            match self.gathering.take(entry).map_err(at)? {
                None => {}
                Some(Logged::Genesis { genesis, header }) => {
                    self.begin(&genesis, header.hash()).map_err(at)?;
                }
                Some(Logged::Block(block)) => {
                    let Some(chain) = &self.chain else {
                        let why = format!("entry {index} of the log is a block before the first");
                        return Err(VmError::Broken(why));
                    };
                    let head = chain.head();
                    if block.header.number > head.header.number {
                        chain.replay(&block).map_err(at)?;
                    } else if block.header.number == head.header.number {
                        self.head_seen |= block.header.hash() == head.hash;
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, genesis: &Genesis, hash: Hash) -> Result<(), ChainError> {
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => Chain::open(self.tree.clone(), genesis.clone(), HISTORY_BLOCKS)?,
        };
        let head = chain.head();
        let first = head.header.number.0 == 0;
        let same = chain.genesis() == genesis && (!first || head.hash == hash);
        if !same && !self.had {
            let (found, expected) = (chain.genesis().hash(), genesis.hash());
            return Err(ChainError::GenesisDiffers { found, expected });
        }
        self.head_seen |= first && same;
        self.is_another = !same;
        self.chain = Some(chain);
        Ok(())
    }
}

impl Parts {
    /// The chain as the log has it; one is begun where there is none in it.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Chain, VmError> {
        let tree = self.database.tree("evm")?;
        let known = {
            let tree = tree.clone();
            self.work(move || Ok(Chain::reopen(tree, HISTORY_BLOCKS))).await?
        };
        let known = match known {
            Ok(chain) => chain,
            Err(error) => self.give_up(&tree, error.to_string()).await?,
        };
        let head = self.log.head().await?;
        let (key, size) = (log_key(&head)?, head.size);
        let _ = self.log_key.set(Hash::of(&key));
        let known = match known {
            Some(chain) if !self.is_of_log(&chain, size).await? => {
                self.give_up(&tree, "it is not of this log".to_owned()).await?
            }
            known => known,
        };
        let from = known.as_ref().map_or(0, |chain| chain.head().header.log_size);
        match self.read_from(&tree, known, from).await? {
            Some(chain) => Ok(chain),
            None => self.begin(tree, self.options.chain_id.unwrap_or_else(|| chain_id(&key))).await,
        }
    }

    /// Reads on after what `known` has. A head that is nowhere in the log is of a block that never got
    /// there: all is read from the beginning, then.
    async fn read_from(
        self: &Arc<Self>,
        tree: &Tree,
        known: Option<Chain>,
        from: u64,
    ) -> Result<Option<Chain>, VmError> {
        let had = known.is_some();
        let mut reader = Reader {
            tree: tree.clone(),
            chain: known,
            gathering: Gathering::default(),
            had,
            head_seen: !had,
            is_another: false,
        };
        let mut next = from;
        loop {
            let page = self.log.entries(EntryIndex(next), ENTRIES_MAX).await?;
            let Some(last) = page.last() else { break };
            next = last.index + 1;
            let taken = self.work(move || {
                reader.take(page)?;
                Ok(reader)
            });
            reader = taken.await?;
        }
        if reader.head_seen && !reader.is_another {
            return Ok(reader.chain);
        }
        drop(reader);
        let none = self.give_up(tree, "its newest block is not in the log".to_owned()).await?;
        Box::pin(self.read_from(tree, none, 0)).await
    }

    /// Whether the log that `chain` was made over is the beginning of the present one, which has `size`
    /// entries.
    async fn is_of_log(&self, chain: &Chain, size: u64) -> Result<bool, VmError> {
        let header = chain.head().header;
        match header.log_size {
            0 => Ok(true),
            entries if entries > size => Ok(false),
            entries => {
                let proof = self.log.consistency(entries, size).await?;
                Ok(proof.from_root == header.log_root)
            }
        }
    }

    /// Empties a database that cannot be gone on from: it is made anew from the log.
    async fn give_up(self: &Arc<Self>, tree: &Tree, why: String) -> Result<Option<Chain>, VmError> {
        tracing::warn!(why, "the chain's database is made anew from the log");
        let (parts, tree) = (Arc::clone(self), tree.clone());
        let emptied = self.work(move || {
            tree.clear().map_err(ChainError::from)?;
            parts.database.flush()?;
            Ok(None)
        });
        emptied.await
    }

    /// Begins a chain: its genesis, in the log before it is anywhere else.
    async fn begin(&self, tree: Tree, chain_id: u64) -> Result<Chain, VmError> {
        let account = self.signer.address();
        let coins = U256::from(COINS) * U256::from(10).pow(U256::from(18));
        let genesis = Genesis {
            allocations: [(account, coins)].into(),
            chain_id: ChainId(chain_id),
            coinbase: account,
            time: now(),
        };
        let of_genesis = genesis.clone();
        let chain = self.work(move || Ok(Chain::open(tree, of_genesis, HISTORY_BLOCKS)?)).await?;
        let header = chain.head().header;
        self.append(&genesis_entries(&genesis, &header, now())).await?;
        tracing::info!(chain_id, %account, "the chain begins");
        Ok(chain)
    }

    /// Puts a block's entries into the log.
    pub(super) async fn append(&self, entries: &[Entry]) -> Result<(), VmError> {
        let texts = entries.iter().map(|entry| {
            let bytes = entry.to_bytes().map_err(|error| VmError::Broken(error.to_string()))?;
            String::from_utf8(bytes).map_err(|error| VmError::Broken(error.to_string()))
        });
        let texts = texts.collect::<Result<_, _>>()?;
        Ok(self.blocks.append_block(texts).await?)
    }
}
