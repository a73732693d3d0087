//! Without tor: the socket, what the gateway's service leads to, and what is said of it.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Instant};

use lucid_tunnel::{
    AddressHealth, Uploads,
    control::{ControlAddress, Credentials},
};
use tokio_util::sync::CancellationToken;

use super::{wire::LinkState, *};
use crate::failure::Class;

/// Tor's control port, where nobody is.
fn config() -> TorConfig {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    TorConfig {
        control: ControlAddress::Tcp(port),
        is_named: true,
        credentials: Credentials::Cookie(None),
        onion: true,
        onion_target: None,
        onion_only: false,
        check_interval: Duration::from_mins(10),
    }
}

struct World {
    _folder: tempfile::TempDir,
    data: PathBuf,
}

impl World {
    /// A data folder whose path is longer than a socket's may be.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("x".repeat(120));
        fs::create_dir_all(data.join("secrets")).unwrap();
        Self { _folder: folder, data }
    }

    /// A node with a gateway there, for as long as `work` takes.
    async fn with<T: Send + 'static>(
        &self,
        listen: &str,
        work: impl FnOnce(PathBuf) -> T + Send + 'static,
    ) -> (Arc<LocalTor>, T) {
        let gateway = Gateway::at(listen.parse().unwrap(), false);
        let (tor, serving) = LocalTor::open(&self.data, &config(), Some(gateway)).await.unwrap();
        let (tor, stop) = (Arc::new(tor), CancellationToken::new());
        let tasks = [
            tokio::spawn(serving.run(stop.clone())),
            tokio::spawn(Desk::open(&self.data).unwrap().serve(Arc::clone(&tor), stop.clone())),
        ];
        tor.lead_to_gateway(stop.clone()).await;
        let data = self.data.clone();
        let done = tokio::task::spawn_blocking(move || work(data)).await.unwrap();
        stop.cancel();
        for task in tasks {
            task.await.unwrap();
        }
        (tor, done)
    }
}

fn state(data: &Path) -> TorState {
    ask(data, &Request::State {}).unwrap()
}

