//! What TRON, its servers, its clocks and its accounts do to an anchor.

use std::{sync::Arc, time::Duration};

use lucid_core::tron::Sun;
use lucid_tron::{Key, Network, anchoring::Progress};
use lucid_tron_server::{Code, Energy, Fault, Forked, Rules, SUN, Scripted};

use super::{slow, world::World};

const SEND: &str = "wallet/broadcasthex";

fn scripted(path: Option<&str>, times: u32, fault: Fault) -> Scripted {
    Scripted { path: path.map(str::to_owned), times, fault }
}

/// An anchor comes about in spite of these, in one transaction that is in a block.
async fn in_spite_of(name: &str, with_contract: bool, faults: &[Scripted]) {
    let world = World::new(with_contract, slow());
    let node = world.node();
    world.disk.session_ends();
    for fault in faults {
        world.server.fault(fault.clone());
    }
    world.anchored(&node, 1).await;
    world.disk.check(&world);
    assert_eq!(world.included(), 1, "{name}");
}

#[tokio::test]
async fn every_code_of_a_broadcast_is_got_over() {
    let codes = [
        Code::SigError,
        Code::ContractValidateError,
        Code::ContractExeError,
        Code::BandwithError,
        Code::DupTransactionError,
        Code::TaposError,
        Code::TooBigTransactionError,
        Code::TransactionExpirationError,
        Code::ServerBusy,
        Code::NoConnection,
        Code::NotEnoughEffectiveConnection,
        Code::BlockUnsolidified,
        Code::OtherError,
    ];
    for code in codes {
        for times in [1, 3] {
            let fault = Fault::Broadcast { code, taken: false };
            in_spite_of(&format!("{code:?}"), false, &[scripted(Some(SEND), times, fault)]).await;
        }
    }
    // What was taken for all that is said.
    for code in [Code::DupTransactionError, Code::OtherError, Code::ServerBusy, Code::NoConnection]
    {
        let fault = Fault::Broadcast { code, taken: true };
        in_spite_of(&format!("{code:?}, taken"), true, &[scripted(Some(SEND), 1, fault)]).await;
    }
}

#[tokio::test]
async fn servers_that_do_not_answer_as_they_should_are_got_over() {
    let faults = [
        Fault::Cut,
        Fault::Lost,
        Fault::Hang { taken: true },
        Fault::Hang { taken: false },
        Fault::TooMany { retry_after: None },
        Fault::TooMany { retry_after: Some(1) },
        Fault::Forbidden { retry_after: None },
        Fault::Forbidden { retry_after: Some(0) },
        Fault::ErrorInside { text: "class java.lang.NullPointerException : null".to_owned() },
        Fault::Html,
        Fault::Truncated,
        Fault::Oversize { bytes: 64 << 20 },
    ];
    for fault in faults {
        let name = format!("{fault:?}");
        in_spite_of(&name, true, &[scripted(Some(SEND), 1, fault.clone())]).await;
        in_spite_of(&name, true, &[scripted(None, 5, fault)]).await;
    }
}

