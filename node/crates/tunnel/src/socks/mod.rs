//! Connections through a SOCKS5 proxy (RFC 1928, RFC 1929), which resolves the names: none is ever looked up here.

mod exchange;
mod fault;
mod proxy;

pub use exchange::Target;
pub use fault::{Refusal, SocksError};
pub use proxy::{Proxy, ProxyError};
