//! The kinds this version writes. Fields stand in the order of their names, which is the order of
//! RFC 8785.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    anchor::AnchorTron,
    evm::{EvmBlock, EvmBody},
    parameters::ParametersChanged,
};
use crate::{Hash, MediaType, Owner, Policy, SessionId, Timestamp, access::Role};

/// A field with one possible text: the entry's kind.
macro_rules! kind {
    ($marker:ident, $entry:ident, $text:literal) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[doc(hidden)]
        pub struct $marker;

        impl Serialize for $marker {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }

        impl<'de> Deserialize<'de> for $marker {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                if text == $text { Ok(Self) } else { Err(D::Error::custom("another kind")) }
            }
        }

        impl $entry {
            /// The text of the `kind` field.
            pub const KIND: &str = $text;
        }
    };
}

/// A field with one possible number: version 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(hidden)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(D::Error::custom("another version")),
        }
    }
}

kind!(OpenedKind, SessionOpened, "session.opened");
kind!(SealedKind, SessionSealed, "session.sealed");
kind!(VoidedKind, SessionVoided, "session.voided");
kind!(ErasedKind, SessionErased, "session.erased");
kind!(UserKind, UserChanged, "user.changed");
kind!(EventKind, NodeEvent, "node.event");
kind!(BodyKind, EvmBody, "evm.body");
kind!(BlockKind, EvmBlock, "evm.block");
kind!(ParametersKind, ParametersChanged, "parameters.changed");
kind!(AnchorKind, AnchorTron, "anchor.tron");

/// A session id was minted. In the log before the id is answered to anyone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    /// When, by the node's clock.
    pub at: Timestamp,
    #[doc(hidden)]
    pub kind: OpenedKind,
    /// What the stream will be.
    pub media_type: MediaType,
    /// Whose it is.
    pub owner: Owner,
    /// The parameters in force, whole: their hash is what manifest and `session.sealed` repeat.
    pub policy: Policy,
    /// The session.
    pub session_id: SessionId,
    #[doc(hidden)]
    pub v: V1,
}

/// What a session is, for good: evidence is a proof that this entry is in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSealed {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Number of chunks: the size of the session tree.
    pub chunk_count: u32,
    #[doc(hidden)]
    pub kind: SealedKind,
    /// Hash of the manifest's bytes.
    pub manifest_hash: Hash,
    /// Root of the session tree.
    pub merkle_root: Hash,
    /// Whose it is.
    pub owner: Owner,
    /// Plaintext length of the session in bytes.
    pub plain_bytes: u64,
    /// Hash of the policy in force.
    pub policy_hash: Hash,
    /// The session.
    pub session_id: SessionId,
    #[doc(hidden)]
    pub v: V1,
}

/// A session was given up before it was sealed; what it held is destroyed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionVoided {
    /// When, by the node's clock.
    pub at: Timestamp,
    #[doc(hidden)]
    pub kind: VoidedKind,
    /// Why, at most 1,024 bytes.
    pub reason: String,
    /// The session.
    pub session_id: SessionId,
    #[doc(hidden)]
    pub v: V1,
}

/// Every wrap of a session's key and every chunk file was destroyed. The manifest stays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionErased {
    /// When, by the node's clock.
    pub at: Timestamp,
    #[doc(hidden)]
    pub kind: ErasedKind,
    /// The session.
    pub session_id: SessionId,
    #[doc(hidden)]
    pub v: V1,
}

/// An account was made, got another role, was revoked, or lifted from it. In the log before it takes
/// effect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChanged {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Who did it: an admin's account, the account itself at its first sign-in, or `local` for the
    /// operator at the node's command line and for its configuration.
    pub by: Owner,
    #[doc(hidden)]
    pub kind: UserKind,
    /// Whether it may no longer sign in.
    pub revoked: bool,
    /// Its role from now on.
    pub role: Role,
    /// Whose account.
    pub user: Owner,
    #[doc(hidden)]
    pub v: V1,
}

/// Something about the node itself: that its log begins, a repair, an undervoltage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEvent {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// What is worth knowing about it, at most 1,024 bytes.
    pub detail: String,
    /// Which event, such as `log.created`; at most 64 bytes.
    pub event: String,
    #[doc(hidden)]
    pub kind: EventKind,
    #[doc(hidden)]
    pub v: V1,
}
