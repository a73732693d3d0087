//! A Tor network for tests that are no Rust: `tor-network ADDRESS FOLDER`.
//!
//! Starts one at ADDRESS, three authorities, three relays and a client, and leaves in FOLDER `torrc`, what any other tor has
//! to be told, and then `socks`, the client's address and port: it is ready when that is there. Ends with its standard
//! input, and all its tors with it.

use std::{env, error::Error, fs, io, net::Ipv4Addr, path::PathBuf};

use lucid_tunnel_testing::{Network, NetworkOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = env::args().skip(1).collect();
    let [address, folder] = given.as_slice() else {
        return Err("usage: tor-network ADDRESS FOLDER".into());
    };
    let (address, folder): (Ipv4Addr, _) = (address.parse()?, PathBuf::from(folder));
    let options = NetworkOptions {
        address: Some(address),
        clients: vec![String::new()],
        ..NetworkOptions::default()
    };
    let network = Network::start(&options)?;
    let client = network.clients.first().ok_or("no client")?;
    fs::write(folder.join("torrc"), &network.torrc)?;
    let (socks, part) = (folder.join("socks"), folder.join("socks.part"));
    fs::write(&part, client.socks())?;
    fs::rename(part, socks)?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
