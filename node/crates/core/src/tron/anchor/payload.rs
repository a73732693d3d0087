//! What an anchor's transaction says.

use serde::{Deserialize, Serialize};

use super::AnchorFinding;
use crate::{
    Hash,
    note::Checkpoint,
    tron::{Address, Body, Call, Contract, Sun, Transfer},
};

/// The first four bytes of the Keccak-256 of `anchor(bytes32,uint64)` (Solidity ABI, function selector).
pub const SELECTOR: [u8; 4] = [0xdb, 0x2c, 0x4a, 0xca];

/// What a memo's transfer moves: the least there is.
const MEMO_AMOUNT: Sun = Sun::new(1);

/// How an anchor's transaction says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorForm {
    /// A call of `anchor(bytes32,uint64)`.
    Contract,
    /// A transfer with the checkpoint as memo.
    Memo,
}

impl AnchorForm {
    /// Its name: `contract` or `memo`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Memo => "memo",
        }
    }
}

/// Where an anchor is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnchorTarget {
    /// A call of the contract at this address.
    Contract(Address),
    /// A transfer of 1 sun, with a memo, to this account. TRON refuses one to the sender itself.
    Memo(Address),
}

/// What is in an anchor's transaction beside who sends it and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnchorPayload {
    /// A call of a contract.
    Contract {
        /// The contract.
        contract: Address,
        /// The log's root.
        root: Hash,
        /// The log's size.
        size: u64,
    },
    /// A transfer of 1 sun.
    Memo {
        /// To whom.
        to: Address,
        /// The memo: the checkpoint's body.
        body: String,
    },
}

impl AnchorPayload {
    /// What anchors `checkpoint` there.
    #[must_use]
    pub fn of(checkpoint: &Checkpoint, target: AnchorTarget) -> Self {
        let Checkpoint { root, size, .. } = *checkpoint;
        match target {
            AnchorTarget::Contract(contract) => Self::Contract { contract, root, size },
            AnchorTarget::Memo(to) => Self::Memo { to, body: checkpoint.to_body() },
        }
    }

    /// Its form.
    #[must_use]
    pub fn form(&self) -> AnchorForm {
        match self {
            Self::Contract { .. } => AnchorForm::Contract,
            Self::Memo { .. } => AnchorForm::Memo,
        }
    }

    /// What `owner` signs to do it: the contract of the transaction, and its memo.
    #[must_use]
    pub fn to_parts(&self, owner: Address) -> (Contract, Vec<u8>) {
        match self {
            Self::Contract { contract, root, size } => {
                let data = calldata(root, *size);
                let call = Call { owner, contract: *contract, value: Sun::ZERO, data };
                (Contract::Call(call), Vec::new())
            }
            Self::Memo { to, body } => {
                let transfer = Transfer { owner, to: *to, amount: MEMO_AMOUNT };
                (Contract::Transfer(transfer), body.as_bytes().to_vec())
            }
        }
    }

    /// Reads what a transaction's body anchors. It does that and nothing else: a call sends no TRX and has
    /// no memo, a transfer moves 1 sun and has no limit of fees.
    ///
    /// # Errors
    /// [`AnchorFinding::NotAnAnchor`].
    pub fn read(body: &Body) -> Result<Self, AnchorFinding> {
        let refuse = |why| Err(AnchorFinding::NotAnAnchor(why));
        match &body.contract {
            Contract::Call(call) => {
                let Some((root, size)) = read_calldata(&call.data) else {
                    return refuse("its call is not anchor(bytes32,uint64)");
                };
                match call.value == Sun::ZERO && body.memo.is_empty() {
                    true => Ok(Self::Contract { contract: call.contract, root, size }),
                    false => refuse("its call has a memo or sends TRX along"),
                }
            }
            Contract::Transfer(transfer) => {
                if transfer.amount != MEMO_AMOUNT || body.fee_limit != Sun::ZERO {
                    return refuse("its transfer is not of 1 sun, or has a limit of fees");
                }
                let text = core::str::from_utf8(&body.memo).ok();
                match text.filter(|text| Checkpoint::parse_body(text).is_ok()) {
                    Some(text) => Ok(Self::Memo { to: transfer.to, body: text.to_owned() }),
                    None => refuse("its memo is not the three lines of a checkpoint"),
                }
            }
            Contract::Create(_) => refuse("it creates a contract"),
        }
    }

    /// Checks that it is `checkpoint` that is anchored.
    ///
    /// # Errors
    /// [`AnchorFinding::OtherCheckpoint`].
    pub fn commits_to(&self, checkpoint: &Checkpoint) -> Result<(), AnchorFinding> {
        let (same, found) = match self {
            Self::Contract { root, size, .. } => (
                (*root, *size) == (checkpoint.root, checkpoint.size),
                format!("size {size}, root {root}"),
            ),
            Self::Memo { body, .. } => {
                (*body == checkpoint.to_body(), body.trim_end().replace('\n', " "))
            }
        };
        if same { Ok(()) } else { Err(AnchorFinding::OtherCheckpoint(found)) }
    }
}

/// The selector, then root and size as two words of the ABI.
fn calldata(root: &Hash, size: u64) -> Vec<u8> {
    let mut data = SELECTOR.to_vec();
    data.extend_from_slice(root.as_bytes());
    data.extend_from_slice(&[0; 24]);
    data.extend_from_slice(&size.to_be_bytes());
    data
}

fn read_calldata(data: &[u8]) -> Option<(Hash, u64)> {
    let (root, size) = data.strip_prefix(&SELECTOR)?.split_first_chunk::<32>()?;
    let size = size.strip_prefix(&[0; 24])?;
    Some((Hash(*root), u64::from_be_bytes(size.try_into().ok()?)))
}
