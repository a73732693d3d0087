//! Accounts and sign-ins: a sled database of its own in `auth/`.
//!
//! ```text
//! accounts/<owner>                   JSON: role, revoked, created_at
//! families/<sign-in, 16 bytes>       JSON: owner, hash of the good refresh token, of the used ones, expiry
//! by_owner/<owner> 0x00 <sign-in>    nothing
//! expiring/<ms, 8 bytes><sign-in>    nothing
//! ```
//!
//! Accounts follow from the ledger's `user.changed` entries; sign-ins are here alone, and losing them
//! means signing in again. Everything written is on the disk when a call returns: sled's flush, then an
//! fdatasync of our own. No token is here, only hashes of refresh tokens.

use std::path::Path;

use lucid_core::{Owner, Timestamp, access::Role, json::base64_bytes};
use serde::{Deserialize, Serialize};
use sled::{Transactional, transaction::ConflictableTransactionError};

use crate::{disk::Disk, error::StoreError, sled_folder::SledFolder};

/// sled's page cache. A board has thousands of accounts at most.
const CACHE_BYTES: u64 = 4 << 20;
/// Expired sign-ins that one new sign-in removes.
const PRUNED_EACH: usize = 8;

/// A sign-in's id.
pub type FamilyId = [u8; 16];

/// What is kept of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRow {
    /// When it was first seen.
    pub created_at: Timestamp,
    /// Whether it may no longer sign in.
    pub revoked: bool,
    /// Its role.
    pub role: Role,
}

/// What is kept of a sign-in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyRow {
    /// Hash of the refresh token that is good now.
    #[serde(with = "base64_bytes")]
    pub current: [u8; 32],
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whose.
    pub owner: Owner,
    /// Hashes of those used up, 32 bytes each.
    #[serde(with = "base64_bytes")]
    pub used: Vec<u8>,
}

/// The database.
pub struct Accounts {
    files: SledFolder,
    rows: sled::Tree,
    families: sled::Tree,
    by_owner: sled::Tree,
    expiring: sled::Tree,
}

impl Accounts {
    /// Opens the database in `folder`, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Database`], the operating system's.
    pub fn open(folder: &Path, disk: &Disk) -> Result<Self, StoreError> {
        let files = SledFolder::open(folder, CACHE_BYTES, disk)?;
        Ok(Self {
            rows: files.tree("accounts")?,
            families: files.tree("families")?,
            by_owner: files.tree("by_owner")?,
            expiring: files.tree("expiring")?,
            files,
        })
    }

    /// Whether no account is here: a database that was just made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// An account.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn account(&self, owner: &Owner) -> Result<Option<AccountRow>, StoreError> {
        let row = self.sled(self.rows.get(owner.as_str()))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// At most `limit` accounts in order of their names, beginning after `after`.
    ///
    /// # Errors
    /// Those of [`Accounts::account`].
    pub fn accounts(
        &self,
        after: Option<&Owner>,
        limit: usize,
    ) -> Result<Vec<(Owner, AccountRow)>, StoreError> {
        // A zero byte is in no name, so this is the next name there can be.
        let from = after.map_or(Vec::new(), |owner| [owner.as_str().as_bytes(), b"\0"].concat());
        let rows = self.rows.range(from..).take(limit);
        rows.map(|row| {
            let (owner, row) = self.sled(row)?;
            let owner = std::str::from_utf8(&owner).ok().and_then(|owner| owner.parse().ok());
            Ok((owner.ok_or_else(|| self.damaged("a name"))?, self.parse(&row)?))
        })
        .collect()
    }

