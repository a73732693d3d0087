//! Without tor: what is on disk after each thing that can fail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::*;
use crate::{
    onion::OnionKey,
    ports::{KeepError, KeyName},
    service::List,
};

/// A disk. Its `fail_at`th change fails, as do all after it: the process is dead.
#[derive(Default)]
struct Disk {
    list: Option<Vec<u8>>,
    keys: BTreeMap<KeyName, [u8; 32]>,
    changes: usize,
    fail_at: Option<usize>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Disk>>);

impl Kept {
    fn change(&self, change: impl FnOnce(&mut Disk)) -> Result<(), KeepError> {
        let mut disk = self.0.lock().unwrap();
        disk.changes += 1;
        if disk.fail_at.is_some_and(|at| disk.changes >= at) {
            return Err(KeepError("scripted".into()));
        }
        change(&mut disk);
        Ok(())
    }

    /// Starts anew with what is there; from the `fail_at`th change on it fails.
    fn restart(&self, fail_at: Option<usize>) {
        let mut disk = self.0.lock().unwrap();
        (disk.changes, disk.fail_at) = (0, fail_at);
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys.keys().map(KeyName::to_string).collect()
    }
}

impl Keep for Kept {
    fn load(&self) -> Result<Option<Vec<u8>>, KeepError> {
        Ok(self.0.lock().unwrap().list.clone())
    }

    fn save(&self, list: &[u8]) -> Result<(), KeepError> {
        self.change(|disk| disk.list = Some(list.to_vec()))
    }

    fn key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        let disk = self.0.lock().unwrap();
        let key = disk.keys.get(name).copied().map(Zeroizing::new);
        key.ok_or_else(|| KeepError(format!("{name} is not there")))
    }

    fn key_names(&self) -> Result<Vec<KeyName>, KeepError> {
        Ok(self.0.lock().unwrap().keys.keys().cloned().collect())
    }

    fn make_key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        if let Ok(key) = self.key(name) {
            return Ok(key);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).unwrap();
        self.change(|disk| {
            disk.keys.insert(name.clone(), key);
        })?;
        Ok(Zeroizing::new(key))
    }

    fn remove_key(&self, name: &KeyName) -> Result<(), KeepError> {
        self.change(|disk| {
            disk.keys.remove(name);
        })
    }
}

/// Runs it with a tor that is not there.
async fn with<T>(keep: &Kept, work: impl AsyncFnOnce(&Tunnels) -> T) -> T {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = TunnelOptions {
        control: format!("127.0.0.1:{port}").parse().unwrap(),
        credentials: Credentials::Cookie(None),
        detach: false,
        keep: Arc::new(keep.clone()),
    };
    let (tunnels, serving) = Tunnels::open(options).await.unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serving.run(stop.clone()));
    let done = work(&tunnels).await;
    stop.cancel();
    task.await.unwrap();
    done
}

fn name() -> ServiceName {
    "gateway".parse().unwrap()
}

fn new(ephemeral: bool) -> NewService {
    let port = Port { port: 80, target: "127.0.0.1:8080".parse().unwrap() };
    NewService { name: name(), ports: vec![port], clients: Vec::new(), ephemeral }
}

/// The addresses that would be served: those in the list whose keys are there and fit.
fn served(keep: &Kept) -> Vec<OnionAddress> {
    let Some(list) = keep.load().unwrap() else { return Vec::new() };
    let list = List::parse(&list).unwrap();
    let mut served = Vec::new();
    for service in list.services() {
        for entry in &service.keys {
            let key = keep.key(&service.key_name(entry)).unwrap();
            assert_eq!(OnionKey::from_seed(key).address(), entry.address);
            served.push(entry.address);
        }
    }
    served
}

