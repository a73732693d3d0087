//! What is sent to support: logs, configuration, figures and what `doctor` found, in one file that holds no secret.
//!
//! The file is a zstd-compressed tar archive (`tar --zstd -xf`) of texts below one folder, with `contents.txt` first:
//! name, length and SHA-256 of each. Whoever makes it hands in the texts, secrets already masked; this module looks
//! through all of them again for every secret of the node, in every form in which one might get into a text, and
//! writes nothing where it finds one.
//!
//! What is looked for: see [`Secrets`]. What is not a text is refused: nobody could say what is in it.

mod secrets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use lucid_core::{Hash, Timestamp};
use lucid_store::Disk;
use tar::{Builder, EntryType, Header};
use zstd_safe::{compress, compress_bound};

pub use self::secrets::Secrets;
use crate::error::{ArchiveError, Doing};

/// Bytes of all texts together, at most: they are held in memory, and somebody has to read them.
pub const BYTES_MAX: usize = 64 << 20;
/// Texts, at most.
const PARTS_MAX: usize = 256;
/// Characters of a name, at most; a ustar header has room for a hundred with the folder before it.
const NAME_BYTES_MAX: usize = 48;
/// zstd's level: texts shrink tenfold at it.
const LEVEL: i32 = 9;
/// The list of the others.
const CONTENTS: &str = "contents.txt";

/// A text that goes in.
pub struct Part {
    /// Its name: `a-z`, digits and `._-`, at most 48 of them.
    pub name: String,
    /// What it says, in UTF-8.
    pub content: Vec<u8>,
}

/// How a bundle is made.
pub struct BundleOptions {
    /// The name of its folder, such as `lucid-support-21fe31dfa154a261`, under the rules of a part's name.
    pub folder: String,
    /// Replace a file of that name.
    pub replace: bool,
    /// The time.
    pub at: Timestamp,
    /// The disk.
    pub disk: Disk,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub file_bytes: u64,
    /// Names and bytes of its texts.
    pub parts: Vec<(String, u64)>,
}

/// Writes the texts to the file `to`, which has its name only when it is whole and on the disk.
///
/// # Errors
/// [`ArchiveError::SecretInside`], [`ArchiveError::Member`], [`ArchiveError::Exists`], with nothing written; the
/// operating system's.
pub fn write(
    to: &Path,
    parts: &[Part],
    secrets: &Secrets,
    options: &BundleOptions,
) -> Result<Bundle, ArchiveError> {
    if !options.replace && fs::symlink_metadata(to).is_ok() {
        return Err(ArchiveError::Exists { path: to.to_owned() });
    }
    check_names(parts, &options.folder)?;
    for part in parts {
        let refused = |reason| ArchiveError::Member { member: part.name.clone(), reason };
        let text =
            std::str::from_utf8(&part.content).map_err(|_| refused("it is no text in UTF-8"))?;
        if text.contains('\0') {
            return Err(refused("it has a zero byte, which no text has"));
        }
        // The name is no place for one either.
        let found = secrets.find(&part.content).or_else(|| secrets.find(part.name.as_bytes()));
        if let Some(what) = found {
            let (member, what) = (part.name.clone(), what.to_owned());
            return Err(ArchiveError::SecretInside { member, what });
        }
    }
    let archive = archive(parts, options).doing("make", to)?;
    let mut bytes = Vec::with_capacity(compress_bound(archive.len()));
    let compressed = compress(&mut bytes, &archive, LEVEL).map_err(|code| {
        std::io::Error::other(format!("zstd: {}", zstd_safe::get_error_name(code)))
    });
    compressed.doing("compress", to)?;
    options.disk.write_file_among_others(to, &bytes).doing("write", to)?;
    let parts = parts.iter().map(|part| (part.name.clone(), part.content.len() as u64)).collect();
    Ok(Bundle { path: to.to_owned(), file_bytes: bytes.len() as u64, parts })
}

fn check_names(parts: &[Part], folder: &str) -> Result<(), ArchiveError> {
    let refused = |member: &str, reason| ArchiveError::Member { member: member.to_owned(), reason };
    let letters = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    let plain = |name: &str| {
        let length = (1..=NAME_BYTES_MAX).contains(&name.len());
        length && name.bytes().all(letters) && !name.starts_with('.')
    };
    if parts.len() > PARTS_MAX {
        return Err(refused("the bundle", "it would have more than 256 parts"));
    }
    if parts.iter().map(|part| part.content.len()).sum::<usize>() > BYTES_MAX {
        return Err(refused("the bundle", "it would have more than 64 MiB: give shorter logs"));
    }
    let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    names.extend([folder, CONTENTS]);
    if let Some(name) = names.iter().find(|name| !plain(name)) {
        // It may be anything, so it is not repeated where it is long.
        let short: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(refused(
            &short,
            "a name has 1 to 48 of a-z, digits, dot, hyphen and underscore",
        ));
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(refused(pair[0], "two parts have this name")),
        None => Ok(()),
    }
}

fn archive(parts: &[Part], options: &BundleOptions) -> std::io::Result<Vec<u8>> {
    let mut contents = format!("made {}\n", options.at);
    for Part { name, content } in parts {
        contents.push_str(&format!("{}  {:>10}  {name}\n", Hash::of(content), content.len()));
    }
    let mut builder = Builder::new(Vec::new());
    let first = (CONTENTS, contents.as_bytes());
    let others = parts.iter().map(|part| (part.name.as_str(), part.content.as_slice()));
    for (name, content) in std::iter::once(first).chain(others) {
        let mut header = Header::new_ustar();
        header.set_path(format!("{}/{name}", options.folder))?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        header.set_mtime(options.at.unix_millis() / 1000);
        header.set_cksum();
        builder.append(&header, content)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests;
