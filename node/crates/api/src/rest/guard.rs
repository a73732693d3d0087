//! The one place that asks what a caller may do.
//!
//! What can be public is extracted ([`LogHead`] and the others) before paths and queries are looked at: who may
//! not read is told that, and not what is wrong with the rest of the request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{Extensions, request::Parts};
use lucid_core::{
    Owner, SessionId,
    access::{Access, Action, Principal, SessionAction},
};

use super::{Api, extract::missing_token};
use crate::{
    Code, Problem,
    ports::{ChainApi, Governance, Session, SessionState},
};

/// Lets a caller do what has no owner.
pub(super) fn may(caller: &Principal, action: Action) -> Result<(), Problem> {
    match caller.may(action) {
        Access::Allowed => Ok(()),
        Access::Denied | Access::Hidden => Err(forbidden(caller)),
    }
}

/// Lets a caller read what anybody may where the log is public, and else who may `action`.
pub(super) fn reads(api: &Api, extensions: &Extensions, action: Action) -> Result<(), Problem> {
    if api.public_log {
        return Ok(());
    }
    may(extensions.get::<Principal>().ok_or_else(missing_token)?, action)
}

/// A caller who may read the log's head, and what is proved of it.
pub(super) struct LogHead;

impl FromRequestParts<Api> for LogHead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        reads(api, &parts.extensions, Action::SeeLogHead).map(|()| Self)
    }
}

/// A caller who may read the log's entries.
pub(super) struct Entries;

impl FromRequestParts<Api> for Entries {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        reads(api, &parts.extensions, Action::SeeEntries).map(|()| Self)
    }
}

/// The chain, for a caller who may read entries: what is on it is in the log.
pub(super) struct OpenChain(pub(super) Arc<dyn ChainApi>);

impl FromRequestParts<Api> for OpenChain {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        reads(api, &parts.extensions, Action::SeeEntries)?;
        api.chain.clone().map(Self).ok_or_else(|| no_chain("this node has no chain"))
    }
}

/// What the nodes decide, for a caller who may read that.
pub(super) struct OpenGovernance(pub(super) Arc<dyn Governance>);

impl FromRequestParts<Api> for OpenGovernance {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        reads(api, &parts.extensions, Action::SeeGovernance)?;
        decisions(api).map(Self)
    }
}

/// What the nodes decide, for a caller who may make this one act.
pub(super) struct Governing(pub(super) Arc<dyn Governance>);

impl FromRequestParts<Api> for Governing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        may(parts.extensions.get::<Principal>().ok_or_else(missing_token)?, Action::Govern)?;
        decisions(api).map(Self)
    }
}

fn decisions(api: &Api) -> Result<Arc<dyn Governance>, Problem> {
    let none = || no_chain("this node has no chain, and nothing to decide");
    api.governance.clone().ok_or_else(none)
}

fn no_chain(what: &str) -> Problem {
    Problem::new(Code::NotFound, format!("{what}: `chain = true` in its configuration"))
}

/// Lets a caller do something to a session, and gives the session.
pub(super) async fn session(
    api: &Api,
    caller: &Principal,
    id: SessionId,
    action: SessionAction,
) -> Result<Session, Problem> {
    let session = api.sessions.session(id).await?;
    with(caller, &session.owner, action)?;
    Ok(session)
}

/// Whose sessions a caller sees of those that it asks for.
pub(super) enum Whose {
    /// Everybody's.
    Everybody,
    /// One owner's.
    Of(Owner),
    /// None: what is there of others is not for this caller to know.
    Nobody,
}

/// Whose sessions a caller sees, of one owner's, where one is asked for.
pub(super) fn whose(caller: &Principal, asked: Option<Owner>) -> Whose {
    match (caller.may(Action::ListAllSessions), asked) {
        (Access::Allowed, None) => Whose::Everybody,
        (Access::Allowed, Some(owner)) => Whose::Of(owner),
        (Access::Denied | Access::Hidden, Some(owner)) if owner != caller.owner => Whose::Nobody,
        (Access::Denied | Access::Hidden, _) => Whose::Of(caller.owner.clone()),
    }
}

impl Whose {
    /// The one owner; nothing where it is everybody.
    ///
    /// # Errors
    /// `forbidden` where it is nobody.
    pub(super) fn owner(self, caller: &Principal) -> Result<Option<Owner>, Problem> {
        match self {
            Self::Everybody => Ok(None),
            Self::Of(owner) => Ok(Some(owner)),
            Self::Nobody => Err(forbidden(caller)),
        }
    }
}

fn with(caller: &Principal, owner: &Owner, action: SessionAction) -> Result<(), Problem> {
    match caller.may_with(action, owner) {
        Access::Allowed => Ok(()),
        // No role reads what another owns.
        Access::Denied if action == SessionAction::Read => {
            Err(Problem::new(Code::Forbidden, "only its owner can read a session's content"))
        }
        Access::Denied => Err(forbidden(caller)),
        Access::Hidden => Err(Problem::no_session()),
    }
}

/// Refuses a session whose keys and chunks were destroyed.
pub(super) fn is_kept(session: &Session) -> Result<(), Problem> {
    match session.state {
        SessionState::Voided | SessionState::Erased => {
            Err(Problem::new(Code::Gone, "the session's keys and chunks were destroyed"))
        }
        _ => Ok(()),
    }
}

/// The answer of who has keys and chunks, and does not know the session's state: what is gone of one that nobody ended was
/// not destroyed, but is lost, and may come back from a backup.
pub(super) async fn lost_or_destroyed<T>(
    api: &Api,
    id: SessionId,
    answer: Result<T, Problem>,
) -> Result<T, Problem> {
    match answer {
        Err(gone) if gone.code == Code::Gone => match api.sessions.session(id).await?.state {
            SessionState::Voided | SessionState::Erased => Err(gone),
            _ => {
                tracing::error!(session = %id, "keys or chunks are lost of a session that was not ended");
                let detail =
                    "the session's key file or chunks are lost: have them put back from a backup";
                Err(Problem::new(Code::Damaged, detail))
            }
        },
        answer => answer,
    }
}

fn forbidden(caller: &Principal) -> Problem {
    let role = caller.role;
    Problem::new(Code::Forbidden, format!("the role {role} does not allow this"))
}
