//! What this crate wants of others: a place for keys and for the list of services.

use std::fmt;

use zeroize::Zeroizing;

use crate::service::ServiceName;

/// Why something could not be kept or read; it names the file and the way out, and repeats no key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeepError(pub String);

/// Which key of which service. A service has a new one at each rotation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyName {
    /// Whose.
    pub service: ServiceName,
    /// 1 for its first.
    pub number: u32,
}

impl KeyName {
    /// The name that is written so; nothing of a text that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (service, number) = text.strip_prefix("onion-")?.rsplit_once('-')?;
        let name = Self { service: service.parse().ok()?, number: number.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "onion-{}-{}", self.service, self.number)
    }
}

/// Keys and the list, on disk. Its functions block; they are called where that is allowed.
///
/// What is put there is durable, whole or not at all, when a function returns. Keys are in `secrets/`, each a file of
/// mode 0600; one that others can read is an error.
pub trait Keep: Send + Sync + 'static {
    /// The list that was saved last; nothing where there was none.
    ///
    /// # Errors
    /// [`KeepError`].
    fn load(&self) -> Result<Option<Vec<u8>>, KeepError>;

    /// Puts the list in the place of the former one.
    ///
    /// # Errors
    /// [`KeepError`].
    fn save(&self, list: &[u8]) -> Result<(), KeepError>;

    /// A key that is there.
    ///
    /// # Errors
    /// [`KeepError`] where it is missing, damaged, or others can read it.
    fn key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError>;

    /// The keys that are there, in no order.
    ///
    /// # Errors
    /// [`KeepError`].
    fn key_names(&self) -> Result<Vec<KeyName>, KeepError>;

    /// The key of this name; where there is none, one is made of random bytes.
    ///
    /// # Errors
    /// As of [`Keep::key`].
    fn make_key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError>;

    /// Destroys a key. One that is not there is no error.
    ///
    /// # Errors
    /// [`KeepError`].
    fn remove_key(&self, name: &KeyName) -> Result<(), KeepError>;
}