fn named(name: &str) -> ServiceName {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_keeps_its_address_wherever_it_listens() {
    let world = World::new();
    let look = |data: PathBuf| {
        let mut state = state(&data);
        let one = state.services.remove(0);
        assert_eq!(one.name.as_str(), GATEWAY);
        (one.addresses[0].address, one.ports[0])
    };
    let (_, (address, port)) = world.with("0.0.0.0:8080", look).await;
    assert_eq!(port, Port { port: 80, target: "127.0.0.1:8080".parse().unwrap() });
    let (_, again) = world.with("127.0.0.1:9090", look).await;
    assert_eq!(again, (address, Port { port: 80, target: "127.0.0.1:9090".parse().unwrap() }));
    let key = world.data.join("secrets/onion-gateway-1.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(world.data.join("tunnels/list").is_file() && !world.data.join(SOCKET).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_the_users_alone_and_answers_what_it_knows() {
    let world = World::new();
    let (tor, ()) = world
        .with("127.0.0.1:8080", |data| {
            let mode = fs::metadata(data.join(SOCKET)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let create = |name: &str, to: Option<&str>| {
                let to = to.map(|to| to.parse().unwrap());
                let (name, clients) = (named(name), Vec::new());
                let request = Request::Create { name, port: None, to, clients, ephemeral: false };
                ask::<Address>(&data, &request).map(|made| made.address)
            };
            let made = create("ssh", Some("127.0.0.1:22")).unwrap();
            let nowhere = create("other", None).unwrap_err();
            let elsewhere = create(GATEWAY, Some("127.0.0.1:22")).unwrap_err();
            assert!(elsewhere.error.to_string().contains("another name"), "{:#}", elsewhere.error);
            assert!(nowhere.error.to_string().contains("--to"), "{:#}", nowhere.error);
            assert_eq!(create("ssh", Some("127.0.0.1:22")).unwrap_err().class, Class::Usage);
            let rotate = Request::Rotate { name: named("ssh"), grace_seconds: 60 };
            let rotated: Address = ask(&data, &rotate).unwrap();
            assert_ne!(rotated.address, made);
            let ssh = &state(&data).services[1];
            let addresses: Vec<_> = ssh.addresses.iter().map(|one| one.address).collect();
            assert_eq!(addresses, [rotated.address, made]);
            assert!(ssh.addresses[1].until.is_some() && ssh.ports[0].port == 22);
            let teardown = || Request::Teardown { name: named("ssh") };
            ask::<Nothing>(&data, &teardown()).unwrap();
            assert_eq!(ask::<Nothing>(&data, &teardown()).err().unwrap().class, Class::Check);
            // Without tor this is all that cannot be done.
            let refresh = Request::Refresh { name: gateway_name() };
            let down = ask::<Nothing>(&data, &refresh).err().unwrap();
            assert!(down.class == Class::Io, "{:#}", down.error);
        })
        .await;
    // Its end is told, too.
    assert!(tor.check(Vital::All).detail.contains("restart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tor_the_node_says_so_and_is_ready_all_the_same() {
    let world = World::new();
    let gateway = Gateway::at("127.0.0.1:8080".parse().unwrap(), true);
    assert_eq!(gateway.port(), 443);
    let (tor, serving) = LocalTor::open(&world.data, &config(), Some(gateway)).await.unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serving.run(stop.clone()));
    tor.lead_to_gateway(stop.clone()).await;
    let mut health = tor.health.clone();
    let down = health.wait_for(|health| matches!(health.link, Link::Down { .. }));
    drop(tokio::time::timeout(Duration::from_secs(30), down).await.unwrap().unwrap());
    assert!(tor.health.borrow().problem().unwrap().contains("apt-get install tor"));
    let check = tor.check(Vital::Nothing);
    // Anybody may read it: the way to the reason, and not the reason.
    assert!(check.ok && check.detail.contains("tunnel status"), "{check:?}");
    assert!(!check.detail.contains("127.0.0.1"), "{check:?}");
    for vital in [Vital::Gateway, Vital::All] {
        assert!(!tor.check(vital).ok, "where it is the one way in");
    }
    let expected = TorMeasured { losses: 1, services: 1, ..TorMeasured::default() };
    assert_eq!(tor.measured(), expected);
    let state = TorState::of("x".into(), &tor.health.borrow());
    assert_eq!((state.tor, state.bootstrap_percent), (LinkState::Down, 0));
    stop.cancel();
    task.await.unwrap();
}

/// A tor that is well, with these services.
fn reached(services: Vec<ServiceHealth>) -> Health {
    Health {
        link: Link::Ready,
        clock: None,
        version: None,
        uptime: None,
        circuits: lucid_tunnel::control::Circuits { built: 7, building: 2 },
        is_network_up: true,
        losses: 0,
        services,
    }
}

#[test]
fn what_fails_is_what_is_vital() {
    let address = |seed| lucid_tunnel::onion::OnionKey::from_seed([seed; 32].into()).address();
    let service = |name: &str, seed, stage| ServiceHealth {
        name: named(name),
        ephemeral: false,
        ports: Vec::new(),
        clients: Vec::new(),
        addresses: vec![AddressHealth { address: address(seed), until: None, stage }],
    };
    let published = || Stage::Published(Uploads::default());
    let failed = || Stage::Failed { why: "/secret/place can be read by others".to_owned() };
    let checks = |network_up, services| {
        let health = Health { is_network_up: network_up, ..reached(services) };
        [Vital::Nothing, Vital::Gateway, Vital::All].map(|vital| {
            let check = check_of(&health, vital, false);
            assert!(!check.detail.contains("secret"), "{check:?}");
            (check.ok, !check.detail.is_empty())
        })
    };
    let whole = vec![service(GATEWAY, 1, published()), service("ssh", 2, published())];
    assert_eq!(checks(true, whole.clone()), [(true, false); 3]);
    assert_eq!(checks(false, whole), [(true, true), (false, true), (false, true)]);
    let other = vec![service(GATEWAY, 1, published()), service("secretname", 2, failed())];
    assert_eq!(checks(true, other), [(true, true), (true, true), (false, true)]);
    let gateway = vec![service(GATEWAY, 1, failed())];
    assert_eq!(checks(true, gateway), [(true, true), (false, true), (false, true)]);
    assert_eq!(checks(true, Vec::new()), [(true, false), (false, true), (true, false)]);
    // One that was asked for and is not there is spoken of everywhere.
    let without = reached(Vec::new());
    for (vital, is_ok) in [(Vital::Nothing, true), (Vital::Gateway, false), (Vital::All, false)] {
        let check = check_of(&without, vital, true);
        assert!(check.ok == is_ok && check.detail.contains("tunnel create"), "{check:?}");
    }
}

#[test]
fn nobody_there_is_said_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    for left_over in [false, true] {
        if left_over {
            drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        }
        let failure = ask::<TorState>(folder.path(), &Request::State {}).err().unwrap();
        let said = format!("{:#}", failure.error);
        assert!(failure.class == Class::Io && said.contains("onion = true"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_refused_and_ends() {
    let world = World::new();
    world
        .with("127.0.0.1:8080", |data| {
            let long = "x".repeat(64 << 10);
            for text in ["", "{}", r#"{"do":"state","x":1}"#, r#"{"do":"sing"}"#, &long] {
                use std::io::{Read, Write};
                let begun = Instant::now();
                let place = short(&data);
                let mut stream = std::os::unix::net::UnixStream::connect(place).unwrap();
                // A node that has read enough does not read the rest.
                let _ = stream.write_all(text.as_bytes());
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut reply = String::new();
                let _ = stream.read_to_string(&mut reply);
                let is_refused = reply.contains(r#""as":"usage""#);
                assert!(is_refused || text.len() > 1000, "{text:.80}: {reply}");
                assert!(begun.elapsed() < Duration::from_secs(30));
            }
            assert_eq!(state(&data).services.len(), 1);
        })
        .await;
}

/// A path to the socket that is short enough, by a link.
fn short(data: &Path) -> PathBuf {
    let link = data.parent().unwrap().join("link");
    if !link.exists() {
        std::os::unix::fs::symlink(data, &link).unwrap();
    }
    link.join(SOCKET)
}

#[test]
fn what_is_measured_is_of_current_addresses() {
    let address = |seed: u8| {
        lucid_tunnel::onion::OnionKey::from_seed(zeroize::Zeroizing::new([seed; 32])).address()
    };
    let one =
        |seed, until, stage| lucid_tunnel::AddressHealth { address: address(seed), until, stage };
    let uploads = Uploads { sent: 3, taken: 2, refused: 1, reason: Some("UPLOAD_REJECTED".into()) };
    let service = |name: &str, addresses| lucid_tunnel::ServiceHealth {
        name: named(name),
        ephemeral: false,
        ports: Vec::new(),
        clients: Vec::new(),
        addresses,
    };
    let health = reached(vec![
        service(
            "a",
            vec![
                one(1, None, Stage::Publishing(Uploads::default())),
                one(2, Some(9), Stage::Published(uploads.clone())),
            ],
        ),
        service("b", vec![one(3, None, Stage::Published(Uploads::default()))]),
    ]);
    let expected = TorMeasured {
        ready: true,
        bootstrap_percent: 100,
        circuits: 7,
        losses: 0,
        services: 2,
        published: 1,
        refused: 1,
    };
    assert_eq!(measured(&health), expected);
    let state = TorState::of("x".into(), &health);
    assert_eq!(state.services[0].addresses[1].why.as_deref(), Some("UPLOAD_REJECTED"));
    assert_eq!(state.problem.as_deref(), Some("a is not published yet"));
}

#[test]
fn who_looks_from_outside_is_told_of_former_addresses_too() {
    let one = |seed, until| AddressHealth {
        address: lucid_tunnel::onion::OnionKey::from_seed([seed; 32].into()).address(),
        until,
        stage: Stage::Waiting,
    };
    let port = |port| Port { port, target: "127.0.0.1:8080".parse().unwrap() };
    let service = ServiceHealth {
        name: gateway_name(),
        ephemeral: false,
        ports: vec![port(80), port(81)],
        clients: Vec::new(),
        addresses: vec![one(1, None), one(2, Some(9))],
    };
    let fronts: Vec<_> = Front::of(&service).iter().map(|f| (f.address, f.port)).collect();
    assert_eq!(fronts, [(one(1, None).address, 80), (one(2, None).address, 80)]);
    assert!(Front::of(&ServiceHealth { ports: Vec::new(), ..service }).is_empty());
}

#[test]
fn only_the_gateway_is_asked_what_the_gateway_answers() {
    use lucid_tunnel::Probe;
    let health = Probe::Http { path: "/health".to_owned() };
    assert_eq!(outside::probe(&gateway_name(), 80), health);
    assert_eq!(outside::probe(&named("site"), 80), Probe::Connection);
    assert_eq!(outside::probe(&gateway_name(), 443), Probe::Connection);
    let ssh = Probe::Greeting { begins: "SSH-2.0-".to_owned() };
    assert_eq!(outside::probe(&named("ssh"), 22), ssh);
}
