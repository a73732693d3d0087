//! The authentication service.

mod changes;
mod follow;

use std::sync::Arc;

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{Account, AccountFilter, Answer, Authentication, Challenge, Ledger, Login, Tokens},
};
use lucid_core::{
    Owner, Timestamp,
    access::{Principal, Role},
};
use tokio::sync::Mutex;

use self::changes::Why;
pub use self::follow::follow;
use crate::{
    AccountRecord, AccountStore, Address, Family, KeyRing, StoreFailure,
    message::WalletSignature,
    nonces::{NONCE_SECONDS, Nonces, Refused, later},
    tokens::{self, ACCESS_SECONDS, Access, FamilyId, REFRESH_SECONDS, Unbelieved},
};

/// Accounts in one page.
const PAGE_MAX: u32 = 1000;

/// How the service is set up.
pub struct ServiceOptions {
    /// Who issues tokens: the node's id.
    pub issuer: String,
    /// How the node calls itself to people who sign in.
    pub name: String,
    /// Addresses that become admins when they are first seen. What the ledger says later goes before.
    pub admins: Vec<Owner>,
    /// The keys of access tokens.
    pub keys: KeyRing,
    /// The clock.
    pub clock: Clock,
}

/// The time by some clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The authentication service over a store of accounts and the ledger.
pub struct Service {
    parts: Arc<Parts>,
    ledger: Arc<dyn Ledger>,
    /// Held from reading an account to writing it, over the ledger's answer: accounts change seldom,
    /// and one after the other.
    changing: Mutex<()>,
}

struct Parts {
    options: ServiceOptions,
    nonces: Nonces,
    store: Arc<dyn AccountStore>,
    /// Held while a refresh token is exchanged, so that it is used up once.
    refreshing: std::sync::Mutex<()>,
}

impl Service {
    /// A service.
    ///
    /// # Errors
    /// Where the operating system has no randomness.
    pub fn new(
        store: Arc<dyn AccountStore>,
        ledger: Arc<dyn Ledger>,
        options: ServiceOptions,
    ) -> Result<Self, getrandom::Error> {
        let nonces = Nonces::new(random()?);
        let parts = Parts { options, nonces, store, refreshing: std::sync::Mutex::default() };
        Ok(Self { parts: Arc::new(parts), ledger, changing: Mutex::default() })
    }

    /// Runs what waits for the disk where that holds nobody up.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let parts = Arc::clone(&self.parts);
        let task = tokio::task::spawn_blocking(move || work(&parts));
        task.await.map_err(|error| internal(&error))?
    }
}

impl AccountRecord {
    fn is_admin(&self) -> bool {
        self.role == Role::Admin && !self.revoked
    }

    fn view(self) -> Account {
        let Self { owner, role, revoked, created_at } = self;
        Account { owner, role, revoked, created_at }
    }
}

impl Parts {
    fn now(&self) -> Timestamp {
        (self.options.clock)()
    }

    /// What is signed: at most 225 bytes where the name has at most 64. That is what a Ledger takes in one
    /// command; of more, versions of its TRON app before the end of 2025 sign something else.
    fn message(&self, address: Address, nonce: &str, issued: Timestamp) -> String {
        let expires = later(issued, NONCE_SECONDS).to_string();
        // To the second: `2026-02-01T00:00:05.250Z`.
        let expires = expires.get(..19).unwrap_or(&expires);
        let (name, node) = (&self.options.name, &self.options.issuer);
        format!(
            "Sign in to {name}, node {node}.\n\nAddress: {address}\nNonce: {nonce}\n\
             Expires: {expires}Z"
        )
    }

    fn challenge(&self, address: &str) -> Answer<Challenge> {
        let (address, now) = (parse_address(address)?, self.now());
        let random = random().map_err(|error| internal(&error))?;
        let nonce = self.nonces.make(address, now, random);
        let message = self.message(address, &nonce, now);
        Ok(Challenge { message, nonce, expires_at: later(now, NONCE_SECONDS) })
    }

