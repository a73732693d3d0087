//! What the texts of settings mean. Each function gives the value, or the rest of a sentence that
//! says what is allowed.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read},
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use lucid_core::{Owner, chunk::Suite, keys::Kek};
use lucid_pipeline::wraps::Recipient;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

/// The names of suites; the first leaves the choice to the machine.
pub(super) const SUITES: [&str; 3] = ["auto", "aes-256-gcm", "chacha20-poly1305"];

const SIZE_UNITS: [(&str, u64); 4] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// More than 64 digits, white space around them, and one byte to tell that a file is longer.
const KEY_FILE_BYTES_MAX: u64 = 129;

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("is empty: it is a path".to_owned()) } else { Ok(text.into()) }
}

pub(super) fn owner(text: &str) -> Result<Owner, String> {
    text.parse().map_err(|error| format!("is {text:?}: {error}"))
}

/// Digits alone: `u64::from_str` takes a plus sign too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

pub(super) fn number(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    let number = digits(text).filter(|number| allowed.contains(number));
    number.ok_or_else(|| {
        format!("is {text:?}: it is a number from {} to {}", allowed.start(), allowed.end())
    })
}

pub(super) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let number = number(text, 1..=super::WORKERS_MAX as u64)?;
    Ok(usize::try_from(number).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN))
}

/// A number of bytes, or of a binary unit: `65536`, `64KiB`.
pub(super) fn size(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    let (count, unit) = SIZE_UNITS
        .into_iter()
        .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, bytes)))
        .unwrap_or((text, 1));
    let bytes = digits(count).and_then(|count| count.checked_mul(unit));
    bytes.filter(|bytes| allowed.contains(bytes)).ok_or_else(|| {
        let form = "a number of bytes or of KiB, MiB or GiB, such as 8MiB";
        match allowed.clone().into_inner() {
            (0, _) => format!("is {text:?}: it is {form}"),
            (min, max) => {
                format!("is {text:?}: it is {form}, from {} to {}", size_text(min), size_text(max))
            }
        }
    })
}

fn size_text(bytes: u64) -> String {
    let whole = SIZE_UNITS.iter().rev().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A whole number of milliseconds, seconds or minutes: `500ms`, `10s`, `2m`.
pub(super) fn duration(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let (count, millis) = units
        .into_iter()
        .find_map(|(name, millis)| Some((text.strip_suffix(name)?, millis)))
        .unwrap_or((text, 0));
    // Without a unit there is no telling seconds from milliseconds.
    let known = digits(count).filter(|_| millis > 0).and_then(|n| n.checked_mul(millis));
    let duration = known.map(Duration::from_millis).filter(|time| allowed.contains(time));
    duration.ok_or_else(|| {
        let (min, max) = allowed.clone().into_inner();
        let (min, max) = (duration_text(min), duration_text(max));
        format!("is {text:?}: it is a time such as 10s or 500ms, from {min} to {max}")
    })
}

pub(super) fn duration_text(time: Duration) -> String {
    match time.as_millis() {
        millis if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

pub(super) fn suite(text: &str) -> Result<Option<Suite>, String> {
    match text {
        "auto" => Ok(None),
        "aes-256-gcm" => Ok(Some(Suite::Aes256Gcm)),
        "chacha20-poly1305" => Ok(Some(Suite::ChaCha20Poly1305)),
        _ => Err(format!("is {text:?}: it is {}", SUITES.join(", "))),
    }
}

pub(super) fn suite_name(suite: Option<Suite>) -> &'static str {
    match suite {
        None => SUITES[0],
        Some(Suite::Aes256Gcm) => SUITES[1],
        Some(Suite::ChaCha20Poly1305) => SUITES[2],
    }
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("is {text:?}: it is true or false")),
    }
}

/// Recipients separated by commas. What is none of them may be an identity, a secret, put there by
/// mistake: it is not repeated.
pub(super) fn recipients(text: &str) -> Result<Vec<Recipient>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items
        .zip(1..)
        .map(|(item, place)| {
            item.parse().map_err(|_| match item.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
                true => format!(
                    "has a secret identity in place {place}: give the recipient that belongs to it \
                     (age-keygen -y), age1…"
                ),
                false => format!("has no age X25519 recipient, age1…, in place {place}"),
            })
        })
        .collect()
}

pub(super) fn log_level(text: &str) -> Result<String, String> {
    let parsed = EnvFilter::builder().parse(text);
    if text.trim().is_empty() || parsed.is_err() {
        let form =
            "a level (error, warn, info, debug, trace) or a list such as warn,lucid_store=debug";
        return Err(format!("is {text:?}: it is {form}"));
    }
    Ok(text.to_owned())
}

/// A key in hex, of either case, white space around it allowed: as people keep it.
pub(super) fn key(text: &str) -> Result<Kek, String> {
    let digits = Zeroizing::new(text.trim().to_ascii_lowercase());
    Kek::from_hex(&digits).map_err(|_| {
        "is no key: it is 64 hex digits (make one with: openssl rand -hex 32)".to_owned()
    })
}

/// The key in a file. Its mode is not asked for: the secrets of a container are often 0444, behind
/// a folder that nobody else can enter.
pub(super) fn key_file(path: &Path) -> Result<Kek, String> {
    let fault = |error: &dyn Display| format!("names {}, which {error}", path.display());
    let read = |file: File| -> io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize + 1));
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let unreadable = |error: io::Error| fault(&format!("cannot be read: {error}"));
    let text = File::open(path).and_then(read).map_err(unreadable)?;
    key(&text).map_err(|error| fault(&error))
}

/// The one of `known` that is the fewest changed letters away from `name`.
pub(super) fn nearest<T: AsRef<str> + Default>(name: &str, known: impl Iterator<Item = T>) -> T {
    known.min_by_key(|known| distance(name, known.as_ref())).unwrap_or_default()
}

/// Levenshtein's distance, case ignored.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
