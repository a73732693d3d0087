//! The disk: chunk files, and durable entries of the ledger beside the least that durability costs.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use lucid_core::{
    Timestamp,
    chunk::SEALED_SEGMENT_BYTES,
    entry::{Entry, NodeEvent},
};
use lucid_pipeline::window::WINDOW_SEGMENTS;
use lucid_store::{CreateOptions, Disk, KekSource, NoCiphers, Store};
use tempfile::TempDir;

use super::{CHUNK_BYTES, Material};
use crate::samples::{Row, Work};

const GROUP: &str = "The folder's disk";

/// A store and files of its own, in a folder that is removed afterwards.
pub(super) struct Disks {
    folder: TempDir,
    store: Store,
}

impl Disks {
    /// Makes them in `parent`.
    pub(super) fn make(parent: &Path) -> Result<Self> {
        let folder = TempDir::new_in(parent)?;
        let options = CreateOptions {
            kek: KekSource::Folder,
            at: at(),
            reserve_bytes: Some(0),
            disk: Disk::default(),
            ciphers: Arc::new(NoCiphers),
        };
        let store = Store::create(&folder.path().join("data"), options)?;
        Ok(Self { folder, store })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_795_396_045_123)
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn entry(number: u64) -> Entry {
    Entry::NodeEvent(NodeEvent {
        at: at(),
        detail: format!("number {number}"),
        event: "bench".to_owned(),
        kind: Default::default(),
        v: Default::default(),
    })
}

/// Chunk files written and read, and appends.
pub(super) fn rows<'a>(material: &'a Material, disks: &'a Disks) -> Result<Vec<Row<'a>>> {
    let whole = disks.path("read");
    fs::write(&whole, &material.noise)?;
    let bytes = entry(0).to_bytes()?;
    Ok(vec![
        write(material, disks.path("written"), false),
        write(material, disks.path("durable"), true),
        read(File::open(whole)?),
        bare(OpenOptions::new().append(true).create(true).open(disks.path("bare"))?, bytes),
        append(&disks.store, 1),
        append(&disks.store, 64),
    ])
}

/// A new file of a chunk's size, a window at a time, removed at the next turn.
fn write(material: &Material, path: PathBuf, durable: bool) -> Row<'_> {
    let name = if durable { "write a chunk file and fdatasync" } else { "write a chunk file" };
    Row::new(GROUP, name, Work::DiskBytes(CHUNK_BYTES), move || {
        let mut file = File::create(&path)?;
        for window in material.noise.chunks(WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES) {
            file.write_all(window)?;
        }
        if durable {
            file.sync_data()?;
        }
        Ok(fs::remove_file(&path)?)
    })
}

/// From the page cache, a window at a time.
fn read(file: File) -> Row<'static> {
    use std::os::unix::fs::FileExt;
    let window_bytes = WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;
    let mut window = vec![0; window_bytes];
    let name = "read a chunk file from the page cache";
    Row::new(GROUP, name, Work::DiskBytes(CHUNK_BYTES), move || {
        for start in (0..CHUNK_BYTES).step_by(window_bytes) {
            let count = window_bytes.min(CHUNK_BYTES - start);
            file.read_exact_at(&mut window[..count], start as u64)?;
        }
        Ok(())
    })
}

/// The least that a durable entry costs: its bytes at the end of a file, and one fdatasync.
fn bare(mut file: File, entry: Vec<u8>) -> Row<'static> {
    Row::new(GROUP, "append an entry's bytes and fdatasync", Work::DiskOperation, move || {
        file.write_all(&entry)?;
        Ok(file.sync_data()?)
    })
}

/// Entries in the ledger with a signed checkpoint and the projection, durable.
fn append(store: &Store, group: u64) -> Row<'_> {
    let name = match group {
        1 => "ledger: append an entry".to_owned(),
        group => format!("ledger: append {group} entries together"),
    };
    let number = Cell::new(0);
    Row::new(GROUP, name, Work::DiskOperation, move || {
        let first = number.replace(number.get() + group);
        let entries: Vec<Entry> = (first..first + group).map(entry).collect();
        store.append(&entries)?;
        Ok(())
    })
}
