//! Comparing what is in the database with what should be there, and mending it.
//!
//! Every document of the node is read, in the order of `_id`s, beside what log and manifests make of it. So all
//! that is missing, that is there and should not be, and that is not what it should be, is found, whatever the
//! size of either side: both are read in pages. The collections are held meanwhile, after all that was still to be
//! sent was sent, so that both sides stand for the same log. Where the database has lost what it had, nothing is sent
//! first unless it is to be mended: it would be judged by what was just put there.

mod plain;
mod report;
mod sessions;
mod side;
mod status;

pub use report::{CollectionReport, Difference, DifferenceKind, Progress, Report};

use std::sync::Arc;

use tokio::sync::MutexGuard;

use crate::{
    Collection, Cursor, Fault, FaultKind, Retry,
    lane::{At, Lane, Shared},
    status_lane,
};

/// What is told of a comparison while it goes on.
pub(crate) type Tell<'a> = &'a (dyn Fn(Progress) + Send + std::marker::Sync);

/// What a comparison may write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// Nothing.
    AsItIs,
    /// What was never sent, before it compares.
    WithTheRest,
    /// That, and what is wrong.
    Mending,
}

/// A comparison.
pub(crate) struct Comparing<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    /// The log's size on both sides.
    pub(crate) size: u64,
    /// Whether what is wrong is mended.
    pub(crate) mends: bool,
    pub(crate) tell: Tell<'a>,
}

/// Sends what is still to be sent, compares, and mends, as far as it may.
pub(crate) async fn compare(
    lanes: &[Lane],
    shared: &Arc<Shared>,
    how: How,
    tell: Tell<'_>,
) -> Result<Report, Fault> {
    let mends = how == How::Mending;
    let mut held = Vec::with_capacity(lanes.len());
    for lane in lanes {
        held.push(lane.hold().await);
    }
    let size = shared.source.head().await?.size;
    shared.kept.log_size(size);
    if mends {
        // A cursor beyond the log is one of the things that are mended.
        for (lane, at) in lanes.iter().zip(&mut held) {
            let cursor = lane.cursor(at).await?;
            if cursor.entry > size {
                lane.set(at, Cursor::default()).await?;
            }
        }
    }
    if how != How::AsItIs {
        drain(lanes, &mut held, size).await?;
    }
    let comparing = Comparing { shared, size, mends, tell };
    let mut report = Report::new(size);
    for of in [Collection::Entries, Collection::Blocks, Collection::Anchors] {
        plain::log_order(&comparing, of, &mut report).await?;
    }
    sessions::both(&comparing, &mut report).await?;
    plain::users(&comparing, &mut report).await?;
    status::own(&comparing, &mut report).await?;
    if mends {
        for (lane, at) in lanes.iter().zip(&mut held) {
            if lane.of != Collection::NodeStatus {
                lane.set(at, Cursor { entry: size, chunk: 0 }).await?;
            }
        }
    }
    Ok(report)
}

/// Sends the rest. What cannot be sent for a reason that the comparison will show is left to it.
async fn drain(lanes: &[Lane], held: &mut [MutexGuard<'_, At>], size: u64) -> Result<(), Fault> {
    for (lane, at) in lanes.iter().zip(held) {
        let sent = match lane.of {
            Collection::NodeStatus => status_lane::send(lane, at, size).await,
            _ => lane.send_until(at, size, None).await,
        };
        let Err(fault) = sent else { continue };
        // Of these, what is missing says nothing about the documents.
        let shown =
            !matches!(fault.kind, FaultKind::Password | FaultKind::Unauthorised | FaultKind::Full);
        if fault.kind.retry() != Retry::Permanent || !shown {
            return Err(fault);
        }
        lane.shared.kept.failed(Some(lane.of), &fault);
    }
    Ok(())
}
