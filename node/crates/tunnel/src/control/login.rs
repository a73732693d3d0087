//! How a controller proves that it may control tor (control-spec §3.5, §3.21, §3.24).

use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{reply::Reply, words::Words};
use crate::error::TunnelError;

/// Bytes of a cookie, and of each side's nonce.
pub(super) const COOKIE_BYTES: usize = 32;
const SERVER_KEY: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CONTROLLER_KEY: &[u8] = b"Tor safe cookie authentication controller-to-server hash";
/// Longest password in bytes.
const PASSWORD_BYTES_MAX: usize = 256;

/// The password of tor's control port. Wiped when dropped; it has no `Debug`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// A text that is no password. It is not repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("tor's control password is 1 to 256 bytes without control characters")]
pub struct PasswordError;

impl Password {
    /// Takes a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let is_one = (1..=PASSWORD_BYTES_MAX).contains(&text.len());
        match is_one && !text.contains(char::is_control) {
            true => Ok(Self(Zeroizing::new(text.to_owned()))),
            false => Err(PasswordError),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// What a controller has to show.
#[derive(Clone)]
pub enum Credentials {
    /// The cookie that tor wrote into a file: this one, or the one that tor names. Whoever listens at tor's port can
    /// name a file of its own: only where nobody else can listen there is its word enough.
    Cookie(Option<PathBuf>),
    /// The cookie in the one of these files that tor names, which only tor can write; never its bytes, but the proof that
    /// both know them. One file alone is used whatever tor calls it.
    CookieIn(Vec<PathBuf>),
    /// The password whose hash is in tor's configuration.
    Password(Password),
    /// Nothing: tor is open to whoever reaches its port, and the operator wants it so.
    Nothing,
}

/// What tor accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    methods: Vec<String>,
    cookie: Option<PathBuf>,
    pub(super) version: String,
}

/// How it is then done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Method {
    SafeCookie(PathBuf),
    Cookie(PathBuf),
    Password,
    Nothing,
}

impl Offer {
    /// Reads the answer to PROTOCOLINFO.
    pub(super) fn of(reply: &Reply) -> Result<Self, TunnelError> {
        let mut offer = Self { methods: Vec::new(), cookie: None, version: String::new() };
        for line in reply.lines() {
            let words = Words::of(line.text())?;
            match words.at(0) {
                Some("AUTH") => {
                    let methods = words.value("METHODS").unwrap_or_default();
                    offer.methods = methods.split(',').map(super::info::shown).collect();
                    offer.cookie = words.value("COOKIEFILE").map(PathBuf::from);
                }
                Some("VERSION") => {
                    offer.version = super::info::shown(words.value("Tor").unwrap_or_default());
                }
                _ => (),
            }
        }
        Ok(offer)
    }

    /// How it is done with these credentials. The plain cookie would hand a file's bytes to whoever poses as tor, so
    /// it is used only with a file that the operator named.
    pub(super) fn method(&self, credentials: &Credentials) -> Result<Method, TunnelError> {
        let has = |name: &str| self.methods.iter().any(|method| method == name);
        let method = match credentials {
            Credentials::Password(_) if has("HASHEDPASSWORD") => Some(Method::Password),
            Credentials::Cookie(path) if has("SAFECOOKIE") => {
                path.clone().or_else(|| self.cookie.clone()).map(Method::SafeCookie)
            }
            Credentials::Cookie(Some(path)) if has("COOKIE") => Some(Method::Cookie(path.clone())),
            Credentials::CookieIn(places) if has("SAFECOOKIE") => {
                Some(Method::SafeCookie(self.place(places)?))
            }
            Credentials::Nothing if has("NULL") => Some(Method::Nothing),
            _ => None,
        };
        method.ok_or_else(|| match (credentials, has("NULL")) {
            (Credentials::Nothing, _) | (_, false) => TunnelError::NoMethod {
                wanted: match credentials {
                    Credentials::Password(_) => "a password (HashedControlPassword)",
                    Credentials::Cookie(_) | Credentials::CookieIn(_) => {
                        "a cookie (CookieAuthentication 1)"
                    }
                    Credentials::Nothing => "no authentication",
                },
                offered: self.methods.join(", "),
            },
            (_, true) => TunnelError::OpenToAll,
        })
    }

    /// Where the cookie is, of these places.
    fn place(&self, places: &[PathBuf]) -> Result<PathBuf, TunnelError> {
        if let [only] = places {
            return Ok(only.clone());
        }
        let named = self.cookie.as_ref();
        named.filter(|named| places.contains(named)).cloned().ok_or_else(|| {
            let named = named.map(|named| named.display().to_string()).unwrap_or_default();
            TunnelError::CookieElsewhere(super::info::shown(&named))
        })
    }
}

/// The nonces of one challenge.
pub(super) struct Challenge {
    pub(super) ours: [u8; COOKIE_BYTES],
    pub(super) theirs: [u8; COOKIE_BYTES],
}

