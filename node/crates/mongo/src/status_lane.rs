//! The node's own document: who it is, and the newest checkpoint whose entries are all in the database.
//!
//! A checkpoint is held back until `entries` has everything it signs. So whoever reads the document back can ask
//! for exactly those entries, and one that is missing was taken away.

use lucid_core::note::Checkpoint;
use mongodb::bson::rawdoc;

use crate::{
    Collection, Cursor, Fault, FaultKind,
    build::replaced_unless_later,
    document::{Record, date, long},
    lane::{At, Lane, Shared, Turn},
    status,
};

/// The one field that is not compared: when the node was seen.
pub(crate) const SEEN: &str = "seen_at";

/// The cursor of `node_status` from when the database is found to have lost what it had until all cursors are back
/// at the beginning: a crash between the two must not forget it.
pub(crate) const LOST: Cursor = Cursor { entry: 0, chunk: 1 };

/// One turn: a checkpoint that is newer than the one that is there is put, where its entries are there.
pub(crate) async fn turn(lane: &Lane) -> Result<Turn, Fault> {
    let mut at = lane.at.lock().await;
    let entries = lane.shared.kept.get().collections[Collection::Entries as usize].cursor.entry;
    let turn = send(lane, &mut at, entries).await;
    drop(at);
    let pause = lane.shared.link.options.pauses.status;
    if turn == Ok(Turn::More) {
        tokio::time::sleep(pause).await;
    }
    turn
}

/// Puts the newest checkpoint where it is newer than what is there and signs no more than `entries`.
pub(crate) async fn send(lane: &Lane, at: &mut At, entries: u64) -> Result<Turn, Fault> {
    let Shared { link, source, kept, .. } = &*lane.shared;
    let cursor = lane.cursor(at).await?;
    let text = source.checkpoint().await?;
    let checkpoint = own(&lane.shared, &text)?;
    if checkpoint.size > entries || (checkpoint.size <= cursor.entry && cursor.entry > 0) {
        return Ok(Turn::Idle);
    }
    let record = record(&lane.shared, &text, &checkpoint);
    if matches!(stored(&lane.shared).await?, Stored::Unsound) {
        // A number that nobody signed must not keep the checkpoint out.
        link.replace(Collection::NodeStatus, &[&record]).await?;
    }
    let update = replaced_unless_later(&record, "log_size")?;
    let made = link.merge(Collection::NodeStatus, &[update]).await?;
    // A document that was there and is not any more took the others with it.
    if made > 0 && cursor.entry > 0 {
        lane.set(at, LOST).await?;
        return Ok(Turn::Lost);
    }
    let next = Cursor { entry: checkpoint.size, chunk: 0 };
    kept.sent(Collection::NodeStatus, next, 1, record.document.as_bytes().len() as u64);
    lane.set(at, next).await?;
    Ok(Turn::More)
}

/// The checkpoint in `text`, which the node itself must have signed.
pub(crate) fn own(shared: &Shared, text: &str) -> Result<Checkpoint, Fault> {
    Checkpoint::verify(text, &shared.source.identity().key)
        .map_err(|error| Fault::new(FaultKind::Node, format!("the log's checkpoint: {error}")))
}

/// The document.
pub(crate) fn record(shared: &Shared, text: &str, checkpoint: &Checkpoint) -> Record {
    let identity = shared.source.identity();
    let id = identity.node_id.to_string();
    let document = rawdoc! {
        "_id": id.as_str(),
        "node_id": id.as_str(),
        "public_key": identity.key.to_string(),
        "log_origin": identity.key.name().as_str(),
        "log_size": long(checkpoint.size),
        "log_root": checkpoint.root.to_string(),
        "checkpoint": text,
        "software": identity.software.as_str(),
        "seen_at": date(status::now()),
    };
    Record { id, document }
}

/// What the database's document says.
pub(crate) enum Stored {
    /// There is none.
    Nothing,
    /// One that this node's key did not sign, or whose fields are not its checkpoint's.
    Unsound,
    /// The checkpoint in it.
    Signed(Checkpoint),
}

/// The database's document. What is not signed is not believed, its numbers neither.
pub(crate) async fn stored(shared: &Shared) -> Result<Stored, Fault> {
    let handle = shared.link.handle(Collection::NodeStatus).await?;
    let filter = mongodb::bson::doc! { "_id": shared.link.node.to_string() };
    let found = async { handle.find_one(filter).await };
    let found = shared.link.within("reading node_status", found).await?;
    let Some(document) = found else { return Ok(Stored::Nothing) };
    let text = document.get_str("checkpoint").unwrap_or_default();
    let Ok(checkpoint) = Checkpoint::verify(text, &shared.source.identity().key) else {
        return Ok(Stored::Unsound);
    };
    match document.get_i64("log_size").is_ok_and(|size| size == long(checkpoint.size)) {
        true => Ok(Stored::Signed(checkpoint)),
        false => Ok(Stored::Unsound),
    }
}

/// Refuses a database that has a checkpoint of this log that is later than it, or of another one under the same key: the
/// log here was put back as it was before, and goes on with other entries. Nothing may be sent then, since the database may
/// be the only place that still has the log as it was.
pub(crate) async fn check_is_of_this_log(shared: &Shared) -> Result<(), Fault> {
    let Stored::Signed(known) = stored(shared).await? else { return Ok(()) };
    let size = shared.source.head().await?.size;
    let what = match known.size {
        later if later > size => format!("of {later} entries, and the log here has {size}"),
        at if shared.source.root_at(at).await? != known.root => {
            format!("of {at} entries with another root than the log here had then")
        }
        _ => return Ok(()),
    };
    let text = format!(
        "MongoDB has a checkpoint that this node's key signed, {what}: one of the two is a fork"
    );
    tracing::error!("{text}");
    Err(Fault::new(FaultKind::Forked, text))
}