    /// Whether a login is signed by its address; gives the address.
    fn check_login(&self, login: &Login) -> Answer<Address> {
        let (address, now) = (parse_address(&login.address)?, self.now());
        let refused = |refused| match refused {
            Refused::Unknown => Problem::new(
                Code::NonceUnknown,
                "the nonce was never given to this address, or the node started since: ask for a \
                 new challenge",
            ),
            Refused::Expired => {
                Problem::new(Code::NonceExpired, "the nonce has expired: ask for a new challenge")
            }
            Refused::Used => {
                Problem::new(Code::NonceUsed, "the nonce was used before: ask for a new challenge")
            }
            Refused::TooMany => {
                Problem::new(Code::RateLimited, "too many sign-ins: try again soon")
            }
        };
        let nonce = self.nonces.read(&login.nonce, address, now).map_err(refused)?;
        let wrong = |detail: String| Problem::new(Code::SignatureInvalid, detail);
        let signature =
            WalletSignature::parse(&login.signature).map_err(|e| wrong(e.to_string()))?;
        let message = self.message(address, &login.nonce, nonce.issued);
        if !signature.is_by(address, &message) {
            return Err(wrong(format!("the message was not signed by {address}")));
        }
        self.nonces.take(nonce, now).map_err(refused)?;
        Ok(address)
    }

    /// Begins a sign-in of an account.
    fn sign_in(&self, account: &AccountRecord) -> Answer<Tokens> {
        if account.revoked {
            return Err(revoked());
        }
        let family = random().map_err(|error| internal(&error))?;
        self.issue(family, &account.owner, Vec::new())
    }

    /// Makes the next tokens of a sign-in, and keeps the refresh token's hash.
    fn issue(&self, id: FamilyId, owner: &Owner, used: Vec<[u8; 32]>) -> Answer<Tokens> {
        let now = self.now();
        let random = random().map_err(|error| internal(&error))?;
        let (refresh_token, current) = tokens::refresh_token(id, &random);
        let expires_at = later(now, REFRESH_SECONDS);
        let family = Family { owner: owner.clone(), current, used, expires_at };
        self.store.put_family(id, &family, now).map_err(failed)?;
        let access = Access { owner: owner.clone(), family: id };
        let access_token = self.options.keys.access_token(&self.options.issuer, &access, now);
        let token_type = "Bearer".to_owned();
        Ok(Tokens { access_token, refresh_token, token_type, expires_in: ACCESS_SECONDS })
    }

    fn refresh(&self, token: &str) -> Answer<Tokens> {
        let (id, hash) = tokens::read_refresh_token(token).ok_or_else(invalid)?;
        // It guards nothing that a panic could leave half done.
        let _turn = self.refreshing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let family = self.store.family(id).map_err(failed)?.ok_or_else(invalid)?;
        if family.used.contains(&hash) {
            self.store.remove_family(id).map_err(failed)?;
            tracing::warn!(user = %family.owner, "a refresh token was used twice: its sign-in is over");
            let detail =
                "the refresh token was used before: all tokens of this sign-in are revoked";
            return Err(Problem::new(Code::RefreshReused, detail));
        }
        if family.current != hash {
            return Err(invalid());
        }
        if family.expires_at <= self.now() {
            self.store.remove_family(id).map_err(failed)?;
            return Err(Problem::new(Code::TokenExpired, "the refresh token has expired: sign in"));
        }
        if self.account(&family.owner)?.revoked {
            return Err(revoked());
        }
        let mut used = family.used;
        used.push(hash);
        let over = used.len().saturating_sub(Family::USED_MAX);
        used.drain(..over);
        self.issue(id, &family.owner, used)
    }

    fn logout(&self, token: &str) -> Answer<()> {
        let (id, hash) = tokens::read_refresh_token(token).ok_or_else(invalid)?;
        let _turn = self.refreshing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match self.store.family(id).map_err(failed)? {
            None => Ok(()),
            Some(family) if family.current == hash || family.used.contains(&hash) => {
                self.store.remove_family(id).map_err(failed)
            }
            Some(_) => Err(invalid()),
        }
    }

    fn verify(&self, token: &str) -> Answer<Principal> {
        let access = self.options.keys.read(&self.options.issuer, token, self.now());
        let Access { owner, family } = access.map_err(|why| match why {
            Unbelieved::Invalid => invalid(),
            Unbelieved::Expired => {
                Problem::new(Code::TokenExpired, "the access token has expired: refresh it")
            }
        })?;
        let account = self.account(&owner)?;
        if account.revoked {
            return Err(revoked());
        }
        let family = self.store.family(family).map_err(failed)?.ok_or_else(invalid)?;
        if family.owner != owner {
            return Err(invalid());
        }
        Ok(Principal { owner, role: account.role })
    }

