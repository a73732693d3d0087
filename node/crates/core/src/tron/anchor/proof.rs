//! The proof that an anchor's transaction is in a block.

use super::{AnchorClaims, AnchorForm, AnchorPayload, AnchorPins, Genesis};
use crate::{
    Hash, Timestamp,
    json::INTEGER_MAX,
    note::Checkpoint,
    tron::{Address, Header, HeaderBody, Path, Transaction, TronError, message::Ended},
};

/// Bytes of an anchor's transaction at most: ten times what a memo with the longest name that a node's log
/// has comes to.
pub const TRANSACTION_BYTES_MAX: usize = 4096;
/// Bytes of a block's header at most: five times what one with every field has.
pub const HEADER_BYTES_MAX: usize = 1024;
/// Steps of a path at most: a block has fewer than 2^32 transactions.
pub const PATH_STEPS_MAX: u32 = 32;

/// One step of a transaction's way to its block's root: the hash beside the way, by the side on which it
/// stands. A way that is carried up makes no step.
///
/// The sides say all that an index and a count would, and nothing that the root does not bind: a header does
/// not say how many transactions its block has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The hash is to the left: parent = SHA-256(hash ‖ ours).
    Left(Hash),
    /// The hash is to the right: parent = SHA-256(ours ‖ hash).
    Right(Hash),
}

impl Step {
    fn above(&self, hash: &Hash) -> Hash {
        match self {
            Self::Left(left) => Hash::of_parts(&[left.as_bytes(), hash.as_bytes()]),
            Self::Right(right) => Hash::of_parts(&[hash.as_bytes(), right.as_bytes()]),
        }
    }

    /// The steps of a path.
    #[must_use]
    pub fn of_path(path: &Path) -> Vec<Self> {
        let (mut at, mut last) = (path.index, path.count.saturating_sub(1));
        let mut beside = path.beside.iter();
        let mut steps = Vec::with_capacity(path.beside.len());
        while last > 0 {
            if at ^ 1 <= last {
                let Some(hash) = beside.next() else { break };
                steps.push(if at % 2 == 1 { Self::Left(*hash) } else { Self::Right(*hash) });
            }
            (at, last) = (at / 2, last / 2);
        }
        steps
    }
}

/// Why an anchor does not hold. Each names what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorFinding {
    /// The transaction is malformed, or not its owner's.
    #[error("the transaction: {0}")]
    Transaction(TronError),
    /// The transaction does something else.
    #[error("the transaction is no anchor: {0}")]
    NotAnAnchor(&'static str),
    /// It anchors another checkpoint.
    #[error("the transaction anchors another checkpoint than that of the log proof: {0}")]
    OtherCheckpoint(String),
    /// It is not said to have succeeded.
    #[error("the transaction did not succeed in its block: its result is not SUCCESS alone")]
    NotSuccessful,
    /// The header is malformed.
    #[error("the block header: {0}")]
    Header(TronError),
    /// The header's signature is another's.
    #[error("the block header is signed by {found}, not by {said} as the proof says")]
    OtherSigner {
        /// Who signed it.
        found: Address,
        /// Who is said to have.
        said: Address,
    },
    /// The transaction is not in the block.
    #[error(
        "the transaction is not in the block: its path does not lead to the root in the header"
    )]
    NotInBlock,
    /// Longer than any anchor.
    #[error("{what} is longer than an anchor's ever is")]
    TooLong {
        /// What.
        what: &'static str,
    },
    /// Another network than was asked for.
    #[error("the anchor is on the network {found:?}, not on {wanted:?}")]
    OtherNetwork {
        /// The proof's.
        found: Genesis,
        /// The one that was asked for.
        wanted: Genesis,
    },
    /// Nothing says which network that is.
    #[error(
        "the network whose block 0 is {0} is none that is known here, so nothing holds that id: give it with \
         --network {0} if it is the one you mean"
    )]
    UnknownNetwork(Genesis),
    /// Another account than was asked for.
    #[error("it was anchored by {found}, not by {wanted}")]
    OtherAddress {
        /// Who did.
        found: Address,
        /// Who should have.
        wanted: Address,
    },
    /// Another contract than was asked for.
    #[error("it was anchored by {found}, not by a call of {wanted}")]
    OtherContract {
        /// How it was done.
        found: String,
        /// The contract that was asked for.
        wanted: Address,
    },
}

/// Everything that shows, without a node of TRON, that a checkpoint is in a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorProof {
    /// The network.
    pub genesis: Genesis,
    /// The whole transaction as it is in the block, with its signature and result (`protocol.Transaction`).
    pub transaction: Vec<u8>,
    /// The whole header (`protocol.BlockHeader`), its signature's v as 0 or 1.
    pub header: Vec<u8>,
    /// Who signed the header.
    pub signer: Address,
    /// From the transaction's leaf to the root in the header.
    pub path: Vec<Step>,
}

