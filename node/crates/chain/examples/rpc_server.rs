//! Ethereum's JSON-RPC over HTTP on the loopback interface, to try a client against the chain alone:
//!
//! ```sh
//! cargo run --release -p lucid-chain --example rpc_server -- KEY [TOKEN]
//! ```
//!
//! KEY is a private key in hex whose account has a thousand coins. With TOKEN, requests need it as their
//! bearer token. The chain is in memory, and its HTTP is as little as clients need: this is no node.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program in a terminal")]
#![allow(clippy::disallowed_methods, reason = "a server has threads")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use lucid_chain::{
    ChainId, Genesis, Signer,
    alloy_primitives::{Address, U256, hex},
    rpc::{BODY_BYTES_MAX, Host, Rpc},
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: rpc_server KEY [TOKEN]";
    let key: [u8; 32] = hex::decode_to_array(arguments.next().ok_or(usage)?)?;
    let token = arguments.next().map(|token| format!("bearer {token}"));
    let account = Signer::new(&key)?.address();
    let coins = U256::from(1000) * U256::from(10).pow(U256::from(18));
    let host = Arc::new(support::Alone::new(Genesis {
        allocations: [(account, coins)].into(),
        chain_id: ChainId(0x1c1d),
        coinbase: Address::repeat_byte(0xcb),
        time: support::now(),
    })?);
    let rpc = Rpc::new(Arc::clone(&host.chain), Arc::clone(&host) as Arc<dyn Host>, key);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let (rpc, token) = (&rpc, token.as_deref());
            scope.spawn(move || {
                if let Err(error) = stream.map_err(Failure::from).and_then(|s| serve(rpc, token, s))
                {
                    eprintln!("{error}");
                }
            });
        }
    });
    Ok(())
}

/// Answers one request and hangs up.
fn serve(rpc: &Rpc, token: Option<&str>, mut stream: TcpStream) -> Result<(), Failure> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut said, mut line) = (0, None, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            match line.trim_end().is_empty() {
                true => break,
                false => continue, // the request line
            }
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse::<usize>()?.min(BODY_BYTES_MAX + 1),
            "authorization" => {
                said = value
                    .trim()
                    .split_once(' ')
                    .map(|(scheme, token)| format!("{} {token}", scheme.to_ascii_lowercase()));
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, answer) = match token.is_none() || token == said.as_deref() {
        true => ("200 OK", rpc.answer(&body).unwrap_or_default()),
        false => ("401 Unauthorized", Vec::new()),
    };
    let length = answer.len();
    let head = "Content-Type: application/json\r\nConnection: close";
    write!(stream, "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(&answer)?;
    Ok(())
}
