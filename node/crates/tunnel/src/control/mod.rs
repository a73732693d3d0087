//! Tor's control protocol (torspec, control-spec): one connection to a tor that runs.
//!
//! `reply`, `words`, `command`, `info` and `login` are pure; `connection` has the socket. A
//! [`Controller`] asks; what tor says by itself is an [`Event`].

mod asking;
mod command;
mod connection;
mod info;
mod login;
mod reply;
mod words;

pub use asking::{Onion, Port, StoredClient};
pub use connection::{ControlAddress, Controller};
pub use info::{Bootstrap, Circuits, ClockSkew, DescriptorStep, Event, Step};
pub use login::{Credentials, Password, PasswordError};
pub use reply::{Decoder, Line, Reply, ReplyError};
pub use words::{Words, WordsError};

pub(crate) use info::shown;