impl AnchorProof {
    /// The proof that `transaction`, as a block has it, is in the block with this header. Whether it anchors
    /// anything is not looked at here.
    ///
    /// # Errors
    /// [`AnchorFinding::NotInBlock`], [`AnchorFinding::NotSuccessful`].
    pub fn new(
        genesis: Genesis,
        transaction: &Transaction,
        header: &Header,
        path: &Path,
    ) -> Result<Self, AnchorFinding> {
        let leaf = transaction.leaf().ok_or(AnchorFinding::NotSuccessful)?;
        path.check(&leaf, &header.body().root).map_err(|_| AnchorFinding::NotInBlock)?;
        Ok(Self {
            genesis,
            transaction: transaction.encode(),
            header: header.encode(),
            signer: header.signer(),
            path: Step::of_path(path),
        })
    }

    /// Checks that `checkpoint` is what was anchored, and all else that can be checked without a node of
    /// TRON.
    ///
    /// # Errors
    /// [`AnchorFinding`], the first thing that does not hold.
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        pins: &AnchorPins,
    ) -> Result<AnchorClaims, AnchorFinding> {
        self.check_bounds()?;
        self.check_network(pins)?;
        let transaction =
            Transaction::decode(&self.transaction).map_err(AnchorFinding::Transaction)?;
        let success = Ended { fee: 0, ret: 0, contract_ret: Ended::SUCCESS };
        if transaction.ended() != Some(success) {
            return Err(AnchorFinding::NotSuccessful);
        }
        let payload = AnchorPayload::read(transaction.body())?;
        payload.commits_to(checkpoint)?;
        let header = self.check_header()?;
        let address = transaction.body().contract.owner();
        check_pins(pins, address, &payload)?;
        let body = header.body();
        Ok(AnchorClaims {
            form: payload.form(),
            address,
            contract: match payload {
                AnchorPayload::Contract { contract, .. } => Some(contract),
                AnchorPayload::Memo { .. } => None,
            },
            genesis: self.genesis,
            transaction: transaction.id(),
            block: header.id(),
            block_number: body.number,
            block_time: Timestamp::from_unix_millis(body.timestamp_ms),
            witness: body.witness,
            signer: header.signer(),
            pins: *pins,
        })
    }

    fn check_bounds(&self) -> Result<(), AnchorFinding> {
        let checks = [
            ("the transaction", self.transaction.len() > TRANSACTION_BYTES_MAX),
            ("the block header", self.header.len() > HEADER_BYTES_MAX),
            ("the path", self.path.len() > PATH_STEPS_MAX as usize),
        ];
        let found = checks.into_iter().find(|(_, is_too_long)| *is_too_long);
        found.map_or(Ok(()), |(what, _)| Err(AnchorFinding::TooLong { what }))
    }

    fn check_network(&self, pins: &AnchorPins) -> Result<(), AnchorFinding> {
        let found = self.genesis;
        match pins.network {
            Some(wanted) if wanted != found => Err(AnchorFinding::OtherNetwork { found, wanted }),
            None if !found.is_known() => Err(AnchorFinding::UnknownNetwork(found)),
            _ => Ok(()),
        }
    }

    /// The header, which has the transaction under its root and is signed by whom the proof names.
    fn check_header(&self) -> Result<Header, AnchorFinding> {
        let header = Header::decode(&self.header).map_err(AnchorFinding::Header)?;
        check_values(header.body())?;
        let (found, said) = (header.signer(), self.signer);
        if found != said {
            return Err(AnchorFinding::OtherSigner { found, said });
        }
        // No parent's 64 bytes can be passed off as this leaf: a transaction with a signature is longer.
        let leaf = Hash::of(&self.transaction);
        let root = self.path.iter().fold(leaf, |hash, step| step.above(&hash));
        if root == header.body().root { Ok(header) } else { Err(AnchorFinding::NotInBlock) }
    }
}

/// Refuses numbers that what is said of the block could not repeat as they are.
fn check_values(body: &HeaderBody) -> Result<(), AnchorFinding> {
    let field = |field, wanted| {
        Err(AnchorFinding::Header(TronError::Field { what: "a block header", field, wanted }))
    };
    match body {
        _ if body.version < 0 => field("version", "0 or above"),
        _ if body.number.0 > INTEGER_MAX => field("number", "below 2^53"),
        _ if Timestamp::from_unix_millis(body.timestamp_ms).unix_millis() != body.timestamp_ms => {
            field("timestamp", "milliseconds from 1970 to 9999")
        }
        _ => Ok(()),
    }
}

fn check_pins(
    pins: &AnchorPins,
    found: Address,
    payload: &AnchorPayload,
) -> Result<(), AnchorFinding> {
    if let Some(wanted) = pins.address.filter(|wanted| *wanted != found) {
        return Err(AnchorFinding::OtherAddress { found, wanted });
    }
    let Some(wanted) = pins.contract else { return Ok(()) };
    match payload {
        AnchorPayload::Contract { contract, .. } if *contract == wanted => Ok(()),
        AnchorPayload::Contract { contract, .. } => {
            Err(AnchorFinding::OtherContract { found: format!("a call of {contract}"), wanted })
        }
        AnchorPayload::Memo { .. } => {
            let found = AnchorForm::Memo.as_str();
            Err(AnchorFinding::OtherContract { found: format!("a {found}"), wanted })
        }
    }
}
