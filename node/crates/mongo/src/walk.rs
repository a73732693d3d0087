//! Going through a log from its first entry, wherever it is read from.

use std::sync::Arc;

use async_trait::async_trait;
use lucid_core::EntryIndex;

use crate::{Fault, FaultKind, Page, Source, build::blocking};

/// Entries read at once.
const PAGE: Page = Page { count_max: 1024, bytes_max: 4 << 20 };

/// A log's entries.
#[async_trait]
pub(crate) trait Entries: Send + Sync {
    /// Some entries from `from` on, within the first `size`; at least one.
    async fn page(&self, from: u64, size: u64) -> Result<Vec<Vec<u8>>, Fault>;
}

#[async_trait]
impl Entries for Arc<dyn Source> {
    async fn page(&self, from: u64, size: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let left = u32::try_from(size - from).unwrap_or(u32::MAX);
        let page = Page { count_max: PAGE.count_max.min(left), ..PAGE };
        Ok(self.entries(EntryIndex(from), page).await?)
    }
}

/// What a log's entries are folded into.
pub(crate) trait Fold: Send + 'static {
    /// Takes up the next entry.
    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), Fault>;
}

impl Fold for crate::window::Sessions {
    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), Fault> {
        Self::take(self, index, bytes)
    }
}

impl Fold for crate::window::Users {
    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), Fault> {
        Self::take(self, index, bytes)
    }
}

/// Folds a log's first `size` entries, off the runtime's threads.
pub(crate) async fn fold<F: Fold>(log: &dyn Entries, size: u64, mut fold: F) -> Result<F, Fault> {
    let mut from = 0;
    while from < size {
        let page = log.page(from, size).await?;
        if page.is_empty() || page.len() as u64 > size - from {
            let text = format!("the log gave {} entries from {from} on, of {size}", page.len());
            return Err(Fault::new(FaultKind::Node, text));
        }
        let count = page.len() as u64;
        fold = blocking(move || {
            for (index, bytes) in (from..).zip(&page) {
                fold.take(index, bytes)?;
            }
            Ok::<F, Fault>(fold)
        })
        .await??;
        from += count;
    }
    Ok(fold)
}
