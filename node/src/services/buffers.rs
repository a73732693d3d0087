//! The memory of uploads: one budget for all of them, whatever their number.
//!
//! An upload begins with a small buffer of its own. A buffer that fills grows, as long as the budget
//! has room; where it has none for a moment, what is there becomes a shorter chunk. So a thousand slow
//! uploads cost a thousand small buffers, and a few fast ones get whole chunks. Buffers are kept for
//! reuse: fresh memory costs a page fault for every 4 KiB, which at a gigabyte a second is a third of a
//! core.
//!
//! Invariants: what is handed out beyond the small buffers never exceeds the budget; plaintext is
//! overwritten when a buffer leaves this module.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroize;

/// What every upload has without asking, in bytes. Also the unit of the budget.
pub const SMALL_BYTES: usize = 64 << 10;
/// A buffer grows by this factor.
const GROWTH: usize = 8;
/// How long a full buffer waits for room before it becomes a short chunk.
const ROOM_WAIT: Duration = Duration::from_millis(250);

/// The budget, and the buffers that are kept.
#[derive(Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    /// Units that there are, free or not. They only become more.
    size: Arc<Mutex<usize>>,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept(Mutex<Vec<Vec<u8>>>);

/// A buffer that belongs to an upload: plaintext, or a payload.
pub struct Buffer {
    /// As far as it was ever written to; its capacity is the buffer's.
    memory: Vec<u8>,
    /// What of it counts.
    count: usize,
    /// Room in the budget, beyond what is free.
    room: Option<OwnedSemaphorePermit>,
    kept: Arc<Kept>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let units = size_of(bytes);
        let size = Arc::new(Mutex::new(units));
        Self { units: Arc::new(Semaphore::new(units)), size, kept: Arc::default() }
    }

    /// Makes it a budget of so many bytes, where it is of fewer.
    pub fn fit(&self, bytes: usize) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = size_of(bytes);
        if wanted > *size {
            self.units.add_permits(wanted - *size);
            *size = wanted;
        }
    }

    /// Bytes that there are, and those that are handed out.
    fn reckon(&self) -> (usize, usize) {
        let size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let out = size.saturating_sub(self.units.available_permits());
        (size * SMALL_BYTES, out * SMALL_BYTES)
    }

    /// A small buffer.
    #[must_use]
    pub fn small(&self) -> Buffer {
        self.buffer(Vec::with_capacity(SMALL_BYTES), None)
    }

    /// A buffer for `bytes`, where the budget has room now; else a small one.
    #[must_use]
    pub fn at_once(&self, bytes: usize) -> Buffer {
        let room = Arc::clone(&self.units).try_acquire_many_owned(units(bytes)).ok();
        match room {
            Some(room) if bytes > SMALL_BYTES => self.large(bytes, room),
            _ => self.small(),
        }
    }

    /// A buffer for `bytes`, as soon as the budget has room for it.
    ///
    /// # Panics
    /// Where `bytes` is more than the whole budget.
    pub async fn wait(&self, bytes: usize) -> Buffer {
        let units = Arc::clone(&self.units).acquire_many_owned(units(bytes)).await;
        self.large(bytes, units.expect("the budget is never closed"))
    }

    /// Makes a full buffer larger, up to `most` bytes. False where it is as large as it can be now.
    pub async fn grow(&self, buffer: &mut Buffer, most: usize) -> bool {
        let now = buffer.capacity();
        if now >= most {
            return false;
        }
        let next = now.saturating_mul(GROWTH).min(most);
        let more = Arc::clone(&self.units).acquire_many_owned(units(next));
        let Ok(Ok(room)) = tokio::time::timeout(ROOM_WAIT, more).await else { return false };
        let mut larger = self.large(next, room);
        larger.take(buffer.as_ref());
        *buffer = larger;
        true
    }

    /// Gives memory back to the system: for when there is nothing to do.
    pub fn trim(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        kept.into_iter().for_each(destroy);
    }

    fn large(&self, bytes: usize, room: OwnedSemaphorePermit) -> Buffer {
        let mut kept = self.kept.lock();
        let found = kept.iter().position(|kept| kept.capacity() == bytes);
        let memory = found.map(|place| kept.swap_remove(place));
        // What is kept and what is in use together stay within the budget.
        let mut over = Vec::new();
        if memory.is_none() && !kept.is_empty() {
            over.push(kept.swap_remove(0));
        }
        let (size, out) = self.reckon();
        let mut held = out + kept.iter().map(Vec::capacity).sum::<usize>();
        while held > size && !kept.is_empty() {
            let one = kept.swap_remove(0);
            held -= one.capacity();
            over.push(one);
        }
        drop(kept);
        over.into_iter().for_each(destroy);
        self.buffer(memory.unwrap_or_else(|| Vec::with_capacity(bytes)), Some(room))
    }

    fn buffer(&self, memory: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Buffer {
        Buffer { memory, count: 0, room, kept: Arc::clone(&self.kept) }
    }
}

