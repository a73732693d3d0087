//! The node's own document.

use lucid_core::{Hash, note::Checkpoint};
use mongodb::bson::doc;

use super::{CollectionReport, Comparing, DifferenceKind, Report, side::digest};
use crate::{
    Collection, Fault,
    status_lane::{self, SEEN},
};

/// Compares the document, but for when the node was seen. The checkpoint in it must be one that the node signed,
/// of the log as it was then; which of them it is depends on when it was sent.
pub(super) async fn own(comparing: &Comparing<'_>, report: &mut Report) -> Result<(), Fault> {
    let of = Collection::NodeStatus;
    let shared = comparing.shared;
    let link = &shared.link;
    let id = link.node.to_string();
    let handle = link.handle(of).await?;
    let found = async { handle.find_one(doc! { "_id": &id }).await };
    let found = link.within("reading node_status", found).await?;
    let head = shared.source.head().await?;
    let newest = shared.source.checkpoint().await?;
    let text = found.as_ref().and_then(|found| found.get_str("checkpoint").ok());
    let signed = text.and_then(|text| {
        let checkpoint = Checkpoint::verify(text, &shared.source.identity().key).ok()?;
        let is_of_log = checkpoint.size < head.size
            || (checkpoint.size == head.size && checkpoint.root == head.root);
        is_of_log.then_some((text.to_owned(), checkpoint))
    });
    let of_now = status_lane::own(shared, &newest)?;
    let (text, checkpoint) = signed.clone().unwrap_or((newest, of_now));
    let wanted = status_lane::record(shared, &text, &checkpoint);
    let expected_digest = digest(&wanted.document, Some(SEEN))?;
    let is = found.as_deref().map(|found| digest(found, Some(SEEN))).transpose()?;
    report.collections.push(CollectionReport {
        collection: of,
        expected: 1,
        stored: u64::from(is.is_some()),
        expected_digest,
        stored_digest: is.unwrap_or(Hash::of(b"")),
    });
    let is_ours = found.as_ref().is_none_or(|f| f.get_str("node_id").is_ok_and(|of| of == id));
    let kind = match is {
        None => DifferenceKind::Missing,
        Some(_) if !is_ours => DifferenceKind::Foreign,
        Some(is) if is != expected_digest || signed.is_none() => DifferenceKind::Altered,
        Some(_) => return Ok(()),
    };
    report.differs(of, &id, kind);
    if comparing.mends && is_ours {
        link.replace(of, &[&wanted]).await?;
        report.mended += 1;
    }
    Ok(())
}
