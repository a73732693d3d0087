//! The TRON server for tests as a program: for tests in other languages, and for people.
//!
//! Prints one line of JSON when it listens, and serves until SIGTERM or SIGINT, or with `--until-eof` the end of
//! its standard input. Scripted with `POST /control` (`src/api/control.rs`).

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use lucid_tron_server::{Address, Rules, SUN, Server, StartError};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// A strict TRON node of one process, for tests.
#[derive(Parser)]
#[command(name = "tron-server", version)]
struct Arguments {
    /// Port on 127.0.0.1; a free one unless it is given
    #[arg(long)]
    port: Option<u16>,
    /// Milliseconds between two blocks; 0: only `POST /control` makes them
    #[arg(long, default_value_t = 20)]
    block_ms: u64,
    /// Blocks on a block after which it is solid, instead of 19 of 27 witnesses
    #[arg(long)]
    solid_after: Option<u64>,
    /// Milliseconds by which the chain's clock is ahead at the start; negative: behind
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_off_ms: i64,
    /// What TRON-PRO-API-KEY must say
    #[arg(long)]
    api_key: Option<String>,
    /// An account with 1,000,000 TRX; can be given more than once
    #[arg(long, value_name = "ADDRESS")]
    fund: Vec<Address>,
    /// Puts a LucidAnchors on the chain
    #[arg(long)]
    anchors: bool,
    /// Puts a TRC-20 token on the chain, 1,000,000 of it with this holder
    #[arg(long, value_name = "ADDRESS")]
    token: Option<Address>,
    /// Ends when standard input does, as when who started it dies
    #[arg(long)]
    until_eof: bool,
}

/// Why it ends before it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("standard output or signals: {0}")]
    Io(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nowhere left to say it where standard error is gone too.
            drop(writeln!(io::stderr(), "tron-server: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let server = Server::start(Rules {
        block_every: Some(arguments.block_ms).filter(|ms| *ms > 0).map(Duration::from_millis),
        clock_off_ms: arguments.clock_off_ms,
        solid_after: arguments.solid_after,
        port: arguments.port,
        api_key: arguments.api_key,
        control: true,
        ..Rules::default()
    })?;
    for address in arguments.fund {
        server.fund(address, 1_000_000 * SUN);
    }
    let anchors = arguments.anchors.then(|| server.put_anchors());
    let token = arguments.token.map(|holder| server.put_token(holder, 1_000_000_000_000));
    let line = serde_json::json!({
        "event": "listening", "url": server.url(), "anchors": anchors, "token": token,
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody can know that it is there to be stopped.
    let signals = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()?;
    runtime.block_on(stop(signals, arguments.until_eof));
    Ok(())
}

/// Waits until it is asked to stop.
async fn stop((mut term, mut int): (Signal, Signal), until_eof: bool) {
    let (told, eof) = tokio::sync::oneshot::channel();
    if until_eof {
        // A thread of its own, which dies with the process: reading standard input cannot be given up.
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            let mut buffer = [0; 256];
            while input.read(&mut buffer).is_ok_and(|read| read > 0) {}
            told.send(())
        });
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = eof => {}
        }
    } else {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}