#[tokio::test]
async fn a_crash_leaves_the_former_address_or_both() {
    let grace = Duration::from_hours(1);
    for fail_at in 1..=4 {
        let keep = Kept::default();
        let old = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
        keep.restart(Some(fail_at));
        let rotated = with(&keep, async |tunnels| tunnels.rotate(name(), grace).await).await;
        let left = served(&keep);
        assert_eq!(left.last(), Some(&old), "failing at change {fail_at}");
        assert_eq!(rotated.as_ref().ok(), (left.len() == 2).then(|| &left[0]), "{fail_at}");
        assert_eq!(rotated.is_ok(), fail_at == 4, "what was left, a key, then the list: {fail_at}");
        // Another attempt leaves nothing of the first.
        keep.restart(None);
        if rotated.is_err() {
            with(&keep, async |tunnels| tunnels.rotate(name(), grace).await.unwrap()).await;
        }
        assert_eq!((served(&keep).len(), served(&keep)[1]), (2, old));
        assert_eq!(keep.names(), ["onion-gateway-1", "onion-gateway-2"]);
    }
}

#[tokio::test]
async fn what_is_behind_an_address_changes_without_it() {
    let keep = Kept::default();
    let to = |target: &str| vec![Port { port: 80, target: target.parse().unwrap() }];
    let behind = |keep: &Kept| {
        let list = List::parse(&keep.load().unwrap().unwrap()).unwrap();
        list.services()[0].ports.clone()
    };
    with(&keep, async |tunnels| {
        let address = tunnels.create(new(false)).await.unwrap();
        tunnels.set_ports(name(), to("127.0.0.1:9")).await.unwrap();
        assert_eq!((behind(&keep), served(&keep)), (to("127.0.0.1:9"), vec![address]));
        let changes = keep.0.lock().unwrap().changes;
        tunnels.set_ports(name(), to("127.0.0.1:9")).await.unwrap();
        assert_eq!(keep.0.lock().unwrap().changes, changes, "nothing is new");
        let none = tunnels.set_ports(name(), Vec::new()).await;
        assert!(matches!(none, Err(TunnelError::Service(_))));
        let other = tunnels.set_ports("other".parse().unwrap(), to("127.0.0.1:9")).await;
        assert!(matches!(other, Err(TunnelError::NoService(_))));
        assert_eq!(tunnels.health().borrow().services[0].ports, to("127.0.0.1:9"));
    })
    .await;
}

#[tokio::test]
async fn clients_are_durable_when_they_are_told_and_the_address_stays() {
    let client = |name: &str, seed| {
        let key = crate::onion::ClientKey::from_bytes(Zeroizing::new([seed; 32])).public();
        Client { name: name.parse().unwrap(), key }
    };
    let clients = |keep: &Kept| {
        let list = List::parse(&keep.load().unwrap().unwrap()).unwrap();
        list.services()[0].clients.clone()
    };
    let keep = Kept::default();
    let address = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
    let phone = || vec![client("phone", 1)];
    keep.restart(Some(1));
    let failed = with(&keep, async |tunnels| tunnels.add_clients(name(), phone(), false).await);
    assert!(failed.await.is_err() && clients(&keep).is_empty());
    keep.restart(None);
    with(&keep, async |tunnels| {
        tunnels.add_clients(name(), phone(), false).await.unwrap();
        assert_eq!(clients(&keep), phone());
        assert!(tunnels.add_clients(name(), phone(), false).await.is_err());
        let names = || vec!["phone".parse().unwrap()];
        let last = tunnels.remove_clients(name(), names(), false).await;
        assert!(matches!(last, Err(TunnelError::LastClient(_))) && clients(&keep) == phone());
        tunnels.remove_clients(name(), names(), true).await.unwrap();
    })
    .await;
    assert_eq!((clients(&keep), served(&keep)), (Vec::new(), vec![address]));
}

#[tokio::test]
async fn an_address_is_told_only_once_it_is_durable() {
    for fail_at in 1..=3 {
        let keep = Kept::default();
        keep.restart(Some(fail_at));
        let made = with(&keep, async |tunnels| tunnels.create(new(false)).await).await;
        assert!(made.is_err() && served(&keep).is_empty(), "{fail_at}");
        keep.restart(None);
        let made = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
        assert_eq!(served(&keep), [made]);
    }
}

