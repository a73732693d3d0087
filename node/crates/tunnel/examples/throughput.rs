//! How fast an onion service is, against plain SOCKS through the same tor to an exit, in a network on loopback.
//!
//! `throughput [MIB] [ROUNDS] [MBIT] [RELAYS]`: MIB (64) are sent to a server and fetched from it, ROUNDS (3) times each way
//! in turn. With MBIT each relay carries at most that many megabits a second, as relays do; without it all that
//! counts is this machine's processor, which does the work of every relay: of three on the plain way, of six or more
//! on the onion's.
//!
//! RELAYS (18) are beside three authorities, which are told that all of them carry as much. There are that many so that
//! the client's way to the rendezvous point and the service's seldom have a relay in common, as they hardly ever have in
//! the network at large: one that carries everything twice halves what comes through.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    env,
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_tunnel::{
    Keep, KeepError, KeyName, NewService, Probe, TunnelOptions, Tunnels,
    control::{Credentials, Port},
    socks::{Proxy, Target},
    verify,
};
use lucid_tunnel_testing::{Network, NetworkOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const TIME: Duration = Duration::from_mins(2);
/// The port of a server that greets.
const GREETING: u16 = 81;
const PIECE_BYTES: usize = 64 << 10;

/// Nothing is kept: the service is ephemeral.
struct Nothing;

impl Keep for Nothing {
    fn load(&self) -> Result<Option<Vec<u8>>, KeepError> {
        Ok(None)
    }

    fn save(&self, _: &[u8]) -> Result<(), KeepError> {
        Err(KeepError("nothing is kept here".into()))
    }

    fn key(&self, _: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        Err(KeepError("nothing is kept here".into()))
    }

    fn key_names(&self) -> Result<Vec<KeyName>, KeepError> {
        Ok(Vec::new())
    }

    fn make_key(&self, _: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        Err(KeepError("nothing is kept here".into()))
    }

    fn remove_key(&self, _: &KeyName) -> Result<(), KeepError> {
        Ok(())
    }
}

fn argument(place: usize, otherwise: u64) -> Result<u64, Box<dyn Error>> {
    env::args().nth(place).map_or(Ok(otherwise), |text| Ok(text.parse()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mib, rounds, mbit) = (argument(1, 64)?, argument(2, 3)?, argument(3, 0)?);
    let bytes = mib << 20;
    let of_relays = match mbit {
        0 => String::new(),
        mbit => format!("BandwidthRate {mbit} MBits\nBandwidthBurst {mbit} MBits\n"),
    };
    let relays = usize::try_from(argument(4, 18)?)?;
    let options =
        NetworkOptions { relays, of_relays, is_measured: true, ..NetworkOptions::default() };
    let begun = Instant::now();
    let network = tokio::task::spawn_blocking(move || Network::start(&options)).await??;
    println!("network of {} relays: {:.1} s", relays + 3, begun.elapsed().as_secs_f64());
    let server = serve().await?;
    let [service, asker] = network.clients.as_slice() else { return Err("two clients".into()) };
    let (tunnels, serving) = Tunnels::open(TunnelOptions {
        control: service.control().parse()?,
        credentials: Credentials::Cookie(None),
        detach: false,
        keep: Arc::new(Nothing),
    })
    .await?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(serving.run(stop.clone()));
    let greeting = Port { port: GREETING, target: greet().await? };
    let (name, ports) = ("throughput".parse()?, vec![server, greeting]);
    let new = NewService { name, ports, clients: Vec::new(), ephemeral: true };
    let begun = Instant::now();
    let address = tunnels.create(new).await?;
    tunnels.published(address, TIME).await?;
    println!("published after {:.1} s", begun.elapsed().as_secs_f64());
    let proxy: Proxy = format!("socks5h://{}", asker.socks()).parse()?;
    // The first connection waits until the network has the descriptor.
    let probe = Probe::Greeting { begins: "well".into() };
    let verified = verify(&proxy, address, GREETING, &probe, TIME).await?;
    println!("connected after {} attempts in {:?}", verified.attempts, verified.connect);
    let onion = Target::new(&address.to_string(), server.port)?;
    let plain = Target::new("127.0.0.1", server.target.port())?;
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for (way, ratios) in [Way::To, Way::From].into_iter().zip(&mut ratios) {
            // Circuits of its own each time, through relays that tor chooses anew.
            let proxy = proxy.isolated("throughput", 2 * round + u64::from(way == Way::To));
            let by_onion = once(&proxy, &onion, way, bytes).await?;
            let by_exit = once(&proxy, &plain, way, bytes).await?;
            let rate = |time: Duration| mib as f64 / time.as_secs_f64();
            let ratio = by_exit.as_secs_f64() / by_onion.as_secs_f64();
            println!(
                "round {round}, {} server: onion {:.2} MiB/s, plain {:.2} MiB/s, ratio {ratio:.2}",
                if way == Way::To { "to the" } else { "from the" },
                rate(by_onion),
                rate(by_exit),
            );
            ratios.push(ratio);
        }
    }
    for (way, ratios) in ["to", "from"].into_iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        println!("median ratio {way} the server: {median:.2}");
    }
    stop.cancel();
    task.await?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    To,
    From,
}

/// A question is nine bytes, the way and how many bytes; they are answered with one byte once they are there, or with
/// themselves.
async fn once(
    proxy: &Proxy,
    target: &Target,
    way: Way,
    bytes: u64,
) -> Result<Duration, Box<dyn Error>> {
    let mut stream = proxy.connect(target, TIME).await?;
    let begun = Instant::now();
    stream.write_u8(u8::from(way == Way::To)).await?;
    stream.write_u64(bytes).await?;
    match way {
        Way::To => {
            send(&mut stream, bytes).await?;
            stream.read_u8().await?;
        }
        Way::From => receive(&mut stream, bytes).await?,
    }
    Ok(begun.elapsed())
}

async fn serve() -> Result<Port, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Err(error) = answer(stream).await {
                    println!("the server: {error}");
                }
            });
        }
    });
    Ok(Port { port: 80, target })
}

/// A server that says one line.
async fn greet() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Err(error) = stream.write_all(b"well\r\n").await {
                println!("the greeting: {error}");
            }
        }
    });
    Ok(at)
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let is_to_us = stream.read_u8().await? == 1;
    let bytes = stream.read_u64().await?;
    if is_to_us {
        receive(&mut stream, bytes).await?;
        return stream.write_u8(0).await;
    }
    send(&mut stream, bytes).await
}

/// Sends what does not shrink: a counter, hashed cheaply.
async fn send(stream: &mut TcpStream, mut bytes: u64) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for byte in &mut piece {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
    while bytes > 0 {
        let count = bytes.min(PIECE_BYTES as u64);
        stream.write_all(&piece[..count as usize]).await?;
        bytes -= count;
    }
    Ok(())
}

async fn receive(stream: &mut TcpStream, mut bytes: u64) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    while bytes > 0 {
        let count = stream.read(&mut piece).await? as u64;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.saturating_sub(count);
    }
    Ok(())
}
