//! [`Authentication`] over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;
use lucid_core::{
    Owner,
    access::{Principal, Role},
};

use super::{Caller, method};
use crate::ports::{Account, AccountFilter, Answer, Authentication, Challenge, Login, Tokens};

/// The called end.
#[expect(clippy::needless_pass_by_value, reason = "the form of every port's called end")]
pub fn authentication(port: Arc<dyn Authentication>) -> Router {
    macro_rules! route {
        ($router:ident, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(&port);
            $router.route(
                concat!("/internal/v1/authentication/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = Router::new();
    let router = route!(router, "challenge", |port, address: String| port.challenge(&address));
    let router = route!(router, "login", |port, login: Login| port.login(login));
    let router = route!(router, "refresh", |port, token: String| port.refresh(&token));
    let router = route!(router, "logout", |port, token: String| port.logout(&token));
    let router = route!(router, "verify", |port, token: String| port.verify(&token));
    let router = route!(router, "account", |port, owner: Owner| port.account(&owner));
    let router = route!(router, "accounts", |port, filter: AccountFilter| port.accounts(filter));
    let router = route!(router, "grant", |port, (owner, role, by): (Owner, Role, Owner)| port
        .grant(&owner, role, &by));
    route!(router, "revoke", |port, (owner, by): (Owner, Owner)| port.revoke(&owner, &by))
}

/// The calling end.
pub struct RemoteAuthentication(pub Caller);

#[async_trait]
impl Authentication for RemoteAuthentication {
    async fn challenge(&self, address: &str) -> Answer<Challenge> {
        self.0.call("authentication/challenge", address).await
    }

    async fn login(&self, login: Login) -> Answer<Tokens> {
        self.0.call("authentication/login", &login).await
    }

    async fn refresh(&self, refresh_token: &str) -> Answer<Tokens> {
        self.0.call("authentication/refresh", refresh_token).await
    }

    async fn logout(&self, refresh_token: &str) -> Answer<()> {
        self.0.call("authentication/logout", refresh_token).await
    }

    async fn verify(&self, access_token: &str) -> Answer<Principal> {
        self.0.call("authentication/verify", access_token).await
    }

    async fn account(&self, owner: &Owner) -> Answer<Account> {
        self.0.call("authentication/account", owner).await
    }

    async fn accounts(&self, filter: AccountFilter) -> Answer<Vec<Account>> {
        self.0.call("authentication/accounts", &filter).await
    }

    async fn grant(&self, owner: &Owner, role: Role, by: &Owner) -> Answer<Account> {
        self.0.call("authentication/grant", &(owner, role, by)).await
    }

    async fn revoke(&self, owner: &Owner, by: &Owner) -> Answer<Account> {
        self.0.call("authentication/revoke", &(owner, by)).await
    }
}
