//! A whole network.

use std::{fs, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{
    TestingError, bandwidths,
    ports::own_address,
    tor::{Tor, private_folder, run},
    torrc::{COMMON, Role},
};

/// Directory authorities: two of three make a majority.
const AUTHORITIES: usize = 3;
/// How long a network may take to be there, on a machine that has other things to do.
const READY: Duration = Duration::from_mins(2);
/// What the authorities' keys are locked with: they are nobody's.
const PASSPHRASE: &str = "loopback\n";

/// How a network is to be.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// Where it is; at an address of loopback of its own unless it is given.
    pub address: Option<Ipv4Addr>,
    /// Relays beside the authorities, which are relays too.
    pub relays: usize,
    /// Lines for every relay's torrc.
    pub of_relays: String,
    /// Whether the authorities are told that all relays carry as much, so that clients choose any of them alike; the
    /// authorities themselves are then hardly ever chosen, since tor leaves them unmeasured. Without it, relays that have
    /// just begun carried nothing, and nearly all circuits go through the few that carried something: those of a client and
    /// of an onion service have relays in common.
    pub is_measured: bool,
    /// Lines for each client's torrc; as many clients as entries.
    pub clients: Vec<String>,
}

impl Default for NetworkOptions {
    /// Six relays with the authorities; one client to serve and one to ask.
    fn default() -> Self {
        let cookie = "CookieAuthentication 1\n".to_owned();
        let clients = vec![cookie.clone(), cookie];
        Self { address: None, relays: 3, of_relays: String::new(), is_measured: false, clients }
    }
}

/// The network. Its tors are killed when it is dropped.
pub struct Network {
    /// The authorities, then the relays.
    pub relays: Vec<Tor>,
    /// The clients, in the order of the options.
    pub clients: Vec<Tor>,
    /// What any other tor has to be told to be a client of it.
    pub torrc: String,
    _folder: TempDir,
}

impl Network {
    /// Starts a network, and waits until every client can use it.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn start(options: &NetworkOptions) -> Result<Self, TestingError> {
        let folder = TempDir::new().map_err(|e| TestingError::of("a folder for tor", e))?;
        let root = &folder.path().to_owned();
        let of_relays = options.of_relays.as_str();
        let address = options.address.unwrap_or_else(own_address);
        let make = |role, name: String, more: &str| Tor::new(&name, root, address, role, more);
        let mut relays = Vec::new();
        let measured = options.is_measured.then_some(root.as_path());
        let of_authorities =
            format!("{of_relays}{}", measured.map_or(String::new(), bandwidths::torrc));
        for number in 0..AUTHORITIES {
            relays.push(make(Role::Authority, format!("authority{number}"), &of_authorities)?);
        }
        let authorities: Vec<String> =
            relays.iter().map(|tor| authority(tor, root)).collect::<Result<_, _>>()?;
        for number in 0..options.relays {
            relays.push(make(Role::Relay, format!("relay{number}"), of_relays)?);
        }
        let mut clients = Vec::new();
        for (number, more) in options.clients.iter().enumerate() {
            clients.push(make(Role::Client, format!("client{number}"), more)?);
        }
        let authorities = authorities.concat();
        let torrc = format!("{COMMON}{authorities}");
        let mut network = Self { relays, clients, torrc, _folder: folder };
        let ready = network.start_all(&authorities, measured);
        // What kept them from it is in the log of who ended, if anybody did.
        match network.relays.iter_mut().find_map(|tor| tor.has_ended().then(|| tor.log_tail())) {
            Some(tail) => Err(TestingError::of("a relay ended by itself; its log ends", tail)),
            None => ready.map(|()| network),
        }
    }

    /// Relays first: a client that got a consensus with one of them missing would not ask for the next for minutes.
    fn start_all(
        &mut self,
        authorities: &str,
        measured: Option<&Path>,
    ) -> Result<(), TestingError> {
        let count = self.relays.len();
        for tor in &mut self.relays {
            tor.configure(authorities)?;
            tor.start()?;
        }
        if let Some(root) = measured {
            bandwidths::write(root, &self.relays, READY)?;
        }
        let measured = measured.map_or(0, |_| count - AUTHORITIES);
        self.relays.iter().try_for_each(|relay| relay.wait_until_known(count, measured, READY))?;
        for tor in &mut self.clients {
            tor.configure(authorities)?;
            tor.start()?;
        }
        self.clients.iter().try_for_each(|client| client.wait_until_ready(count, READY))
    }
}

/// Makes an authority's keys, and the line by which the others know it.
fn authority(tor: &Tor, root: &Path) -> Result<String, TestingError> {
    let keys = tor.folder().join("keys");
    private_folder(&keys)?;
    let passphrase = root.join("passphrase");
    fs::write(&passphrase, PASSPHRASE).map_err(|e| TestingError::of("a passphrase", e))?;
    let ports = tor.ports();
    let directory = format!("{}:{}", ports.address, ports.directory);
    // Its passphrase comes from a descriptor, which a shell can open.
    let mut gencert = Command::new("sh");
    gencert.args(["-c", "exec tor-gencert --create-identity-key --passphrase-fd 3 -m 12 -a \"$1\" -i \"$2\" -s \"$3\" -c \"$4\" 3<\"$5\"", "sh"]);
    gencert.arg(&directory);
    for name in ["authority_identity_key", "authority_signing_key", "authority_certificate"] {
        gencert.arg(keys.join(name));
    }
    gencert.arg(&passphrase);
    run(gencert, "tor-gencert failed")?;
    let certificate = fs::read_to_string(keys.join("authority_certificate"));
    let certificate = certificate.map_err(|e| TestingError::of("an authority's certificate", e))?;
    let identity = certificate.lines().find_map(|line| line.strip_prefix("fingerprint "));
    let identity =
        identity.ok_or_else(|| TestingError("tor-gencert made no fingerprint".to_owned()))?;
    let mut fingerprint = Command::new("tor");
    fingerprint.args(["--ignore-missing-torrc", "-f", "/dev/null", "--quiet"]);
    fingerprint.args(["--list-fingerprint", "--orport", "1", "--nickname", &tor.name]);
    // It wants an authority, whichever.
    fingerprint.args(["--dirauthority", "x 127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff"]);
    fingerprint.arg("--datadirectory").arg(tor.folder());
    let printed = run(fingerprint, "tor --list-fingerprint failed")?;
    let digits = printed.lines().last().and_then(|line| line.split_once(' '));
    let digits = digits.ok_or_else(|| TestingError("tor has no fingerprint".to_owned()))?;
    let digits: String = digits.1.split(' ').collect();
    let (name, relay) = (&tor.name, ports.relay);
    Ok(format!(
        "DirAuthority {name} orport={relay} no-v2 v3ident={identity} {directory} {digits}\n"
    ))
}
