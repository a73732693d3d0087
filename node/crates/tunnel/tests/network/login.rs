//! Who may control tor.

use std::time::Duration;

use lucid_tunnel::{
    Link, TunnelError, TunnelOptions, Tunnels,
    control::{ControlAddress, Controller, Credentials, Password},
};

use crate::world::{PASSWORD, TIME, World, run};

pub(crate) async fn whoever_may_control_tor_is_asked(world: &mut World) {
    let at: ControlAddress = world.service().control().parse().unwrap();
    let cookie = Credentials::Cookie(None);
    let tor = Controller::open(&at, &cookie).await.unwrap();
    assert!(tor.version().starts_with("0.4."), "{}", tor.version());
    assert!(tor.bootstrap().await.unwrap().is_done());
    assert!(tor.is_network_up().await.unwrap() && tor.has_circuits().await.unwrap());
    assert!(tor.circuits().await.unwrap().built > 0);
    assert!(tor.uptime().await.unwrap() < Duration::from_mins(10));
    tor.new_circuits().await.unwrap();

    let password = |text: &str| Credentials::Password(Password::parse(text).unwrap());
    Controller::open(&at, &password(PASSWORD)).await.unwrap();
    let refused = |error: Result<Controller, TunnelError>| error.err().expect("refused");
    let error = refused(Controller::open(&at, &password("other")).await);
    assert!(matches!(error, TunnelError::WrongPassword), "{error}");
    assert!(!error.to_string().contains("other"));
    let error = refused(Controller::open(&at, &Credentials::Nothing).await);
    assert!(matches!(error, TunnelError::NoMethod { .. }), "{error}");

    let file = world.folder.path().join("cookie");
    let own = Credentials::Cookie(Some(file.clone()));
    let error = refused(Controller::open(&at, &own).await);
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    std::fs::write(&file, [1; 32]).unwrap();
    let error = refused(Controller::open(&at, &own).await);
    assert!(matches!(error, TunnelError::Impostor), "it does not know our cookie: {error}");

    let port = lucid_tunnel_testing::free_port(std::net::Ipv4Addr::LOCALHOST);
    let nobody = format!("127.0.0.1:{port}").parse().unwrap();
    let error = refused(Controller::open(&nobody, &cookie).await);
    assert!(error.to_string().contains("apt-get install tor"), "{error}");

    // The same as the operator sees it.
    let options = TunnelOptions { credentials: password("other"), ..world.options() };
    let running = run(Tunnels::open(options).await.unwrap());
    let mut health = running.tunnels.health();
    let waiting = health.wait_for(|health| matches!(health.link, Link::Down { .. }));
    tokio::time::timeout(TIME, waiting).await.unwrap().unwrap();
    let problem = running.tunnels.health().borrow().problem().unwrap();
    assert!(problem.contains("tor_password"), "{problem}");
    running.stop().await;
}
