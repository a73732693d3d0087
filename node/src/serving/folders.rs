//! The data folders of services that are processes of their own: opened, or made where nothing is there.

use std::{path::PathBuf, sync::Arc};

use lucid_store::{
    DataFolder, Disk, ErrorKind, FolderKind, FolderVault, KekSource, LedgerOptions, RemoteVault,
    Store, StoreError, Vault, VaultOptions,
};
use tokio::runtime::Handle;

use super::{
    late::{Late, Missing},
    peers::Peers,
    vault::HttpTransport,
};
use crate::{
    config::ServiceName,
    context::{Context, now, tell},
    failure::{Failure, Outcome},
    output::notice,
};

/// Opens the folder of the encryptor, and makes it first where nothing is there.
pub(super) fn open_vault(context: &Context) -> Outcome<FolderVault> {
    let config = &context.config;
    let (disk, ciphers) = (Disk::default(), context.ciphers());
    let options = || VaultOptions {
        reserve_bytes: config.reserve_bytes,
        disk: disk.clone(),
        ciphers: Arc::clone(&ciphers),
    };
    match FolderVault::open(&config.data, config.master_key.clone(), options()) {
        Ok((vault, repairs)) => {
            for repair in repairs {
                notice(&format!("repaired: {repair}"));
            }
            Ok(vault)
        }
        Err(error) if is_to_be_made(&error) => {
            let kek = context.kek_source();
            let in_folder = matches!(kek, KekSource::Folder);
            let vault = FolderVault::create(&config.data, kek, options())?;
            made(&config.data, in_folder.then_some("its master key is"));
            Ok(vault)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the folder of the orchestrator, and makes it first where nothing is there. The vault is asked
/// what a crash left of sessions, as soon as it can be.
pub(super) async fn open_ledger(
    context: &Context,
    peers: &Peers<'_>,
    late: &Late,
) -> Outcome<Store> {
    let (path, reserve_bytes) = (context.config.data.clone(), context.config.reserve_bytes);
    let caller = peers.caller(ServiceName::SessionEncryptor);
    let opened = late
        .until(async || {
            let transport = HttpTransport { caller: caller.clone(), runtime: Handle::current() };
            let vault: Arc<dyn Vault> = Arc::new(RemoteVault::new(transport));
            let path = path.clone();
            let opening = move || open_or_create_ledger(&path, vault, reserve_bytes);
            match tokio::task::spawn_blocking(opening).await {
                Ok(Ok(opened)) => Ok(opened),
                Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => {
                    Err(Missing::Yet(error.to_string()))
                }
                Ok(Err(error)) => Err(Missing::Never(Failure::from(error))),
                Err(error) => Err(Missing::Never(Failure::io(error.to_string()))),
            }
        })
        .await?;
    match opened {
        (store, Some(recovery)) => {
            tell(&recovery);
            Ok(store)
        }
        (store, None) => {
            made(&path, Some("the key that signs the ledger is"));
            Ok(store)
        }
    }
}

type Opened = (Store, Option<lucid_store::Recovery>);

fn open_or_create_ledger(
    path: &std::path::Path,
    vault: Arc<dyn Vault>,
    reserve_bytes: Option<u64>,
) -> Result<Opened, StoreError> {
    let options = || LedgerOptions { at: now(), reserve_bytes, disk: Disk::default() };
    match Store::open_with(path, Arc::clone(&vault), options()) {
        Ok((store, recovery)) => Ok((store, Some(recovery))),
        Err(error) if is_to_be_made(&error) => {
            Ok((Store::create_with(path, vault, options())?, None))
        }
        Err(error) => Err(error),
    }
}

/// Opens a service's folder that is no store, and makes it first where nothing is there.
pub(super) fn open_folder(
    context: &Context,
    kind: FolderKind,
    key: Option<&str>,
) -> Outcome<Arc<DataFolder>> {
    let path = &context.config.data;
    let folder = match DataFolder::open(path, kind) {
        Err(error) if is_to_be_made(&error) => {
            let folder = DataFolder::create(path, kind, &Disk::default())?;
            made(path, key);
            folder
        }
        opened => opened?,
    };
    Ok(Arc::new(folder))
}

/// Whether there is nothing yet, or something that was begun. Making refuses what is neither.
fn is_to_be_made(error: &StoreError) -> bool {
    use StoreError::{NoFolder, NotADataFolder, Unfinished};
    matches!(error, NoFolder { .. } | Unfinished { .. } | NotADataFolder { .. })
}

fn made(path: &std::path::Path, key: Option<&str>) {
    notice(&format!("made the data folder {}", path.display()));
    if let Some(key) = key {
        let secrets: PathBuf = path.join("secrets");
        notice(&format!("{key} in {}: back it up, apart from it", secrets.display()));
    }
}
