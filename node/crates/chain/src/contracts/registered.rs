//! Registrations, as the chain's logs tell them.

use alloy_primitives::{B256, Log};
use alloy_sol_types::SolEvent;
use lucid_core::{Hash, SessionId};

use super::{Contracts, abi::Anchors};

/// What was registered about a sealed session: the values of its `session.sealed` entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Which session.
    pub session: SessionId,
    /// Root of the session tree.
    pub merkle_root: Hash,
    /// SHA-256 of the manifest.
    pub manifest_hash: Hash,
    /// SHA-256 of the policy.
    pub policy_hash: Hash,
    /// Whose it is.
    pub owner: String,
    /// Bytes of plaintext.
    pub plain_bytes: u64,
    /// Chunks.
    pub chunk_count: u32,
    /// Index of the entry in the ledger log.
    pub log_index: u64,
}

fn hash(word: B256) -> Hash {
    Hash(word.0)
}

impl Contracts {
    /// The registration that a log tells of; nothing where it tells of something else.
    #[must_use]
    pub fn registered(&self, log: &Log) -> Option<Registered> {
        if log.address != self.anchors {
            return None;
        }
        let event = Anchors::SessionRegistered::decode_log_data_validate(&log.data).ok()?;
        Some(Registered {
            session: SessionId::from_bytes(event.sessionId.0).ok()?,
            merkle_root: hash(event.merkleRoot),
            manifest_hash: hash(event.manifestHash),
            policy_hash: hash(event.policyHash),
            owner: event.owner,
            plain_bytes: event.plainBytes,
            chunk_count: event.chunkCount,
            log_index: event.logIndex,
        })
    }
}
