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

use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn in_a_network_of_its_own() {
    let mut world = World::start().await;
    login::whoever_may_control_tor_is_asked(&mut world).await;
    services::a_service_is_reached_and_comes_back_after_tor_was_killed(&mut world).await;
    services::a_rotation_keeps_the_former_address_for_its_time(&mut world).await;
    services::only_clients_with_a_key_get_in(&mut world).await;
    services::another_publisher_is_seen(&mut world).await;
    faults::socks_refusals_have_their_words(&mut world).await;
    faults::tor_with_a_wrong_clock_says_so(&mut world).await;
}
