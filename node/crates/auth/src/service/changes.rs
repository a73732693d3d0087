//! Changes of accounts: one at a time, in the ledger before anywhere else.

use lucid_api::{Code, Problem, ports::Answer};
use lucid_core::{Owner, access::Role, entry::UserChanged};

use super::{Parts, Service, failed, follow, no_account, operator, revoked};
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

    /// Takes up what the ledger says.
    async fn follow(&self) -> Answer<()> {
        follow(&self.parts.store, &*self.ledger).await.map(drop).map_err(|problem| match problem.code {
            Code::Conflict => {
                tracing::error!(why = problem.detail, "the accounts are not of this ledger");
                let detail = "the accounts are not of this ledger: restart authentication, which makes \
                              them anew from it";
                Problem::new(Code::Unavailable, detail)
            }
            _ => problem,
        })
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
        // A change may be in the ledger whose answer was lost.
        self.follow().await?;
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
        let told = self.ledger.user_changed(change).await;
        // Whether it is in the ledger decides, not whether somebody heard that it is.
        let followed = self.follow().await;
        told?;
        followed?;
        let of = owner.clone();
        let after = self.run(move |parts| parts.account(&of)).await?;
        tracing::info!(user = %owner, %by, %role, revoked, "an account changed");
        Ok(after)
    }
}
