//! Collections whose documents stand by themselves: entries, blocks, anchors, accounts.

use std::sync::Arc;

use lucid_core::EntryIndex;

use super::{Comparing, Report, side::Side};
use crate::{
    Collection, Fault, FaultKind,
    build::{blocking, record_at},
    document::Record,
    walk::{self, Entries},
    window::{KEPT_MAX, Users},
};

/// Compares a collection whose ids are in the order of the log.
pub(super) async fn log_order(
    comparing: &Comparing<'_>,
    of: Collection,
    report: &mut Report,
) -> Result<(), Fault> {
    let source = Arc::clone(&comparing.shared.source);
    let node = comparing.shared.link.node;
    let mut side = Side::open(comparing, of).await?;
    let (mut from, mut last) = (0, String::new());
    while from < comparing.size {
        let page = source.page(from, comparing.size).await?;
        if page.is_empty() {
            let text = format!("the log has no entry {from}, of {}", comparing.size);
            return Err(Fault::new(FaultKind::Node, text));
        }
        let count = page.len() as u64;
        let records = blocking(move || {
            let made = (from..).zip(&page).map(|(index, bytes)| {
                Ok(record_at(of, node, bytes, EntryIndex(index))?.map(|(record, _)| record))
            });
            made.collect::<Result<Vec<Option<Record>>, Fault>>()
        })
        .await??;
        for record in records.into_iter().flatten() {
            if record.id <= last {
                let text = format!("the log has {} after {last}", record.id);
                return Err(Fault::new(FaultKind::Damaged, text));
            }
            last.clone_from(&record.id);
            side.expect(record, None, report).await?;
        }
        from += count;
    }
    side.end(report).await
}

/// Compares accounts.
pub(super) async fn users(comparing: &Comparing<'_>, report: &mut Report) -> Result<(), Fault> {
    let Comparing { shared, size, .. } = comparing;
    let mut side = Side::open(comparing, Collection::Users).await?;
    let mut above = None;
    loop {
        let fold = Users::new(shared.link.node, above.take(), KEPT_MAX);
        let (records, more) = walk::fold(&shared.source, *size, fold).await?.end();
        above = records.last().map(|record| record.id.clone());
        for record in records {
            side.expect(record, None, report).await?;
        }
        if !more {
            return side.end(report).await;
        }
    }
}
