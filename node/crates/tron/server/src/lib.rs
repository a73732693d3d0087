//! A strict TRON node of one process, for tests.
//!
//! There is no real one to be had on a machine without a network, and a client that is tested against what
//! its own author believes of TRON proves nothing. This server therefore shares no code with the node's
//! client: it has its own messages, addresses, hashes and rules, made from java-tron's source, and npm
//! `tronweb` checks it as a client (`node/tests/clients/tron_server.mjs`).
//!
//! It owns a chain of signed blocks that are three seconds apart by their own clock and milliseconds apart by
//! the test's ([`Rules`]), accounts, two contracts (`LucidAnchors` and a TRC-20 token), java-tron's HTTP API
//! over them, and whatever a test scripts to go wrong ([`Handle`], [`Fault`]). What a broadcast must be is
//! checked as java-tron does and in its order; where this server is stricter, its refusal says so.
//!
//! What it does not do: it executes no bytecode, knows no TRC-10, staking or voting, keeps nothing on disk,
//! and speaks to no other node. A contract's developer never pays for its callers.
//!
//! ```
//! use lucid_tron_server::{Address, Rules, SUN, Server};
//!
//! let server = Server::start(Rules::default())?;
//! let account: Address = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".parse()?;
//! server.fund(account, 100 * SUN);
//! assert_eq!(server.balance(account), 100 * SUN);
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod api;
mod chain;
mod faults;
mod handle;
mod hash;
mod json;
mod message;
mod rules;
mod serve;
mod world;

use std::{
    io,
    net::SocketAddr,
    ops::Deref,
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};

use tokio::{runtime, sync::oneshot};

use world::Shared;

pub use address::{Address, AddressError};
pub use chain::{
    journal::{Entry, Event, Journal},
    refusal::Code,
    script::{ForkError, Forked},
};
pub use faults::{Fault, Scripted};
pub use handle::{Handle, Position, Refused};
pub use rules::{Energy, Fees, Rules, SUN};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or none is free.
    #[error("no port on 127.0.0.1 to listen on; name a free one, or none: {0}")]
    Bind(#[source] io::Error),
    /// The operating system gave no thread or no runtime.
    #[error("no thread to serve on: {0}")]
    Thread(#[source] io::Error),
    /// The computer's clock is before 1970.
    #[error("the computer's clock is before 1970; set it")]
    Clock,
}

/// A running server. Dropping it stops it: the port is free again, and hung connections are cut.
pub struct Server {
    handle: Handle,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server. It listens when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Panics
    /// Never itself; a panic on the server's thread comes out where the server is dropped.
    pub fn start(rules: Rules) -> Result<Self, StartError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_err(|_| StartError::Clock)?.as_millis();
        let listener = serve::bind(rules.port).map_err(StartError::Bind)?;
        let address = serve::address(&listener).map_err(StartError::Bind)?;
        let now_ms = i64::try_from(now).map_err(|_| StartError::Clock)?;
        let shared = Arc::new(Shared::new(rules, now_ms));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let handle = Handle(shared.clone());
        let run = move || {
            let served = runtime.block_on(serve::serve(shared, listener, stopped));
            served.expect("a listener that was bound is taken up");
        };
        let thread = thread::Builder::new().name("tron-server".to_owned()).spawn(run);
        let thread = Some(thread.map_err(StartError::Thread)?);
        Ok(Self { handle, address, stop: Some(stop), thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle that can be given away.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Deref for Server {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender is the sign to stop.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            // A panic of the server fails the test that it served, unless that one is failing already.
            assert!(ended.is_ok() || thread::panicking(), "the TRON server panicked");
        }
    }
}
