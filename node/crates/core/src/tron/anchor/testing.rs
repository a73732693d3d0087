//! Anchors of fixed keys, for tests.

use k256::ecdsa::SigningKey;

use super::{AnchorPayload, AnchorProof, AnchorTarget, Genesis};
use crate::{
    Hash,
    note::Checkpoint,
    tron::{
        Address, BlockId, BlockNumber, Body, Header, HeaderBody, Path, Reference, Signature, Sun,
        Transaction, message::Ended, root,
    },
};

/// How blocks say that a transaction succeeded.
pub(crate) const SUCCESS: Ended = Ended { fee: 0, ret: 0, contract_ret: Ended::SUCCESS };

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn address(seed: u8) -> Address {
    Address::of_key(key(seed).verifying_key())
}

/// The signature of a key over the SHA-256 of `bytes`.
pub(crate) fn sign(seed: u8, bytes: &[u8]) -> Signature {
    let signed = key(seed).sign_prehash_recoverable(Hash::of(bytes).as_bytes());
    Signature::new(&signed.0, signed.1).unwrap()
}

/// The body of the transaction with which account 1 anchors `checkpoint`.
pub(crate) fn body(checkpoint: &Checkpoint, target: AnchorTarget) -> Body {
    let (contract, memo) = AnchorPayload::of(checkpoint, target).to_parts(address(1));
    let fee_limit = match target {
        AnchorTarget::Contract(_) => Sun::new(30_000_000),
        AnchorTarget::Memo(_) => Sun::ZERO,
    };
    let parent = BlockId::new(BlockNumber(70_000_000), &Hash::of(b"parent"));
    Body {
        reference: Reference::to(&parent),
        expiration_ms: 1_800_000_060_000,
        timestamp_ms: 1_800_000_000_000,
        memo,
        fee_limit,
        contract,
    }
}

/// A transaction of account 1, as a block has it.
pub(crate) fn transaction(body: &Body) -> Transaction {
    Transaction::new(body, sign(1, &body.encode())).unwrap().ended_as(SUCCESS)
}

/// The header of the block of witness 2 that has these leaves; `signer` signs it.
pub(crate) fn header(leaves: &[Hash], signer: u8) -> Header {
    let body = HeaderBody {
        timestamp_ms: 1_800_000_003_000,
        root: root(leaves),
        parent: BlockId::new(BlockNumber(70_000_001), &Hash::of(b"parent")),
        number: BlockNumber(70_000_002),
        witness: address(2),
        version: 31,
        account_state_root: None,
    };
    let signature = sign(signer, &body.encode());
    Header::new(body, signature).unwrap()
}

/// The leaves of a block of five transactions, this one the third.
pub(crate) fn leaves(transaction: &Transaction) -> Vec<Hash> {
    let other = |n: u8| Hash::of(&[n]);
    vec![other(0), other(1), transaction.leaf().unwrap(), other(3), other(4)]
}

/// A proof that `checkpoint` is anchored on Nile, in a block that witness 2 signed itself.
pub(crate) fn proof(checkpoint: &Checkpoint, target: AnchorTarget) -> AnchorProof {
    let transaction = transaction(&body(checkpoint, target));
    let leaves = leaves(&transaction);
    let path = Path::of(&leaves, 2).unwrap();
    AnchorProof::new(Genesis::NILE, &transaction, &header(&leaves, 2), &path).unwrap()
}