/// Units of a budget of so many bytes.
fn size_of(bytes: usize) -> usize {
    (bytes / SMALL_BYTES).clamp(1, Semaphore::MAX_PERMITS)
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(SMALL_BYTES)).unwrap_or(u32::MAX)
}

/// Overwrites a buffer's whole memory, which may hold more than its length says.
fn destroy(mut bytes: Vec<u8>) {
    bytes.zeroize();
}

impl Kept {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // The list is whole between its operations, none of which panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// Takes of `bytes` what has room; gives how much.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(self.capacity() - self.count)];
        let written = self.memory.len() - self.count;
        let (over, beyond) = bytes.split_at(bytes.len().min(written));
        self.memory[self.count..self.count + over.len()].copy_from_slice(over);
        self.memory.extend_from_slice(beyond);
        self.count += bytes.len();
        bytes.len()
    }

    /// Whether nothing more has room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == self.capacity()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Lets `fill` write into all of the buffer's memory; what counts is as long as `fill` says.
    ///
    /// # Panics
    /// Where that is more than there is.
    pub fn fill_with<T>(&mut self, fill: impl FnOnce(&mut [u8]) -> (T, usize)) -> T {
        self.memory.resize(self.memory.capacity(), 0);
        let (answer, count) = fill(&mut self.memory);
        assert!(count <= self.memory.len(), "a buffer's length");
        self.count = count;
        answer
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.count]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        match self.room {
            Some(_) => self.kept.lock().push(memory),
            None => destroy(memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn grows_while_there_is_room_and_not_beyond() {
        let budget = Budget::new(20 * SMALL_BYTES);
        let mut buffer = budget.small();
        assert_eq!(buffer.take(&vec![1; 100 << 10]), SMALL_BYTES);
        assert!(buffer.is_full());
        assert!(budget.grow(&mut buffer, 16 * SMALL_BYTES).await);
        assert_eq!((buffer.capacity(), buffer.as_ref().len()), (8 * SMALL_BYTES, SMALL_BYTES));
        assert!(buffer.as_ref().iter().all(|&byte| byte == 1));
        // Growing holds the old and the new for a moment: 8 and 16 are more than 20.
        assert!(!budget.grow(&mut buffer, 16 * SMALL_BYTES).await);
        assert!(!budget.grow(&mut buffer, 8 * SMALL_BYTES).await, "it is as large as it may be");
        assert_eq!(
            budget.at_once(16 * SMALL_BYTES).capacity(),
            SMALL_BYTES,
            "no room: a small one"
        );
        drop(buffer);
        assert_eq!(budget.at_once(16 * SMALL_BYTES).capacity(), 16 * SMALL_BYTES);
        assert_eq!(budget.units.available_permits(), 20, "all room came back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_made_to_fit_larger_chunks_and_keeps_within_its_size() {
        let budget = Budget::new(4 * SMALL_BYTES);
        let mut buffer = budget.small();
        buffer.take(&vec![1; SMALL_BYTES]);
        assert!(!budget.grow(&mut buffer, 16 * SMALL_BYTES).await, "8 are more than there are");
        budget.fit(24 * SMALL_BYTES);
        budget.fit(2 * SMALL_BYTES);
        assert!(budget.grow(&mut buffer, 16 * SMALL_BYTES).await);
        buffer.take(&vec![1; 7 * SMALL_BYTES]);
        assert!(budget.grow(&mut buffer, 16 * SMALL_BYTES).await);
        assert_eq!(buffer.capacity(), 16 * SMALL_BYTES);
        drop(buffer);
        assert_eq!(budget.units.available_permits(), 24);
        // Many small ones are kept; a large one takes the room of as many as it needs.
        drop([(); 6].map(|()| budget.at_once(4 * SMALL_BYTES)));
        let large = budget.wait(20 * SMALL_BYTES).await;
        let kept: usize = budget.kept.lock().iter().map(Vec::capacity).sum();
        assert!(kept <= 4 * SMALL_BYTES, "{kept}");
        drop(large);
    }

    #[tokio::test]
    async fn what_is_kept_is_used_again_and_trimmed() {
        let budget = Budget::new(64 * SMALL_BYTES);
        let mut first = budget.wait(8 * SMALL_BYTES).await;
        first.take(b"plaintext");
        let place = first.as_ref().as_ptr();
        drop(first);
        let mut again = budget.wait(8 * SMALL_BYTES).await;
        assert!(again.is_empty());
        assert_eq!(again.as_ref().as_ptr(), place);
        again.take(b"plain and more than before");
        assert_eq!(again.as_ref(), b"plain and more than before");
        assert_eq!(again.fill_with(|memory| (memory.len(), 5)), 8 * SMALL_BYTES);
        assert_eq!(again.as_ref(), b"plain");
        drop(again);
        let other = budget.wait(16 * SMALL_BYTES).await;
        assert!(budget.kept.lock().is_empty(), "another size takes the room of a kept one");
        drop(other);
        budget.trim();
        assert!(budget.kept.lock().is_empty());
    }
}
