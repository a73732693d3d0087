//! Anchoring against the TRON server for tests, which shares no code with it: each anchor is one transaction,
//! whatever goes wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod online;
mod world;

use std::time::Duration;

use lucid_tron::anchoring::due::Rhythm;
use lucid_tron_server::{Rules, SUN};

use world::World;

fn slow() -> Rules {
    // A minute of TRON is a second here: enough for a loaded machine to answer in.
    Rules { block_every: Some(Duration::from_millis(50)), solid_after: Some(6), ..Rules::default() }
}

#[tokio::test]
async fn both_forms_anchor_what_is_due() {
    for with_contract in [true, false] {
        let world = World::new(with_contract, slow());
        let node = world.node();
        for count in 1..=3 {
            world.disk.session_ends();
            let progress = world.anchored(&node, count).await;
            assert_eq!(progress.unanchored.sessions, 0);
            assert_eq!(progress.anchored_size, world.disk.anchors().last().unwrap().log_size);
        }
        world.disk.check(&world);
        assert_eq!(world.included(), 3);
        let progress = node.progress();
        let spent = 1000 * SUN - world.server.balance(World::theirs());
        let moved = if with_contract { 0 } else { 3 };
        assert_eq!(progress.spent.signed() + moved, spent, "{with_contract}: what it cost is told");
    }
}

#[tokio::test]
async fn it_waits_for_its_time_and_no_longer_when_somebody_asks() {
    let world = World::new(true, slow());
    *world.disk.rhythm.lock().unwrap() = Rhythm { interval_seconds: 3600, sessions_max: 2 };
    let node = world.node();
    world.disk.session_ends();
    let waits = world.until(&node, |progress| progress.unanchored.sessions == 1).await;
    assert!(waits.job.is_none() && waits.due_at.unwrap() > world::now());
    node.anchor_now();
    world.anchored(&node, 1).await;
    // Nothing is left to anchor but the anchor itself, which is no reason for another.
    node.anchor_now();
    assert!(tokio::time::timeout(Duration::from_millis(300), node.run()).await.is_err());
    assert!(node.progress().job.is_none() && world.included() == 1);
    for _ in 0..2 {
        world.disk.session_ends();
    }
    world.anchored(&node, 2).await;
    world.disk.check(&world);
    assert_eq!(world.included(), 2);
}

/// Killed at each half of each call that changes anything, one after the other, and then at several in a row.
#[tokio::test]
async fn killed_at_every_step_it_makes_one_transaction_for_each_anchor() {
    for with_contract in [true, false] {
        let world = World::new(with_contract, slow());
        let (mut kills, mut count) = (0, 0);
        for step in 1.. {
            count += 1;
            world.disk.session_ends();
            world.disk.fuse.set(step);
            let node = world.node();
            let was_killed = tokio::select! {
                () = world.disk.fuse.blown.notified() => {
                    kills += 1;
                    true
                }
                _ = world.anchored(&node, count) => false,
            };
            let had_more = was_killed || !world.disk.fuse.is_set();
            world.disk.fuse.set(0);
            world.anchored(&world.node(), count).await;
            world.disk.check(&world);
            if !had_more {
                break;
            }
        }
        assert!(kills >= 10, "{with_contract}: it has at least ten halves of calls, not {kills}");
        assert_eq!(world.included(), count, "one transaction for each anchor");
    }
}

/// A hundred crashes at random places of anchors that come one after the other.
#[tokio::test]
async fn killed_a_hundred_times_it_loses_and_repeats_nothing() {
    let world = World::new(true, slow());
    let (mut seed, mut kills, mut count) = (1_u64, 0, 0);
    while kills < 100 {
        count += 1;
        world.disk.session_ends();
        loop {
            // Knuth's MMIX numbers.
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            world.disk.fuse.set(i64::try_from(seed >> 60).unwrap() + 1);
            let node = world.node();
            tokio::select! {
                () = world.disk.fuse.blown.notified() => kills += 1,
                _ = world.anchored(&node, count) => break,
            }
        }
    }
    world.disk.fuse.set(0);
    world.anchored(&world.node(), count).await;
    world.disk.check(&world);
    assert_eq!(world.included(), count, "{kills} crashes, one transaction for each anchor");
}
