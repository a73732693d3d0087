//! The blocks in which the golden log is anchored: made up, with the keys 01 (32 times) of the account
//! that anchors and 02 (32 times) of the witness.

use k256::ecdsa::SigningKey;
use lucid_core::{
    Hash,
    note::{Checkpoint, SignedNote},
    tron::{
        Address, BlockId, BlockNumber, Body, Header, HeaderBody, Path, Reference, Signature, Sun,
        Transaction,
        anchor::{AnchorPayload, AnchorProof, AnchorRecord, AnchorTarget, Genesis},
        message::Ended,
        root,
    },
};

/// 2026-02-01T01:00:00Z: when the block was made, in milliseconds since 1970.
const BLOCK_MS: u64 = 1_769_907_600_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// The address of the key `seed` (32 times).
pub(crate) fn address(seed: u8) -> Address {
    Address::of_key(key(seed).verifying_key())
}

fn sign(seed: u8, bytes: &[u8]) -> Signature {
    let (signature, id) = key(seed).sign_prehash_recoverable(Hash::of(bytes).as_bytes());
    Signature::new(&signature, id).unwrap()
}

/// A contract that is none: its address is that of key 05.
pub(crate) fn contract() -> AnchorTarget {
    AnchorTarget::Contract(address(5))
}

/// An account that gets 1 sun: its address is that of key 06.
pub(crate) fn memo() -> AnchorTarget {
    AnchorTarget::Memo(address(6))
}

/// `note`, a signed checkpoint, anchored in the third of five transactions of block 64,000,000.
pub(crate) fn anchor(note: &str, target: AnchorTarget) -> AnchorRecord {
    let checkpoint = SignedNote::parse(note).unwrap();
    let checkpoint = Checkpoint::parse_body(checkpoint.text()).unwrap();
    let (contract, memo) = AnchorPayload::of(&checkpoint, target).to_parts(address(1));
    let fee_limit = match target {
        AnchorTarget::Contract(_) => Sun::new(15_000_000),
        AnchorTarget::Memo(_) => Sun::ZERO,
    };
    let parent = BlockId::new(BlockNumber(63_999_999), &Hash::of(b"golden parent"));
    let body = Body {
        reference: Reference::to(&parent),
        expiration_ms: BLOCK_MS + 57_000,
        timestamp_ms: BLOCK_MS - 3_000,
        memo,
        fee_limit,
        contract,
    };
    let ended = Ended { fee: 0, ret: 0, contract_ret: Ended::SUCCESS };
    let transaction = Transaction::new(&body, sign(1, &body.encode())).unwrap().ended_as(ended);
    let mut leaves: Vec<_> = (0..5_u8).map(|n| Hash::of(&[n])).collect();
    leaves[2] = transaction.leaf().unwrap();
    let header = HeaderBody {
        timestamp_ms: BLOCK_MS,
        root: root(&leaves),
        parent,
        number: BlockNumber(64_000_000),
        witness: address(2),
        version: 31,
        account_state_root: None,
    };
    let signature = sign(2, &header.encode());
    let header = Header::new(header, signature).unwrap();
    let path = Path::of(&leaves, 2).unwrap();
    let proof = AnchorProof::new(Genesis::NILE, &transaction, &header, &path).unwrap();
    AnchorRecord::new(note, proof).unwrap()
}
