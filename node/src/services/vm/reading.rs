//! Reading the chain from the log: what the database has not, or all of it.

use std::sync::{Arc, atomic::Ordering};

use lucid_api::ports::{ENTRIES_MAX, LogEntry, LogHead};
use lucid_chain::{
    Block, BlockNumber, CallError, Chain, ChainError, Genesis, HISTORY_BLOCKS, Places,
    contracts::Contracts,
    logged::{ExpectedParameters, Gathering, Logged},
};
use lucid_core::{EntryIndex, Hash, entry::Entry, note::VerifierKey};
use lucid_store::Tree;

use super::{Parts, VmError};

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
    places: Places,
    chain: Option<Chain>,
    gathering: Gathering,
    /// The database had a chain; whether its head is in the log, and whether the log's chain is another.
    had: bool,
    head_seen: bool,
    is_another: bool,
    /// The block before this entry changed parameters.
    expected: Option<ExpectedParameters>,
}

/// Why an entry is not taken.
enum Wrong {
    /// The log has what no chain can be read from.
    Log(String),
    /// The node failed to take it: its disk, its database, its machine. The log is not to blame.
    Own(ChainError),
}

impl From<ChainError> for Wrong {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Database(_)
            | ChainError::Damaged { .. }
            | ChainError::Layout { .. }
            | ChainError::Artefact { .. }
            | ChainError::Machine { .. } => Self::Own(error),
            error => Self::Log(error.to_string()),
        }
    }
}

impl From<CallError> for Wrong {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Chain(error) => error.into(),
            error => Self::Log(error.to_string()),
        }
    }
}

impl Reader {
    /// Takes a page of entries.
    fn take(&mut self, page: Vec<LogEntry>) -> Result<(), VmError> {
        for LogEntry { index, entry } in page {
            if self.is_another {
                break;
            }
            let at = |why: String| {
                let is = "this log is not one that the chain can be read from";
                VmError::Broken(format!("entry {index} of the log: {why}; {is}"))
            };
            let entry = Entry::parse(entry.as_bytes())
                .map_err(|error| VmError::Broken(format!("entry {index} of the log: {error}")))?;
            let logged = self.gathering.take(entry).map_err(|error| at(error.to_string()))?;
            self.take_logged(index, logged).map_err(|wrong| match wrong {
                Wrong::Log(why) => at(why),
                Wrong::Own(error) => error.into(),
            })?;
        }
        Ok(())
    }

    /// Takes what the entry at `index` completes, where it completes something.
    fn take_logged(&mut self, index: u64, logged: Option<Logged>) -> Result<(), Wrong> {
        ExpectedParameters::hold(self.expected.take(), logged.as_ref()).map_err(Wrong::Log)?;
        match logged {
            Some(Logged::Genesis { genesis, header }) => {
                self.begin(&genesis, header.hash())?;
                Ok(self.places.put(header.number, index, &[])?)
            }
            Some(Logged::Block(block)) => self.block(index, &block),
            Some(Logged::Parameters(_)) | None => Ok(()),
        }
    }

    /// Takes a block: the next one is executed. One that the database has was held to what the log says of
    /// parameters when it was made or read; what it changed itself is looked at again.
    fn block(&mut self, index: u64, block: &Block) -> Result<(), Wrong> {
        let number = block.header.number;
        let before_first = || Wrong::Log("it is a block before the first".to_owned());
        let chain = self.chain.as_ref().ok_or_else(before_first)?;
        let contracts = Contracts::of(chain.genesis().coinbase);
        let head = chain.head();
        let is_new = number > head.header.number;
        let receipts = if is_new {
            chain.replay(block)?.1
        } else if chain.header(number)?.0 == block.header.hash() {
            self.head_seen |= number == head.header.number;
            chain.receipts(number)?
        } else {
            self.is_another = true;
            return Ok(());
        };
        // Of one that the database has, it may be what a crash left out.
        self.places.put(number, index, &receipts)?;
        let head_of = is_new.then_some(chain);
        self.expected = ExpectedParameters::behind(number, &receipts, &contracts, head_of)?;
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
        let is_altered = self.is_altered.swap(false, Ordering::Relaxed);
        let known = {
            let tree = tree.clone();
            self.work(move || Ok(Chain::reopen(tree, HISTORY_BLOCKS))).await?
        };
        let known = match known {
            Ok(_) if is_altered => {
                let why =
                    "it is not what the chain made of it: somebody altered it, or the disk did";
                self.give_up(&tree, why.to_owned()).await?
            }
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
            places: self.places()?,
            chain: known,
            gathering: Gathering::default(),
            had,
            head_seen: !had,
            is_another: false,
            expected: None,
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
        ExpectedParameters::hold(reader.expected.take(), None)
            .map_err(|why| VmError::Broken(format!("the log ends with it: {why}")))?;
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
        if !self.is_genesis_of_log(chain, size).await? {
            return Ok(false);
        }
        match header.log_size {
            0 => Ok(true),
            entries if entries > size => Ok(false),
            entries => {
                let proof = self.log.consistency(entries, size).await?;
                Ok(proof.from_root == header.log_root)
            }
        }
    }

    /// Whether the log has, where the database says, the beginning that `chain` has.
    async fn is_genesis_of_log(&self, chain: &Chain, size: u64) -> Result<bool, VmError> {
        let places = self.places()?;
        let first = self.work(move || Ok(places.block(BlockNumber(0)))).await?;
        let Ok(first) = first else { return Ok(false) };
        if first.log_index >= size {
            return Ok(false);
        }
        let entry = self.log.entries(EntryIndex(first.log_index), 1).await?.into_iter().next();
        let entry = entry.and_then(|entry| Entry::parse(entry.entry.as_bytes()).ok());
        let Some(Entry::EvmBlock(block)) = entry else { return Ok(false) };
        Ok(block.header.number.0 == 0 && block.header.parent == chain.genesis().hash())
    }

    /// Empties a database that cannot be gone on from: it is made anew from the log.
    async fn give_up(self: &Arc<Self>, tree: &Tree, why: String) -> Result<Option<Chain>, VmError> {
        tracing::warn!(why, "the chain's database is made anew from the log");
        let (parts, tree, places) = (Arc::clone(self), tree.clone(), self.places()?);
        let emptied = self.work(move || {
            tree.clear().map_err(ChainError::from)?;
            places.clear()?;
            parts.database.flush()?;
            Ok(None)
        });
        emptied.await
    }

    /// Puts a block's entries into the log; gives the place of its header.
    pub(super) async fn append(&self, entries: &[Entry]) -> Result<u64, VmError> {
        let texts = entries.iter().map(|entry| {
            let bytes = entry.to_bytes().map_err(|error| VmError::Broken(error.to_string()))?;
            String::from_utf8(bytes).map_err(|error| VmError::Broken(error.to_string()))
        });
        let texts = texts.collect::<Result<_, _>>()?;
        Ok(self.blocks.append_block(texts).await?)
    }
}
