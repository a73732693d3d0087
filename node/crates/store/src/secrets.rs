//! The folder `secrets/`: the node's master key and its signing key.
//!
//! ```text
//! secrets/master.key   the KEK: 64 hex digits and a newline; absent where it comes from outside
//! secrets/node.key     the seed of the log's Ed25519 key, in the same form
//! secrets/kek_id       names the KEK the folder was made with, or "none"; not secret
//! ```
//!
//! `kek_id` is what tells a wrong master key from the right one before anything is written. Keys are
//! made once, by [`Secrets::create`]; opening makes none, because a new key under an old folder
//! could open nothing in it. No key is ever in `Debug` or in an error.

use std::{
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use lucid_core::{
    NodeId,
    keys::Kek,
    note::{KeyName, SigningKey},
};
use zeroize::Zeroizing;

use crate::{
    disk::{Disk, open_file, read_file},
    error::{Doing, StoreError, damaged},
};

/// Where the master key of a new data folder comes from.
pub enum KekSource {
    /// It is made and kept in `secrets/master.key`; one that is there already is taken.
    Folder,
    /// The operator keeps it elsewhere; it is not written.
    Given(Kek),
    /// There is none: sessions are sealed to age recipients only, and this node cannot read them.
    None,
}

/// What `kek_id` holds on a write-only node.
const NO_KEK: &str = "none";

/// The key that signs the log's checkpoints, and the id that comes from it.
pub struct NodeKey {
    node_id: NodeId,
    log_key: SigningKey,
}

impl NodeKey {
    /// Makes `node.key` in `folder` where it is missing, and loads it.
    ///
    /// # Errors
    /// Those of [`load_or_make`].
    pub fn create(folder: &Path, disk: &Disk) -> Result<Self, StoreError> {
        Ok(Self::from_seed(&*load_or_make(&folder.join("node.key"), disk)?))
    }

    /// Loads `node.key`.
    ///
    /// # Errors
    /// Those of [`read_key`].
    pub fn load(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self::from_seed(&*read_key(&folder.join("node.key"))?))
    }

    /// The key of this seed (RFC 8032), which is what `node.key` holds.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (node_id, log_key) = identity(seed);
        Self { node_id, log_key }
    }

    /// The node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The key that signs the log's checkpoints, under the name `lucid/<node id>`.
    #[must_use]
    pub fn log_key(&self) -> &SigningKey {
        &self.log_key
    }
}

/// The master key, or that there is none.
pub struct MasterKey {
    kek: Option<Kek>,
    /// `None` on a write-only node.
    expected: Option<String>,
}

impl MasterKey {
    /// Makes what is missing in `folder`, `kek_id` last, and loads it.
    ///
    /// # Errors
    /// [`StoreError::OtherKek`] where the folder was begun with another key; those of
    /// [`MasterKey::load`].
    pub fn create(folder: &Path, disk: &Disk, source: KekSource) -> Result<Self, StoreError> {
        let (kek, given) = match source {
            KekSource::Folder => {
                let bytes = load_or_make(&folder.join("master.key"), disk)?;
                (Some(Kek::new(*bytes)), None)
            }
            KekSource::Given(kek) => (Some(kek.clone()), Some(kek)),
            KekSource::None => (None, None),
        };
        let path = folder.join("kek_id");
        if !path.exists() {
            let id = kek.as_ref().map_or(NO_KEK.to_owned(), Kek::id);
            disk.write_file(&path, format!("{id}\n").as_bytes()).doing("write", &path)?;
        }
        Self::load(folder, given)
    }

    /// Loads the master key of a data folder. `given` is the key where it comes from outside; else it
    /// is in `master.key`, and where it is not even there, what needs none of it still works.
    ///
    /// # Errors
    /// [`StoreError::OtherKek`], [`StoreError::WriteOnly`] where a key is given to a node that has
    /// none, [`StoreError::SecretMode`], [`StoreError::SecretText`], the operating system's.
    pub fn load(folder: &Path, given: Option<Kek>) -> Result<Self, StoreError> {
        let expected = read_kek_id(&folder.join("kek_id"))?;
        let kept = folder.join("master.key");
        let kek = match (given, &expected) {
            (Some(_), None) => return Err(StoreError::WriteOnly),
            (Some(kek), Some(_)) => Some(kek),
            (None, Some(_)) if kept.exists() => Some(Kek::new(*read_key(&kept)?)),
            (None, _) => None,
        };
        if let (Some(kek), Some(expected)) = (&kek, &expected)
            && kek.id() != *expected
        {
            return Err(StoreError::OtherKek { expected: expected.clone(), given: kek.id() });
        }
        Ok(Self { kek, expected })
    }

