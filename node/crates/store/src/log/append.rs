//! Appending: what is durable before what is signed before what is answered.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex, Hash,
    entry::Entry,
    merkle::{CompactRange, HashTile, TILE_WIDTH, encode_bundle, leaf_hash, root},
    note::{Checkpoint, SigningKey},
};

use super::{
    Log, LogReader,
    error::{LogError, chain},
    head,
    open::tail_path,
    repair::Repair,
    tail::{self, Tail},
    tiles::{full_bundle, full_tile, tile_bytes},
};
use crate::disk::{Disk, parent, read_file};

/// Entries that may go into a log, with all that can be made of them without it: whoever waits for the
/// log has this done already.
pub struct Prepared {
    records: Vec<u8>,
    /// Length and leaf hash of each.
    leaves: Vec<(usize, Hash)>,
}

impl Prepared {
    /// Checks `entries` and makes their records.
    ///
    /// # Errors
    /// [`LogError::Refused`] where one is no entry.
    pub fn new<E: AsRef<[u8]>>(entries: &[E]) -> Result<Self, LogError> {
        let mut records = Vec::new();
        let mut leaves = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            let entry = entry.as_ref();
            Entry::parse(entry)
                .and_then(Entry::of_this_version)
                .map_err(|source| LogError::Refused { position, source })?;
            tail::encode_record(&mut records, entry);
            leaves.push((entry.len(), leaf_hash(entry)));
        }
        Ok(Self { records, leaves })
    }

    /// Number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.leaves.len()
    }

    /// Bytes that they take in the tail.
    #[must_use]
    pub fn tail_bytes(&self) -> usize {
        self.records.len()
    }
}

impl Log {
    /// Appends `entries`, in order, and gives their indexes. When it returns, they and the checkpoint
    /// that covers them survive a power cut. One checkpoint is made however many entries there are, so
    /// callers gather what waits.
    ///
    /// Where it returns indexes and [`Log::poisoned`] then says something, the entries are in the log
    /// and nothing more goes in until it is opened again.
    ///
    /// # Errors
    /// [`LogError::Refused`] where one is no entry: then none is appended. [`LogError::Io`]: then the
    /// entries may turn out to be in the log, all of them or none, when it is opened again, and until
    /// then every append gives [`LogError::Poisoned`].
    pub fn append<E: AsRef<[u8]>>(&mut self, entries: &[E]) -> Result<Range<EntryIndex>, LogError> {
        self.check_open()?;
        self.append_group(&[&Prepared::new(entries)?])
    }

    /// [`Log::append`] for the entries of several writers, one after the other: one write, one sync and
    /// one checkpoint for all of them. They are in the log together or not at all.
    ///
    /// # Errors
    /// [`LogError::Io`] and [`LogError::Poisoned`], as there.
    pub fn append_group(&mut self, group: &[&Prepared]) -> Result<Range<EntryIndex>, LogError> {
        self.check_open()?;
        let first = self.size();
        let leaves: Vec<_> = group.iter().flat_map(|part| part.leaves.iter().copied()).collect();
        if leaves.is_empty() {
            return Ok(EntryIndex(first)..EntryIndex(first));
        }
        let records = match group {
            [alone] => Cow::Borrowed(alone.records.as_slice()),
            parts => parts.iter().flat_map(|part| part.records.iter().copied()).collect(),
        };
        self.commit(&records, leaves).inspect_err(|error| self.poisoned = Some(chain(error)))?;
        let appended = EntryIndex(first)..EntryIndex(self.size());
        if let Err(error) = self.settle() {
            let cause = chain(&error);
            tracing::error!(log = %self.dir().display(), "full bundles stay in the tail: {cause}");
            self.poisoned = Some(cause);
        }
        Ok(appended)
    }

