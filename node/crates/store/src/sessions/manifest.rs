//! `manifest.json`: exactly the bytes that `manifest_hash` is the hash of.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use lucid_core::{
    Hash,
    manifest::{Manifest, ManifestChunk, Streamed},
};
use sha2::{Digest, Sha256};

use crate::{
    disk::{Disk, parent, read_file, temporary_name},
    error::{Doing, StoreError, damaged},
};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// A manifest as it lies on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestFile {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: Hash,
    /// What they say.
    pub manifest: Manifest,
}

/// Writes a manifest as it is made, so that its length costs no memory, and hashes it on the way.
/// Durable when this returns; gives its hash and its length in bytes.
///
/// # Errors
/// Those of the stream of chunks and of the operating system; nothing is then under the name.
pub(crate) fn write<I>(
    path: &Path,
    manifest: &Manifest<Streamed<I>>,
    disk: &Disk,
) -> Result<(Hash, u64), StoreError>
where
    I: Iterator<Item = io::Result<ManifestChunk>>,
{
    let temporary = temporary_name(path);
    let written = write_temporary(&temporary, manifest, disk).and_then(|facts| {
        disk.rename(&temporary, path)?;
        disk.sync_folder(parent(path))?;
        Ok(facts)
    });
    if written.is_err() {
        // What cannot be removed now is overwritten when the session is sealed again.
        let _ = fs::remove_file(&temporary);
    }
    written.doing("write", path)
}

fn write_temporary<I>(
    temporary: &Path,
    manifest: &Manifest<Streamed<I>>,
    disk: &Disk,
) -> io::Result<(Hash, u64)>
where
    I: Iterator<Item = io::Result<ManifestChunk>>,
{
    let file = disk.create(temporary)?;
    let mut writer = Writer {
        disk,
        file,
        path: temporary.to_owned(),
        hasher: Sha256::new(),
        buffer: Vec::with_capacity(BUFFER_BYTES),
        bytes: 0,
    };
    manifest.write(&mut writer)?;
    writer.flush()?;
    disk.sync_file(&writer.file, temporary)?;
    Ok((Hash(writer.hasher.finalize().into()), writer.bytes))
}

/// Gathers, hashes and writes.
struct Writer<'a> {
    disk: &'a Disk,
    file: File,
    path: PathBuf,
    hasher: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.disk.write(&self.file, &self.path, &self.buffer)?;
        self.hasher.update(&self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a manifest, whole. `None` where there is no file.
///
/// # Errors
/// [`StoreError::Damaged`] where its hash is not `expected` (if one is) or its content is no sound
/// manifest, the operating system's.
pub(crate) fn read(
    path: &Path,
    expected: Option<Hash>,
) -> Result<Option<ManifestFile>, StoreError> {
    let Some((bytes, hash)) = read_bytes(path, expected)? else { return Ok(None) };
    let manifest = Manifest::parse(&bytes).map_err(|error| damaged(path, error))?;
    Ok(Some(ManifestFile { bytes, hash, manifest }))
}

/// Reads a manifest's bytes and their hash. `None` where there is no file.
///
/// # Errors
/// [`StoreError::Damaged`] where the hash is not `expected` (if one is), the operating system's.
pub(crate) fn read_bytes(
    path: &Path,
    expected: Option<Hash>,
) -> Result<Option<(Vec<u8>, Hash)>, StoreError> {
    let bytes = match read_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.doing("read", path)?,
    };
    let hash = Hash::of(&bytes);
    if let Some(expected) = expected
        && hash != expected
    {
        let reason = format!("its hash is {hash}; the ledger has {expected}");
        return Err(damaged(path, reason));
    }
    Ok(Some((bytes, hash)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        disk::Op,
        error::chain,
        testing::{Script, manifest, session, summary},
    };

    fn chunks(count: u32) -> impl Iterator<Item = io::Result<ManifestChunk>> {
        (0..count).map(|index| Ok(ManifestChunk::from(&summary(session(1), index, 65_536))))
    }

    #[test]
    fn streamed_hashed_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        assert_eq!(read(&path, None).unwrap(), None);
        for count in [0, 1, 1000] {
            let whole = manifest(session(1), chunks(count));
            let (hash, bytes) = write(&path, &whole, &Disk::default()).unwrap();
            let file = read(&path, Some(hash)).unwrap().unwrap();
            assert_eq!((file.bytes.len() as u64, file.hash), (bytes, hash));
            assert_eq!(file.manifest.chunk_count, count);
            assert!(!temporary_name(&path).exists());
        }
        let mut altered = fs::read(&path).unwrap();
        let place = altered.len() / 2;
        altered[place] ^= 1;
        let hash = Hash::of(&fs::read(&path).unwrap());
        fs::write(&path, &altered).unwrap();
        let message = read(&path, Some(hash)).unwrap_err().to_string();
        assert!(message.contains(&hash.to_string()), "{message}");
        fs::write(&path, &altered[..place]).unwrap();
        assert!(matches!(read(&path, None), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn a_failed_write_leaves_no_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        for fail in [Op::Open, Op::Write, Op::SyncFile, Op::Rename] {
            let script = Arc::new(Script::default());
            script.fail(&[fail]);
            let disk = Disk::with_faults(script);
            assert!(write(&path, &manifest(session(1), chunks(3)), &disk).is_err());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{fail:?}");
        }
        let broken = chunks(3).chain([Err(io::Error::other("a damaged record"))]);
        let error = write(&path, &manifest(session(1), broken), &Disk::default()).unwrap_err();
        assert!(chain(&error).contains("a damaged record"), "{error:?}");
        assert!(!path.exists());
    }
}
