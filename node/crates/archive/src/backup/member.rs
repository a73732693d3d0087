//! Members of the archive: which names there may be, and the one header that each has.

use std::{cmp::Ordering, path::Path};

use tar::{EntryType, Header};

/// Bytes of a tar block.
pub(super) const BLOCK_BYTES: usize = 512;
/// Bytes of a member at most: what a ustar header's eleven octal digits can say.
pub(super) const FILE_BYTES_MAX: u64 = (8 << 30) - 1;
/// Files in a backup at most: half a million sessions have two million.
pub(super) const FILES_MAX: u64 = 16_000_000;
/// Files between two lists of sums: so many lines are held in memory.
pub(super) const PART_FILES: usize = 4096;
/// Bytes of a name at most: what a ustar header holds without a prefix.
const NAME_BYTES_MAX: usize = 100;
/// What in a data folder is worth keeping and cannot be made again.
pub(super) const KEPT: [&str; 8] =
    ["anchors", "format", "keys", "log", "opening", "secrets", "sessions", "tunnels"];
/// The last member.
pub(super) const NOTE: &str = "backup.note";

/// A member's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// A file, by its whole name in the archive.
    File(FileName),
    /// The sums of the files before it.
    Sums(u32),
    /// The note.
    Note,
}

/// `config/…` or `data/…`, each component of which is a plain name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileName(String);

impl FileName {
    /// The name of a file in the data folder, or of one given beside it; `None` for one that cannot be in a backup.
    pub(super) fn new(text: String) -> Option<Self> {
        let mut components = text.split('/');
        let (first, second) = (components.next()?, components.next()?);
        let placed = match first {
            "config" => text.matches('/').count() == 1,
            "data" => KEPT.contains(&second) && (second == "format") == (text == "data/format"),
            _ => false,
        };
        let plain = text.split('/').all(is_plain);
        (placed && plain && text.len() <= NAME_BYTES_MAX).then_some(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Below `config/`, or below `data/`.
    pub(super) fn placed(&self) -> Placed<'_> {
        match (self.0.strip_prefix("config/"), self.0.strip_prefix("data/")) {
            (Some(name), _) => Placed::Config(name),
            (None, Some(path)) => Placed::Data(path),
            (None, None) => unreachable!("a name begins with one of the two"),
        }
    }

    /// Component by component, as a walk through sorted folders meets them.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        Path::new(&self.0).cmp(Path::new(&other.0))
    }
}

/// Where a file belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Placed<'a> {
    /// Given beside the folder.
    Config(&'a str),
    /// In the data folder, at this path.
    Data(&'a str),
}

/// What was never given its name, and so never acknowledged.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end == "tmp")
}

/// One name in a folder: letters, digits and `._+-`, no name of a folder itself, and nothing unfinished.
fn is_plain(component: &str) -> bool {
    let letters = |c: u8| c.is_ascii_alphanumeric() || b"._+-".contains(&c);
    !component.is_empty()
        && component.bytes().all(letters)
        && !matches!(component, "." | "..")
        && !is_unfinished(component)
}

impl Name {
    /// Reads a member's name. `None` where there is no such member.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == NOTE {
            return Some(Self::Note);
        }
        if let Some(digits) = text.strip_prefix("sums/") {
            let number = digits.parse().ok()?;
            return (digits == format!("{number:08}")).then_some(Self::Sums(number));
        }
        FileName::new(text.to_owned()).map(Self::File)
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::File(name) => name.0.clone(),
            Self::Sums(number) => format!("sums/{number:08}"),
            Self::Note => NOTE.to_owned(),
        }
    }
}

/// The header of a member; `None` for one that has none (too long, too large).
pub(super) fn header(name: &Name, bytes: u64, seconds: u64) -> Option<Header> {
    if bytes > FILE_BYTES_MAX {
        return None;
    }
    let mut header = Header::new_ustar();
    header.set_path(name.text()).ok()?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes);
    header.set_mtime(seconds);
    header.set_cksum();
    Some(header)
}

/// What a header says: name, bytes, seconds. `None` for any header that [`header`] does not make.
pub(super) fn parse(block: &[u8; BLOCK_BYTES]) -> Option<(Name, u64, u64)> {
    let mut found = Header::new_ustar();
    found.as_mut_bytes().copy_from_slice(block);
    let name = Name::parse(std::str::from_utf8(&found.path_bytes()).ok()?)?;
    let (bytes, seconds) = (found.entry_size().ok()?, found.mtime().ok()?);
    let made = header(&name, bytes, seconds)?;
    (made.as_bytes() == block).then_some((name, bytes, seconds))
}

/// Zeros that fill a member's last block.
pub(super) fn padding(bytes: u64) -> usize {
    (bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes) as usize
}

/// Bytes that a file of this length takes in the archive, and its line in the sums.
pub(super) fn room(bytes: u64) -> u64 {
    const LINE_BYTES_MAX: u64 = 64 + 2 + NAME_BYTES_MAX as u64 + 1;
    BLOCK_BYTES as u64 + bytes + padding(bytes) as u64 + LINE_BYTES_MAX
}

/// A file's line in the sums, as `sha256sum` writes it.
pub(super) fn sum_line(hash: &[u8], name: &FileName) -> String {
    format!("{}  {}\n", hex::encode(hash), name.0)
}
