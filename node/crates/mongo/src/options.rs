//! Where the database is and how it is spoken to.

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

/// Longest address in bytes: seeds of a large replica set fit many times.
const URL_BYTES_MAX: usize = 4096;
/// Longest name of a database in bytes (MongoDB's own limit is 63).
const DATABASE_BYTES_MAX: usize = 63;
/// Where a server listens that says no port.
const PORT: u16 = 27_017;
/// What stands in a text for a secret.
const MASK: &str = "***";

/// Why options cannot be. None repeats the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionsError {
    /// Another scheme, or none.
    #[error("MONGO_URL does not begin with mongodb:// or mongodb+srv://")]
    Scheme,
    /// No host, white space or control characters, or too long.
    #[error(
        "MONGO_URL is not of the form mongodb://user:password@host:port/database (at most 4,096 bytes)"
    )]
    Form,
    /// An `@` or `/` in user name or password has to be percent-encoded.
    #[error(
        "user name or password in MONGO_URL have a character that must be written %XX (RFC 3986)"
    )]
    Escape,
    /// A name MongoDB would not take.
    #[error("the database's name is 1 to 63 characters of A-Z a-z 0-9 _ -")]
    Database,
}

/// A connection string. Its password is in no `Debug`, no `Display` and no error, and is wiped when dropped.
#[derive(Clone)]
pub struct MongoUrl {
    text: Zeroizing<String>,
    /// The password as it stands there and as it is meant.
    secrets: Vec<Zeroizing<String>>,
    /// The same with the password masked.
    shown: String,
}

impl MongoUrl {
    /// Takes a connection string. What its options mean is looked at where it is connected with.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        let scheme = ["mongodb://", "mongodb+srv://"];
        let scheme =
            scheme.into_iter().find(|s| text.starts_with(s)).ok_or(OptionsError::Scheme)?;
        let rest = &text[scheme.len()..];
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if text.len() > URL_BYTES_MAX || rest.is_empty() || rest.contains(odd) {
            return Err(OptionsError::Form);
        }
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        // A slash in a password would end the authority, and the password be shown as a path.
        if rest[authority.len()..].contains('@') {
            return Err(OptionsError::Escape);
        }
        let text = Zeroizing::new(text.to_owned());
        let Some((user, hosts)) = authority.rsplit_once('@') else {
            return Ok(Self { shown: (*text).clone(), text, secrets: Vec::new() });
        };
        if hosts.is_empty() {
            return Err(OptionsError::Form);
        }
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        if name.contains('@') || password.contains(['@', ':']) {
            return Err(OptionsError::Escape);
        }
        let meant = decoded(password).ok_or(OptionsError::Escape)?;
        let tail = &rest[authority.len()..];
        let shown = format!("{scheme}{name}:{MASK}@{hosts}{tail}");
        let secrets = [password.to_owned(), meant].into_iter().filter(|secret| !secret.is_empty());
        let secrets = secrets.map(Zeroizing::new).collect();
        Ok(Self { text, secrets, shown })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether its servers are named by a name server (`mongodb+srv://`).
    #[must_use]
    pub fn is_srv(&self) -> bool {
        self.text.starts_with("mongodb+srv://")
    }

    /// Its servers: hosts, and their ports. Of what is no host and port (a socket file), the host is as it stands there.
    pub fn servers(&self) -> impl Iterator<Item = (&str, u16)> {
        let (_, rest) = self.text.split_once("://").unwrap_or_default();
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        hosts.split(',').map(|server| match server.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().unwrap_or(PORT))
            }
            _ => (server, PORT),
        })
    }

    /// `text` without the password, wherever it came from.
    pub(crate) fn scrubbed(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

impl fmt::Display for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What %XX stands for; `None` where it stands for no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).ok()?;
        bytes.push(byte[0]);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// How much is sent at once. A batch goes when the first of these is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchLimits {
    /// Documents.
    pub documents_max: u32,
    /// Bytes of documents; one larger document still goes, alone.
    pub bytes_max: usize,
    /// How long what came first waits for more.
    pub age_max: Duration,
}

impl Default for BatchLimits {
    /// 2,000 documents, 4 MiB, 200 ms. Two batches a collection are in memory.
    fn default() -> Self {
        Self { documents_max: 2000, bytes_max: 4 << 20, age_max: Duration::from_millis(200) }
    }
}

/// How long is waited. What is waited after a failure is drawn at random between none and the whole, so that
/// nodes that lost the same database do not come back at the same moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pauses {
    /// After the first failure; doubled at each one that follows.
    pub first: Duration,
    /// The longest one.
    pub longest: Duration,
    /// After a failure that does not pass by itself, once it has come again and again: between half of this and the whole.
    pub permanent: Duration,
    /// How often the log is looked at where nobody says that it grew.
    pub look: Duration,
    /// How often `node_status` is written at most.
    pub status: Duration,
    /// How often a cursor that moved is put at most: each time is a write to the node's disk, and what is sent
    /// again after a crash is there already.
    pub cursor: Duration,
    /// While the node takes in recordings: how many times as long as a batch took nothing is sent after it.
    pub rest: u32,
    /// The longest such rest. One slow answer, or a database far away, is no reason to stand still.
    pub rest_max: Duration,
}

