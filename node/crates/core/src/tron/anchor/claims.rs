//! What an anchor's proof shows, and what it does not.

use super::{AnchorForm, AnchorProof, Genesis};
use crate::{
    Timestamp,
    tron::{Address, BlockId, BlockNumber, TransactionId},
};

/// What a verifier knows of an anchor from elsewhere. What is not given is not compared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AnchorPins {
    /// The account that must have anchored it.
    pub address: Option<Address>,
    /// The contract that must have been called.
    pub contract: Option<Address>,
    /// The network it must be on. An anchor on one without a name holds only with this.
    pub network: Option<Genesis>,
}

impl AnchorPins {
    /// The network of `proof` and nothing else: for who made it and knows where.
    #[must_use]
    pub fn of(proof: &AnchorProof) -> Self {
        Self { network: Some(proof.genesis), ..Self::default() }
    }
}

/// What was checked of an anchor, without a node of TRON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorClaims {
    /// How it was done.
    pub form: AnchorForm,
    /// The account that signed the transaction.
    pub address: Address,
    /// The contract that was called; none with a memo.
    pub contract: Option<Address>,
    /// The network that the proof names.
    pub genesis: Genesis,
    /// The transaction.
    pub transaction: TransactionId,
    /// The block.
    pub block: BlockId,
    /// Its number.
    pub block_number: BlockNumber,
    /// When it was made, as its header says.
    pub block_time: Timestamp,
    /// The witness that the header names.
    pub witness: Address,
    /// Who signed the header: the witness itself, or the key that it has given the right to.
    pub signer: Address,
    /// What it was compared with.
    pub pins: AnchorPins,
}

impl AnchorClaims {
    /// What holds whatever TRON's nodes say, in words.
    #[must_use]
    pub fn checked_offline(&self) -> Vec<String> {
        let Self { address, transaction, block, block_number, signer, .. } = self;
        vec![
            format!("transaction {transaction} says the size and root of this checkpoint"),
            format!("it is signed by the key of {address}"),
            format!("it is in block {block_number} with the id {block}, with the result SUCCESS"),
            format!("the header of that block is signed by the key of {signer}"),
        ]
    }

    /// What only a node of TRON can say, in words. Until it has, the time of the block is a claim.
    #[must_use]
    pub fn needs_a_node(&self) -> Vec<String> {
        let Self { genesis, block, block_number, witness, signer, .. } = self;
        let mut needs = vec![
            format!(
                "that block {block_number} of {} ({genesis}) has the id {block} and is solid: whoever has \
                 a key can sign a header",
                genesis.name()
            ),
            format!("that {witness} was an elected witness when the block was made"),
        ];
        if witness != signer {
            needs.push(format!("that {witness} lets the key of {signer} sign blocks for it"));
        }
        if let Some(contract) = &self.contract {
            needs.push(format!("that the contract {contract} is LucidAnchors"));
        }
        needs
    }
}
