//! The socket that a service listens at.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel keeps until they are taken; it allows no more than `net.core.somaxconn`, which is 4096 as
/// well. The 128 of the standard library's are overrun where many clients come back at once: their connections look made,
/// and are reset when they send.
const BACKLOG: u32 = 4096;

/// Listens at an address, which may have been another process's a moment ago.
///
/// # Errors
/// The operating system's.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;

    #[tokio::test]
    async fn many_who_come_at_once_are_kept_until_they_are_taken() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let connect = move || {
            let one = |_| TcpStream::connect_timeout(&at, Duration::from_millis(900));
            (0..1000).map(one).collect::<io::Result<Vec<_>>>()
        };
        // Nobody takes them meanwhile: this is the runtime's only thread's task, and it waits.
        let clients = tokio::task::spawn_blocking(connect).await.unwrap().unwrap();
        for client in &clients {
            let taken = tokio::time::timeout(Duration::from_secs(5), listener.accept());
            let (_, peer) = taken.await.expect("every connection is there").unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    }
}