    /// The master key.
    ///
    /// # Errors
    /// [`StoreError::WriteOnly`] or [`StoreError::KekMissing`].
    pub fn kek(&self) -> Result<&Kek, StoreError> {
        match (&self.kek, &self.expected) {
            (Some(kek), _) => Ok(kek),
            (None, Some(expected)) => Err(StoreError::KekMissing { expected: expected.clone() }),
            (None, None) => Err(StoreError::WriteOnly),
        }
    }

    /// Id of the master key the folder was made with; `None` on a write-only node.
    #[must_use]
    pub fn kek_id(&self) -> Option<&str> {
        self.expected.as_deref()
    }
}

/// All of a whole node's keys, without a store over them.
pub struct Secrets {
    master: MasterKey,
    node: NodeKey,
}

impl Secrets {
    /// Makes what is missing in `folder`, `kek_id` last, and loads it all.
    ///
    /// # Errors
    /// Those of [`NodeKey::create`] and [`MasterKey::create`].
    pub fn create(folder: &Path, disk: &Disk, source: KekSource) -> Result<Self, StoreError> {
        let node = NodeKey::create(folder, disk)?;
        Ok(Self { master: MasterKey::create(folder, disk, source)?, node })
    }

    /// Loads the keys of a data folder, see [`MasterKey::load`].
    ///
    /// # Errors
    /// Those of [`MasterKey::load`] and [`NodeKey::load`].
    pub fn load(folder: &Path, given: Option<Kek>) -> Result<Self, StoreError> {
        Ok(Self { master: MasterKey::load(folder, given)?, node: NodeKey::load(folder)? })
    }

    /// The master key.
    ///
    /// # Errors
    /// [`StoreError::WriteOnly`] or [`StoreError::KekMissing`].
    pub fn kek(&self) -> Result<&Kek, StoreError> {
        self.master.kek()
    }

    /// Id of the master key the folder was made with; `None` on a write-only node.
    #[must_use]
    pub fn kek_id(&self) -> Option<&str> {
        self.master.kek_id()
    }

    /// The node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node.node_id()
    }

    /// The key that signs the log's checkpoints.
    #[must_use]
    pub fn log_key(&self) -> &SigningKey {
        self.node.log_key()
    }

    /// The two apart, for those who have one each.
    pub(crate) fn split(self) -> (MasterKey, NodeKey) {
        (self.master, self.node)
    }
}

fn identity(seed: &[u8; 32]) -> (NodeId, SigningKey) {
    let name = |text: String| KeyName::new(text).expect("no space, plus sign or control character");
    // The id comes from the public key, and the key's name from the id.
    let unnamed = SigningKey::from_seed(name("lucid".to_owned()), seed);
    let id = NodeId::of_public_key(unnamed.verifier_key().public_key());
    (id, SigningKey::from_seed(name(id.log_origin()), seed))
}

fn read_kek_id(path: &Path) -> Result<Option<String>, StoreError> {
    let bytes = read_file(path).doing("read", path)?;
    match String::from_utf8_lossy(&bytes).strip_suffix('\n') {
        Some(NO_KEK) => Ok(None),
        Some(id) if id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit()) => {
            Ok(Some(id.to_owned()))
        }
        _ => Err(damaged(path, "it holds neither a key's id nor the word none")),
    }
}

/// Reads the 32-byte key in `path`; where there is no file, makes one of random bytes, durable and
/// with mode 0600.
///
/// # Errors
/// [`StoreError::SecretMode`], [`StoreError::SecretText`], the operating system's.
pub fn load_or_make(path: &Path, disk: &Disk) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    if path.exists() {
        return read_key(path);
    }
    let mut key = Zeroizing::new([0; 32]);
    let random = getrandom::fill(key.as_mut_slice());
    random.map_err(|error| io::Error::other(error.to_string())).doing("make a key for", path)?;
    let mut text = Kek::new(*key).to_hex();
    text.push('\n');
    disk.write_file(path, text.as_bytes()).doing("write", path)?;
    Ok(key)
}

