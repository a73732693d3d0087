//! Who can open a backup: holders of age identities, or whoever knows a passphrase.

use std::{
    fmt,
    io::{BufRead, Read, Write},
    iter,
    path::Path,
};

use age::{
    DecryptError, Decryptor, Encryptor,
    secrecy::SecretString,
    stream::StreamWriter,
    x25519::{Identity, Recipient},
};

use crate::error::{ArchiveError, Doing};

/// Characters that a passphrase has at least. What is behind it is every key of the node.
const PASSPHRASE_CHARS_MIN: usize = 12;
/// The most work that a passphrase's scrypt may ask of a reader: 2^20 blocks, 1 GiB of memory. age makes what takes its
/// machine a second, 2^18 on a server.
const WORK_FACTOR_MAX: u8 = 20;

/// Bytes of an age header that are looked at: a recipient takes some 120.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Recipients of a backup at most, which fit into that.
const RECIPIENTS_MAX: usize = 64;

/// For whom a backup is encrypted.
pub enum Keepers {
    /// For the holders of these identities.
    Recipients(Vec<Recipient>),
    /// For whoever knows it.
    Passphrase(SecretString),
}

/// What a backup is opened with.
pub enum Opener {
    /// Identities, of which one is tried after the other.
    Identities(Vec<Identity>),
    /// The passphrase.
    Passphrase(SecretString),
}

impl fmt::Debug for Keepers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recipients(_) => "Recipients",
            Self::Passphrase(_) => "Passphrase",
        })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identities(_) => "Identities",
            Self::Passphrase(_) => "Passphrase",
        })
    }
}

impl Keepers {
    /// The holders of these recipients (`age1…`).
    ///
    /// # Errors
    /// [`ArchiveError::Keys`] where one is none, or there is none.
    pub fn recipients<S: AsRef<str>>(texts: &[S]) -> Result<Self, ArchiveError> {
        // The text is not repeated: it may be an identity that was given by mistake.
        let parsed = texts.iter().zip(1..).map(|(text, number)| {
            text.as_ref().parse().map_err(|why| {
                ArchiveError::Keys(format!("recipient {number} is no age recipient (age1…): {why}"))
            })
        });
        match parsed.collect::<Result<Vec<_>, _>>()? {
            many if many.len() > RECIPIENTS_MAX => Err(ArchiveError::Keys(format!(
                "a backup is for at most {RECIPIENTS_MAX} recipients, and {} are named",
                many.len()
            ))),
            none if none.is_empty() => Err(ArchiveError::Keys(
                "a backup holds every key of the node, so it is encrypted: name an age recipient or a passphrase"
                    .to_owned(),
            )),
            some => Ok(Self::Recipients(some)),
        }
    }

    /// Whoever knows this passphrase.
    ///
    /// # Errors
    /// [`ArchiveError::Keys`] where it has fewer than 12 characters.
    pub fn passphrase(text: SecretString) -> Result<Self, ArchiveError> {
        passphrase(text, PASSPHRASE_CHARS_MIN).map(Self::Passphrase)
    }

    /// The recipients' names (`age1…`), which are no secret; none where a passphrase opens it.
    #[must_use]
    pub fn recipient_names(&self) -> Vec<String> {
        match self {
            Self::Recipients(recipients) => recipients.iter().map(ToString::to_string).collect(),
            Self::Passphrase(_) => Vec::new(),
        }
    }

    /// Refuses an opener that what is encrypted for these would not open to. A passphrase is not compared.
    ///
    /// # Errors
    /// [`ArchiveError::Keys`].
    pub(super) fn check_opener(&self, opener: &Opener) -> Result<(), ArchiveError> {
        let (Self::Recipients(recipients), Opener::Identities(identities)) = (self, opener) else {
            return Ok(());
        };
        let is_theirs = |identity: &Identity| recipients.contains(&identity.to_public());
        match identities.iter().any(is_theirs) {
            true => Ok(()),
            false => Err(ArchiveError::Keys(
                "none of the recipients is that of the identity file: what is encrypted for them would not open with \
                 it. Take the recipient from that file (age-keygen -y FILE)"
                    .to_owned(),
            )),
        }
    }

