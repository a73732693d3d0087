//! Who may do what: roles, ownership, and the one place where they are decided.
//!
//! A caller is a [`Principal`]: whose wallet signed in, with which role. Every handler asks
//! [`Principal::may`] (for what has no owner) or [`Principal::may_with`] (for what has one) and acts
//! on nothing else. What a caller may not even know of is [`Access::Hidden`], which is answered as
//! if it did not exist.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Owner;

/// What an account is allowed to be. Each role but `observer` includes what a `user` may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what is not secret of all sessions (an auditor): states, manifests, sealed chunks,
    /// proofs. Records nothing, decrypts nothing.
    Observer,
    /// Records, reads and ends sessions of its own.
    User,
    /// A user who also sees all sessions and can close or void those that were abandoned.
    Operator,
    /// An operator who also manages accounts, can erase any session, and decides what the node votes.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 4] = [Self::Observer, Self::User, Self::Operator, Self::Admin];

    /// The role's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a role is one of observer, user, operator, admin")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Whose account.
    pub owner: Owner,
    /// With which role.
    pub role: Role,
}

/// What is done that belongs to nobody in particular.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Mint a session of one's own.
    MintSession,
    /// List sessions of all owners.
    ListAllSessions,
    /// See and change accounts.
    ManageAccounts,
    /// See the node's state.
    SeeNode,
    /// See the log's checkpoints, hashes and proofs, which say nothing about anybody.
    SeeLogHead,
    /// See the log's entries, which name owners.
    SeeEntries,
    /// Have the log anchored now, which costs.
    Anchor,
    /// See what the nodes decide on, and how.
    SeeGovernance,
    /// Make the node propose, vote, and carry out what was decided.
    Govern,
}

/// What is done to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionAction {
    /// See its state, manifest, sealed chunks and proofs without keys.
    See,
    /// Read its plaintext, or disclose chunk keys.
    Read,
    /// Upload to it.
    Fill,
    /// Seal or void it.
    End,
    /// Erase it.
    Erase,
}

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Do it.
    Allowed,
    /// Say that it is not allowed.
    Denied,
    /// Say that there is no such thing.
    Hidden,
}

impl Principal {
    /// Whether this caller may do what has no owner.
    #[must_use]
    pub fn may(&self, action: Action) -> Access {
        let allowed = match action {
            Action::MintSession => self.role != Role::Observer,
            Action::SeeLogHead | Action::SeeGovernance => true,
            Action::ListAllSessions | Action::SeeEntries => self.role != Role::User,
            Action::SeeNode | Action::Anchor => self.role >= Role::Operator,
            Action::ManageAccounts | Action::Govern => self.role == Role::Admin,
        };
        if allowed { Access::Allowed } else { Access::Denied }
    }

    /// Whether this caller may do `action` to a session of `owner`. Plaintext is its owner's alone,
    /// whatever the caller's role.
    #[must_use]
    pub fn may_with(&self, action: SessionAction, owner: &Owner) -> Access {
        let own = self.owner == *owner;
        let sees_all = self.role != Role::User;
        let acts = self.role != Role::Observer;
        let allowed = match action {
            SessionAction::See => own || sees_all,
            SessionAction::Read => own,
            SessionAction::Fill => own && acts,
            SessionAction::End => own && acts || self.role >= Role::Operator,
            SessionAction::Erase => own && acts || self.role == Role::Admin,
        };
        match allowed {
            true => Access::Allowed,
            false if own || sees_all => Access::Denied,
            false => Access::Hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role) -> Principal {
        Principal { owner: "TCaller".parse().unwrap(), role }
    }

    #[test]
    fn every_role_against_every_session_action() {
        use Access::{Allowed, Denied, Hidden};
        use SessionAction::{End, Erase, Fill, Read, See};
        // For the caller's own session, then for another's.
        let rows = [
            (Role::Observer, See, Allowed, Allowed),
            (Role::Observer, Read, Allowed, Denied),
            (Role::Observer, Fill, Denied, Denied),
            (Role::Observer, End, Denied, Denied),
            (Role::Observer, Erase, Denied, Denied),
            (Role::User, See, Allowed, Hidden),
            (Role::User, Read, Allowed, Hidden),
            (Role::User, Fill, Allowed, Hidden),
            (Role::User, End, Allowed, Hidden),
            (Role::User, Erase, Allowed, Hidden),
            (Role::Operator, See, Allowed, Allowed),
            (Role::Operator, Read, Allowed, Denied),
            (Role::Operator, Fill, Allowed, Denied),
            (Role::Operator, End, Allowed, Allowed),
            (Role::Operator, Erase, Allowed, Denied),
            (Role::Admin, See, Allowed, Allowed),
            (Role::Admin, Read, Allowed, Denied),
            (Role::Admin, Fill, Allowed, Denied),
            (Role::Admin, End, Allowed, Allowed),
            (Role::Admin, Erase, Allowed, Allowed),
        ];
        for (role, action, own, other) in rows {
            let caller = caller(role);
            assert_eq!(caller.may_with(action, &caller.owner), own, "{role} {action:?} own");
            let owner = "TOther".parse().unwrap();
            assert_eq!(caller.may_with(action, &owner), other, "{role} {action:?} other's");
        }
    }

    #[test]
    fn every_role_against_every_action() {
        let rows = [
            (Action::MintSession, [false, true, true, true]),
            (Action::ListAllSessions, [true, false, true, true]),
            (Action::SeeNode, [false, false, true, true]),
            (Action::SeeLogHead, [true, true, true, true]),
            (Action::SeeEntries, [true, false, true, true]),
            (Action::ManageAccounts, [false, false, false, true]),
            (Action::SeeGovernance, [true, true, true, true]),
            (Action::Govern, [false, false, false, true]),
        ];
        for (action, allowed) in rows {
            for (role, allowed) in Role::ALL.into_iter().zip(allowed) {
                let expected = if allowed { Access::Allowed } else { Access::Denied };
                assert_eq!(caller(role).may(action), expected, "{role} {action:?}");
            }
        }
    }

    #[test]
    fn names() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for text in ["", "Admin", "root", "user "] {
            assert_eq!(text.parse::<Role>(), Err(RoleError));
        }
    }
}
