//! Services that are published, moved, guarded and doubled.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_store::{Disk, TunnelFiles};
use lucid_tunnel::{
    Probe, Publication, Signers, TunnelError, TunnelOptions, Tunnels,
    control::{ControlAddress, Controller, Credentials},
    onion::{ClientKey, OnionAddress},
    publication,
    service::{Client, LIST_BYTES_MAX},
    socks::{Refusal, SocksError},
    verify,
};
use zeroize::Zeroizing;

use crate::world::{Files, TIME, World, curl, run};

fn probe() -> Probe {
    Probe::Http { path: "/health".to_owned() }
}

pub(crate) async fn a_service_is_reached_and_comes_back_after_tor_was_killed(world: &mut World) {
    let running = world.run().await;
    let tunnels = running.tunnels.clone();
    let address = tunnels.create(world.new_service("gateway")).await.unwrap();
    tunnels.published(address, TIME).await.unwrap();
    let url = format!("http://{address}/");
    reached(world, &url).await;
    let again = tunnels.create(world.new_service("gateway")).await;
    assert!(matches!(again, Err(TunnelError::Exists(_))));

    let verified = verify(&world.proxy(), address, 80, &probe(), TIME).await.unwrap();
    println!("verify: {verified:?}");
    assert_eq!(verified.body, b"well");
    assert!(verified.round_trip.unwrap() > Duration::ZERO);

    let losses = tunnels.health().borrow().losses;
    world.service().kill();
    let mut health = tunnels.health();
    let lost = health.wait_for(|health| health.losses > losses);
    tokio::time::timeout(TIME, lost).await.unwrap().unwrap();
    assert!(tunnels.health().borrow().problem().is_some());
    assert!(matches!(tunnels.controller().await, Err(TunnelError::Lost { .. })));
    world.service().start().unwrap();
    tunnels.published(address, TIME).await.unwrap();
    reached(world, &url).await;
    assert_eq!(tunnels.health().borrow().problem(), None);

    // The node stops, and starts again: the address is that of its key.
    running.stop().await;
    let running = world.run().await;
    running.tunnels.published(address, TIME).await.unwrap();
    reached(world, &url).await;
    running.tunnels.take_down("gateway".parse().unwrap()).await.unwrap();
    let secrets = std::fs::read_dir(world.folder.path().join("secrets")).unwrap();
    assert_eq!(secrets.count(), 0, "its key is destroyed");
    running.stop().await;
}