    fn account(&self, owner: &Owner) -> Answer<AccountRecord> {
        self.store.account(owner).map_err(failed)?.ok_or_else(invalid)
    }
}

#[async_trait]
impl Authentication for Service {
    async fn challenge(&self, address: &str) -> Answer<Challenge> {
        self.parts.challenge(address)
    }

    async fn login(&self, login: Login) -> Answer<Tokens> {
        // Recovering a key takes a fraction of a millisecond of a processor.
        let owner = self.run(move |parts| parts.check_login(&login)).await?.owner();
        let of = owner.clone();
        let known = self.run(move |parts| parts.store.account(&of).map_err(failed)).await?;
        let account = match known {
            // What the ledger has of it since counts, whatever the configuration names it.
            Some(account) => account,
            None => {
                let (role, by) = match self.parts.options.admins.contains(&owner) {
                    true => (Role::Admin, operator()),
                    false => (Role::User, owner.clone()),
                };
                self.change(Why::SignedIn, &owner, &by, |before| {
                    Ok(before.is_none().then_some((role, false)))
                })
                .await?
            }
        };
        self.run(move |parts| parts.sign_in(&account)).await
    }

    async fn refresh(&self, refresh_token: &str) -> Answer<Tokens> {
        let token = zeroize::Zeroizing::new(refresh_token.to_owned());
        self.run(move |parts| parts.refresh(&token)).await
    }

    async fn logout(&self, refresh_token: &str) -> Answer<()> {
        let token = zeroize::Zeroizing::new(refresh_token.to_owned());
        self.run(move |parts| parts.logout(&token)).await
    }

    async fn verify(&self, access_token: &str) -> Answer<Principal> {
        let token = zeroize::Zeroizing::new(access_token.to_owned());
        self.run(move |parts| parts.verify(&token)).await
    }

    async fn account(&self, owner: &Owner) -> Answer<Account> {
        let owner = owner.clone();
        self.run(move |parts| {
            parts
                .store
                .account(&owner)
                .map_err(failed)?
                .map(AccountRecord::view)
                .ok_or_else(no_account)
        })
        .await
    }

    async fn accounts(&self, filter: AccountFilter) -> Answer<Vec<Account>> {
        self.run(move |parts| {
            let limit = usize::try_from(filter.limit.min(PAGE_MAX)).unwrap_or_default();
            let page = parts.store.accounts(filter.after.as_ref(), limit).map_err(failed)?;
            Ok(page.into_iter().map(AccountRecord::view).collect())
        })
        .await
    }

    async fn grant(&self, owner: &Owner, role: Role, by: &Owner) -> Answer<Account> {
        parse_address(owner.as_str())?;
        let granted = self.change(Why::Asked, owner, by, |before| {
            let same = before.is_some_and(|before| before.role == role && !before.revoked);
            Ok((!same).then_some((role, false)))
        });
        granted.await.map(AccountRecord::view)
    }

    async fn revoke(&self, owner: &Owner, by: &Owner) -> Answer<Account> {
        let revoked = self.change(Why::Asked, owner, by, |before| {
            let before = before.ok_or_else(no_account)?;
            Ok((!before.revoked).then_some((before.role, true)))
        });
        revoked.await.map(AccountRecord::view)
    }
}

/// Who acts where it is the node's configuration or its command line.
fn operator() -> Owner {
    "local".parse().expect("it is five letters")
}

fn parse_address(text: &str) -> Answer<Address> {
    text.parse()
        .map_err(|error: crate::AddressError| Problem::new(Code::InvalidAddress, error.to_string()))
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn invalid() -> Problem {
    Problem::new(Code::TokenInvalid, "the token is not good: sign in")
}

fn revoked() -> Problem {
    Problem::new(Code::AccountRevoked, "the account was revoked: ask an admin of the node")
}

fn no_account() -> Problem {
    Problem::new(Code::NotFound, "there is no such account")
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` calls for")]
fn failed(failure: StoreFailure) -> Problem {
    internal(&*failure.0)
}

fn internal(error: &dyn std::error::Error) -> Problem {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    tracing::error!(error = text, "authentication failed to work");
    Problem::internal()
}

#[cfg(test)]
mod tests;
