//! What is known of the clock that entries are dated by, told in the log.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Orchestrator;
use crate::clock::{Clock, reading};

/// The clock is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says in the log when the clock cannot be right and when it was set, until `stop` is cancelled.
pub async fn tell_of_the_clock(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    let mut clock = None;
    loop {
        if let Some(reading) = reading() {
            let clock = clock.get_or_insert_with(|| Clock::new(reading));
            if let Some((event, detail)) = clock.look(reading) {
                tracing::warn!("{detail}");
                let told = orchestrator.tell(event, detail).await;
                if let Err(problem) = &told {
                    tracing::error!(%problem, event, "the log does not take what is known of the clock");
                }
                clock.tried(reading, told.is_ok());
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
}