    /// Writes an account.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn put_account(&self, owner: &Owner, row: &AccountRow) -> Result<(), StoreError> {
        self.sled(self.rows.insert(owner.as_str(), to_json(row)))?;
        self.files.flush()
    }

    /// A sign-in.
    ///
    /// # Errors
    /// Those of [`Accounts::account`].
    pub fn family(&self, id: FamilyId) -> Result<Option<FamilyRow>, StoreError> {
        let row = self.sled(self.families.get(id))?;
        row.map(|row| self.parse(&row)).transpose()
    }

    /// Writes a sign-in, and removes a few of those that have expired at `now`.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn put_family(
        &self,
        id: FamilyId,
        row: &FamilyRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.family(id)?;
        let bytes = to_json(row);
        let trees = (&self.families, &self.by_owner, &self.expiring);
        self.transaction(trees.transaction(|(families, by_owner, expiring)| {
            if let Some(before) = &before {
                expiring.remove(expiring_key(before.expires_at, id))?;
            }
            families.insert(&id, bytes.as_slice())?;
            by_owner.insert(owner_key(&row.owner, id), &[])?;
            expiring.insert(expiring_key(row.expires_at, id), &[])?;
            Ok::<_, ConflictableTransactionError<()>>(())
        }))?;
        let until = now.unix_millis().to_be_bytes();
        let expired: Vec<_> = self.expiring.range(..until).take(PRUNED_EACH).collect();
        for key in expired {
            let (key, _) = self.sled(key)?;
            let id = key.get(8..).and_then(|id| FamilyId::try_from(id).ok());
            self.remove_unsynced(id.ok_or_else(|| self.damaged("a sign-in's id"))?)?;
        }
        self.files.flush()
    }

    /// Ends a sign-in; does nothing where there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn remove_family(&self, id: FamilyId) -> Result<(), StoreError> {
        self.remove_unsynced(id)?;
        self.files.flush()
    }

    /// Ends all sign-ins of an account.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn remove_families_of(&self, owner: &Owner) -> Result<(), StoreError> {
        let prefix = [owner.as_str().as_bytes(), b"\0"].concat();
        for key in self.by_owner.scan_prefix(&prefix).keys() {
            let key = self.sled(key)?;
            let id = key.get(prefix.len()..).and_then(|id| FamilyId::try_from(id).ok());
            self.remove_unsynced(id.ok_or_else(|| self.damaged("a sign-in's id"))?)?;
        }
        self.files.flush()
    }

    fn remove_unsynced(&self, id: FamilyId) -> Result<(), StoreError> {
        let Some(row) = self.family(id)? else { return Ok(()) };
        let trees = (&self.families, &self.by_owner, &self.expiring);
        self.transaction(trees.transaction(|(families, by_owner, expiring)| {
            families.remove(&id)?;
            by_owner.remove(owner_key(&row.owner, id))?;
            expiring.remove(expiring_key(row.expires_at, id))?;
            Ok::<_, ConflictableTransactionError<()>>(())
        }))
    }

    fn transaction(
        &self,
        result: Result<(), sled::transaction::TransactionError<()>>,
    ) -> Result<(), StoreError> {
        match result {
            Ok(()) | Err(sled::transaction::TransactionError::Abort(())) => Ok(()),
            Err(sled::transaction::TransactionError::Storage(source)) => self.sled(Err(source)),
        }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<T, StoreError> {
        serde_json::from_slice(bytes).map_err(|_| self.damaged("a row"))
    }

    fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        self.files.sled(result)
    }

    fn damaged(&self, what: &str) -> StoreError {
        let reason =
            format!("{what} in it is none; stop the node, remove the folder, and sign in anew");
        crate::error::damaged(self.files.path(), reason)
    }
}

fn owner_key(owner: &Owner, id: FamilyId) -> Vec<u8> {
    [owner.as_str().as_bytes(), b"\0", &id].concat()
}

fn expiring_key(at: Timestamp, id: FamilyId) -> Vec<u8> {
    [at.unix_millis().to_be_bytes().as_slice(), &id].concat()
}

fn to_json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows have text keys and no failing parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    fn owner(name: &str) -> Owner {
        name.parse().unwrap()
    }

    fn family(of: &str, expires: u64) -> FamilyRow {
        let (current, used) = ([1; 32], vec![2; 64]);
        FamilyRow { current, expires_at: at(expires), owner: owner(of), used }
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth");
        let row = AccountRow { created_at: at(5), revoked: false, role: Role::Operator };
        let accounts = Accounts::open(&path, &Disk::default()).unwrap();
        assert!(accounts.is_empty());
        for name in ["Tb", "Ta", "Tab", "Tc"] {
            accounts.put_account(&owner(name), &row).unwrap();
        }
        accounts.put_family([1; 16], &family("Ta", 100), at(0)).unwrap();
        accounts.put_family([2; 16], &family("Tab", 100), at(0)).unwrap();
        drop(accounts);
        let accounts = Accounts::open(&path, &Disk::default()).unwrap();
        assert_eq!(accounts.account(&owner("Tab")).unwrap(), Some(row));
        let names = |after: Option<&str>, limit| -> Vec<String> {
            let page = accounts.accounts(after.map(owner).as_ref(), limit).unwrap();
            page.into_iter().map(|(owner, _)| owner.to_string()).collect()
        };
        assert_eq!(names(None, 10), ["Ta", "Tab", "Tb", "Tc"]);
        assert_eq!(names(Some("Ta"), 2), ["Tab", "Tb"]);
        assert_eq!(accounts.family([1; 16]).unwrap(), Some(family("Ta", 100)));
        accounts.remove_families_of(&owner("Ta")).unwrap();
        assert_eq!(accounts.family([1; 16]).unwrap(), None);
        assert!(accounts.family([2; 16]).unwrap().is_some(), "another's, whose name begins alike");
        accounts.remove_family([2; 16]).unwrap();
        accounts.remove_family([2; 16]).unwrap();
        for tree in [&accounts.families, &accounts.by_owner, &accounts.expiring] {
            assert!(tree.is_empty());
        }
    }

    #[test]
    fn expired_sign_ins_go_a_few_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(folder.path(), &Disk::default()).unwrap();
        for id in 0..20 {
            accounts.put_family([id; 16], &family("Ta", u64::from(id)), at(0)).unwrap();
        }
        // Good for longer again: its old time counts no more.
        accounts.put_family([0; 16], &family("Ta", 1000), at(0)).unwrap();
        accounts.put_family([50; 16], &family("Ta", 1000), at(20)).unwrap();
        assert_eq!(accounts.families.len(), 21 - PRUNED_EACH);
        for _ in 0..3 {
            accounts.put_family([50; 16], &family("Ta", 1000), at(20)).unwrap();
        }
        assert_eq!((accounts.families.len(), accounts.by_owner.len()), (2, 2));
    }
}
