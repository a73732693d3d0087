//! The one error of this crate. Messages name the thing and the way out; none has a key or password in it.

use std::path::PathBuf;

use crate::{
    control::{ReplyError, WordsError},
    onion::{AddressError, OnionAddress},
};

/// Why something about tor was not done.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// Nobody listens there.
    #[error(
        "no tor answers at {at}: {why}. Install it (apt-get install tor) and let its torrc say \
         ControlPort 9051 and CookieAuthentication 1, or name another place in tor_control"
    )]
    NoTor {
        /// The control port.
        at: String,
        /// The operating system's words.
        why: String,
    },
    /// The connection ended: tor stopped, or was killed.
    #[error("the connection to tor at {at} ended: {why}")]
    Lost {
        /// The control port.
        at: String,
        /// How it ended.
        why: String,
    },
    /// No answer.
    #[error("tor at {at} gave no answer to {what} within {seconds} s")]
    TimedOut {
        /// The control port.
        at: String,
        /// The command.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The control port's place is no place.
    #[error(
        "{0:?} is no control port: write IP:PORT, such as 127.0.0.1:9051, or unix:/run/tor/control"
    )]
    ControlAddress(String),
    /// Its hash is another one.
    #[error(
        "tor refuses the control password: set tor_password to the one whose hash (tor \
         --hash-password) is HashedControlPassword in its torrc"
    )]
    WrongPassword,
    /// The file is not that of this tor.
    #[error(
        "tor refuses the cookie in {0}: is that the file of this tor? Restart it to have a new one"
    )]
    WrongCookie(PathBuf),
    /// Its cookie is where anybody could have put it.
    #[error(
        "what listens at tor's control port names the cookie file {0:?}, which is not where the distribution's tor has \
         it: if it is that of your tor, let tor_cookie_file name it"
    )]
    CookieElsewhere(String),
    /// The cookie cannot be read.
    #[error(
        "tor's cookie {path} cannot be read: {why}. Put the node's user into tor's group (usermod \
         -a -G debian-tor lucid) with CookieAuthFileGroupReadable 1 in torrc, or use tor_password"
    )]
    CookieFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Tor wants something else.
    #[error("tor does not take {wanted}; it offers: {offered}")]
    NoMethod {
        /// What was to be shown.
        wanted: &'static str,
        /// Its methods.
        offered: String,
    },
    /// Anyone can control it.
    #[error(
        "tor's control port is open to everybody who reaches it: let its torrc say \
         CookieAuthentication 1 or HashedControlPassword, and restart it"
    )]
    OpenToAll,
    /// It does not know the cookie that tor wrote.
    #[error("what listens at tor's control port does not know tor's cookie: it is not that tor")]
    Impostor,
    /// It speaks another language.
    #[error("what listens at tor's control port does not speak as tor does: {0}")]
    Reply(#[from] ReplyError),
    /// The same, within a line.
    #[error("what listens at tor's control port does not speak as tor does: {0}")]
    Words(#[from] WordsError),
    /// An answer without what was asked for.
    #[error("tor's answer is not what it should be: {0}")]
    Malformed(&'static str),
    /// Tor says no.
    #[error("tor refuses {command}: {status} {said}")]
    Refused {
        /// The command's name.
        command: &'static str,
        /// Tor's number.
        status: u16,
        /// Tor's words.
        said: String,
    },
    /// The same tor has it for somebody else.
    #[error("this tor serves {0} for another process already; stop that one first")]
    Served(OnionAddress),
    /// An address that is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// What tor handed over is no descriptor.
    #[error(transparent)]
    Descriptor(#[from] crate::onion::DescriptorError),
    /// Tor cannot be used yet.
    #[error("tor is not connected to its network yet: {percent} %, {summary}")]
    NotBootstrapped {
        /// 0 to 99.
        percent: u8,
        /// What it is at.
        summary: String,
    },
    /// Tor refuses to work by this clock.
    #[error(
        "the clock of this machine is wrong by about {seconds} s (says {source_of_time}), and tor \
         refuses to work by it: set it (timedatectl set-ntp true) and restart tor"
    )]
    ClockWrong {
        /// More than zero where it is ahead.
        seconds: i64,
        /// Who has another time.
        source_of_time: String,
    },
    /// No service of that name.
    #[error("there is no onion service named {0}; lucid-node tunnel list shows those there are")]
    NoService(String),
    /// One of that name is there.
    #[error("an onion service named {0} is there already; take it down first, or rotate it")]
    Exists(String),
    /// A client of that name is there.
    #[error(
        "{service} has a client named {client} already: give another name, or make its key anew with --replace, after which \
         the former one opens nothing"
    )]
    ClientExists {
        /// Of which service.
        service: String,
        /// The client.
        client: String,
    },
    /// No client of that name.
    #[error(
        "{service} has no client named {client}; lucid-node tunnel client list {service} shows those there are"
    )]
    NoClient {
        /// Of which service.
        service: String,
        /// The client.
        client: String,
    },
    /// Without them everybody would get in.
    #[error(
        "without these clients {0} has none, and everybody who knows its address gets in: say so with --open-to-all, or \
         end it with tunnel teardown"
    )]
    LastClient(String),
    /// A rotation is under way.
    #[error("the former address of {0} is still served; rotate again when its grace time is over")]
    Rotating(String),
    /// A service that cannot be so.
    #[error("{0}")]
    Service(&'static str),
    /// What is kept on disk could not be read or written.
    #[error(transparent)]
    Kept(#[from] crate::ports::KeepError),
    /// What is kept on disk is something else.
    #[error("the list of onion services on disk cannot be read: {0}; put it back from a backup")]
    State(String),
    /// The service is not reachable.
    #[error(transparent)]
    Socks(#[from] crate::socks::SocksError),
    /// It takes too long.
    #[error("{address} was not published within {seconds} s: {why}")]
    NotPublished {
        /// The address.
        address: String,
        /// How long it was waited for.
        seconds: u64,
        /// What is in the way, as far as it is known.
        why: String,
    },
    /// The services are not run any more.
    #[error("the onion services are being stopped")]
    Stopped,
    /// The operating system has no random bytes.
    #[error("no random bytes can be had: {0}")]
    Random(String),
    /// It was reached, and did not answer as a node does.
    #[error("{address} was reached through Tor, but did not answer as it should: {why}")]
    Answer {
        /// Who was asked.
        address: String,
        /// How it answered.
        why: String,
    },
}

impl TunnelError {
    /// Whether trying again without any change can help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NoTor { .. }
                | Self::Lost { .. }
                | Self::TimedOut { .. }
                | Self::NotBootstrapped { .. }
                | Self::NotPublished { .. }
                | Self::Socks(_)
                | Self::Answer { .. }
        )
    }
}