    fn check_open(&self) -> Result<(), LogError> {
        match &self.poisoned {
            Some(cause) => Err(LogError::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Makes `records` durable, then a checkpoint that covers them. In memory nothing changes unless
    /// both are done.
    fn commit(&mut self, records: &[u8], leaves: Vec<(usize, Hash)>) -> Result<(), LogError> {
        let path = self.reader.tail.path();
        self.disk
            .write(&self.tail_end, path, records)
            .and_then(|()| self.disk.sync_file(&self.tail_end, path))
            .map_err(LogError::io("append to", path))?;
        let mut range = self.reader.range.clone();
        range.extend(leaves.iter().map(|(_, leaf)| *leaf));
        self.sign(range)?;
        self.reader.tail.extend(leaves);
        Ok(())
    }

    /// Signs for `range`, whose entries are durable, and makes the checkpoint durable.
    fn sign(&mut self, range: CompactRange) -> Result<(), LogError> {
        let origin = self.key.name().clone();
        let checkpoint = Checkpoint { origin, size: range.len(), root: range.root() };
        assert!(checkpoint.size >= self.size(), "a log does not shrink");
        let text = checkpoint.sign(&self.key)?;
        self.head.write(&self.disk, &text)?;
        self.reader.range = range;
        self.reader.checkpoint = checkpoint;
        self.reader.checkpoint_text = text;
        Ok(())
    }

    /// Moves full bundles out of the tail: bundles, the tiles they fill, their folders, then a new tail
    /// with the rest. What is there already, from a time that was cut short, must be the same.
    ///
    /// On an error all that was readable stays so: the old tail is still open, under whatever name.
    fn settle(&mut self) -> Result<(), LogError> {
        let tail = &self.reader.tail;
        let bundles = tail.len() / TILE_WIDTH as usize;
        if bundles == 0 {
            return Ok(());
        }
        assert_eq!(tail.end(), self.reader.size(), "only what is signed for is settled");
        let mut edge = self.reader.edge.clone();
        let dir = self.reader.dir.as_path();
        let mut writer = Writer::new(&self.disk, dir, &mut self.durable);
        for (bundle, leaves) in tail.leaves().chunks_exact(TILE_WIDTH as usize).enumerate() {
            let first = bundle * TILE_WIDTH as usize;
            let entries = tail.entries(first..first + TILE_WIDTH as usize)?;
            let bytes =
                encode_bundle(&entries).expect("256 entries, each as long as an entry may be");
            let index = tail.start() / TILE_WIDTH + bundle as u64;
            writer.put(&full_bundle(index).path(), &bytes)?;
            writer.put_tile(full_tile(0, index), leaves)?;
            edge.push(index, root(leaves), |tile, hashes| writer.put_tile(tile, hashes))?;
        }
        writer.finish()?;
        let settled = bundles * TILE_WIDTH as usize;
        let start = tail.start() + settled as u64;
        let rest = tail.raw(settled..tail.len())?;
        self.renew_tail(start, &rest)?;
        self.reader.edge = edge;
        Ok(())
    }

    /// Replaces the tail by one that begins at `start` and holds `records`, and reads it back.
    fn renew_tail(&mut self, start: u64, records: &[u8]) -> Result<(), LogError> {
        let path = tail_path(self.dir());
        let bytes = [tail::header(start).as_slice(), records].concat();
        self.disk.write_file(&path, &bytes).map_err(LogError::io("write", &path))?;
        let tail_end = self.disk.append_to(&path).map_err(LogError::io("open", &path))?;
        let scan = Tail::scan(&path)?.ok_or_else(|| LogError::Missing { path: path.clone() })?;
        let old = &self.reader.tail;
        if scan.tail.leaves() != &old.leaves()[(start - old.start()) as usize..] {
            let (offset, index) = (scan.tail.end_offset(), EntryIndex(scan.tail.end()));
            return Err(LogError::TailChanged { path, offset, index });
        }
        self.tail_end = tail_end;
        self.reader.tail = scan.tail;
        Ok(())
    }
}

/// Repairs what `reader` found and makes it a log that grows. Nothing is signed here: what no
/// checkpoint covers may be anybody's.
pub(super) fn repair(reader: LogReader, key: SigningKey, disk: Disk) -> Result<Log, LogError> {
    head::keep(reader.dir(), &disk)?;
    let mut renew = false;
    for repair in &reader.repairs {
        match repair {
            Repair::Leftover { path } => {
                disk.remove(path).map_err(LogError::io("remove", path))?;
            }
            Repair::TornTail { .. } | Repair::Unsigned { .. } => renew = true,
            Repair::TailRecreated { path } => {
                let header = tail::header(reader.tail.start());
                disk.write_file(path, &header).map_err(LogError::io("write", path))?;
                renew = true;
            }
            // The settled tail replaces the old one; the head is whole once it is open.
            Repair::Unsettled { .. } | Repair::HeadCopy { .. } => {}
        }
    }
    let path = tail_path(reader.dir());
    let tail_end = disk.append_to(&path).map_err(LogError::io("open", &path))?;
    let durable = HashSet::from([reader.dir.clone()]);
    let found = head::read(reader.dir(), key.verifier_key())?;
    let found = found.ok_or_else(|| LogError::Missing { path: head::path(reader.dir()) })?;
    let head = found.to_write(reader.dir(), &disk)?;
    let mut log = Log { reader, key, disk, tail_end, head, durable, poisoned: None };
    if renew {
        let tail = &log.reader.tail;
        let (start, records) = (tail.start(), tail.raw(0..tail.len())?);
        log.renew_tail(start, &records)?;
    }
    log.settle()?;
    Ok(log)
}

/// Writes files below a log's folder and syncs each folder once.
pub(super) struct Writer<'a> {
    disk: &'a Disk,
    dir: &'a Path,
    durable: &'a mut HashSet<PathBuf>,
    touched: BTreeSet<PathBuf>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(disk: &'a Disk, dir: &'a Path, durable: &'a mut HashSet<PathBuf>) -> Self {
        Self { disk, dir, durable, touched: BTreeSet::new() }
    }

    /// Writes the file at `path` below the log's folder unless it is there with these bytes.
    ///
    /// # Errors
    /// [`LogError::Occupied`] where it is there with others; [`LogError::Io`].
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.dir.join(path);
        match read_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.replace(&path, bytes),
            Ok(there) if there == bytes => {
                // It was renamed when it was whole; its name may not have reached the disk.
                self.make_folders(parent(&path))?;
                self.touched.insert(parent(&path).to_owned());
                Ok(())
            }
            Ok(_) => Err(LogError::Occupied { path }),
            Err(error) => Err(LogError::io("read", &path)(error)),
        }
    }

