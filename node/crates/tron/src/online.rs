//! What only a node of TRON can say of an anchor: that its block is in the chain, for good.

use lucid_core::tron::{
    Address, BlockId, BlockNumber,
    anchor::{AnchorClaims, AnchorForm, Genesis},
};

use crate::{ClientError, Tron};

/// Why a node of TRON does not bear an anchor out.
#[derive(Debug, thiserror::Error)]
pub enum OnlineFinding {
    /// The node could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node is of another network.
    #[error("the TRON node is of the network {found:?}, and the anchor is on {wanted:?}")]
    OtherNetwork {
        /// The node's.
        found: Genesis,
        /// The anchor's.
        wanted: Genesis,
    },
    /// The block is not solid yet.
    #[error(
        "block {block} is not solid yet: the newest that is has number {solid}; ask again in a minute"
    )]
    NotSolid {
        /// The anchor's block.
        block: BlockNumber,
        /// The newest solid one.
        solid: BlockNumber,
    },
    /// Another block is in the chain in its place.
    #[error(
        "the chain's block {number} is {found}, not {wanted}: the anchor's block is not in TRON's chain"
    )]
    OtherBlock {
        /// The number.
        number: BlockNumber,
        /// The chain's block.
        found: BlockId,
        /// The anchor's.
        wanted: BlockId,
    },
    /// There is no such block.
    #[error("the TRON node has no block {0}, though later ones are solid")]
    NoBlock(BlockNumber),
    /// The transaction did not do what it says.
    #[error("the TRON node does not have the transaction as one that succeeded: {0}")]
    NotDone(String),
    /// What was called is not `LucidAnchors`.
    #[error("the contract {0} is not LucidAnchors: its code is another's, or it is not there")]
    OtherContract(Address),
}

/// Asks `tron` whether what `claims` say is so: the block is in the chain of that network and solid, the
/// transaction succeeded, and what it called was created with `anchors_code` (init code).
///
/// # Errors
/// [`OnlineFinding`], the first that is not.
pub async fn check(
    tron: &dyn Tron,
    claims: &AnchorClaims,
    anchors_code: &[u8],
) -> Result<(), OnlineFinding> {
    let (found, wanted) = (Genesis(tron.genesis().await?), claims.genesis);
    if found != wanted {
        return Err(OnlineFinding::OtherNetwork { found, wanted });
    }
    let (number, solid) = (claims.block_number, tron.solid_head().await?.body().number);
    if number > solid {
        return Err(OnlineFinding::NotSolid { block: number, solid });
    }
    let block = tron.block(number).await?.ok_or(OnlineFinding::NoBlock(number))?;
    let (found, wanted) = (block.header().id(), claims.block);
    if found != wanted {
        return Err(OnlineFinding::OtherBlock { number, found, wanted });
    }
    let info = tron.solid_info(claims.transaction).await?;
    match info {
        None => return Err(OnlineFinding::NotDone("it is in no solid block".to_owned())),
        Some(info) if info.block != number => {
            return Err(OnlineFinding::NotDone(format!("it is in block {}", info.block)));
        }
        Some(info) => {
            if let Some(why) = info.failed {
                return Err(OnlineFinding::NotDone(why));
            }
        }
    }
    if let (AnchorForm::Contract, Some(address)) = (claims.form, claims.contract) {
        let contract = tron.contract(address).await?;
        let is_ours = contract.is_some_and(|found| found.bytecode.starts_with(anchors_code));
        if !is_ours {
            return Err(OnlineFinding::OtherContract(address));
        }
    }
    Ok(())
}
