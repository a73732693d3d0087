//! The image, joined from its table, its FAT partition and its root: no loop device, and holes where nothing is.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::layout::{BOOT, IMAGE_BYTES, Partition, ROOT, table};

/// A part of the image that is used, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) bytes: u64,
}

const BUFFER_BYTES: usize = 1 << 20;

/// Writes the image, and says which parts of it are used: the first includes all of the FAT that anything was ever
/// written to, since its zeros mean something; the other is the root.
///
/// # Errors
/// Those of the files; a part that does not fit into its partition.
pub(super) fn assemble(image: &Path, boot: &Path, root: &Path) -> Result<[Extent; 2]> {
    let name = || format!("writing {}", image.display());
    let file = File::create(image).with_context(name)?;
    file.set_len(IMAGE_BYTES).with_context(name)?;
    file.write_all_at(&table(), 0).with_context(name)?;
    let boot_bytes = put(&file, boot, BOOT)?;
    let root_bytes = put(&file, root, ROOT)?;
    (&file).flush().with_context(name)?;
    Ok([
        Extent { start: 0, bytes: BOOT.offset() + boot_bytes },
        Extent { start: ROOT.offset(), bytes: root_bytes },
    ])
}

/// Copies a file into its partition without the zeros at its end; the rest of it is its length.
fn put(image: &File, part: &Path, partition: Partition) -> Result<u64> {
    let name = || format!("reading {}", part.display());
    let mut file = File::open(part).with_context(name)?;
    let bytes = file.metadata().with_context(name)?.len();
    ensure!(
        bytes <= partition.bytes(),
        "{} has {bytes} bytes, and its partition {}: leave something out of the image",
        part.display(),
        partition.bytes()
    );
    let used = used(&mut file).with_context(name)?;
    file.seek(SeekFrom::Start(0)).with_context(name)?;
    let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], 0);
    while at < used {
        let most = usize::try_from(used - at).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
        file.read_exact(&mut buffer[..most]).with_context(name)?;
        image
            .write_all_at(&buffer[..most], partition.offset() + at)
            .context("writing the image")?;
        at += most as u64;
    }
    Ok(used)
}

/// How long a file is without the zeros at its end.
fn used(file: &mut File) -> std::io::Result<u64> {
    let (mut buffer, mut at, mut used) = (vec![0; BUFFER_BYTES], 0, 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(used);
        }
        if let Some(last) = buffer[..count].iter().rposition(|byte| *byte != 0) {
            used = at + last as u64 + 1;
        }
        at += count as u64;
    }
}

/// A file's SHA-256 in hex, and its length.
///
/// # Errors
/// The file's.
pub(crate) fn sha256(path: &Path) -> Result<(String, u64)> {
    let name = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(name)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER_BYTES]);
    loop {
        let count = file.read(&mut buffer).with_context(name)?;
        if count == 0 {
            return Ok((hex::encode(hash.finalize()), bytes));
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn parts_are_where_the_table_says_and_the_rest_is_holes() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut boot = b"FAT".to_vec();
        boot.resize(3 << 20, 0);
        boot[2_000_000] = 9;
        fs::write(at("boot"), &boot).unwrap();
        fs::write(at("root"), b"hsqs").unwrap();
        let extents = assemble(&at("image"), &at("boot"), &at("root")).unwrap();
        assert_eq!(extents[0], Extent { start: 0, bytes: (4 << 20) + 2_000_001 });
        assert_eq!(extents[1], Extent { start: 516 << 20, bytes: 4 });
        let image = File::open(at("image")).unwrap();
        let mut found = [0; 4];
        image.read_exact_at(&mut found[..3], 4 << 20).unwrap();
        assert_eq!(&found[..3], b"FAT");
        image.read_exact_at(&mut found, 516 << 20).unwrap();
        assert_eq!(&found, b"hsqs");
        let metadata = image.metadata().unwrap();
        assert_eq!(metadata.len(), IMAGE_BYTES);
        assert!(metadata.blocks() * 512 < 16 << 20, "{} blocks", metadata.blocks());
    }

    #[test]
    fn a_root_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("boot"), b"FAT").unwrap();
        File::create(at("root")).unwrap().set_len(ROOT.bytes() + 1).unwrap();
        let error = assemble(&at("image"), &at("boot"), &at("root")).unwrap_err();
        assert!(error.to_string().contains("leave something out"), "{error}");
    }

    #[test]
    fn hashes_are_of_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), (abc.to_owned(), 3));
    }
}
