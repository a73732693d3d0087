//! Real files: a tar of a folder of this machine, cut or repeated to a size.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{ByteCount, Plain};

/// Its name in tables.
const NAME: &str = "real files";

/// A tar of `source`, of exactly `size` bytes. One of this size that is there already is taken as it is:
/// what it was made of may have changed meanwhile.
///
/// # Errors
/// Where `source` or tar is not there.
pub(crate) fn files(folder: &Path, source: &Path, size: ByteCount) -> Result<Plain> {
    let path = folder.join(format!("files-{}", size.0));
    let plain = Plain { name: NAME, path: path.clone(), bytes: size.0 };
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == size.0) {
        return Ok(plain);
    }
    ensure!(source.is_dir(), "{} is no folder", source.display());
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut to = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    fill(size, |most| copy_tar(source, most, &mut to))
        .with_context(|| format!("a tar of {}", source.display()))?;
    fs::rename(&part, &path)?;
    Ok(plain)
}

/// Has `copy` write an archive again and again, each time at most what is missing, until it is `size`.
fn fill(size: ByteCount, mut copy: impl FnMut(u64) -> Result<u64>) -> Result<()> {
    let mut rest = size.0;
    while rest > 0 {
        let count = copy(rest)?;
        ensure!(count > 0, "it is empty");
        rest = rest.checked_sub(count).context("it is longer than it may be")?;
    }
    Ok(())
}

/// Writes at most `most` bytes of a tar; gives how many it was.
fn copy_tar(source: &Path, most: u64, to: &mut impl Write) -> Result<u64> {
    let mut child = Command::new("tar")
        .args(["--sort=name", "-cf", "-"])
        .arg(source)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It says that it takes the leading slash away, and what changed while it was read.
        .stderr(Stdio::null())
        .spawn()
        .context("tar cannot be started")?;
    let tar = child.stdout.take().context("a pipe")?;
    let count = io::copy(&mut tar.take(most), to)?;
    // It ends by itself, or because nobody takes what it still has.
    child.wait()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_repeated_and_cut() {
        // No tar is started here: a process that begins holds the locks of the other tests' files for a moment.
        let check = |size: u64, archive: u64, wanted: &[u64]| {
            let mut asked = Vec::new();
            let filled = fill(ByteCount(size), |most| {
                asked.push(most);
                Ok(archive.min(most))
            });
            assert_eq!(asked, wanted, "{size} of {archive}");
            filled.is_ok()
        };
        assert!(check(0, 10, &[]));
        assert!(check(7, 10, &[7]));
        assert!(check(25, 10, &[25, 15, 5]));
        assert!(!check(25, 0, &[25]), "an empty archive fills nothing");
    }

    #[test]
    fn what_is_no_folder_is_an_error_and_what_is_made_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        let error = files(place.path(), &missing, ByteCount(7));
        assert!(error.is_err_and(|error| error.to_string().contains("is no folder")));
        fs::write(place.path().join("files-7"), "1234567").unwrap();
        assert_eq!(files(place.path(), &missing, ByteCount(7)).unwrap().bytes, 7);
    }
}
