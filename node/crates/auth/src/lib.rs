//! Sign-in with a TRON wallet, tokens and accounts.
//!
//! This crate owns what a signature proves, how a Ledger is asked for one, what a token says and when
//! either ends. It leaves to others where accounts are kept ([`AccountStore`]), the clock and randomness
//! of the pure parts (they are arguments), and HTTP. [`Service`] is an adapter: the `Authentication` port
//! over these.
//!
//! Invariants:
//! - a nonce signs in once, and only the address it was given to;
//! - an access token is believed only while its sign-in and its account stand, and says no role: that
//!   is read from the account at every use;
//! - a refresh token is kept as a hash; used twice, it ends its sign-in;
//! - a change of an account is in the ledger before it takes effect, and takes effect because it is there:
//!   accounts follow from the ledger, see [`follow`];
//! - no key, token or signature has a `Debug` or is in an error.
//!
//! A crash forgets outstanding challenges, nothing else.

mod accounts;
pub mod ledger;
pub mod message;
mod nonces;
mod service;
pub mod sign;
mod tokens;

pub use accounts::{AccountRecord, AccountStore, Family, StoreFailure};
pub use lucid_core::tron::{Address, AddressError};
pub use nonces::NONCE_SECONDS;
pub use service::{Clock, Service, ServiceOptions, follow};
pub use tokens::{ACCESS_SECONDS, KeyRing, REFRESH_SECONDS};
