//! Keys and list of onion services in the data folder.

use std::{error::Error, path::Path};

use lucid_store::{Disk, StoreError, TunnelFiles};
use lucid_tunnel::{Keep, KeepError, KeyName, service::LIST_BYTES_MAX};
use zeroize::Zeroizing;

/// `secrets/onion-NAME-NUMBER.key` and `tunnels/list`; whoever has this holds the folder's lock.
pub(super) struct KeptFiles(TunnelFiles);

impl KeptFiles {
    /// Those of the data folder `data`.
    pub(super) fn at(data: &Path) -> Self {
        Self(TunnelFiles::at(data, LIST_BYTES_MAX, &Disk::default()))
    }
}

/// The error in words: the causes too, since the operating system's are among them.
fn said<T>(result: Result<T, StoreError>) -> Result<T, KeepError> {
    result.map_err(|error| {
        let mut text = error.to_string();
        let mut inner: &dyn Error = &error;
        while let Some(source) = inner.source() {
            text = format!("{text}: {source}");
            inner = source;
        }
        KeepError(text)
    })
}

impl Keep for KeptFiles {
    fn load(&self) -> Result<Option<Vec<u8>>, KeepError> {
        said(self.0.list().load())
    }

    fn save(&self, list: &[u8]) -> Result<(), KeepError> {
        said(self.0.list().save(list))
    }

    fn key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        said(self.0.key(&name.to_string()))
    }

    fn key_names(&self) -> Result<Vec<KeyName>, KeepError> {
        Ok(said(self.0.key_names())?.iter().filter_map(|name| KeyName::parse(name)).collect())
    }

    fn make_key(&self, name: &KeyName) -> Result<Zeroizing<[u8; 32]>, KeepError> {
        said(self.0.make_key(&name.to_string()))
    }

    fn remove_key(&self, name: &KeyName) -> Result<(), KeepError> {
        said(self.0.remove_key(&name.to_string()))
    }
}