/// Reads the 32-byte key in `path`, which nobody else may be able to read.
///
/// # Errors
/// [`StoreError::SecretMode`], [`StoreError::SecretText`], the operating system's.
pub fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let file = open_file(path).doing("read", path)?;
    let mode = file.metadata().doing("read", path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::SecretMode { path: path.to_owned(), mode });
    }
    // Room for a byte too many: what is longer than a key is none, and nothing is reallocated, so
    // no copy of the key stays behind.
    let mut text = Zeroizing::new(String::with_capacity(128));
    let refusal = || StoreError::SecretText { path: path.to_owned() };
    match file.take(66).read_to_string(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            return Err(error).doing("read", path);
        }
        Err(_) => return Err(refusal()),
        Ok(_) => (),
    }
    let digits = text.strip_suffix('\n').unwrap_or(&text);
    let key = Kek::from_hex(digits).map_err(|_| refusal())?;
    Ok(Zeroizing::new(*key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn refused(result: Result<Secrets, StoreError>) -> StoreError {
        result.err().expect("refused")
    }

    #[test]
    fn made_once_and_loaded_again() {
        let folder = folder();
        let made = Secrets::create(folder.path(), &Disk::default(), KekSource::Folder).unwrap();
        let again = Secrets::create(folder.path(), &Disk::default(), KekSource::Folder).unwrap();
        let loaded = Secrets::load(folder.path(), None).unwrap();
        for secrets in [&again, &loaded] {
            assert!(secrets.kek().unwrap() == made.kek().unwrap());
            assert_eq!(secrets.node_id(), made.node_id());
        }
        assert_eq!(made.log_key().name().as_str(), format!("lucid/{}", made.node_id()));
        assert_eq!(made.kek_id(), Some(made.kek().unwrap().id().as_str()));
        for name in ["master.key", "node.key"] {
            let path = folder.path().join(name);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read(&path).unwrap().len(), 65, "64 digits and a newline");
        }
    }

    #[test]
    fn a_wrong_master_key_is_named() {
        let folder = folder();
        let (right, wrong) = (Kek::new([1; 32]), Kek::new([2; 32]));
        let given = || KekSource::Given(right.clone());
        Secrets::create(folder.path(), &Disk::default(), given()).unwrap();
        assert!(!folder.path().join("master.key").exists(), "a given key is not written");
        assert!(Secrets::load(folder.path(), Some(right.clone())).is_ok());
        let message = refused(Secrets::load(folder.path(), Some(wrong.clone()))).to_string();
        assert!(message.contains(&right.id()) && message.contains(&wrong.id()), "{message}");
        let without = Secrets::load(folder.path(), None).unwrap();
        assert!(
            matches!(without.kek(), Err(StoreError::KekMissing { expected }) if expected == right.id())
        );
        let other = KekSource::Given(wrong);
        let error = refused(Secrets::create(folder.path(), &Disk::default(), other));
        assert!(matches!(error, StoreError::OtherKek { .. }));
    }

    #[test]
    fn a_write_only_node_has_no_master_key() {
        let folder = folder();
        let secrets = Secrets::create(folder.path(), &Disk::default(), KekSource::None).unwrap();
        assert!(matches!(secrets.kek(), Err(StoreError::WriteOnly)));
        assert_eq!(secrets.kek_id(), None);
        let given = Some(Kek::new([1; 32]));
        assert!(matches!(refused(Secrets::load(folder.path(), given)), StoreError::WriteOnly));
    }

    #[test]
    fn exposed_or_malformed_keys_are_refused() {
        let folder = folder();
        Secrets::create(folder.path(), &Disk::default(), KekSource::Folder).unwrap();
        let path = folder.path().join("node.key");
        let digits = "ab".repeat(32);
        for (text, good) in [
            (format!("{digits}\n"), true),
            (digits.clone(), true),
            (digits.to_uppercase(), false),
            (format!("{digits}\n\n"), false),
            (format!("{digits}0"), false),
            (digits[1..].to_owned(), false),
            (String::new(), false),
        ] {
            fs::write(&path, &text).unwrap();
            let result = Secrets::load(folder.path(), None);
            assert_eq!(result.is_ok(), good, "{text:?}");
            if let Err(error) = result {
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("node.key") && !shown.to_lowercase().contains("abab"));
            }
        }
        fs::write(&path, digits).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let message = refused(Secrets::load(folder.path(), None)).to_string();
        assert!(message.contains("chmod 600") && message.contains("640"), "{message}");
    }

    #[test]
    fn a_damaged_key_id_is_named() {
        let folder = folder();
        Secrets::create(folder.path(), &Disk::default(), KekSource::Folder).unwrap();
        fs::write(folder.path().join("kek_id"), "nonsense\n").unwrap();
        let error = refused(Secrets::load(folder.path(), None));
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}
