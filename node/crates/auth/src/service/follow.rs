//! Accounts follow from the ledger: what it says and the store does not have yet is taken up.

use std::sync::Arc;

use lucid_api::ports::{Answer, Ledger, UserChanges};

use super::{failed, internal};
use crate::AccountStore;

/// Takes up all that the ledger says of accounts after what the store has; gives how many changes that
/// were. Where there are none, nothing is written.
///
/// # Errors
/// `conflict` where the store's accounts are of another log, or of a longer one; the ledger's; `internal`.
pub async fn follow(store: &Arc<dyn AccountStore>, ledger: &dyn Ledger) -> Answer<u64> {
    let mut taken_up = 0;
    loop {
        let of = Arc::clone(store);
        let applied = tokio::task::spawn_blocking(move || of.applied());
        let applied = applied.await.map_err(|error| internal(&error))?.map_err(failed)?;
        let UserChanges { changes, until, more } = ledger.user_changes(applied).await?;
        if !changes.is_empty() {
            taken_up += changes.len() as u64;
            let of = Arc::clone(store);
            let apply = tokio::task::spawn_blocking(move || of.apply(&changes, until));
            apply.await.map_err(|error| internal(&error))?.map_err(failed)?;
        }
        if !more {
            return Ok(taken_up);
        }
    }
}
