//! A chunk's summary as it crosses the wire.

use lucid_core::chunk::ChunkSummary;
use serde::{Deserialize, Serialize};

/// A [`ChunkSummary`], in JSON as the hex of header ‖ salt ‖ commitment ‖ chunk root: what the session
/// leaf hashes, so that nothing can be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Summary(pub ChunkSummary);
