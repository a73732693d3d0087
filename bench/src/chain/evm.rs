//! The EVM: calls in process and over HTTP, and blocks of registrations.
//!
//! The contracts are the node's own. In process, everything is on one thread; over HTTP the node is the real
//! program on one processor, and the clients, which keep their connections, are on the others.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use lucid_chain::{
    At, Call, Chain, ChainId, Genesis, HISTORY_BLOCKS, LogPosition, Signer, Transaction, Unsigned,
    alloy_primitives::{Address, Bytes, U256, hex, keccak256},
    contracts::{Contracts, Governance, REGISTRATIONS_MAX},
};
use lucid_core::{EntryIndex, Hash, Parameters, SessionId, Timestamp, entry::SessionSealed};
use lucid_store::{Disk, Projection};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine;

/// Connections that ask at once.
const CLIENTS: usize = 8;
/// As the node has it.
const CACHE_BYTES: u64 = 8 << 20;

/// What calls and blocks took.
#[derive(Default, Serialize)]
pub(super) struct Measured {
    /// `eth_call`s a second in process, each turn.
    pub(super) calls_in_process_s: Vec<f64>,
    /// `eth_call`s a second over HTTP, each turn.
    pub(super) calls_over_http_s: Vec<f64>,
    /// Processors that the node may use for them.
    pub(super) http_processors: usize,
    /// Clients on connections that they keep.
    pub(super) http_clients: usize,
    /// A block of registrations: execute, hash, write to the database, flush. Milliseconds, each block.
    pub(super) block_ms: Vec<f64>,
    /// The signatures of its transactions, made before. Milliseconds, each block.
    pub(super) sign_ms: Vec<f64>,
    /// Registrations in a block.
    pub(super) registrations: usize,
}

/// A question that a contract's view answers: `sessionCount()`.
fn question() -> Bytes {
    Bytes::copy_from_slice(&keccak256("sessionCount()")[..4])
}

/// Measures all of it, `rounds` turns of `turn` each, in `folder`.
pub(super) fn measure(node: &Path, folder: &Path, rounds: u32, turn: Duration) -> Result<Measured> {
    let mut measured = Measured {
        registrations: REGISTRATIONS_MAX,
        http_processors: 1,
        http_clients: CLIENTS,
        ..Measured::default()
    };
    let mut bench = Bench::open(&folder.join("evm"))?;
    let server = Server::start(node, &folder.join("served"))?;
    for _ in 0..rounds {
        // Side by side, so that a neighbour's load falls on all of them alike.
        let (sign, block) = bench.block()?;
        measured.sign_ms.push(sign);
        measured.block_ms.push(block);
        measured.calls_in_process_s.push(bench.calls(turn)?);
        measured.calls_over_http_s.push(server.calls(turn)?);
    }
    Ok(measured)
}

/// A chain with the contracts on it.
struct Bench {
    chain: Chain,
    database: Projection,
    signer: Signer,
    contracts: Contracts,
    nonce: u64,
}

impl Bench {
    fn open(folder: &Path) -> Result<Self> {
        let (database, _) = Projection::open(folder, "bench", CACHE_BYTES, &Disk::default())?;
        let signer = Signer::new(&[7; 32])?;
        let genesis = Genesis {
            allocations: [(signer.address(), U256::MAX >> 8)].into(),
            chain_id: ChainId(31_337),
            coinbase: signer.address(),
            time: Timestamp::from_unix_millis(0),
        };
        let chain = Chain::open(database.tree("chain")?, genesis, HISTORY_BLOCKS)?;
        let contracts = Contracts::of(signer.address());
        let mut bench = Self { chain, database, signer, contracts, nonce: 0 };
        let creations = bench.creations()?;
        bench.apply(creations)?;
        Ok(bench)
    }

    fn creations(&mut self) -> Result<Vec<Transaction>> {
        let governance = Governance {
            nodes: vec![(self.signer.address(), Hash::of(b"log key"))],
            voting_delay: 1,
            voting_period: 60,
            vote_extension: 30,
            quorum_percent: 50,
            timelock_delay: 10,
        };
        let inputs =
            self.contracts.creations(self.signer.address(), &governance, &Parameters::default())?;
        let create = |(nonce, input)| {
            let call = Unsigned::call(self.chain.chain_id(), nonce, Address::ZERO, input);
            self.signer.sign(Unsigned { to: None, ..call })
        };
        self.nonce = inputs.len() as u64;
        Ok((0..).zip(inputs).map(create).collect())
    }

    fn apply(&mut self, transactions: Vec<Transaction>) -> Result<()> {
        let size = self.chain.head().header.number.0 + 1;
        let log = LogPosition { size, root: Hash::of(&size.to_be_bytes()) };
        let proposal = self.chain.propose(Timestamp::from_unix_millis(1), log, transactions)?;
        ensure!(proposal.left_out.is_empty(), "the block does not hold all of them");
        ensure!(proposal.receipts.iter().all(|receipt| receipt.success), "one of them fails");
        self.chain.apply(proposal)?;
        Ok(self.database.flush()?)
    }

