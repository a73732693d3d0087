//! What is kept of accounts and sign-ins, and where.

use lucid_core::{Owner, Timestamp, access::Role, entry::UserChanged, merkle::TreeHead};

/// What is kept of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    /// Its address.
    pub owner: Owner,
    /// Its role.
    pub role: Role,
    /// Whether it may no longer sign in.
    pub revoked: bool,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// What is kept of a sign-in: the family of all tokens that came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family {
    /// Whose.
    pub owner: Owner,
    /// SHA-256 of the refresh token that is good now.
    pub current: [u8; 32],
    /// SHA-256 of the ones used up, the last ones last.
    pub used: Vec<[u8; 32]>,
    /// When the refresh token that is good now expires.
    pub expires_at: Timestamp,
}

impl Family {
    /// Used tokens that are remembered: one that is older is as unknown as a forged one.
    pub const USED_MAX: usize = 16;
}

/// Why accounts cannot be read or written; the cause is in the store's error.
#[derive(Debug, thiserror::Error)]
#[error("accounts cannot be read or written")]
pub struct StoreFailure(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// Where accounts and sign-ins are kept. Its calls block; what they wrote is durable when they return.
pub trait AccountStore: Send + Sync + 'static {
    /// An account.
    ///
    /// # Errors
    /// The store's.
    fn account(&self, owner: &Owner) -> Result<Option<AccountRecord>, StoreFailure>;

    /// At most `limit` accounts in order of their addresses, beginning after `after`.
    ///
    /// # Errors
    /// The store's.
    fn accounts(
        &self,
        after: Option<&Owner>,
        limit: usize,
    ) -> Result<Vec<AccountRecord>, StoreFailure>;

    /// Whether there is an admin other than `owner` who is not revoked.
    ///
    /// # Errors
    /// The store's.
    fn has_other_admin(&self, owner: &Owner) -> Result<bool, StoreFailure>;

    /// How far of the ledger log the accounts are taken up.
    ///
    /// # Errors
    /// The store's.
    fn applied(&self) -> Result<TreeHead, StoreFailure>;

    /// Takes up what follows on that in the log, up to `until`, all of it or nothing. All sign-ins of
    /// accounts that are revoked end.
    ///
    /// # Errors
    /// The store's.
    fn apply(&self, changes: &[UserChanged], until: TreeHead) -> Result<(), StoreFailure>;

    /// A sign-in.
    ///
    /// # Errors
    /// The store's.
    fn family(&self, id: [u8; 16]) -> Result<Option<Family>, StoreFailure>;

    /// Writes a sign-in, and removes some of those that have expired at `now`.
    ///
    /// # Errors
    /// The store's.
    fn put_family(&self, id: [u8; 16], family: &Family, now: Timestamp)
    -> Result<(), StoreFailure>;

    /// Ends a sign-in.
    ///
    /// # Errors
    /// The store's.
    fn remove_family(&self, id: [u8; 16]) -> Result<(), StoreFailure>;
}
