//! The end of a former address: from tor, then from the list, then its key.

use super::{
    desk::{Desk, now},
    health::Stage,
};
use crate::{control::Controller, error::TunnelError, onion::OnionAddress, ports::KeyName};

impl Desk {
    /// Ends former addresses whose time is over.
    pub(super) async fn retire(&mut self, tor: &Controller) -> Result<(), TunnelError> {
        for kept in [true, false] {
            for (key, address) in self.over(kept, tor).await? {
                self.withdraw(address, tor).await?;
                self.put(self.list(kept).without_key(&key)?, kept).await?;
                self.forget(&key, kept).await?;
                tracing::info!(service = %key.service, "the former address is served no more");
            }
        }
        Ok(())
    }

    /// Former addresses whose time is over, by this machine's clock and by what the directory authorities signed: a clock that
    /// jumped ahead destroys no key.
    async fn over(
        &self,
        kept: bool,
        tor: &Controller,
    ) -> Result<Vec<(KeyName, OnionAddress)>, TunnelError> {
        let is_published = |address| matches!(self.stages.get(&address), Some(Stage::Published(_)));
        let (list, now) = (self.list(kept), now());
        if list.over(now, is_published).is_empty() {
            return Ok(Vec::new());
        }
        let until = match tor.consensus_valid_until().await {
            Ok(until) => until,
            // What is served longer than it has to be harms nobody, and is asked for again soon.
            Err(error @ (TunnelError::Refused { .. } | TunnelError::Malformed(_))) => {
                tracing::debug!(%error, "a former address is served on: tor does not say until when its consensus is valid");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        Ok(list.over(now.min(until), is_published))
    }
}
