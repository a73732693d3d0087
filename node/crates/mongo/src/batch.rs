//! What is sent at once, and sending it.

use lucid_core::Timestamp;
use mongodb::bson::{Bson, Document, doc};

use crate::{
    BatchLimits, Collection, Cursor,
    document::{Record, long},
    fault::Fault,
    session::Session,
    write::{Link, Update},
};

/// What is to be written, and where the cursor is when it is.
pub(crate) struct Batch {
    /// The cursor once this is in the database.
    pub(crate) next: Cursor,
    /// When its first entry was made, where it has one.
    pub(crate) oldest: Option<Timestamp>,
    /// Whether it ended because it was full, not because the log did.
    pub(crate) is_full: bool,
    /// Sealed sessions whose manifest could not be read, and so was passed over.
    pub(crate) unreadable: u64,
    pub(crate) work: Work,
}

/// What is to be written.
#[derive(Default)]
pub(crate) struct Work {
    /// Documents that never change.
    pub(crate) whole: Vec<Record>,
    /// New sessions' documents, each with what it is made of for where it is there already.
    pub(crate) new: Vec<(Record, Session)>,
    /// Documents that are there already.
    pub(crate) merges: Vec<Update>,
    /// What is marked once all that is there.
    pub(crate) marked: Option<Marked>,
}

/// Sessions sealed before `log_size` that nothing anchors yet are anchored.
pub(crate) struct Marked {
    pub(crate) log_size: u64,
    pub(crate) pipeline: Vec<Document>,
}

impl Work {
    /// Bytes of the documents.
    pub(crate) fn bytes(&self) -> usize {
        let of = |record: &Record| record.document.as_bytes().len();
        let whole: usize = self.whole.iter().map(of).sum();
        let new: usize = self.new.iter().map(|(record, _)| of(record)).sum();
        whole + new + self.merges.iter().map(|merge| merge.bytes).sum::<usize>()
    }

    pub(crate) fn documents(&self) -> usize {
        self.whole.len() + self.new.len() + self.merges.len() + usize::from(self.marked.is_some())
    }
}

/// Counts what goes into a batch.
pub(crate) struct Room {
    documents: u32,
    bytes: usize,
    limits: BatchLimits,
}

impl Room {
    /// A command is one BSON document, of which MongoDB takes 16 MiB.
    const BYTES_MAX: usize = 12 << 20;

    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self { documents: 0, bytes: 0, limits }
    }

    /// Whether so many bytes still fit; they are counted where they do. The first always do.
    pub(crate) fn takes(&mut self, bytes: usize) -> bool {
        let bytes_max = self.limits.bytes_max.min(Self::BYTES_MAX);
        let fits = self.documents == 0
            || (self.documents < self.limits.documents_max && self.bytes + bytes <= bytes_max);
        if fits {
            self.documents += 1;
            self.bytes += bytes;
        }
        fits
    }

    /// Documents that still fit by number.
    pub(crate) fn left(&self) -> u32 {
        self.limits.documents_max.saturating_sub(self.documents).max(1)
    }
}

/// Writes a batch. When this returns, a majority has it.
pub(crate) async fn send(link: &Link, of: Collection, work: &Work) -> Result<(), Fault> {
    link.put_whole(of, &work.whole).await?;
    if !work.new.is_empty() {
        send_new(link, of, &work.new).await?;
    }
    link.merge(of, &work.merges).await?;
    let Some(Marked { log_size, pipeline }) = &work.marked else { return Ok(()) };
    let filter = doc! {
        "anchored.log_index": Bson::Null,
        "sealed.log_index": { "$lt": long(*log_size) },
    };
    link.update_all(of, filter, pipeline.clone()).await
}

async fn send_new(link: &Link, of: Collection, new: &[(Record, Session)]) -> Result<(), Fault> {
    let records: Vec<&Record> = new.iter().map(|(record, _)| record).collect();
    let there = link.insert(of, &records).await?;
    let again = there.into_iter().filter_map(|place| new.get(place));
    let merges = again.map(|(record, session)| session.update(record));
    link.merge(of, &merges.collect::<Result<Vec<_>, _>>()?).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_batch_has_room_by_number_and_bytes() {
        let limits = BatchLimits { documents_max: 3, bytes_max: 100, age_max: Duration::ZERO };
        let mut room = Room::new(limits);
        assert!(room.takes(1000), "the first always goes");
        assert!(!room.takes(1));
        let mut room = Room::new(limits);
        assert!(room.takes(50) && room.takes(50) && !room.takes(1));
        let mut room = Room::new(limits);
        assert!(room.takes(1) && room.takes(1) && room.takes(1) && !room.takes(1));
        assert_eq!(room.left(), 1);
        let mut room = Room::new(BatchLimits { documents_max: 9, bytes_max: 1 << 30, ..limits });
        assert!(room.takes(12 << 20) && !room.takes(1), "whatever was asked for");
    }
}