impl Challenge {
    /// Checks that tor knows the cookie, and reads its nonce: `AUTHCHALLENGE SERVERHASH=… SERVERNONCE=…`.
    pub(super) fn of(
        reply: &Reply,
        cookie: &[u8; COOKIE_BYTES],
        ours: [u8; COOKIE_BYTES],
    ) -> Result<Self, TunnelError> {
        let words = Words::of(reply.last())?;
        let bytes = |name: &str| -> Result<[u8; COOKIE_BYTES], TunnelError> {
            let mut bytes = [0; COOKIE_BYTES];
            let text = words.value(name).unwrap_or_default();
            hex::decode_to_slice(text, &mut bytes)
                .map_err(|_| TunnelError::Malformed("the challenge's answer has no such number"))?;
            Ok(bytes)
        };
        let challenge = Self { ours, theirs: bytes("SERVERNONCE")? };
        let expected = challenge.hash(SERVER_KEY, cookie);
        match bool::from(expected.ct_eq(&bytes("SERVERHASH")?)) {
            true => Ok(challenge),
            false => Err(TunnelError::Impostor),
        }
    }

    /// What proves that we know it, too.
    pub(super) fn answer(&self, cookie: &[u8; COOKIE_BYTES]) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.hash(CONTROLLER_KEY, cookie)))
    }

    fn hash(&self, key: &[u8], cookie: &[u8; COOKIE_BYTES]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(cookie);
        mac.update(&self.ours);
        mac.update(&self.theirs);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::reply::Decoder;

    fn reply(text: &str) -> Reply {
        let mut decoder = Decoder::default();
        decoder.feed(text.as_bytes());
        decoder.next_reply().unwrap().expect("whole")
    }

    fn offer(methods: &str) -> Offer {
        Offer::of(&reply(&format!(
            "250-PROTOCOLINFO 1\r\n250-AUTH METHODS={methods} COOKIEFILE=\"/run/tor/a \\\"b\\\"\"\r\n\
             250-VERSION Tor=\"0.4.9.11\"\r\n250-NEW thing\r\n250 OK\r\n"
        )))
        .unwrap()
    }

    #[test]
    fn the_method_is_the_safest_that_was_asked_for() {
        let named = PathBuf::from("/run/tor/a \"b\"");
        let mine = PathBuf::from("/mine");
        let password = Credentials::Password(Password::parse("p").unwrap());
        let cookie = Credentials::Cookie(None);
        let own = Credentials::Cookie(Some(mine.clone()));
        let one = Credentials::CookieIn(vec![mine.clone()]);
        let those = Credentials::CookieIn(vec![mine.clone(), named.clone()]);
        let others = Credentials::CookieIn(vec![mine.clone(), "/run/tor/a".into()]);
        let rows = [
            ("COOKIE,SAFECOOKIE", &cookie, Some(Method::SafeCookie(named.clone()))),
            ("COOKIE,SAFECOOKIE", &own, Some(Method::SafeCookie(mine.clone()))),
            ("COOKIE", &cookie, None),
            ("COOKIE", &one, None),
            ("COOKIE,SAFECOOKIE", &one, Some(Method::SafeCookie(mine.clone()))),
            ("COOKIE,SAFECOOKIE", &those, Some(Method::SafeCookie(named.clone()))),
            ("COOKIE,SAFECOOKIE", &others, None),
            ("NULL", &those, None),
            ("COOKIE", &own, Some(Method::Cookie(mine))),
            ("COOKIE,SAFECOOKIE,HASHEDPASSWORD", &password, Some(Method::Password)),
            ("COOKIE,SAFECOOKIE", &password, None),
            ("NULL", &password, None),
            ("NULL", &cookie, None),
            ("NULL", &Credentials::Nothing, Some(Method::Nothing)),
            ("HASHEDPASSWORD", &Credentials::Nothing, None),
            ("", &cookie, None),
        ];
        for (methods, credentials, expected) in rows {
            assert_eq!(offer(methods).method(credentials).ok(), expected, "{methods}");
        }
        let error = offer("SAFECOOKIE").method(&others).unwrap_err().to_string();
        assert!(error.contains("tor_cookie_file") && error.contains("/run/tor/a"), "{error}");
        let error = offer("NULL").method(&cookie).unwrap_err();
        assert!(matches!(error, TunnelError::OpenToAll), "{error}");
        assert_eq!(offer("NULL").version, "0.4.9.11");
    }

    #[test]
    fn an_impostor_knows_no_cookie() {
        let (cookie, ours, theirs) = ([1; 32], [2; 32], [3; 32]);
        let right = Challenge { ours, theirs };
        let answer = |hash: [u8; 32]| {
            let (hash, nonce) = (hex::encode_upper(hash), hex::encode_upper(theirs));
            reply(&format!("250 AUTHCHALLENGE SERVERHASH={hash} SERVERNONCE={nonce}\r\n"))
        };
        let good = answer(right.hash(SERVER_KEY, &cookie));
        let challenge = Challenge::of(&good, &cookie, ours).unwrap();
        assert_eq!(*challenge.answer(&cookie), hex::encode(right.hash(CONTROLLER_KEY, &cookie)));
        for (reply, cookie, ours) in [
            (good.clone(), [9; 32], ours),
            (good, cookie, [9; 32]),
            (answer(right.hash(CONTROLLER_KEY, &cookie)), cookie, ours),
        ] {
            let error = Challenge::of(&reply, &cookie, ours).err().unwrap();
            assert!(matches!(error, TunnelError::Impostor), "{error}");
        }
        let short = reply("250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=00\r\n");
        assert!(matches!(Challenge::of(&short, &cookie, ours), Err(TunnelError::Malformed(_))));
    }

    #[test]
    fn passwords_are_one_line() {
        for (text, good) in [("p", true), ("a b\"\\é", true), ("", false), ("a\nb", false)] {
            assert_eq!(Password::parse(text).is_ok(), good, "{text:?}");
        }
        assert!(Password::parse(&"x".repeat(257)).is_err());
    }
}