/// A client that has an old descriptor asks for the new one when nobody is where that says, or when it forgot the old one.
async fn reached(world: &World, url: &str) {
    let mut last = String::new();
    for _ in 0..10 {
        match curl(&world.proxy(), url).await {
            Ok(body) => {
                assert_eq!(body, "well");
                return;
            }
            Err(why) => last = why,
        }
        // Who asked before it was there would not ask again for minutes.
        let forgetter = world.network.clients[1].forgetter();
        tokio::task::spawn_blocking(move || forgetter.forget()).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{url}: {last}; {}", world.network.clients[1].log_tail());
}

pub(crate) async fn a_rotation_keeps_the_former_address_for_its_time(world: &mut World) {
    let running = world.run().await;
    let tunnels = &running.tunnels;
    let name = || "gateway".parse().unwrap();
    let old = tunnels.create(world.new_service("gateway")).await.unwrap();
    tunnels.published(old, TIME).await.unwrap();
    let grace = Duration::from_hours(1);
    let new = tunnels.rotate(name(), grace).await.unwrap();
    assert_ne!(old, new);
    tunnels.published(new, TIME).await.unwrap();
    for address in [old, new] {
        reached(world, &format!("http://{address}/")).await;
    }
    let error = tunnels.rotate(name(), grace).await.unwrap_err();
    assert!(matches!(error, TunnelError::Rotating(_)), "{error}");
    tunnels.take_down(name()).await.unwrap();

    // Without grace it is over as soon as the new one is published.
    let old = tunnels.create(world.new_service("gateway")).await.unwrap();
    let new = tunnels.rotate(name(), Duration::ZERO).await.unwrap();
    let mut health = tunnels.health();
    let gone = health.wait_for(|health| health.stage(old).is_none());
    tokio::time::timeout(TIME, gone).await.unwrap().unwrap();
    assert!(tunnels.health().borrow().is_published(new));
    let secrets = world.folder.path().join("secrets");
    assert!(!secrets.join("onion-gateway-1.key").exists());
    assert!(secrets.join("onion-gateway-2.key").exists());
    tunnels.take_down(name()).await.unwrap();
    running.stop().await;
}

pub(crate) async fn only_clients_with_a_key_get_in(world: &mut World) {
    let running = world.run().await;
    let tunnels = &running.tunnels;
    let key = ClientKey::from_bytes(Zeroizing::new([42; 32]));
    let client = Client { name: "phone".parse().unwrap(), key: key.public() };
    let mut service = world.new_service("private");
    service.clients = vec![client];
    service.ephemeral = true;
    let address = tunnels.create(service).await.unwrap();
    tunnels.published(address, TIME).await.unwrap();
    let asking = verify(&world.proxy(), address, 80, &probe(), TIME).await;
    let error = asking.unwrap_err();
    assert!(
        matches!(&error, TunnelError::Socks(SocksError::Refused { refusal: Refusal(0xf4), .. })),
        "{error}"
    );
    let at: ControlAddress = world.network.clients[1].control().parse().unwrap();
    let asker = Controller::open(&at, &Credentials::Cookie(None)).await.unwrap();
    asker.add_client_key(address, &key).await.unwrap();
    assert_eq!(asker.client_keys().await.unwrap()[0].address, address);
    verify(&world.proxy(), address, 80, &probe(), TIME).await.unwrap();
    another_is_let_in_and_the_first_no_more(world, &running.tunnels, address, &asker, key).await;
    asker.remove_client_key(address).await.unwrap();
    assert_eq!(asker.client_keys().await.unwrap(), []);
    running.stop().await;
    // It was ephemeral, and nothing of it is on disk.
    assert_eq!(std::fs::read_dir(world.folder.path().join("secrets")).unwrap().count(), 0);
}

/// Who may reach a service changes while it is served, under the same address.
async fn another_is_let_in_and_the_first_no_more(
    world: &World,
    tunnels: &Tunnels,
    address: OnionAddress,
    asker: &Controller,
    first: ClientKey,
) {
    let name = || "private".parse().unwrap();
    let second = ClientKey::from_bytes(Zeroizing::new([43; 32]));
    let desk = Client { name: "desk".parse().unwrap(), key: second.public() };
    tunnels.add_clients(name(), vec![desk], false).await.unwrap();
    tunnels.remove_clients(name(), vec!["phone".parse().unwrap()], false).await.unwrap();
    tunnels.published(address, TIME).await.unwrap();
    for (key, gets_in) in [(first, false), (second, true)] {
        asker.remove_client_key(address).await.unwrap();
        asker.add_client_key(address, &key).await.unwrap();
        let until = Instant::now() + TIME;
        let asked = loop {
            // What the asking tor knew of the service was opened with the key before.
            let forgetter = world.network.clients[1].forgetter();
            tokio::task::spawn_blocking(move || forgetter.forget()).await.unwrap().unwrap();
            let asked = verify(&world.proxy(), address, 80, &probe(), TIME).await;
            // A relay that has not the new descriptor yet gives the one before: published is what one of them has.
            if asked.is_ok() == gets_in || Instant::now() > until {
                break asked;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        assert_eq!(asked.is_ok(), gets_in, "{asked:?}");
    }
}

pub(crate) async fn another_publisher_is_seen(world: &mut World) {
    let running = world.run().await;
    let tunnels = &running.tunnels;
    let address = tunnels.create(world.new_service("gateway")).await.unwrap();
    tunnels.published(address, TIME).await.unwrap();
    let tor = tunnels.controller().await.unwrap();
    let mut signers = Signers::default();
    // Tor tells of one of the two periods that it publishes for, and the network may hand out the other one's.
    let alone = [Publication::Ours, Publication::OtherPeriod];
    let first = seen(&tor, address, &mut signers, &alone).await;
    assert!(alone.contains(first.last().unwrap()), "{first:?}");

    // Somebody has a copy of the data folder, and another tor.
    let copy = tempfile::tempdir().unwrap();
    for folder in ["secrets", "tunnels"] {
        copy_folder(&world.folder.path().join(folder), &copy.path().join(folder));
    }
    let files = TunnelFiles::at(copy.path(), LIST_BYTES_MAX, &Disk::default());
    let other = run(Tunnels::open(TunnelOptions {
        control: world.network.clients[1].control().parse().unwrap(),
        keep: Arc::new(Files(files)),
        ..world.options()
    })
    .await
    .unwrap());
    other.tunnels.published(address, TIME).await.unwrap();
    let seen = seen(&tor, address, &mut signers, &[Publication::Anothers]).await;
    println!("alone: {first:?}, with two publishers: {seen:?}");
    assert_eq!(seen.last(), Some(&Publication::Anothers), "{seen:?}");
    other.stop().await;
    tunnels.take_down("gateway".parse().unwrap()).await.unwrap();
    running.stop().await;
}

/// What is seen, until it is what is expected.
async fn seen(
    tor: &Controller,
    address: OnionAddress,
    signers: &mut Signers,
    expected: &[Publication],
) -> Vec<Publication> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        let one = publication(tor, address, signers, TIME).await.unwrap();
        seen.push(one);
        if expected.contains(&one) {
            break;
        }
        // Relays that were asked are asked again.
        tor.new_circuits().await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    seen
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
