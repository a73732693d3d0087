//! Access tokens (JWT, RFC 7519, HS256) and refresh tokens.
//!
//! An access token says who and of which sign-in, and nothing else: the role is read from the account
//! at every use, so that a change is seen at once. Its header names the key by `kid`; several keys
//! verify, the first signs, so that a key can be replaced while tokens of the one before are out.
//!
//! A refresh token is `sign-in (16 bytes) ‖ random (32)` in base64url; only its hash is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
    errors::ErrorKind,
};
use lucid_core::{Owner, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Seconds an access token is good for.
pub const ACCESS_SECONDS: u64 = 15 * 60;
/// Seconds a refresh token is good for.
pub const REFRESH_SECONDS: u64 = 30 * 24 * 60 * 60;
/// What access tokens of this node are for.
const AUDIENCE: &str = "lucid-api";
/// No token of ours is longer; what is, is not even parsed.
const TOKEN_BYTES_MAX: usize = 2048;
/// Keys that verify at most.
const KEYS_MAX: usize = 8;

/// A sign-in's id.
pub(crate) type FamilyId = [u8; 16];

/// The keys of access tokens. The first one signs, all verify.
pub struct KeyRing {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl KeyRing {
    /// Keys derived from these secrets: HKDF-SHA-256, info `lucid/v1/access-token`.
    ///
    /// # Panics
    /// Without a secret.
    #[must_use]
    pub fn new(secrets: &[Zeroizing<Vec<u8>>]) -> Self {
        assert!(!secrets.is_empty(), "a key to sign with");
        Self { keys: secrets.iter().take(KEYS_MAX).map(|secret| Key::derive(secret)).collect() }
    }
}

impl Key {
    fn derive(secret: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let derived = hkdf::Hkdf::<Sha256>::new(None, secret);
        derived
            .expand(b"lucid/v1/access-token", key.as_mut_slice())
            .expect("32 bytes are within it");
        // The key itself is random, so its hash says nothing about it.
        let id =
            Sha256::new().chain_update(b"lucid/v1/kid").chain_update(key.as_slice()).finalize();
        Self {
            id: hex::encode(&id[..8]),
            signing: EncodingKey::from_secret(key.as_slice()),
            verifying: DecodingKey::from_secret(key.as_slice()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    aud: String,
    exp: u64,
    iat: u64,
    iss: String,
    sid: String,
    sub: Owner,
}

/// What an access token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    pub(crate) owner: Owner,
    pub(crate) family: FamilyId,
}

/// Why an access token is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unbelieved {
    Invalid,
    Expired,
}

impl KeyRing {
    /// Makes an access token.
    pub(crate) fn access_token(&self, issuer: &str, access: &Access, now: Timestamp) -> String {
        let key = &self.keys[0];
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        let iat = now.unix_millis() / 1000;
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            exp: iat + ACCESS_SECONDS,
            iat,
            iss: issuer.to_owned(),
            sid: hex::encode(access.family),
            sub: access.owner.clone(),
        };
        encode(&header, &claims, &key.signing).expect("plain claims under an HMAC key")
    }

    /// Reads an access token.
    pub(crate) fn read(
        &self,
        issuer: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Access, Unbelieved> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unbelieved::Invalid);
        }
        let header = decode_header(token).map_err(|_| Unbelieved::Invalid)?;
        let key = self.keys.iter().find(|key| header.kid.as_ref() == Some(&key.id));
        let key = key.ok_or(Unbelieved::Invalid)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // The clock is an argument, so the time is compared below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key.verifying, &validation);
        let claims = claims.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Unbelieved::Expired,
            _ => Unbelieved::Invalid,
        })?;
        let Claims { exp, iat, sid, sub, .. } = claims.claims;
        let now = now.unix_millis() / 1000;
        let mut family = FamilyId::default();
        hex::decode_to_slice(sid, &mut family).map_err(|_| Unbelieved::Invalid)?;
        if exp <= now {
            return Err(Unbelieved::Expired);
        }
        // One from a time to come, by more than clocks differ, is none of ours.
        if iat > now + 60 || exp.checked_sub(iat) != Some(ACCESS_SECONDS) {
            return Err(Unbelieved::Invalid);
        }
        Ok(Access { owner: sub, family })
    }
}