/// As a backup of secrets alone leaves it.
#[tokio::test]
async fn a_key_without_a_list_is_taken_up() {
    let keep = Kept::default();
    let new_address = with(&keep, async |tunnels| {
        tunnels.create(new(false)).await.unwrap();
        tunnels.rotate(name(), Duration::from_secs(9)).await.unwrap()
    })
    .await;
    keep.0.lock().unwrap().list = None;
    with(&keep, async |tunnels| {
        // One that is nowhere on disk takes nothing up, and nothing with it.
        assert_ne!(tunnels.create(new(true)).await.unwrap(), new_address);
        tunnels.take_down(name()).await.unwrap();
        assert_eq!(keep.names(), ["onion-gateway-1", "onion-gateway-2"]);
        assert_eq!(tunnels.create(new(false)).await.unwrap(), new_address);
        assert_eq!(served(&keep), [new_address]);
        // Taken down it stays down, and nothing of it is left.
        tunnels.take_down(name()).await.unwrap();
        assert!(keep.names().is_empty());
        assert_ne!(tunnels.create(new(false)).await.unwrap(), new_address);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_made_leaves_no_key() {
    let keep = Kept::default();
    with(&keep, async |tunnels| {
        let service = NewService { ports: Vec::new(), ..new(false) };
        assert!(matches!(tunnels.create(service).await, Err(TunnelError::Service(_))));
    })
    .await;
    assert!(keep.names().is_empty());
}

#[tokio::test]
async fn what_is_taken_down_is_destroyed() {
    let keep = Kept::default();
    with(&keep, async |tunnels| {
        tunnels.create(new(false)).await.unwrap();
        tunnels.rotate(name(), Duration::from_secs(9)).await.unwrap();
        assert_eq!(keep.names().len(), 2);
        tunnels.take_down(name()).await.unwrap();
        let again = tunnels.take_down(name()).await;
        assert!(matches!(again, Err(TunnelError::NoService(_))));
    })
    .await;
    assert!(served(&keep).is_empty() && keep.names().is_empty());
}

/// A crash between the list and the key's file.
#[tokio::test]
async fn an_address_that_was_taken_down_does_not_come_back() {
    let keep = Kept::default();
    let old = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
    keep.restart(Some(2));
    let failed = with(&keep, async |tunnels| tunnels.take_down(name()).await).await;
    assert!(failed.is_err() && served(&keep).is_empty() && keep.names().len() == 1);
    keep.restart(None);
    let next = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
    assert_ne!(next, old);
    assert_eq!(served(&keep), [next]);
}

#[tokio::test]
async fn what_is_ephemeral_is_nowhere_on_disk() {
    let keep = Kept::default();
    with(&keep, async |tunnels| {
        tunnels.create(new(true)).await.unwrap();
        tunnels.rotate(name(), Duration::from_secs(9)).await.unwrap();
        assert!(matches!(tunnels.create(new(false)).await, Err(TunnelError::Exists(_))));
    })
    .await;
    assert!(keep.load().unwrap().is_none() && keep.names().is_empty());
}

#[tokio::test]
async fn without_tor_it_says_so_and_a_lost_key_is_named() {
    let keep = Kept::default();
    let address = with(&keep, async |tunnels| tunnels.create(new(false)).await.unwrap()).await;
    keep.0.lock().unwrap().keys.clear();
    with(&keep, async |tunnels| {
        let mut health = tunnels.health();
        let down = health.wait_for(|health| matches!(health.link, Link::Down { .. })).await;
        let problem = down.unwrap().problem().unwrap();
        assert!(problem.contains("apt-get install tor"), "{problem}");
        let error = tunnels.refresh(name()).await.unwrap_err();
        assert!(error.to_string().contains("apt-get install tor"), "{error}");
        let error = tunnels.published(address, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, TunnelError::NotPublished { .. }), "{error}");
    })
    .await;
    let list = keep.load().unwrap().unwrap();
    keep.0.lock().unwrap().list = Some(list[1..].to_vec());
    let options = TunnelOptions {
        control: "127.0.0.1:1".parse().unwrap(),
        credentials: Credentials::Nothing,
        detach: false,
        keep: Arc::new(keep),
    };
    let error = Tunnels::open(options).await.err().unwrap();
    assert!(matches!(error, TunnelError::State(_)), "{error}");
}
