//! Reading the chunk roots of what was sealed.
//!
//! They come from the sessions' indexes, page by page, and not from manifests: the manifest of a long session is
//! hundreds of megabytes in one piece. They are compared with the `merkle_root` in the log before any of them is
//! taken up; what one page does not hold is read twice for that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_api::ports::Summary;
use lucid_core::{ChunkIndex, EntryIndex, merkle::CompactRange};
use lucid_store::{
    Catalogue,
    catalogue::{CHUNK_ROOTS_MAX, ReadChunks, UnreadSession},
};

use super::{IndexError, Parts, is_absence};

/// Chunks that are asked for at once: as many as are given.
const PAGE: u32 = 1000;
/// Pages that are read before the log is looked at again.
const PAGES_EACH_TIME: u32 = 64;
/// Chunks that could not be read are tried again after this long: somebody may have repaired them.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(5);

/// Where reading is.
#[derive(Default)]
pub(super) struct Reading {
    /// What was sealed before this place has been looked at.
    next: EntryIndex,
    /// Sessions before it whose chunks cannot be read.
    pub(super) unreadable: u64,
    /// When the first of them was met.
    failed_at: Option<Instant>,
    current: Option<Current>,
}

/// A session whose chunks are being read.
struct Current {
    of: UnreadSession,
    /// They have been compared; what is left is to take them up.
    is_compared: bool,
    tree: CompactRange,
    stored_bytes: u64,
}

impl Current {
    fn new(of: UnreadSession) -> Self {
        Self { of, is_compared: false, tree: CompactRange::new(), stored_bytes: 0 }
    }

    /// The next chunk's number.
    fn place(&self) -> u32 {
        // A session has at most 2^32 - 1 chunks, and no more are added than it has.
        self.tree.len() as u32
    }

    /// Adds a page.
    fn add(&mut self, page: &[Summary]) -> Result<(), String> {
        if page.is_empty() {
            return Err(format!(
                "of its {} chunks the index has {}",
                self.of.chunk_count,
                self.place()
            ));
        }
        for Summary(chunk) in page {
            let header = &chunk.header;
            let (place, count) = (self.place(), self.of.chunk_count);
            if header.session != self.of.session || header.index.0 != place || place >= count {
                return Err(format!("its index has something else in the place of chunk {place}"));
            }
            self.tree.push(chunk.session_leaf());
            self.stored_bytes = self.stored_bytes.saturating_add(header.layout().file_bytes());
        }
        if self.is_whole() && self.tree.root() != self.of.merkle_root {
            return Err("its chunks do not have the root that it was sealed with".to_owned());
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.place() == self.of.chunk_count
    }
}

impl Parts {
    /// Reads chunks for a while; gives whether there are more.
    pub(super) async fn read_chunks(
        &self,
        catalogue: &Arc<Catalogue>,
        reading: &mut Reading,
    ) -> Result<bool, IndexError> {
        reading.try_again();
        let (mut gathered, mut roots, mut more) = (Vec::new(), 0, true);
        for _ in 0..PAGES_EACH_TIME {
            let Some(current) = self.current(catalogue, reading).await? else {
                more = false;
                break;
            };
            match self.read_page(current).await? {
                Ok(read) => {
                    if current.is_compared && current.is_whole() {
                        reading.current = None;
                    }
                    roots += read.as_ref().map_or(0, |read| read.roots.len());
                    gathered.extend(read);
                }
                Err(why) => {
                    let session = current.of.session;
                    tracing::error!(
                        %session,
                        why,
                        "a session's chunks cannot be searched for; look at it with: lucid-node verify {session}"
                    );
                    reading.fail();
                }
            }
            if roots + PAGE as usize > CHUNK_ROOTS_MAX {
                self.take_up(catalogue, std::mem::take(&mut gathered)).await?;
                roots = 0;
            }
        }
        self.take_up(catalogue, gathered).await?;
        Ok(more)
    }

    /// The session that is read, or the next one.
    async fn current<'a>(
        &self,
        catalogue: &Arc<Catalogue>,
        reading: &'a mut Reading,
    ) -> Result<Option<&'a mut Current>, IndexError> {
        if reading.current.is_none() && catalogue.progress().unread > 0 {
            let (of, from) = (Arc::clone(catalogue), reading.next);
            let found = self.work(move || of.unread(from, 1)).await?;
            if let Some(found) = found.into_iter().next() {
                reading.next = EntryIndex(found.sealed.0.saturating_add(1));
                reading.current = Some(Current::new(found));
            }
        }
        Ok(reading.current.as_mut())
    }

    /// Reads the next page of a session's chunks; gives what can be taken up of it. Nothing of them can
    /// be before all of them have been compared.
    async fn read_page(
        &self,
        current: &mut Current,
    ) -> Result<Result<Option<ReadChunks>, String>, IndexError> {
        let (of, first) = (current.of, current.place());
        let page = match self.sessions.chunks(of.session, ChunkIndex(first), PAGE).await {
            Ok(page) => page,
            Err(problem) if is_absence(&problem) => return Err(problem.into()),
            Err(problem) => return Ok(Err(problem.detail)),
        };
        if let Err(why) = current.add(&page) {
            return Ok(Err(why));
        }
        let is_alone = first == 0 && current.is_whole();
        if current.is_compared || is_alone {
            current.is_compared = true;
            let roots = page.iter().map(|Summary(chunk)| chunk.chunk_root).collect();
            let stored_bytes = current.is_whole().then_some(current.stored_bytes);
            return Ok(Ok(Some(ReadChunks { of, first, roots, stored_bytes })));
        }
        if current.is_whole() {
            // Again from the beginning, to be taken up.
            *current = Current { is_compared: true, ..Current::new(of) };
        }
        Ok(Ok(None))
    }

    async fn take_up(
        &self,
        catalogue: &Arc<Catalogue>,
        read: Vec<ReadChunks>,
    ) -> Result<(), IndexError> {
        if read.is_empty() {
            return Ok(());
        }
        let of = Arc::clone(catalogue);
        self.work(move || of.take_chunks(&read)).await
    }
}

impl Reading {
    /// The present session cannot be read.
    fn fail(&mut self) {
        self.current = None;
        self.unreadable += 1;
        self.failed_at.get_or_insert_with(Instant::now);
    }

    /// Begins with the first one again, where some could not be read a while ago.
    fn try_again(&mut self) {
        if self.current.is_none()
            && self.failed_at.is_some_and(|at| at.elapsed() >= TRY_AGAIN_AFTER)
        {
            *self = Self::default();
        }
    }
}
