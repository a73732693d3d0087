//! Sign-in, tokens and accounts.

use async_trait::async_trait;
use lucid_core::{
    Owner, Timestamp,
    access::{Principal, Role},
};
use serde::{Deserialize, Serialize};

use super::Answer;

/// What a wallet is asked to sign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The text to sign, exactly.
    pub message: String,
    /// Names the challenge at login; good for one login.
    pub nonce: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The answer to a challenge.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The wallet's address, in base58check.
    pub address: String,
    /// 65 bytes r ‖ s ‖ v in hex, with or without `0x`.
    pub signature: String,
    /// The challenge's.
    pub nonce: String,
}

/// The tokens of a sign-in. No `Debug`: they are secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: String,
    /// Good for one refresh.
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds the access token is good for.
    pub expires_in: u64,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its address.
    pub owner: Owner,
    /// Its role.
    pub role: Role,
    /// Whether it may no longer sign in.
    pub revoked: bool,
    /// When it first signed in, or was first granted a role.
    pub created_at: Timestamp,
}

/// Which accounts are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFilter {
    /// Beginning after this one, in order of addresses.
    pub after: Option<Owner>,
    /// At most so many.
    pub limit: u32,
}

/// The authentication service.
#[async_trait]
pub trait Authentication: Send + Sync {
    /// A challenge for a wallet.
    ///
    /// # Errors
    /// `invalid_address`, `rate_limited` where too many are outstanding.
    async fn challenge(&self, address: &str) -> Answer<Challenge>;

    /// Signs in. Whoever comes for the first time becomes a `user`.
    ///
    /// # Errors
    /// `invalid_address`, `signature_invalid`, `nonce_unknown`, `nonce_expired`, `nonce_used`,
    /// `account_revoked`.
    async fn login(&self, login: Login) -> Answer<Tokens>;

    /// Exchanges a refresh token for new tokens; it is then used up.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`, `refresh_reused`, `account_revoked`.
    async fn refresh(&self, refresh_token: &str) -> Answer<Tokens>;

    /// Ends the sign-in that a refresh token belongs to: its access tokens too. Does nothing the
    /// second time.
    ///
    /// # Errors
    /// `token_invalid`.
    async fn logout(&self, refresh_token: &str) -> Answer<()>;

    /// Who an access token speaks for, as of now: revocation and changes of role are seen at once.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`, `account_revoked`.
    async fn verify(&self, access_token: &str) -> Answer<Principal>;

    /// An account.
    ///
    /// # Errors
    /// `not_found`.
    async fn account(&self, owner: &Owner) -> Answer<Account>;

    /// Accounts in order of their addresses.
    ///
    /// # Errors
    /// The store's.
    async fn accounts(&self, filter: AccountFilter) -> Answer<Vec<Account>>;

    /// Gives an account a role, making the account where there is none, and lifts a revocation. In
    /// the ledger, with who did it, before it takes effect.
    ///
    /// # Errors
    /// `invalid_address`, `conflict` where no admin would be left, the ledger's.
    async fn grant(&self, owner: &Owner, role: Role, by: &Owner) -> Answer<Account>;

    /// Revokes an account and all its tokens.
    ///
    /// # Errors
    /// `not_found`, `conflict` where no admin would be left, the ledger's.
    async fn revoke(&self, owner: &Owner, by: &Owner) -> Answer<Account>;
}
