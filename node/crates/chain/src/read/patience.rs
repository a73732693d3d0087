//! How long whoever asks waits.

use crate::{BlockNumber, ChainError};

/// Whether the time for an answer is over, as the one who asks says it: the chain has no clock. It is looked
/// at between the steps of an answer, none of which takes more than the execution of one transaction or the
/// reading of one block.
#[derive(Clone, Copy)]
pub struct Patience<'a>(Option<&'a dyn Fn() -> bool>);

impl<'a> Patience<'a> {
    /// Until the answer is there.
    pub const ENDLESS: Self = Self(None);

    /// Until `is_over` says so.
    #[must_use]
    pub fn until(is_over: &'a dyn Fn() -> bool) -> Self {
        Self(Some(is_over))
    }

    /// That there is time left for block `number`.
    pub(super) fn check(self, number: BlockNumber) -> Result<(), ChainError> {
        match self.0.is_some_and(|is_over| is_over()) {
            true => Err(ChainError::OutOfTime { number }),
            false => Ok(()),
        }
    }
}
