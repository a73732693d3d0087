//! Ledger entries: RFC 8785 JSON `{"v":1,"kind":…,"at":…,…}`, at most 65,535 bytes. No plaintext and
//! no key ever goes into one.
//!
//! A kind or a `v` that this version does not know is kept, hashed and proved like any other
//! ([`Entry::Other`]): a log written by a newer node stays whole under an older one. Of an entry of
//! another `v` only `at`, `kind` and `v` are looked at, and none is appended.

mod anchor;
mod evm;
mod kinds;
mod other;
mod parameters;

pub use anchor::AnchorTron;
pub use evm::{BODY_PART_BYTES_MAX, BODY_PARTS_MAX, EvmBlock, EvmBody};
pub use kinds::{
    NodeEvent, SessionErased, SessionOpened, SessionSealed, SessionVoided, UserChanged,
};
pub use other::OtherEntry;
pub use parameters::ParametersChanged;

use serde::Deserialize;

use crate::{
    Hash, SessionId, Timestamp, json, json::JsonError, merkle, parameters::ParameterError,
    policy::PolicyError,
};

/// Largest entry in bytes: what a C2SP entry bundle's u16 length can say.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why bytes are no ledger entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Malformed or not canonical.
    #[error("the entry is damaged: {0}")]
    Json(#[from] JsonError),
    /// Too long for an entry bundle.
    #[error("an entry of {0} bytes is over the limit of 65,535")]
    TooLong(usize),
    /// Another version of the envelope, where it would have to be understood.
    #[error("entry version {0} is not known here (1 is)")]
    Version(u64),
    /// A kind is lower-case words joined by dots.
    #[error("the entry's kind is not of the form word.word")]
    Kind,
    /// A number that is no integer below 2^53, or keys that are not ASCII or not in order.
    #[error("the entry's field {0} is not in the form entries take (RFC 8785, integers only)")]
    Form(String),
    /// The policy of a `session.opened` is out of bounds.
    #[error("the entry's policy: {0}")]
    Policy(#[from] PolicyError),
    /// A parameter of a `parameters.changed` is out of bounds.
    #[error("the entry's parameters: {0}")]
    Parameters(#[from] ParameterError),
    /// A text field is longer than the kind allows.
    #[error("the entry's field {field} has {bytes} bytes; at most {max} are allowed")]
    TextLength {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// One record of the ledger log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// `session.opened`: an id was minted, under this policy.
    SessionOpened(SessionOpened),
    /// `session.sealed`: what the session is, for good.
    SessionSealed(SessionSealed),
    /// `session.voided`: the session was given up before it was sealed.
    SessionVoided(SessionVoided),
    /// `session.erased`: its keys and chunks were destroyed.
    SessionErased(SessionErased),
    /// `user.changed`: an account's role or standing.
    UserChanged(UserChanged),
    /// `node.event`: something about the node itself.
    NodeEvent(NodeEvent),
    /// `evm.body`: part of what is in a block of the node's chain.
    EvmBody(EvmBody),
    /// `evm.block`: a block of the node's chain.
    EvmBlock(EvmBlock),
    /// `parameters.changed`: the parameters from here on, as the block before it has them.
    ParametersChanged(ParametersChanged),
    /// `anchor.tron`: a checkpoint of this log stands in a solid block of TRON.
    AnchorTron(AnchorTron),
    /// A kind or a version that is not interpreted here.
    Other(OtherEntry),
}

/// The part that every entry has.
#[derive(Deserialize)]
struct Envelope {
    v: u64,
    kind: String,
    at: Timestamp,
}

impl Entry {
    /// Reads an entry; what parses serialises to the same bytes.
    ///
    /// # Errors
    /// [`EntryError`], naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let Envelope { v, kind, at } = envelope(bytes)?;
        if v != 1 {
            return Ok(Self::Other(OtherEntry::of_version(v, kind, at, bytes)));
        }
        let entry = match kind.as_str() {
            SessionOpened::KIND => Self::SessionOpened(json::from_canonical(bytes)?),
            SessionSealed::KIND => Self::SessionSealed(json::from_canonical(bytes)?),
            SessionVoided::KIND => Self::SessionVoided(json::from_canonical(bytes)?),
            SessionErased::KIND => Self::SessionErased(json::from_canonical(bytes)?),
            UserChanged::KIND => Self::UserChanged(json::from_canonical(bytes)?),
            NodeEvent::KIND => Self::NodeEvent(json::from_canonical(bytes)?),
            EvmBody::KIND => Self::EvmBody(json::from_canonical(bytes)?),
            EvmBlock::KIND => Self::EvmBlock(json::from_canonical(bytes)?),
            ParametersChanged::KIND => Self::ParametersChanged(json::from_canonical(bytes)?),
            AnchorTron::KIND => Self::AnchorTron(json::from_canonical(bytes)?),
            _ => Self::Other(OtherEntry::parse(&kind, at, bytes)?),
        };
        entry.check()?;
        Ok(entry)
    }

    /// The entry, where it is of the version written here: the only one that may be appended, and
    /// that says anything about a session.
    ///
    /// # Errors
    /// [`EntryError::Version`].
    pub fn of_this_version(self) -> Result<Self, EntryError> {
        match &self {
            Self::Other(entry) if entry.version() != 1 => Err(EntryError::Version(entry.version())),
            _ => Ok(self),
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        let text = |field, text: &str, max| {
            let bytes = text.len();
            if bytes <= max { Ok(()) } else { Err(EntryError::TextLength { field, bytes, max }) }
        };
        match self {
            Self::SessionOpened(entry) => Ok(entry.policy.check()?),
            Self::SessionVoided(entry) => text("reason", &entry.reason, 1024),
            Self::NodeEvent(entry) => {
                text("event", &entry.event, 64)?;
                text("detail", &entry.detail, 1024)
            }
            Self::EvmBody(entry) => entry.check(),
            Self::EvmBlock(entry) => entry.check(),
            Self::ParametersChanged(entry) => entry.check(),
            Self::AnchorTron(entry) => entry.check(),
            // A JSON number holds no larger integer exactly.
            Self::SessionSealed(entry) if entry.plain_bytes > json::INTEGER_MAX => {
                Err(EntryError::Form("plain_bytes".into()))
            }
            Self::SessionSealed(_)
            | Self::SessionErased(_)
            | Self::UserChanged(_)
            | Self::Other(_) => Ok(()),
        }
    }

    /// The entry's bytes: what is hashed and what a bundle holds.
    ///
    /// # Errors
    /// [`EntryError::TextLength`] where a text is over its limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        Ok(match self {
            Self::SessionOpened(entry) => json::to_canonical(entry),
            Self::SessionSealed(entry) => json::to_canonical(entry),
            Self::SessionVoided(entry) => json::to_canonical(entry),
            Self::SessionErased(entry) => json::to_canonical(entry),
            Self::UserChanged(entry) => json::to_canonical(entry),
            Self::NodeEvent(entry) => json::to_canonical(entry),
            Self::EvmBody(entry) => json::to_canonical(entry),
            Self::EvmBlock(entry) => json::to_canonical(entry),
            Self::ParametersChanged(entry) => json::to_canonical(entry),
            Self::AnchorTron(entry) => json::to_canonical(entry),
            Self::Other(entry) => entry.bytes().to_vec(),
        })
    }

    /// The session the entry is about, where it is about one and this version knows the kind.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::SessionOpened(entry) => Some(entry.session_id),
            Self::SessionSealed(entry) => Some(entry.session_id),
            Self::SessionVoided(entry) => Some(entry.session_id),
            Self::SessionErased(entry) => Some(entry.session_id),
            Self::UserChanged(_)
            | Self::NodeEvent(_)
            | Self::EvmBody(_)
            | Self::EvmBlock(_)
            | Self::ParametersChanged(_)
            | Self::AnchorTron(_)
            | Self::Other(_) => None,
        }
    }

    /// The entry's kind, such as `session.sealed`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::SessionOpened(_) => SessionOpened::KIND,
            Self::SessionSealed(_) => SessionSealed::KIND,
            Self::SessionVoided(_) => SessionVoided::KIND,
            Self::SessionErased(_) => SessionErased::KIND,
            Self::UserChanged(_) => UserChanged::KIND,
            Self::NodeEvent(_) => NodeEvent::KIND,
            Self::EvmBody(_) => EvmBody::KIND,
            Self::EvmBlock(_) => EvmBlock::KIND,
            Self::ParametersChanged(_) => ParametersChanged::KIND,
            Self::AnchorTron(_) => AnchorTron::KIND,
            Self::Other(entry) => entry.kind(),
        }
    }

    /// When the entry was made, by the node's clock.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::SessionOpened(entry) => entry.at,
            Self::SessionSealed(entry) => entry.at,
            Self::SessionVoided(entry) => entry.at,
            Self::SessionErased(entry) => entry.at,
            Self::UserChanged(entry) => entry.at,
            Self::NodeEvent(entry) => entry.at,
            Self::EvmBody(entry) => entry.at,
            Self::EvmBlock(entry) => entry.at,
            Self::ParametersChanged(entry) => entry.at,
            Self::AnchorTron(entry) => entry.at,
            Self::Other(entry) => entry.at(),
        }
    }
}

/// The fields of a JSON object that every entry has, whatever else is in it.
fn envelope(bytes: &[u8]) -> Result<Envelope, EntryError> {
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(JsonError::Shape)?;
    // The JSON library takes an array of three for these fields too, and does not look into texts
    // that nobody asked for.
    if bytes.trim_ascii_start().first() != Some(&b'{') || str::from_utf8(bytes).is_err() {
        return Err(EntryError::Form("the entry".to_owned()));
    }
    if envelope.v > json::INTEGER_MAX {
        return Err(EntryError::Form("v".to_owned()));
    }
    Ok(envelope)
}

/// The log's leaf of an entry: H(0x00 ‖ entry) (RFC 6962 §2.1).
#[must_use]
pub fn leaf(entry_bytes: &[u8]) -> Hash {
    merkle::leaf_hash(entry_bytes)
}

#[cfg(test)]
mod tests;