    /// Encrypts what is written to it.
    pub(super) fn seal<W: Write>(
        self,
        out: W,
        path: &Path,
    ) -> Result<StreamWriter<W>, ArchiveError> {
        let encryptor = match self {
            Self::Passphrase(passphrase) => Encryptor::with_user_passphrase(passphrase),
            Self::Recipients(recipients) => {
                let recipients =
                    recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
                Encryptor::with_recipients(recipients)
                    .map_err(|error| ArchiveError::Keys(error.to_string()))?
            }
        };
        encryptor.wrap_output(out).doing("write", path)
    }
}

impl Opener {
    /// The identities of an age identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`ArchiveError::Keys`], naming the line's place and nothing of it.
    pub fn identities(file: &[u8]) -> Result<Self, ArchiveError> {
        let wrong = |what: String| ArchiveError::Keys(format!("the identity file {what}"));
        let text = std::str::from_utf8(file).map_err(|_| wrong("is no text".to_owned()))?;
        let lines = text.lines().map(str::trim).zip(1..);
        let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let identities = lines.map(|(line, number)| {
            let parsed = line.parse::<Identity>();
            parsed.map_err(|why| {
                wrong(format!("has no identity (AGE-SECRET-KEY-1…) in line {number}: {why}"))
            })
        });
        match identities.collect::<Result<Vec<_>, _>>()? {
            none if none.is_empty() => Err(wrong("has no identity (AGE-SECRET-KEY-1…)".to_owned())),
            some => Ok(Self::Identities(some)),
        }
    }

    /// The passphrase it was made with.
    ///
    /// # Errors
    /// [`ArchiveError::Keys`] where it is empty.
    pub fn passphrase(text: SecretString) -> Result<Self, ArchiveError> {
        passphrase(text, 1).map(Self::Passphrase)
    }

    /// Gives what is encrypted in it.
    pub(super) fn open<'a, R: BufRead + 'a>(
        &self,
        input: R,
        path: &Path,
    ) -> Result<Box<dyn Read + 'a>, ArchiveError> {
        let mut input = input;
        // Reading a header takes the square of its length, and whoever wrote it needs no key for that.
        let head = input.fill_buf().doing("read", path)?;
        let head = &head[..head.len().min(HEADER_BYTES_MAX)];
        if !head.array_windows().any(|line| line == b"\n--- ") {
            let reason =
                format_args!("its first {} KiB are no age file's header", HEADER_BYTES_MAX >> 10);
            return Err(ArchiveError::damaged(path, reason));
        }
        let decryptor = Decryptor::new_buffered(input).map_err(|error| refusal(error, path))?;
        let opened = match self {
            Self::Identities(identities) => {
                decryptor.decrypt(identities.iter().map(|identity| identity as &dyn age::Identity))
            }
            Self::Passphrase(passphrase) => {
                let mut identity = age::scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(WORK_FACTOR_MAX);
                decryptor.decrypt(iter::once(&identity as &dyn age::Identity))
            }
        };
        opened.map(|reader| Box::new(reader) as Box<dyn Read>).map_err(|error| refusal(error, path))
    }
}

fn passphrase(text: SecretString, chars_min: usize) -> Result<SecretString, ArchiveError> {
    use age::secrecy::ExposeSecret;
    match text.expose_secret().chars().count() >= chars_min {
        true => Ok(text),
        false => Err(ArchiveError::Keys(format!(
            "a passphrase for a backup has at least {chars_min} characters: every key of the node is behind it"
        ))),
    }
}

fn refusal(error: DecryptError, path: &Path) -> ArchiveError {
    match error {
        DecryptError::Io(source) => match source.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
                ArchiveError::damaged(path, "it does not begin as an age file")
            }
            _ => ArchiveError::Io { doing: "read", path: path.to_owned(), source },
        },
        DecryptError::NoMatchingKeys
        | DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed => ArchiveError::Locked { path: path.to_owned() },
        DecryptError::ExcessiveWork { required, .. } => ArchiveError::damaged(
            path,
            format_args!(
                "its passphrase asks for 2^{required} of scrypt's work; 2^{WORK_FACTOR_MAX} is the most done here"
            ),
        ),
        error => ArchiveError::damaged(path, error),
    }
}
