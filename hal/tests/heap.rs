//! The allocator's arenas, in a process of its own: those that threads had before the limit stay.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, num::NonZero, sync::Barrier, thread};

const THREADS: usize = 16;

/// Which heap this thread's memory is of: glibc's begin at multiples of 64 MiB, or of 32 where words are short.
fn heap_of_a_block() -> usize {
    let block = vec![1_u8; 4096];
    std::hint::black_box(block.as_ptr() as usize) >> 26
}

#[test]
fn threads_share_the_arenas_there_may_be() {
    assert!(lucid_hal::heap::limit_arenas(NonZero::<u16>::MIN));
    let together = Barrier::new(THREADS);
    let heaps: BTreeSet<usize> = thread::scope(|scope| {
        let heap = || {
            together.wait();
            let heap = heap_of_a_block();
            together.wait();
            heap
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(heap)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The process's first heap, which may lie on such a multiple, and that of this test's thread. Without the limit
    // it is one for each thread where there are two processors or more.
    assert!(heaps.len() <= 3, "{THREADS} threads at once in {} heaps: {heaps:x?}", heaps.len());
}
