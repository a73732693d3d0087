//! What is known of the clock that entries are dated by, told in the log.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Orchestrator;
use crate::{
    clock::{Clock, since_boot},
    context::now,
};

/// The clock is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says in the log when the clock cannot be right and when it was set, until `stop` is cancelled.
pub async fn tell_of_the_clock(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    let mut clock = Clock::new(now(), since_boot());
    let mut told = clock.first();
    loop {
        if let Some((event, detail)) = told {
            tracing::warn!("{detail}");
            if let Err(problem) = orchestrator.tell(event, detail).await {
                tracing::error!(%problem, event, "what is known of the clock is not in the log");
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
        told = clock.look(now(), since_boot());
    }
}
