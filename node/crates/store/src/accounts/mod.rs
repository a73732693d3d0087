//! Accounts and sign-ins: a sled database of its own in `auth/`.
//!
//! ```text
//! accounts/<owner>                   JSON: role, revoked, created_at
//! families/<sign-in, 16 bytes>       JSON: owner, hash of the good refresh token, of the used ones, expiry
//! by_owner/<owner> 0x00 <sign-in>    nothing
//! expiring/<ms, 8 bytes><sign-in>    nothing
//! meta/layout                        `accounts 1`
//! meta/applied                       log size (8 bytes, big-endian) ‖ log root that the accounts stand for
//! ```
//!
//! Accounts follow from the ledger's `user.changed` entries and from nothing else: [`Accounts::apply`] takes
//! them up, in one transaction with how far the log has been taken up. Whoever opens this asks the ledger
//! what came after that. Sign-ins are here alone, and losing them means signing in again.
//!
//! Invariants:
//! - what is written is on the disk when a call returns: sled's flush, then an fdatasync of our own;
//! - of an account that the log revokes no sign-in is left that is older than that;
//! - no token is here, only hashes of refresh tokens.
//!
//! What sled does not open, or has another layout, is moved aside and begun again. A crash loses nothing
//! that was answered.

mod check;

use std::{cell::Cell, path::Path};

use lucid_core::{
    Hash, Owner, Timestamp, access::Role, entry::UserChanged, json::base64_bytes, merkle::TreeHead,
};
use serde::{Deserialize, Serialize};
use sled::{Transactional, transaction::ConflictableTransactionError};

pub use self::check::{check, set_aside};
use crate::{
    disk::Disk,
    error::StoreError,
    sled_folder::{Rebuilt, Refusal, SledFolder, condemn, open_or_anew},
};

/// Names what the trees hold; another one is begun again from the log.
const LAYOUT: &[u8] = b"accounts 1";

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
    meta: sled::Tree,
}

impl AccountRow {
    /// The account after a change that the log has.
    fn after(before: Option<&Self>, change: &UserChanged) -> Self {
        let created_at = before.map_or(change.at, |before| before.created_at);
        Self { created_at, revoked: change.revoked, role: change.role }
    }
}

impl Accounts {
    /// Opens the database in `folder`, or makes it: then it has no account yet, and the second part of the
    /// answer says why. One that cannot be trusted is moved aside first.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(folder: &Path, disk: &Disk) -> Result<(Self, Option<Rebuilt>), StoreError> {
        open_or_anew(folder, disk, || Self::try_open(folder, disk))
    }

    /// Moves the database in `folder` aside, which nobody may have open, and makes another one, because of
    /// `reason`.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin_anew(
        folder: &Path,
        disk: &Disk,
        reason: &str,
    ) -> Result<(Self, Option<Rebuilt>), StoreError> {
        let refused = Cell::new(false);
        open_or_anew(folder, disk, || match refused.replace(true) {
            false => Err(Refusal::Anew(reason.to_owned())),
            true => Self::try_open(folder, disk),
        })
    }

    fn try_open(folder: &Path, disk: &Disk) -> Result<Self, Refusal> {
        let fresh = !folder.join("db").exists();
        let files = SledFolder::open(folder, CACHE_BYTES, disk)?;
        let opened = Self {
            rows: files.tree("accounts")?,
            families: files.tree("families")?,
            by_owner: files.tree("by_owner")?,
            expiring: files.tree("expiring")?,
            meta: files.tree("meta")?,
            files,
        };
        if fresh {
            opened.sled(opened.meta.insert(b"applied", head_bytes(TreeHead::EMPTY)))?;
            opened.sled(opened.meta.insert(b"layout", LAYOUT))?;
            opened.files.flush()?;
        }
        let layout = opened.sled(opened.meta.get(b"layout"))?;
        match layout.as_deref() {
            Some(LAYOUT) => {}
            None => return Err(Refusal::Anew("it does not say what is in it".to_owned())),
            Some(_) => return Err(Refusal::Anew("its layout is another version's".to_owned())),
        }
        let applied = opened.applied();
        applied.map_err(|_| Refusal::Anew("it does not say which log it is of".to_owned()))?;
        Ok(opened)
    }

    /// How far the log is taken up.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn applied(&self) -> Result<TreeHead, StoreError> {
        let value = self.sled(self.meta.get(b"applied"))?;
        let parsed = value.as_deref().and_then(|value| {
            let (size, root) = value.split_first_chunk()?;
            Some(TreeHead { size: u64::from_be_bytes(*size), root: Hash(root.try_into().ok()?) })
        });
        parsed.ok_or_else(|| self.damaged("how far the log is taken up"))
    }

    /// Takes up changes that follow in the log on what [`Accounts::applied`] says, up to `until`. Sign-ins
    /// of accounts that are revoked end first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], the disk's.
    pub fn apply(&self, changes: &[UserChanged], until: TreeHead) -> Result<(), StoreError> {
        for change in changes.iter().filter(|change| change.revoked) {
            self.remove_families_unsynced(&change.user)?;
        }
        let mut rows: Vec<(&Owner, AccountRow)> = Vec::with_capacity(changes.len());
        for change in changes {
            let before = match rows.iter().rev().find(|(owner, _)| **owner == change.user) {
                Some((_, row)) => Some(row.clone()),
                None => self.account(&change.user)?,
            };
            rows.push((&change.user, AccountRow::after(before.as_ref(), change)));
        }
        let trees = (&self.rows, &self.meta);
        self.transaction(trees.transaction(|(accounts, meta)| {
            for (owner, row) in &rows {
                accounts.insert(owner.as_str(), to_json(row))?;
            }
            meta.insert(b"applied", head_bytes(until))?;
            Ok::<_, ConflictableTransactionError<()>>(())
        }))?;
        self.files.flush()
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

    fn remove_families_unsynced(&self, owner: &Owner) -> Result<(), StoreError> {
        let prefix = [owner.as_str().as_bytes(), b"\0"].concat();
        for key in self.by_owner.scan_prefix(&prefix).keys() {
            let key = self.sled(key)?;
            let id = key.get(prefix.len()..).and_then(|id| FamilyId::try_from(id).ok());
            self.remove_unsynced(id.ok_or_else(|| self.damaged("a sign-in's id"))?)?;
        }
        Ok(())
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
        self.files.sled(result.inspect_err(|error| {
            if !matches!(error, sled::Error::Io(_)) {
                condemn(self.files.path());
            }
        }))
    }

    /// sled gave what nobody put there: the database is made anew at the next start.
    fn damaged(&self, what: &str) -> StoreError {
        condemn(self.files.path());
        let reason = format!("{what} in it is none; the next start makes it anew from the log");
        crate::error::damaged(self.files.path(), reason)
    }
}

fn head_bytes(head: TreeHead) -> Vec<u8> {
    [head.size.to_be_bytes().as_slice(), head.root.as_bytes()].concat()
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
mod tests;
