//! Verify: what was exported is read back, all of it.

use std::path::Path;

use futures_util::{StreamExt, stream};

use super::{
    Place, Progress, Report, export,
    import::get,
    report::Count,
    sessions::{self, Batches, blocking},
};
use crate::error::ArchiveError;

/// Reads every chunk of the data folder's sessions back from `place` and compares it with what its session committed to.
/// Nothing is kept, and no mark is believed. Chunks counted as moved are those that were read and found right.
///
/// # Errors
/// As [`export`](super::export()).
pub async fn verify(
    data: &Path,
    place: &Place,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, ArchiveError> {
    let folder = data.to_owned();
    let wanted = blocking(move || sessions::wanted(&folder)).await?;
    export::reach(place).await?;
    let mut count = Count::new(wanted.len(), progress);
    for wanted in wanted {
        let Some(mut batches) = Batches::counted(data, wanted, &mut count).await? else {
            count.session(false);
            continue;
        };
        let mut whole = true;
        loop {
            let batch = batches.next().await?;
            if batch.is_empty() {
                break;
            }
            let reading = batch.into_iter().map(|chunk| async move {
                get(place, &chunk).await.map(|bytes| bytes.len() as u64)
            });
            let mut read = stream::iter(reading).buffer_unordered(place.at_once());
            while let Some(read) = read.next().await {
                match read {
                    Ok(bytes) => count.moved(bytes),
                    Err(error) => {
                        count.lost(error)?;
                        whole = false;
                    }
                }
            }
        }
        count.session(whole);
    }
    Ok(count.report)
}
