//! Where the node's connections go when they are to go through a proxy: there, by name, or nowhere.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use lucid_core::note::{CosigningKey, KeyName};

use crate::{
    server::{Form, Server},
    support::BINARY,
};

const PATIENCE: Duration = Duration::from_mins(1);
/// A key of TRON that is nobody's.
const TRON_KEY: &str = "da146374a75310b9666e834ee4ad0866d6f4035967bfc76217c5a495fff9f0d0";

/// A SOCKS5 proxy that reaches nobody, and remembers who asked for whom: user name, host as it came, port.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let told = Arc::clone(&asked);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let told = Arc::clone(&told);
                thread::spawn(move || {
                    if let Ok(one) = asked_for(stream.unwrap()) {
                        told.lock().unwrap().push(one);
                    }
                });
            }
        });
        Self { address, asked }
    }

    fn wait_for(&self, user: &str, target: &str) {
        let start = Instant::now();
        let is_it = |(by, whom): &(String, String)| by == user && whom == target;
        while !self.asked.lock().unwrap().iter().any(is_it) {
            let asked = self.asked.lock().unwrap().clone();
            assert!(start.elapsed() < PATIENCE, "{user} does not ask for {target}: {asked:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// RFC 1928 and 1929, as far as a client's first words.
fn asked_for(mut stream: TcpStream) -> std::io::Result<(String, String)> {
    let text = |stream: &mut TcpStream| {
        let mut length = [0];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; length[0].into()];
        stream.read_exact(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let mut head = [0; 1];
    stream.read_exact(&mut head)?;
    assert!(text(&mut stream)?.contains(&2), "no user name is offered");
    stream.write_all(&[5, 2])?;
    stream.read_exact(&mut head)?;
    let user = String::from_utf8(text(&mut stream)?).unwrap();
    text(&mut stream)?;
    stream.write_all(&[1, 0])?;
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    assert_eq!(request, [5, 1, 0, 3], "it was not asked for a name");
    let host = String::from_utf8(text(&mut stream)?).unwrap();
    let mut port = [0; 2];
    stream.read_exact(&mut port)?;
    // Host unreachable.
    stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok((user, format!("{host}:{}", u16::from_be_bytes(port))))
}

/// A node with everything that connects to others, each `host` of its own.
fn outgoing(host: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let witness = CosigningKey::from_seed(KeyName::new("example.org/w").unwrap(), &[7; 32]);
    let (tron, mongo, others) = (host("tron"), host("mongo"), host("witness"));
    vec![
        ("LUCID_TRON_NETWORK", "custom".to_owned()),
        ("LUCID_TRON_RPC_URL", format!("http://{tron}:8090")),
        ("LUCID_TRON_PRIVATE_KEY", TRON_KEY.to_owned()),
        ("LUCID_MONGO_URL", format!("mongodb://{mongo}:27017")),
        ("LUCID_WITNESSES", format!("{} http://{others}:8080/", witness.verifier_key())),
        ("LUCID_WITNESS_INTERVAL_MS", "50".to_owned()),
    ]
}

#[test]
fn names_go_to_the_proxy_each_purpose_by_itself() {
    for form in Form::BOTH {
        let (folder, proxy) = (tempfile::tempdir().unwrap(), Proxy::start());
        let mut settings = outgoing(|name| format!("{name}.invalid"));
        settings.push(("LUCID_PROXY", format!("socks5h://{}", proxy.address)));
        settings.push(("LUCID_PROXY_ONLY", "true".to_owned()));
        let settings: Vec<_> = settings.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let server = Server::start_with(form, folder.path(), &settings);
        // Nothing is due that the node would ask TRON for by itself.
        let mut balance = Command::new(BINARY);
        balance.env_clear().envs(settings.iter().copied()).args(["tron", "balance"]);
        let refused = balance.current_dir(folder.path()).output().unwrap();
        assert_eq!(refused.status.code(), Some(74), "{}", String::from_utf8_lossy(&refused.stderr));
        proxy.wait_for("lucid-tron", "tron.invalid:8090");
        proxy.wait_for("lucid-mongo", "mongo.invalid:27017");
        proxy.wait_for("lucid-witness", "witness.invalid:8080");
        server.stop();
    }
}

/// A node in a network of its own, out of which one way leads that nobody is at the end of.
struct Alone(Child);

impl Alone {
    fn start(folder: &Path, settings: &[(&str, String)]) -> Self {
        // Names are asked of somebody out there, too.
        fs::write(folder.join("resolv.conf"), "nameserver 203.0.113.53\n").unwrap();
        let script = "ip link set lo up && ip link add out type veth peer name end \
                      && ip link set out addrgenmode none && ip link set end addrgenmode none && ip link set end up \
                      && ip addr add 203.0.113.1/24 dev out && ip link set out up && ip route add default dev out \
                      && mount --bind resolv.conf /etc/resolv.conf \
                      && { \"$0\" tron balance >/dev/null & } && exec \"$0\" run --data node";
        let mut command = Command::new("unshare");
        // root needs no namespace of users for the others.
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        command.args(if is_root { None } else { Some("--map-root-user") });
        command.args(["--net", "--mount", "sh", "-c", script, BINARY]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(folder);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listens at"), "it needs iproute2 and namespaces: {line:?}");
        Self(child)
    }

    /// Packets that left, or would have.
    fn sent(&self) -> u64 {
        let table = fs::read_to_string(format!("/proc/{}/net/dev", self.0.id())).unwrap();
        let line = table.lines().find_map(|line| line.trim().strip_prefix("out:")).unwrap();
        line.split_whitespace().nth(9).unwrap().parse().unwrap()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The proxy is away, and there is no other way out: not by address, not by name, not to a name server.
#[test]
fn without_its_proxy_no_packet_leaves() {
    for named in [false, true] {
        let host = |name: &str| match (named, name) {
            (true, name) => format!("{name}.example"),
            (false, "tron") => "203.0.113.5".to_owned(),
            (false, "mongo") => "203.0.113.6".to_owned(),
            (false, _) => "203.0.113.7".to_owned(),
        };
        // That packets are counted shows whoever needs no proxy.
        let place = tempfile::tempdir().unwrap();
        let open = Alone::start(place.path(), &outgoing(host));
        let start = Instant::now();
        while open.sent() == 0 {
            assert!(start.elapsed() < PATIENCE, "nothing leaves without a proxy either");
            thread::sleep(Duration::from_millis(50));
        }
        drop(open);
        let place = tempfile::tempdir().unwrap();
        let mut settings = outgoing(host);
        settings.push(("LUCID_PROXY", "socks5h://127.0.0.1:9".to_owned()));
        settings.push(("LUCID_PROXY_ONLY", "true".to_owned()));
        let closed = Alone::start(place.path(), &settings);
        // Longer than it took the other one, and each has been tried more than once.
        thread::sleep(start.elapsed() + Duration::from_secs(4));
        assert_eq!(closed.sent(), 0, "named: {named}");
    }
}
