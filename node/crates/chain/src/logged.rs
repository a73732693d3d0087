//! Blocks as entries of the ledger log, and back.
//!
//! A block is appended as one group: its body in parts, then its header, then, where it changed parameters,
//! what they are (`lucid_core::entry`). Whatever stands between or before is not looked at, and parts with no
//! header behind them are nothing's, so that a reader agrees with the log however it was cut.

use lucid_core::{
    Hash, Parameters, Timestamp,
    block::{BlockNumber, Header},
    entry::{BODY_PART_BYTES_MAX, BODY_PARTS_MAX, Entry, EvmBlock, EvmBody, ParametersChanged},
};

use crate::{
    Block, CallError, Chain, ChainError, Genesis, Receipt,
    contracts::{Contracts, ParameterChanges},
};

/// What an entry of the log completes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Logged {
    /// Block 0.
    Genesis {
        /// The document that fixes the chain.
        genesis: Genesis,
        /// The block's header.
        header: Header,
    },
    /// Any other block.
    Block(Block),
    /// What the parameters are after the block that came before: it is for who executed that to say
    /// whether that is so.
    Parameters(ParametersChanged),
}

/// What the entry right behind a block that changed parameters must say.
#[derive(Clone, Debug)]
pub struct ExpectedParameters {
    block: BlockNumber,
    /// What it changed.
    changes: ParameterChanges,
    /// All of them, by the state after the block, where that was just made.
    parameters: Option<Parameters>,
}

impl ExpectedParameters {
    /// What is expected behind a block with these receipts, which is the head of `chain` now or was made long
    /// ago; nothing where it changed no parameters.
    ///
    /// # Errors
    /// The chain's, and [`CallError`] where its contract does not answer.
    pub fn behind(
        block: BlockNumber,
        receipts: &[Receipt],
        contracts: &Contracts,
        head_of: Option<&Chain>,
    ) -> Result<Option<Self>, CallError> {
        let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
        let changes = contracts.parameter_changes(logs)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let parameters = head_of.map(|chain| contracts.parameters(chain)).transpose()?;
        Ok(Some(Self { block, changes, parameters }))
    }

    /// Holds the next thing in the log against what is expected of it; `next` is nothing for an entry that
    /// completes nothing, and for the log's end.
    ///
    /// # Errors
    /// Why it is not that.
    pub fn hold(expected: Option<Self>, next: Option<&Logged>) -> Result<(), String> {
        let changed = match next {
            Some(Logged::Parameters(changed)) => Some(changed),
            _ => None,
        };
        match (expected, changed) {
            (Some(expected), changed) => expected.refusal(changed).map_or(Ok(()), Err),
            (None, Some(changed)) => {
                Err(format!("block {} does not change parameters", changed.block))
            }
            (None, None) => Ok(()),
        }
    }

    /// Why `entry` is not what is expected, where it is not; nothing is an entry that is not there.
    fn refusal(&self, entry: Option<&ParametersChanged>) -> Option<String> {
        let found = match entry {
            None => "nothing behind it says what they are",
            Some(ParametersChanged { parameters, .. })
                if self.changes.end_in(parameters)
                    && self.parameters.is_none_or(|own| own == *parameters) =>
            {
                return None;
            }
            Some(_) => "what is said behind it is not what its state has",
        };
        Some(format!("block {} changes parameters, and {found}", self.block))
    }
}

/// Puts blocks together from the log's entries, in their order.
#[derive(Default)]
pub struct Gathering {
    body: Vec<u8>,
    number: BlockNumber,
    parts: u32,
    /// The block that the entry before this one completed.
    before: Option<(BlockNumber, Hash)>,
}

