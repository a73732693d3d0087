//! Who asks, and until when.

use alloy_primitives::keccak256;
use lucid_core::Timestamp;

/// Somebody who asks, apart from others: filters are shared out by it. It proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Caller(u128);

impl Caller {
    /// Who has this name, such as an account or an address of the network.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let hash = keccak256(name);
        Self(u128::from_be_bytes(std::array::from_fn(|at| hash[at])))
    }
}

/// Who asks, and until when it is computed for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) until: Timestamp,
}
