//! Changes of accounts: one at a time, in the ledger before anywhere else.

use lucid_api::{Code, Problem, ports::Answer};
use lucid_core::{Owner, access::Role, entry::UserChanged};

use super::{Parts, Service, failed, no_account, operator, revoked};
use crate::AccountRecord;

/// Why an account changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody who must be allowed to asked for it.
    Asked,
    /// Its owner signed in for the first time.
    SignedIn,
}

impl Service {
    /// Whether `by` may change accounts now, whatever somebody believed a moment ago: what is changed is
    /// changed for good.
    async fn may_change(&self, by: &Owner) -> Answer<()> {
        if *by == operator() {
            return Ok(());
        }
        let of = by.clone();
        match self.run(move |parts| parts.store.account(&of).map_err(failed)).await? {
            Some(account) if account.is_admin() => Ok(()),
            Some(account) if account.revoked => Err(revoked()),
            _ => Err(Problem::new(Code::Forbidden, "only admins change accounts")),
        }
    }

    /// Changes an account: in the ledger first.
    pub(super) async fn change(
        &self,
        why: Why,
        owner: &Owner,
        by: &Owner,
        decide: impl FnOnce(Option<&AccountRecord>) -> Answer<Option<(Role, bool)>> + Send,
    ) -> Answer<AccountRecord> {
        let _turn = self.changing.lock().await;
        if why == Why::Asked {
            self.may_change(by).await?;
        }
        let of = owner.clone();
        let before = self.run(move |parts| parts.store.account(&of).map_err(failed)).await?;
        let Some((role, revoked)) = decide(before.as_ref())? else {
            return before.ok_or_else(no_account);
        };
        let was_admin = before.as_ref().is_some_and(AccountRecord::is_admin);
        if was_admin && (revoked || role != Role::Admin) {
            let of = owner.clone();
            let other = move |parts: &Parts| parts.store.has_other_admin(&of).map_err(failed);
            if !self.run(other).await? {
                let detail = "no other admin would be left: grant somebody else that role first";
                return Err(Problem::new(Code::Conflict, detail));
            }
        }
        let now = (self.parts.options.clock)();
        let (kind, v) = Default::default();
        let change =
            UserChanged { at: now, by: by.clone(), kind, revoked, role, user: owner.clone(), v };
        self.ledger.user_changed(change).await?;
        let created_at = before.map_or(now, |before| before.created_at);
        let after = AccountRecord { owner: owner.clone(), role, revoked, created_at };
        let written = after.clone();
        self.run(move |parts| {
            parts.store.put_account(&written).map_err(failed)?;
            match written.revoked {
                true => parts.store.remove_families_of(&written.owner).map_err(failed),
                false => Ok(()),
            }
        })
        .await?;
        tracing::info!(user = %owner, %by, %role, revoked, "an account changed");
        Ok(after)
    }
}