impl Gathering {
    /// Takes the next entry of the log; gives the block that it completes, or the parameters that it says.
    ///
    /// # Errors
    /// [`ChainError::Malformed`], naming the block, where a header's body is not before it or is none, and
    /// where parameters are not right behind their block.
    pub fn take(&mut self, entry: Entry) -> Result<Option<Logged>, ChainError> {
        let before = self.before.take();
        match entry {
            Entry::EvmBody(part) => {
                self.part(part);
                Ok(None)
            }
            Entry::EvmBlock(block) => {
                let named = (block.header.number, block.hash);
                let logged = std::mem::take(self).complete(block)?;
                self.before = Some(named);
                Ok(Some(logged))
            }
            Entry::ParametersChanged(changed) => {
                if before == Some((changed.block, changed.block_hash)) {
                    return Ok(Some(Logged::Parameters(changed)));
                }
                let why =
                    format!("the block that they are of, {}, is not before them", changed.block);
                Err(ChainError::Malformed { what: "a change of parameters in the log", why })
            }
            _ => Ok(None),
        }
    }

    fn part(&mut self, part: EvmBody) {
        let follows = part.part == self.parts && part.number == self.number;
        if part.part == 0 {
            *self = Self { body: part.data, number: part.number, parts: 1, before: None };
        } else if self.parts > 0 && follows {
            self.body.extend_from_slice(&part.data);
            self.parts += 1;
        } else {
            // Of a group that was cut: no header can complete what is missing its beginning.
            *self = Self::default();
        }
    }

    fn complete(self, block: EvmBlock) -> Result<Logged, ChainError> {
        let number = block.header.number;
        let malformed = |why: String| ChainError::Malformed {
            what: "a block in the log",
            why: format!("block {number}: {why}"),
        };
        if (self.number, self.parts) != (number, block.parts) {
            let why = "the parts of its body are not before it".to_owned();
            return Err(malformed(why));
        }
        if number.0 > 0 {
            let body = Block::body_from(&self.body)?;
            return Ok(Logged::Block(Block { header: block.header, body }));
        }
        let genesis = Genesis::from_bytes(&self.body)?;
        match block.header.parent == genesis.hash() {
            true => Ok(Logged::Genesis { genesis, header: block.header }),
            false => Err(malformed("its parent is not the hash of its document".to_owned())),
        }
    }
}

/// The entries of block 0.
#[must_use]
pub fn genesis_entries(genesis: &Genesis, header: &Header, at: Timestamp) -> Vec<Entry> {
    entries(header, &genesis.to_bytes(), at)
}

/// The entries of a block.
#[must_use]
pub fn block_entries(block: &Block, at: Timestamp) -> Vec<Entry> {
    entries(&block.header, &block.body_bytes(), at)
}

/// The entry behind those of a block that changed parameters: what they are after it.
#[must_use]
pub fn parameters_entry(header: &Header, parameters: Parameters, at: Timestamp) -> Entry {
    let (kind, v) = (Default::default(), Default::default());
    let (block, block_hash) = (header.number, header.hash());
    Entry::ParametersChanged(ParametersChanged { at, block, block_hash, kind, parameters, v })
}

fn entries(header: &Header, body: &[u8], at: Timestamp) -> Vec<Entry> {
    let parts = body.len().div_ceil(BODY_PART_BYTES_MAX);
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    assert!((1..=BODY_PARTS_MAX).contains(&parts), "a body within a block's bounds");
    let number = header.number;
    let bodies = (0..).zip(body.chunks(BODY_PART_BYTES_MAX)).map(|(part, data)| {
        let (data, kind, v) = (data.to_vec(), Default::default(), Default::default());
        Entry::EvmBody(EvmBody { at, data, kind, number, part, v })
    });
    let (kind, v) = (Default::default(), Default::default());
    let (hash, header) = (header.hash(), header.clone());
    let block = Entry::EvmBlock(EvmBlock { at, hash, header, kind, parts, v });
    bodies.chain([block]).collect()
}

#[cfg(test)]
mod tests {
    use lucid_core::entry::NodeEvent;

    use super::*;
    use crate::testing;

    fn at() -> Timestamp {
        Timestamp::from_unix_millis(5)
    }

    fn event() -> Entry {
        let (kind, v) = (Default::default(), Default::default());
        let (detail, event) = (String::new(), "log.created".to_owned());
        Entry::NodeEvent(NodeEvent { at: at(), detail, event, kind, v })
    }

