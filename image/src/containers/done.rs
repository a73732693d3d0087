//! What is remembered of the containers from one run to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    /// The image.
    pub(super) built: Option<Built>,
    /// The digest that was pushed under a name.
    pub(super) pushed: BTreeMap<String, String>,
}

/// An image that was built.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Built {
    /// The hash of all that it was built from.
    pub(super) input: String,
    /// The index's digest.
    pub(super) digest: String,
    /// The engine's own name for it.
    pub(super) local: String,
}