    fn put_tile(&mut self, tile: HashTile, hashes: &[Hash]) -> Result<(), LogError> {
        self.put(&tile.path(), &tile_bytes(hashes))
    }

    /// Writes the file at `path`, whatever is there.
    pub(super) fn replace(&mut self, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let folder = parent(path);
        self.make_folders(folder)?;
        self.disk.write_file_unsynced_name(path, bytes).map_err(LogError::io("write", path))?;
        self.touched.insert(folder.to_owned());
        Ok(())
    }

    /// Makes `folder` and those above it, up to the log's own. One that is there may be of a process
    /// that crashed before its name was durable, so its parent is synced once by each process.
    fn make_folders(&mut self, folder: &Path) -> Result<(), LogError> {
        if folder == self.dir || self.durable.contains(folder) {
            return Ok(());
        }
        let above = parent(folder);
        self.make_folders(above)?;
        let made = if folder.is_dir() {
            self.disk.sync_folder(above)
        } else {
            self.disk.make_folder(folder)
        };
        made.map_err(LogError::io("create", folder))?;
        self.durable.insert(folder.to_owned());
        Ok(())
    }

    /// Brings the names of all files written to the disk.
    pub(super) fn finish(self) -> Result<(), LogError> {
        self.touched.iter().try_for_each(|folder| {
            self.disk.sync_folder(folder).map_err(LogError::io("sync", folder))
        })
    }
}
