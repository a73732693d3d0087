//! The one place that asks what a caller may do.

use lucid_core::{
    Owner, SessionId,
    access::{Access, Action, Principal, SessionAction},
};

use super::Api;
use crate::{
    Code, Problem,
    ports::{Session, SessionState},
};

/// Lets a caller do what has no owner.
pub(super) fn may(caller: &Principal, action: Action) -> Result<(), Problem> {
    match caller.may(action) {
        Access::Allowed => Ok(()),
        Access::Denied | Access::Hidden => Err(forbidden(caller)),
    }
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

fn forbidden(caller: &Principal) -> Problem {
    let role = caller.role;
    Problem::new(Code::Forbidden, format!("the role {role} does not allow this"))
}