    /// A block of registrations; gives what signing them took, and the block, milliseconds.
    fn block(&mut self) -> Result<(f64, f64)> {
        let start = Instant::now();
        let first = self.nonce;
        self.nonce += REGISTRATIONS_MAX as u64;
        let registrations: Vec<_> = (first..self.nonce)
            .map(|nonce| {
                let index = EntryIndex(nonce);
                let sealed = sealed(nonce)?;
                let call = self.contracts.registration(&self.chain, nonce, index, &sealed);
                Ok(self.signer.sign(call))
            })
            .collect::<Result<_>>()?;
        let sign = start.elapsed();
        let start = Instant::now();
        self.apply(registrations)?;
        Ok((sign.as_secs_f64() * 1e3, start.elapsed().as_secs_f64() * 1e3))
    }

    /// Calls a second.
    fn calls(&self, turn: Duration) -> Result<f64> {
        let call = Call { to: Some(self.contracts.anchors), input: question(), ..Call::default() };
        let expected = U256::from(self.contracts.session_count(&self.chain)?);
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < turn {
            for _ in 0..100 {
                let output = self.chain.call(&call, At::Latest)?.output;
                ensure!(U256::from_be_slice(&output) == expected, "another answer: {output}");
            }
            calls += 100;
        }
        Ok(f64::from(calls) / start.elapsed().as_secs_f64())
    }
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn sealed(number: u64) -> Result<SessionSealed> {
    Ok(SessionSealed {
        at: Timestamp::from_unix_millis(1),
        chunk_count: 3,
        kind: Default::default(),
        manifest_hash: Hash::of(b"manifest"),
        merkle_root: Hash::of(&number.to_be_bytes()),
        // As long as a wallet's address.
        owner: "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8".parse()?,
        plain_bytes: 1 << 20,
        policy_hash: Hash::of(b"policy"),
        session_id: SessionId::from_random((u128::from(number) + 1).to_be_bytes()),
        v: Default::default(),
    })
}

/// A node with a chain, on one processor. Killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// The request, head and body, that is sent again and again.
    request: Vec<u8>,
    others: Vec<usize>,
}

impl Server {
    fn start(node: &Path, data: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let processors = machine::processors()?;
        let (first, rest) = processors.split_first().context("no processor")?;
        let others = if rest.is_empty() { vec![*first] } else { rest.to_vec() };
        let mut command = Command::new(node);
        command.arg("run").arg("--data").arg(data).args(["--listen", &address.to_string()]);
        command.envs([("LUCID_CHAIN", "true"), ("LUCID_PUBLIC_LOG", "true")]);
        command.env("LUCID_REQUESTS_PER_MINUTE", "1000000");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(data.with_extension("log"))?);
        // A child has its parent's processors, and this thread has one.
        let first = *first;
        let spawned = thread::spawn(move || -> Result<Child> {
            machine::pin(&[first])?;
            Ok(command.spawn()?)
        });
        let child = spawned.join().map_err(|_| anyhow!("the node cannot be started"))??;
        let mut server = Self { child, address, request: Vec::new(), others };
        let head = server.head(data)?;
        let anchors = head["anchors"].as_str().context("no contract")?;
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_call",
            "params": [{"to": anchors, "data": hex::encode_prefixed(question())}, "latest"],
        })
        .to_string();
        let kind = "Content-Type: application/json";
        let length = body.len();
        server.request = format!(
            "POST /rpc HTTP/1.1\r\nHost: {address}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes();
        Ok(server)
    }

    /// How the chain is, once it is there.
    fn head(&mut self, data: &Path) -> Result<Value> {
        let start = Instant::now();
        let request = format!("GET /api/v1/chain/head HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        loop {
            let asked = Connection::open(self.address)
                .and_then(|mut connection| connection.ask(request.as_bytes()));
            if let Ok((200, body)) = asked {
                return Ok(serde_json::from_slice(&body)?);
            }
            let log = data.with_extension("log");
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(&log).unwrap_or_default();
                anyhow::bail!("the node ended with {status}: {log}");
            }
            ensure!(
                start.elapsed() < Duration::from_mins(1),
                "there is no chain: {}",
                log.display()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Calls a second, of all clients together.
    fn calls(&self, turn: Duration) -> Result<f64> {
        let start = Instant::now();
        let client = || -> Result<u32> {
            machine::pin(&self.others)?;
            let mut connection = Connection::open(self.address)?;
            let mut calls = 0;
            while start.elapsed() < turn {
                let (status, body) = connection.ask(&self.request)?;
                let text = String::from_utf8_lossy(&body);
                ensure!(status == 200 && text.contains("\"result\":\"0x0000"), "{status}: {text}");
                calls += 1;
            }
            Ok(calls)
        };
        let calls = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let join = |client: thread::ScopedJoinHandle<'_, _>| {
                client.join().map_err(|_| anyhow!("a client panicked"))?
            };
            clients.into_iter().map(join).sum::<Result<u32>>()
        })?;
        Ok(f64::from(calls) / start.elapsed().as_secs_f64())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// HTTP/1.1 over a bare socket that is kept, so that little of what is measured is the client's.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request; gives the answer's status and body.
    fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.0.get_mut().write_all(request)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no answer: {line:?}"))?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?;
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_calls_in_process_are_measured() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut bench = Bench::open(&folder.path().join("evm")).unwrap();
        let (sign, block) = bench.block().unwrap();
        assert!(sign > 0.0 && block > 0.0);
        assert_eq!(bench.contracts.session_count(&bench.chain).unwrap(), REGISTRATIONS_MAX as u64);
        assert!(bench.calls(Duration::from_millis(20)).unwrap() > 0.0);
    }
}