impl Default for Pauses {
    /// 200 ms to 30 s; 60 s; 1 s; 5 s; 10 s. 15 times, so that the database has a sixteenth of the time; 3 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            permanent: Duration::from_mins(1),
            look: Duration::from_secs(1),
            status: Duration::from_secs(5),
            cursor: Duration::from_secs(10),
            rest: 15,
            rest_max: Duration::from_secs(3),
        }
    }
}

/// A SOCKS5 proxy, which resolves the servers' names. Its password is in no `Debug`, and wiped when dropped.
#[derive(Clone)]
pub struct Socks5 {
    /// Its IP address, in brackets where it is IPv6.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password (RFC 1929).
    pub credentials: (String, Zeroizing<String>),
}

impl fmt::Debug for Socks5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socks5h://{}:{MASK}@{}:{}", self.credentials.0, self.host, self.port)
    }
}

/// Everything the sync is told.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) url: MongoUrl,
    pub(crate) database: String,
    /// The proxy that all of it goes through; servers are connected with directly where there is none.
    pub proxy: Option<Socks5>,
    /// How much is sent at once.
    pub batch: BatchLimits,
    /// How long is waited.
    pub pauses: Pauses,
    /// How long a server is looked for.
    pub select: Duration,
    /// How long one command may take in all. A majority is waited for half of it.
    pub command: Duration,
}

impl Options {
    /// The usual options for this address and database.
    ///
    /// # Errors
    /// [`OptionsError::Database`].
    pub fn new(url: MongoUrl, database: &str) -> Result<Self, OptionsError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
        if !(1..=DATABASE_BYTES_MAX).contains(&database.len()) || !database.bytes().all(allowed) {
            return Err(OptionsError::Database);
        }
        Ok(Self {
            url,
            database: database.to_owned(),
            proxy: None,
            batch: BatchLimits::default(),
            pauses: Pauses::default(),
            select: Duration::from_secs(5),
            command: Duration::from_mins(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("mongodb://h:1/db", "mongodb://h:1/db"),
            ("mongodb://u:p%40ss@h:1,i:2/db?x=y", "mongodb://u:***@h:1,i:2/db?x=y"),
            ("mongodb+srv://u:p%40ss@h", "mongodb+srv://u:***@h"),
            ("mongodb://u@h", "mongodb://u:***@h"),
        ] {
            let url = MongoUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), format!("{url:?}").as_str()), (shown, shown));
            assert_eq!(url.text(), text);
        }
        let url = MongoUrl::parse("mongodb://u:p%40ss@h").unwrap();
        assert_eq!(url.scrubbed("said p@ss or p%40ss"), "said *** or ***");
        let options = Options::new(url, "lucid").unwrap();
        assert!(!format!("{options:?}").contains("ss@"), "{options:?}");
    }

    #[test]
    fn servers_are_told_apart_from_users_and_options() {
        let check = |text: &str, srv: bool, expected: &[(&str, u16)]| {
            let url = MongoUrl::parse(text).unwrap();
            assert_eq!((url.is_srv(), url.servers().collect::<Vec<_>>()), (srv, expected.to_vec()));
        };
        check("mongodb://h:1,x.ONION.:2/db", false, &[("h", 1), ("x.ONION.", 2)]);
        check("mongodb://u.onion:p.onion@h/a.onion?x=.onion", false, &[("h", PORT)]);
        check("mongodb://[::1]:3,[::2]", false, &[("[::1]", 3), ("[::2]", PORT)]);
        check("mongodb://%2Ftmp%2Fmongodb.sock", false, &[("%2Ftmp%2Fmongodb.sock", PORT)]);
        check("mongodb+srv://u:p@h", true, &[("h", PORT)]);
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let (user, password) = ("u".to_owned(), Zeroizing::new("pass".to_owned()));
        let proxy = Socks5 { host: "[::1]".to_owned(), port: 9050, credentials: (user, password) };
        assert_eq!(format!("{proxy:?}"), "socks5h://u:***@[::1]:9050");
    }

    #[test]
    fn other_forms_are_refused() {
        use OptionsError as E;
        for (bad, error) in [
            ("", E::Scheme),
            ("http://h", E::Scheme),
            ("mongodb://", E::Form),
            ("mongodb://u:p@", E::Form),
            ("mongodb://h /x", E::Form),
            ("mongodb://u:hush@ed@h", E::Escape),
            ("mongodb://u:hush/ed@h", E::Escape),
            ("mongodb://u:hush:ed@h", E::Escape),
            ("mongodb://u:hush%4@h", E::Escape),
            ("mongodb://u:hush%ff@h", E::Escape),
        ] {
            let refused = MongoUrl::parse(bad).unwrap_err();
            assert_eq!(refused, error, "{bad}");
            assert!(!refused.to_string().contains("hush"), "{refused}");
        }
        let long = format!("mongodb://{}", "h".repeat(4096));
        assert_eq!(MongoUrl::parse(&long).unwrap_err(), E::Form);
        let url = MongoUrl::parse("mongodb://h").unwrap();
        for bad in ["", "a.b", "a b", "a/b", "$x", &"x".repeat(64)] {
            assert_eq!(Options::new(url.clone(), bad).unwrap_err(), E::Database, "{bad}");
        }
    }
}