#[tokio::test]
async fn what_was_seen_and_forked_away_is_sent_again() {
    for forked in [Forked::Wait, Forked::Vanish] {
        let world = World::new(true, Rules { block_every: None, solid_after: Some(6), ..slow() });
        let node = world.node();
        world.disk.session_ends();
        let sent = |progress: &Progress| {
            progress.job.as_ref().is_some_and(|job| job.attempt().is_some_and(|it| it.sends == 1))
        };
        world.until(&node, sent).await;
        world.server.make_blocks(1);
        let journal =
            || world.server.journal().by_owner(World::theirs()).cloned().collect::<Vec<_>>();
        assert!(journal()[0].was_included());
        let seen = |progress: &Progress| {
            progress.job.as_ref().is_some_and(|job| format!("{:?}", job.stage).starts_with("Seen"))
        };
        world.until(&node, seen).await;
        world.server.fork(1, forked).unwrap();
        world.until(&node, |progress| !seen(progress)).await;
        // It is sent again, and a block has it again.
        let running = async {
            while world.disk.anchors().is_empty() {
                world.server.make_blocks(1);
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        };
        tokio::select! {
            () = node.run() => unreachable!("it runs for ever"),
            () = running => {}
        }
        world.disk.check(&world);
        assert_eq!(journal().len(), 1, "{forked:?}: the same transaction");
    }
}

#[tokio::test]
async fn what_expired_unseen_is_built_again_and_only_then() {
    let world = World::new(true, slow());
    world.server.hold_pool(true);
    let node = world.node();
    world.disk.session_ends();
    let ended =
        |progress: &Progress| progress.job.as_ref().is_some_and(|job| !job.ended.is_empty());
    let progress = world.until(&node, ended).await;
    assert!(format!("{:?}", progress.job.unwrap().ended).contains("Expired"));
    world.server.clear_pool();
    world.server.hold_pool(false);
    world.anchored(&node, 1).await;
    world.disk.check(&world);
    assert_eq!(world.included(), 1);
}

/// A day's costs have an end; what is due stays due, and says why.
#[tokio::test]
async fn what_it_may_cost_is_kept_to() {
    let mut world = World::new(true, slow());
    // Two anchors' worth: a call burns 0.21 TRX for energy, and some 0.34 for bandwidth once the day's free one
    // is used up.
    world.options.fee_per_day_max = Sun::new(1_000_000);
    let node = world.node();
    for count in 1..=2 {
        world.disk.session_ends();
        world.anchored(&node, count).await;
    }
    world.disk.session_ends();
    let told = world.until(&node, |progress| progress.hindrance.is_some()).await;
    let (why, _) = told.hindrance.unwrap();
    assert!(why.contains("anchor_fee_per_day_max"), "{why}");
    assert_eq!(world.included(), 2);
    // A restart does not forget.
    let told = world.until(&world.node(), |progress| progress.hindrance.is_some()).await;
    assert!(told.hindrance.unwrap().0.contains("anchor_fee_per_day_max"));
    world.options.fee_per_day_max = Sun::new(6_000_000);
    world.anchored(&world.node(), 3).await;
    world.disk.check(&world);
}

/// Each says what to do, stays due, and goes on once that is done.
#[tokio::test]
async fn what_somebody_must_change_is_said() {
    let said = async |world: &World, words: &str| {
        let node = world.node();
        let told = world.until(&node, |progress| progress.hindrance.is_some()).await;
        let (why, _) = told.hindrance.unwrap();
        assert!(why.contains(words), "{why}");
        assert!(told.job.is_some(), "it stays due");
        assert_eq!(world.included(), 0);
    };
    let mut world = World::new(true, slow());
    world.disk.session_ends();
    let (key, contract, network) =
        (world.options.key.take(), world.options.contract, world.options.network.clone());
    said(&world, "tron_private_key_file").await;
    world.options.key = Some(Arc::new(Key::parse(&"11".repeat(32)).unwrap()));
    said(&world, "send TRX to it").await;
    world.options.key = key;
    world.options.contract = Some("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".parse().unwrap());
    said(&world, "tron_contract").await;
    world.options.contract = contract;
    world.options.network = Network::named("nile").unwrap().at(world.server.url().parse().unwrap());
    said(&world, "compare tron_network and tron_rpc_url").await;
    world.options.network = network;
    world.server.set_balance(World::theirs(), SUN / 100);
    said(&world, "has 0.01 TRX").await;
    world.server.fund(World::theirs(), 100 * SUN);
    world.anchored(&world.node(), 1).await;
    world.disk.check(&world);
}

#[tokio::test]
async fn a_call_that_runs_out_of_energy_is_made_again() {
    let world = World::new(true, slow());
    let node = world.node();
    world.disk.session_ends();
    let sent =
        |progress: &Progress| progress.job.as_ref().is_some_and(|job| job.attempt().is_some());
    world.server.hold_pool(true);
    world.until(&node, sent).await;
    // What it takes grows beyond its limit after it was built.
    world.server.set_energy(Energy { anchor: 21_000, ..Energy::default() });
    world.server.hold_pool(false);
    let failed =
        |progress: &Progress| progress.job.as_ref().is_some_and(|job| !job.ended.is_empty());
    let told = world.until(&node, failed).await;
    assert!(format!("{:?}", told.job.unwrap().ended).contains("OUT_OF_ENERGY"));
    world.anchored(&node, 1).await;
    // The one that failed is in a block too, and paid: what it cost counts.
    assert_eq!(world.included(), 2);
    let spent = 1000 * SUN - world.server.balance(World::theirs());
    assert_eq!(node.progress().spent.signed(), spent);
    assert_eq!(world.disk.anchors().len(), 1);
}

#[tokio::test]
async fn clocks_that_are_wrong_by_an_hour_change_nothing() {
    for off in [-3_600_000, 3_600_000] {
        let world = World::new(true, Rules { clock_off_ms: off, ..slow() });
        let node = world.node();
        world.disk.session_ends();
        world.anchored(&node, 1).await;
        world.disk.check(&world);
    }
}

/// Two nodes, each with its own log, anchor with one account.
#[tokio::test]
async fn two_nodes_with_one_key_do_not_hinder_each_other() {
    let world = World::new(false, slow());
    let other = super::world::Disk::new();
    let second = World { disk: other, ..World::new(false, slow()) };
    // Both at the first one's server.
    let mut options = second.options.clone();
    options.network = world.options.network.clone();
    let second = World { options, ..second };
    world.disk.session_ends();
    second.disk.session_ends();
    second.disk.session_ends();
    let (one, two) = (world.node(), second.node());
    tokio::join!(world.anchored(&one, 1), second.anchored(&two, 1));
    assert_eq!(world.included(), 2);
}
