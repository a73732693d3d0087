//! What is seen when something goes wrong.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use lucid_tunnel::{
    Link, Probe, Stage, TunnelError, Tunnels,
    onion::OnionKey,
    socks::{Refusal, SocksError},
    verify,
};
use rustix::process::{Pid, Signal, kill_process};
use zeroize::Zeroizing;

use crate::world::{TIME, World, run};

pub(crate) async fn socks_refusals_have_their_words(world: &mut World) {
    let nobody = OnionKey::from_seed(Zeroizing::new([99; 32])).address();
    let probe = Probe::Http { path: "/".to_owned() };
    // Time enough for a second attempt.
    let time = Duration::from_secs(3);
    let error = verify(&world.proxy(), nobody, 80, &probe, time).await.unwrap_err();
    let TunnelError::Socks(SocksError::Refused { refusal: Refusal(code), .. }) = &error else {
        panic!("{error}");
    };
    assert_eq!(*code, 0xf0, "{error}");
    assert!(error.to_string().contains("published no descriptor"), "{error}");
}

/// A key that others can read is not used; once that is mended it is, without another start.
pub(crate) async fn a_key_is_read_again_when_it_can_be(world: &mut World) {
    let running = world.run().await;
    let address = running.tunnels.create(world.new_service("gateway")).await.unwrap();
    running.stop().await;
    let key = world.folder.path().join("secrets/onion-gateway-1.key");
    let mode =
        |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let running = world.run().await;
    let mut health = running.tunnels.health();
    let failed = health.wait_for(|health| {
        let stage = health.stage(address);
        matches!(stage, Some(Stage::Failed { why }) if why.contains("chmod 600"))
    });
    drop(tokio::time::timeout(TIME, failed).await.unwrap().unwrap());
    mode(0o600);
    running.tunnels.published(address, TIME).await.unwrap();
    running.stop().await;
}

/// Tor that does not answer: the keys are destroyed all the same, and the connection ends, and with it what tor served.
pub(crate) async fn a_key_is_destroyed_whatever_tor_does(world: &mut World) {
    let running = world.run().await;
    let losses = running.tunnels.health().borrow().losses;
    let tor = Pid::from_raw(world.service().pid().unwrap().cast_signed()).unwrap();
    kill_process(tor, Signal::STOP).unwrap();
    running.tunnels.take_down("gateway".parse().unwrap()).await.unwrap();
    let secrets = std::fs::read_dir(world.folder.path().join("secrets")).unwrap();
    assert_eq!(secrets.count(), 0);
    let mut health = running.tunnels.health();
    let lost = health.wait_for(|health| health.losses > losses);
    drop(tokio::time::timeout(TIME, lost).await.unwrap().unwrap());
    kill_process(tor, Signal::CONT).unwrap();
    let back = health.wait_for(|health| health.link == Link::Ready);
    drop(tokio::time::timeout(TIME, back).await.unwrap().unwrap());
    assert!(running.tunnels.health().borrow().services.is_empty());
    running.stop().await;
}

/// Tor under Debian's faketime, two days ahead.
pub(crate) async fn tor_with_a_wrong_clock_says_so(world: &mut World) {
    world.service().kill();
    world.service().forget().unwrap();
    world.service().start_at("+2d").unwrap();
    let running = run(Tunnels::open(world.options()).await.unwrap());
    let mut health = running.tunnels.health();
    let wrong = health.wait_for(|health| {
        health.link != Link::Ready && health.problem().is_some_and(|why| why.contains("clock"))
    });
    // What it waited for is a guard, behind which whoever tells of tor's health would wait for ever.
    let was_said = tokio::time::timeout(TIME, wrong).await.is_ok();
    let said = running.tunnels.health().borrow().clone();
    let log = world.service().log_tail();
    assert!(was_said, "{said:?} {log}");
    println!("wrong clock: {}", said.problem().unwrap_or_default());
    running.stop().await;
    world.service().kill();
}
