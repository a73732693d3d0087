//! A wire between client and server that is cut after so many bytes, and counts what is asked over it.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

#[derive(Default)]
struct State {
    /// Bytes that still pass, both ways together.
    left: AtomicU64,
    is_cut: AtomicBool,
    puts: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    pub(super) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { left: AtomicU64::new(u64::MAX), ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if shared.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                let mut open = shared.open.lock().unwrap();
                open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(open);
                for (from, to, asks) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), true),
                    (server, client, false),
                ] {
                    let state = Arc::clone(&shared);
                    thread::spawn(move || carry(from, to, asks, &state));
                }
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From so many more bytes on nothing passes, and nobody is let in.
    pub(super) fn cut_after(&self, bytes: u64) {
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.state.left.store(u64::MAX, Ordering::SeqCst);
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state.is_cut.load(Ordering::SeqCst)
    }

    /// How many PUTs were asked since this was asked last.
    pub(super) fn puts(&self) -> u64 {
        self.state.puts.swap(0, Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, asks: bool, state: &State) {
    let mut buffer = [0; 8192];
    let mut before = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..count];
        if asks {
            // A request's first line may come in two parts.
            before.extend_from_slice(bytes);
            let found = before.windows(5).filter(|part| part == b"PUT /").count() as u64;
            state.puts.fetch_add(found, Ordering::SeqCst);
            before.drain(..before.len().saturating_sub(4));
        }
        let left = state.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(count as u64))
        });
        if left.unwrap() < count as u64 {
            state.is_cut.store(true, Ordering::SeqCst);
            for stream in state.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            return;
        }
        if to.write_all(bytes).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