/// Makes a refresh token of a sign-in; gives it and its hash.
pub(crate) fn refresh_token(family: FamilyId, random: &[u8; 32]) -> (String, [u8; 32]) {
    let mut bytes = Zeroizing::new([0; 48]);
    bytes[..16].copy_from_slice(&family);
    bytes[16..].copy_from_slice(random);
    (URL_SAFE_NO_PAD.encode(bytes.as_slice()), Sha256::digest(bytes.as_slice()).into())
}

/// Reads a refresh token: which sign-in it says it is of, and its hash.
pub(crate) fn read_refresh_token(token: &str) -> Option<(FamilyId, [u8; 32])> {
    let mut bytes = Zeroizing::new([0; 48]);
    let count = URL_SAFE_NO_PAD.decode_slice(token, bytes.as_mut_slice()).ok()?;
    let family = bytes.first_chunk()?;
    (count == bytes.len()).then(|| (*family, Sha256::digest(bytes.as_slice()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(seeds: &[u8]) -> KeyRing {
        let secrets: Vec<_> = seeds.iter().map(|seed| Zeroizing::new(vec![*seed; 32])).collect();
        KeyRing::new(&secrets)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn access() -> Access {
        Access { owner: "TOwner".parse().unwrap(), family: [3; 16] }
    }

    #[test]
    fn believed_while_good_by_every_key_of_the_ring() {
        let token = ring(&[1]).access_token("node", &access(), at(1000));
        for (seeds, now, expected) in [
            (&[1][..], 1000, Ok(access())),
            (&[2, 1], 1000 + ACCESS_SECONDS - 1, Ok(access())),
            (&[1], 1000 + ACCESS_SECONDS, Err(Unbelieved::Expired)),
            (&[1], 900, Err(Unbelieved::Invalid)),
            (&[2], 1000, Err(Unbelieved::Invalid)),
        ] {
            assert_eq!(ring(seeds).read("node", &token, at(now)), expected, "{seeds:?} {now}");
        }
        assert_eq!(ring(&[1]).read("other", &token, at(1000)), Err(Unbelieved::Invalid));
    }

    #[test]
    fn what_was_altered_or_made_by_others_is_not_believed() {
        let ring = ring(&[1]);
        let token = ring.access_token("node", &access(), at(1000));
        let parts: Vec<_> = token.split('.').collect();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let none = part(&format!(r#"{{"alg":"none","kid":"{}"}}"#, ring.keys[0].id));
        let other = part(&format!(r#"{{"alg":"HS512","kid":"{}"}}"#, ring.keys[0].id));
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let admin = part(&claims.replace("TOwner", "TAdmin"));
        for token in [
            String::new(),
            "..".to_owned(),
            format!("{}.{}", parts[0], parts[1]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{other}.{}.{}", parts[1], parts[2]),
            format!("{}.{admin}.{}", parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]),
            format!("{token}."),
            "x".repeat(TOKEN_BYTES_MAX + 1),
        ] {
            assert_eq!(ring.read("node", &token, at(1000)), Err(Unbelieved::Invalid), "{token}");
        }
        // Signed with the right key, but saying other things.
        let key = &ring.keys[0];
        for (from, to) in [
            ("lucid-api", "other-api"),
            (r#""exp":1900"#, r#""exp":99999"#),
            (r#""sub""#, r#""role":"admin","sub""#),
            ("0303", "zz"),
        ] {
            let claims: serde_json::Value =
                serde_json::from_str(&claims.replacen(from, to, 1)).unwrap();
            let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
            let token = encode(&header, &claims, &key.signing).unwrap();
            assert_eq!(ring.read("node", &token, at(1000)), Err(Unbelieved::Invalid), "{to}");
        }
    }

    #[test]
    fn refresh_tokens_are_whole_or_none() {
        let (token, hash) = refresh_token([5; 16], &[6; 32]);
        assert_eq!(read_refresh_token(&token), Some(([5; 16], hash)));
        for wrong in ["", "AAAA", &token[1..], &format!("{token}A"), &format!("{token}=")] {
            assert_eq!(read_refresh_token(wrong), None, "{wrong}");
        }
    }
}
