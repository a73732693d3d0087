//! How services know each other: short-lived tokens, HMAC-SHA-256 under a key from their shared secret.
//!
//! A token names who calls and who is called, and from the gateway also for whom. It is good for a
//! minute, and within that minute as often as it is shown: what it is shown over is internal.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use lucid_core::access::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Code, Problem};

/// Seconds a token is good for, beside what clocks differ.
const SECONDS: u64 = 60;
/// Seconds that clocks may differ.
const LEEWAY: u64 = 30;

/// The services' shared key.
#[derive(Clone)]
pub struct ServiceKey {
    signing: EncodingKey,
    verifying: DecodingKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    aud: String,
    exp: u64,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    principal: Option<Principal>,
}

impl ServiceKey {
    /// The key from the services' shared secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // For this and for nothing else, should the secret be used elsewhere too.
        let key =
            Sha256::new().chain_update(b"lucid/v1/service-token\0").chain_update(secret).finalize();
        Self { signing: EncodingKey::from_secret(&key), verifying: DecodingKey::from_secret(&key) }
    }

    /// A token of `caller` for `called`, on behalf of a person where there is one.
    ///
    /// # Panics
    /// Never: plain claims can be signed.
    #[must_use]
    pub fn token(&self, caller: &str, called: &str, principal: Option<&Principal>) -> String {
        let claims = Claims {
            aud: called.to_owned(),
            exp: now() + SECONDS,
            iss: caller.to_owned(),
            principal: principal.cloned(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("plain claims under an HMAC key")
    }

    /// For whom a token for `called` speaks.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`.
    pub fn read(&self, token: &str, called: &str) -> Result<Option<Principal>, Problem> {
        self.read_whole(token, called).map(|(_, principal)| principal)
    }

    /// Which service made a token for `called`, and for whom it speaks.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`.
    pub fn read_whole(
        &self,
        token: &str,
        called: &str,
    ) -> Result<(String, Option<Principal>), Problem> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[called]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Held against the clock below, where how far it is off can be said.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &self.verifying, &validation).map_err(|_| {
            Problem::new(Code::TokenInvalid, "it is no token of a service for this one")
        })?;
        let Claims { exp, iss, principal, .. } = claims.claims;
        check_time(exp, now(), &iss, called)?;
        Ok((iss, principal))
    }
}

/// Whether a token of `caller` that ends at `exp` is one of now: none is made for longer than a minute.
fn check_time(exp: u64, now: u64, caller: &str, called: &str) -> Result<(), Problem> {
    let apart = |code, seconds: u64, ahead: &str, behind: &str| {
        let detail = format!(
            "the clock of {ahead} is at least {seconds} s ahead of that of {behind}, and tokens between services end after \
             {SECONDS} s: set the clocks of both (NTP)"
        );
        Problem::new(code, detail)
    };
    match (now.saturating_sub(exp), exp.saturating_sub(now).saturating_sub(SECONDS)) {
        (late, _) if late > LEEWAY => Err(apart(Code::TokenExpired, late, called, caller)),
        (_, early) if early > LEEWAY => Err(apart(Code::TokenInvalid, early, caller, called)),
        _ => Ok(()),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_one_service_under_one_secret() {
        let key = ServiceKey::new(b"secret");
        let person =
            Principal { owner: "TPerson".parse().unwrap(), role: lucid_core::access::Role::User };
        let token = key.token("a", "b", Some(&person));
        assert_eq!(key.read(&token, "b"), Ok(Some(person)));
        assert_eq!(key.read(&key.token("a", "b", None), "b"), Ok(None));
        assert_eq!(key.read_whole(&key.token("a", "b", None), "b"), Ok(("a".to_owned(), None)));
        let other = ServiceKey::new(b"other");
        for (key, token, called) in [
            (&key, token.clone(), "c"),
            (&other, token.clone(), "b"),
            (&key, format!("{token}x"), "b"),
            (&key, String::new(), "b"),
        ] {
            assert_eq!(key.read(&token, called).unwrap_err().code, Code::TokenInvalid);
        }
    }

    #[test]
    fn clocks_may_differ_by_half_a_minute() {
        let check = |exp| check_time(exp, 1_000_000, "api-server", "session-chunker");
        for exp in [1_000_060, 1_000_090, 1_000_000, 999_970] {
            assert_eq!(check(exp), Ok(()), "{exp}");
        }
        for (exp, code, said) in [
            (
                999_969,
                Code::TokenExpired,
                "session-chunker is at least 31 s ahead of that of api-server",
            ),
            (0, Code::TokenExpired, "session-chunker is at least 1000000 s ahead"),
            (
                1_000_091,
                Code::TokenInvalid,
                "api-server is at least 31 s ahead of that of session-chunker",
            ),
            (u64::MAX, Code::TokenInvalid, "api-server is at least"),
        ] {
            let problem = check(exp).unwrap_err();
            assert!(problem.code == code && problem.detail.contains(said), "{exp}: {problem:?}");
        }
    }
}
