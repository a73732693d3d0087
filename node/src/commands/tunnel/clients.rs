//! The keys of an onion service's clients: made here, told once, and kept nowhere.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use lucid_tunnel::{
    onion::{ClientKey, ClientName, OnionAddress},
    service::Client,
};
use rustix::fs::{FileType, makedev};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// /dev/null (Linux, admin-guide/devices.txt).
const NULL: (u32, u32) = (1, 3);

/// Keys on their way to their clients.
pub(super) struct ClientKeys(Vec<(ClientName, ClientKey, Option<KeyFile>)>);

/// Where a key is to be written to.
type KeyFile = (PathBuf, File);

/// What a client is given: the line of a file `NAME.auth_private` in the `ClientOnionAuthDir` of its tor, or where that
/// was written to.
#[derive(Serialize)]
pub(super) struct Handed {
    pub(super) name: ClientName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_private: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<PathBuf>,
    /// Why it is shown although a file was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why_not_in_file: Option<String>,
}

impl ClientKeys {
    /// A key for each client, and its file in `folder`, still empty: what stands in the way of writing one is met before
    /// anything is made that needs it.
    ///
    /// # Errors
    /// Where a file is there already, or cannot be made.
    pub(super) fn make(names: &[ClientName], folder: Option<&Path>) -> Outcome<Self> {
        let mut keys = Self(Vec::new());
        for name in names {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(bytes.as_mut_slice())
                .map_err(|error| Failure::io(format!("no random bytes can be had: {error}")))?;
            let file = match folder.map(|folder| file(folder, name)).transpose() {
                Ok(file) => file,
                Err(failure) => {
                    keys.withdraw();
                    return Err(failure);
                }
            };
            keys.0.push((name.clone(), ClientKey::from_bytes(bytes), file));
        }
        Ok(keys)
    }

    /// What the service knows them by.
    pub(super) fn public(&self) -> Vec<Client> {
        let client =
            |name: &ClientName, key: &ClientKey| Client { name: name.clone(), key: key.public() };
        self.0.iter().map(|(name, key, _)| client(name, key)).collect()
    }

    /// Gives them up: no service was made.
    pub(super) fn withdraw(self) {
        for (path, _) in self.0.into_iter().filter_map(|(_, _, file)| file) {
            // An empty file that stays has no key in it.
            let _ = fs::remove_file(path);
        }
    }

    /// Gives each client its key for the service at `address`. One that cannot be written is shown: it is nowhere else.
    /// Whatever of it is shown has to be shown before it counts, or can be taken back.
    pub(super) fn hand_over(self, address: OnionAddress) -> Vec<Handed> {
        let hand = |(name, key, file): (ClientName, ClientKey, Option<KeyFile>)| {
            let line = key.auth_private(address);
            let Some((path, mut to)) = file else {
                return Handed {
                    name,
                    auth_private: Some(line),
                    file: None,
                    why_not_in_file: None,
                };
            };
            let written = to.write_all(line.as_bytes()).and_then(|()| to.write_all(b"\n"));
            match written.and_then(|()| to.sync_all()) {
                Ok(()) => {
                    Handed { name, auth_private: None, file: Some(path), why_not_in_file: None }
                }
                Err(error) => {
                    let why = Some(format!("{}: {error}", path.display()));
                    Handed { name, auth_private: Some(line), file: None, why_not_in_file: why }
                }
            }
        };
        self.0.into_iter().map(hand).collect()
    }
}

impl Handed {
    /// Whether it is on standard output, and nowhere else.
    pub(super) fn is_shown(&self) -> bool {
        self.auth_private.is_some()
    }

    /// Takes its file away again: what is in it opens nothing.
    pub(super) fn withdraw(&self) {
        if let Some(path) = &self.file {
            // One that stays opens nothing all the same.
            let _ = fs::remove_file(path);
        }
    }
}

fn file(folder: &Path, name: &ClientName) -> Outcome<KeyFile> {
    let path = folder.join(format!("{name}.auth_private"));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = made.map_err(|error| {
        let way_out = match error.kind() {
            io::ErrorKind::AlreadyExists => "; take it away first, or name another folder",
            _ => "",
        };
        Failure::io(format!("{}: {error}{way_out}", path.display()))
    })?;
    Ok((path, file))
}

/// Refuses to make keys that would be shown to nobody: what is closed, the runtime opens as /dev/null.
///
/// # Errors
/// Where standard output leads nowhere.
pub(super) fn check_shown() -> Outcome {
    let stat = rustix::fs::fstat(io::stdout()).map_err(io::Error::from)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    match is_device && stat.st_rdev == makedev(NULL.0, NULL.1) {
        true => Err(Failure::usage(
            "the clients' keys are shown this once, and standard output is closed or /dev/null: give --client-keys DIR \
             for files",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use lucid_tunnel::onion::OnionKey;

    use super::*;

    fn names(names: &[&str]) -> Vec<ClientName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_key_is_in_its_file_or_shown_and_never_both() {
        let address = OnionKey::from_seed(Zeroizing::new([1; 32])).address();
        let folder = tempfile::tempdir().unwrap();
        let shown = ClientKeys::make(&names(&["phone"]), None).unwrap().hand_over(address);
        let line = shown[0].auth_private.as_ref().unwrap();
        let head = format!("{}:descriptor:x25519:", address.label());
        assert!(
            line.starts_with(&head) && line.len() == head.len() + 52 && shown[0].file.is_none()
        );
        let keys = ClientKeys::make(&names(&["phone", "desk"]), Some(folder.path())).unwrap();
        assert_eq!(keys.public().len(), 2);
        let handed = keys.hand_over(address);
        assert!(handed.iter().all(|one| one.auth_private.is_none()));
        let file = folder.path().join("desk.auth_private");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().starts_with(&head));
    }

    #[test]
    fn what_is_there_is_not_written_over_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("desk.auth_private");
        fs::write(&there, "another's").unwrap();
        let refused = ClientKeys::make(&names(&["phone", "desk"]), Some(folder.path())).err();
        assert!(refused.unwrap().error.to_string().contains("desk.auth_private"));
        assert_eq!(fs::read_to_string(&there).unwrap(), "another's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
