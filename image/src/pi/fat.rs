//! The FAT partition: which commands make it from a folder.
//!
//! Its files are copied in the order of their names, folder by folder: a folder is read in an order of its own
//! otherwise, and two makings would differ.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::layout::{BOOT, FAT_ID};
use crate::call::Call;

/// Its name, which other computers show.
const LABEL: &str = "LUCID";

/// Bytes of a cluster are 8 sectors of 512, as cards' own file systems have them.
const CLUSTER_SECTORS: &str = "8";

/// What makes an empty one in the file `fat`, which must not be there.
pub(super) fn make(fat: &str) -> Call {
    let kibibytes = (BOOT.bytes() / 1024).to_string();
    let (id, hidden) = (format!("{FAT_ID:08x}"), BOOT.start.to_string());
    let words =
        ["-C", "--invariant", "-F", "32", "-s", CLUSTER_SECTORS, "-h", &hidden, "-i", &id, "-n"];
    Call::new("/usr/sbin/mkfs.vfat", [&words[..], &[LABEL, fat, &kibibytes]].concat())
}

/// What copies a folder's files and folders into it.
///
/// # Errors
/// The folder's; a name that is not plain; something that is neither file nor folder.
pub(super) fn fill(fat: &str, folder: &Path, time: u64) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    enter(fat, folder, "::", &mut calls)?;
    let zoned = |call: Call| {
        // mtools writes local times, and the present one where it makes a folder.
        call.with("TZ", "UTC")
            .with("SOURCE_DATE_EPOCH", time.to_string())
            .with("MTOOLS_SKIP_CHECK", "1")
    };
    Ok(calls.into_iter().map(zoned).collect())
}

fn enter(fat: &str, folder: &Path, target: &str, calls: &mut Vec<Call>) -> Result<()> {
    let name = || format!("reading {}", folder.display());
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(name)? {
        paths.push(entry.with_context(name)?.path());
    }
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    for path in files.iter().chain(&folders) {
        let plain = path.file_name().and_then(|name| name.to_str()).is_some_and(is_plain);
        let kind =
            path.symlink_metadata().with_context(|| format!("looking at {}", path.display()))?;
        if !plain || !(kind.is_file() || kind.is_dir()) {
            bail!("{} cannot be on a FAT partition", path.display());
        }
    }
    if !files.is_empty() {
        let mut words = vec!["-i".to_owned(), fat.to_owned(), "-m".to_owned()];
        words.extend(files.iter().map(|file| file.display().to_string()));
        words.push(format!("{target}/"));
        calls.push(Call::new("mcopy", words));
    }
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().display().to_string();
        let inner = format!("{target}/{name}");
        calls.push(Call::new("mmd", ["-i", fat, &inner]));
        enter(fat, &folder, &inner, calls)?;
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.dtb", "a.elf", "overlays/z.dtbo", "overlays/c.dtbo"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), name).unwrap();
        }
        let calls = fill("card.fat", folder.path(), 7).unwrap();
        let here = folder.path().display();
        let set = "TZ=UTC SOURCE_DATE_EPOCH=7 MTOOLS_SKIP_CHECK=1";
        let lines: Vec<_> = calls.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                format!("{set} mcopy -i card.fat -m {here}/a.elf {here}/b.dtb ::/"),
                format!("{set} mmd -i card.fat ::/overlays"),
                format!(
                    "{set} mcopy -i card.fat -m {here}/overlays/c.dtbo {here}/overlays/z.dtbo ::/overlays/"
                ),
            ]
        );
        fs::write(at("not plain"), "").unwrap();
        assert!(fill("card.fat", folder.path(), 7).is_err());
    }

    #[test]
    fn what_makes_it_names_no_time_and_no_chance() {
        let line = make("card.fat").to_string();
        assert_eq!(
            line,
            "/usr/sbin/mkfs.vfat -C --invariant -F 32 -s 8 -h 8192 -i 4c554346 -n LUCID card.fat 524288"
        );
    }
}
