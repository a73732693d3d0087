//! What is seen when something goes wrong.

use std::time::Duration;

use lucid_tunnel::{
    Link, Probe, TunnelError, Tunnels,
    onion::OnionKey,
    socks::{Refusal, SocksError},
    verify,
};
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
    let waited = tokio::time::timeout(TIME, wrong).await;
    let said = running.tunnels.health().borrow().clone();
    let log = world.service().log_tail();
    assert!(waited.is_ok(), "{said:?} {log}");
    println!("wrong clock: {}", said.problem().unwrap_or_default());
    running.stop().await;
    world.service().kill();
}