    /// What comes out of `entries`, each through its bytes.
    fn gather(entries: &[Entry]) -> Result<Vec<Logged>, ChainError> {
        let mut gathering = Gathering::default();
        let mut found = Vec::new();
        for entry in entries {
            let entry = Entry::parse(&entry.to_bytes().unwrap()).unwrap();
            found.extend(gathering.take(entry)?);
        }
        Ok(found)
    }

    /// A block whose body has several parts.
    fn large() -> Block {
        let chain = testing::chain();
        let calls = (0..3).map(|nonce| {
            let input = vec![1; 40_000].into();
            let call = testing::unsigned(nonce, Some(testing::signer(1).address()), input);
            testing::signer(0).sign(crate::Unsigned { gas_limit: 2_000_000, ..call })
        });
        testing::propose(&chain, calls.collect()).block
    }

    #[test]
    fn blocks_come_back_from_among_other_entries() {
        let genesis = testing::genesis();
        let chain = testing::chain();
        let first = genesis_entries(&genesis, &chain.head().header, at());
        let block = large();
        let second = block_entries(&block, at());
        assert_eq!(second.len(), 4, "three parts and the header");
        let empty = testing::propose(&chain, Vec::new()).block;
        let log =
            [vec![event()], first, second, vec![event()], block_entries(&empty, at())].concat();
        let header = chain.head().header;
        let all = [Logged::Genesis { genesis, header }, Logged::Block(block), Logged::Block(empty)];
        assert_eq!(gather(&log).unwrap(), all);
    }

    #[test]
    fn what_a_cut_left_is_nothing_and_what_lacks_a_part_is_refused() {
        let block = large();
        let entries = block_entries(&block, at());
        let whole = [Logged::Block(block)];
        let mut torn = entries[..2].to_vec();
        torn.extend(entries.clone());
        assert_eq!(gather(&torn).unwrap(), whole, "a group that was cut, then the whole");
        let mut torn = entries[1..3].to_vec();
        torn.extend(entries.clone());
        assert_eq!(gather(&torn).unwrap(), whole, "parts without a beginning");
        for missing in 0..3 {
            let mut log = entries.clone();
            log.remove(missing);
            assert!(matches!(gather(&log), Err(ChainError::Malformed { .. })), "{missing}");
        }
        let mut log = entries.clone();
        log.swap(0, 1);
        assert!(gather(&log).is_err());
        assert!(gather(&[entries.clone(), entries[3..].to_vec()].concat()).is_err(), "used up");
    }

    #[test]
    fn parameters_stand_right_behind_their_block() {
        let block = large();
        let entries = block_entries(&block, at());
        let says = |header: &Header| parameters_entry(header, Parameters::default(), at());
        let entry = says(&block.header);
        let Entry::ParametersChanged(changed) = entry.clone() else { panic!("{entry:?}") };
        let whole = [Logged::Block(block.clone()), Logged::Parameters(changed)];
        let log = [entries.clone(), vec![entry.clone(), event()]].concat();
        assert_eq!(gather(&log).unwrap(), whole);
        let other = Header { gas_used: 1, ..block.header };
        for (why, behind) in [
            ("not behind a block", vec![event(), entry.clone()]),
            ("twice", vec![entry.clone(), entry.clone()]),
            ("of another block", vec![says(&other)]),
            ("behind a part", vec![entries[0].clone(), entry.clone()]),
        ] {
            let log = [entries.clone(), behind].concat();
            let error = gather(&log).unwrap_err();
            assert!(matches!(error, ChainError::Malformed { .. }), "{why}: {error}");
        }
        assert!(gather(&[entry]).is_err(), "before any");
    }

    #[test]
    fn a_genesis_is_what_its_header_names() {
        let (genesis, chain) = (testing::genesis(), testing::chain());
        let header = chain.head().header;
        let other = Genesis { coinbase: testing::signer(2).address(), ..genesis };
        assert!(gather(&genesis_entries(&other, &header, at())).is_err());
    }
}
