//! The network, a server behind the service, and a data folder.

use std::{error::Error, process::Command, sync::Arc, time::Duration};

use lucid_store::{Disk, StoreError, TunnelFiles};
use lucid_tunnel::{
    Keep, KeepError, KeyName, NewService, Serving, TunnelOptions, Tunnels,
    control::{Credentials, Port},
    service::LIST_BYTES_MAX,
    socks::Proxy,
};
use lucid_tunnel_testing::{Network, NetworkOptions, Tor};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How long anything may take on a machine that has other things to do.
pub(crate) const TIME: Duration = Duration::from_secs(90);
/// The password of [`World::service`]'s tor, and its hash (`tor --hash-password`).
pub(crate) const PASSWORD: &str = "a \"quoted\\ word";

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) server: Port,
    pub(crate) folder: TempDir,
}

/// Keys and list in a data folder, as the node has them.
pub(crate) struct Files(pub(crate) TunnelFiles);

fn said<T>(result: Result<T, StoreError>) -> Result<T, KeepError> {
    result.map_err(|error| {
        let mut text = error.to_string();
        let mut inner: &dyn Error = &error;
        while let Some(source) = inner.source() {
            text = format!("{text}: {source}");
            inner = source;
        }
        KeepError(text)
    })
}

impl Keep for Files {
    fn load(&self) -> Result<Option<Vec<u8>>, KeepError> {
        said(self.0.list().load())
    }

    fn save(&self, list: &[u8]) -> Result<(), KeepError> {
        said(self.0.list().save(list))
    }

    fn key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        said(self.0.key(&name.to_string()))
    }

    fn key_names(&self) -> Result<Vec<KeyName>, KeepError> {
        Ok(said(self.0.key_names())?.iter().filter_map(|name| KeyName::parse(name)).collect())
    }

    fn make_key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        said(self.0.make_key(&name.to_string()))
    }

    fn remove_key(&self, name: &KeyName) -> Result<(), KeepError> {
        said(self.0.remove_key(&name.to_string()))
    }
}

/// Services that are being served.
pub(crate) struct Running {
    pub(crate) tunnels: Tunnels,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let hash = Command::new("tor").args(["--quiet", "--hash-password", PASSWORD]).output();
        let hash = String::from_utf8(hash.expect("apt-get install tor").stdout).unwrap();
        // Pairs of circuits, which tor makes ahead of need, keep six relays busy that have two cores between them.
        let cookie = "CookieAuthentication 1\nConfluxEnabled 0\n";
        let clients =
            vec![format!("{cookie}HashedControlPassword {}\n", hash.trim()), cookie.to_owned()];
        let options = NetworkOptions { clients, ..NetworkOptions::default() };
        let network = tokio::task::spawn_blocking(move || Network::start(&options)).await.unwrap();
        let network = network.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("secrets")).unwrap();
        Self { network, server: serve().await, folder }
    }

    /// The tor that serves.
    pub(crate) fn service(&mut self) -> &mut Tor {
        &mut self.network.clients[0]
    }

    /// The SOCKS port of the tor that asks: another one.
    pub(crate) fn proxy(&self) -> Proxy {
        format!("socks5h://{}", self.network.clients[1].socks()).parse().unwrap()
    }

    pub(crate) fn options(&self) -> TunnelOptions {
        let files = TunnelFiles::at(self.folder.path(), LIST_BYTES_MAX, &Disk::default());
        TunnelOptions {
            control: self.network.clients[0].control().parse().unwrap(),
            credentials: Credentials::Cookie(None),
            detach: false,
            keep: Arc::new(Files(files)),
        }
    }

    pub(crate) async fn run(&self) -> Running {
        run(Tunnels::open(self.options()).await.unwrap())
    }

    pub(crate) fn new_service(&self, name: &str) -> NewService {
        let (ports, clients) = (vec![self.server], Vec::new());
        NewService { name: name.parse().unwrap(), ports, clients, ephemeral: false }
    }
}

pub(crate) fn run((tunnels, serving): (Tunnels, Serving)) -> Running {
    let stop = CancellationToken::new();
    let task = tokio::spawn(serving.run(stop.clone()));
    Running { tunnels, stop, task }
}

/// A server of HTTP on loopback that answers everything with `well`.
async fn serve() -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Port { port: 80, target }
}

/// Fetches through a proxy as a stranger's client does: its status and body.
pub(crate) async fn curl(proxy: &Proxy, url: &str) -> Result<String, String> {
    let socks = proxy.address().to_string();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--socks5-hostname", &socks, url]);
    let output = tokio::task::spawn_blocking(move || curl.output()).await.unwrap();
    let output = output.expect("apt-get install curl");
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}
