//! A real tor, in a network of its own on loopback: what is published in it, and what is seen when tor goes wrong.
//!
//! One network serves all of it, since it takes seconds to make; what each part does is undone at its end.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it measured"
)]

mod faults;
mod login;
mod services;
mod world;

use std::time::Instant;

use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn in_a_network_of_its_own() {
    let begun = Instant::now();
    let passed = |what: &str| println!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
    let mut world = World::start().await;
    passed("the network is there");
    login::whoever_may_control_tor_is_asked(&mut world).await;
    passed("authentication");
    services::a_service_is_reached_and_comes_back_after_tor_was_killed(&mut world).await;
    passed("a service, and tor killed");
    services::a_rotation_keeps_the_former_address_for_its_time(&mut world).await;
    passed("rotation");
    services::only_clients_with_a_key_get_in(&mut world).await;
    passed("clients' keys");
    services::another_publisher_is_seen(&mut world).await;
    passed("another publisher");
    faults::socks_refusals_have_their_words(&mut world).await;
    passed("refusals");
    faults::a_key_is_read_again_when_it_can_be(&mut world).await;
    passed("a key read again");
    faults::a_key_is_destroyed_whatever_tor_does(&mut world).await;
    passed("tor that hangs");
    faults::tor_with_a_wrong_clock_says_so(&mut world).await;
    passed("a wrong clock");
}
