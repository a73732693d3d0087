//! Addresses and ports that nobody listens on.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Ports below those that outgoing connections take.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// An address of loopback that is nobody else's: all of 127.0.0.0/8 is this machine, so that networks of tests that
/// run side by side do not take each other's ports.
pub(crate) fn own_address() -> Ipv4Addr {
    let [_, _, _, _, _, a, b, c] = RandomState::new().build_hasher().finish().to_be_bytes();
    // Neither 127.0.x.x, which others use, nor an address that ends in 0 or 255.
    Ipv4Addr::new(127, a | 1, b, c.clamp(1, 254))
}

/// A port of this address that nobody listens on.
#[must_use]
pub fn free_port(address: Ipv4Addr) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = (std::process::id() as u16).wrapping_mul(61);
    let count = PORTS.end - PORTS.start;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + spread.wrapping_add(step) % count;
        if TcpListener::bind((address, port)).is_ok() {
            return port;
        }
    }
}
