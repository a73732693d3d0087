//! The store of accounts, as authentication wants it.

use lucid_auth::{AccountRecord, AccountStore, Family, StoreFailure};
use lucid_core::{Owner, Timestamp, access::Role, entry::UserChanged, merkle::TreeHead};
use lucid_store::{
    Accounts, StoreError,
    accounts::{AccountRow, FamilyRow},
};

/// The accounts of a data folder.
pub struct StoredAccounts(pub Accounts);

fn failed(error: StoreError) -> StoreFailure {
    StoreFailure(error.into())
}

fn record((owner, row): (Owner, AccountRow)) -> AccountRecord {
    let AccountRow { created_at, revoked, role } = row;
    AccountRecord { owner, role, revoked, created_at }
}

impl AccountStore for StoredAccounts {
    fn account(&self, owner: &Owner) -> Result<Option<AccountRecord>, StoreFailure> {
        let row = self.0.account(owner).map_err(failed)?;
        Ok(row.map(|row| record((owner.clone(), row))))
    }

    fn accounts(
        &self,
        after: Option<&Owner>,
        limit: usize,
    ) -> Result<Vec<AccountRecord>, StoreFailure> {
        let page = self.0.accounts(after, limit).map_err(failed)?;
        Ok(page.into_iter().map(record).collect())
    }

    fn has_other_admin(&self, owner: &Owner) -> Result<bool, StoreFailure> {
        const PAGE: usize = 256;
        let mut after = None;
        loop {
            let page = self.accounts(after.as_ref(), PAGE)?;
            let is_other = |account: &AccountRecord| {
                account.role == Role::Admin && !account.revoked && account.owner != *owner
            };
            if page.iter().any(is_other) {
                return Ok(true);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.owner.clone()),
                _ => return Ok(false),
            }
        }
    }

    fn applied(&self) -> Result<TreeHead, StoreFailure> {
        self.0.applied().map_err(failed)
    }

    fn apply(&self, changes: &[UserChanged], until: TreeHead) -> Result<(), StoreFailure> {
        self.0.apply(changes, until).map_err(failed)
    }

    fn family(&self, id: [u8; 16]) -> Result<Option<Family>, StoreFailure> {
        let row = self.0.family(id).map_err(failed)?;
        Ok(row.map(|row| {
            let FamilyRow { current, expires_at, owner, used } = row;
            Family { owner, current, used: used.as_chunks().0.to_vec(), expires_at }
        }))
    }

    fn put_family(
        &self,
        id: [u8; 16],
        family: &Family,
        now: Timestamp,
    ) -> Result<(), StoreFailure> {
        let Family { owner, current, used, expires_at } = family.clone();
        let used = used.as_flattened().to_vec();
        self.0.put_family(id, &FamilyRow { current, expires_at, owner, used }, now).map_err(failed)
    }

    fn remove_family(&self, id: [u8; 16]) -> Result<(), StoreFailure> {
        self.0.remove_family(id).map_err(failed)
    }
}
