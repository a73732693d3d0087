//! What the texts of settings mean. Each function gives the value, or the rest of a sentence that
//! says what is allowed.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use lucid_core::{
    Owner,
    chunk::Suite,
    keys::Kek,
    note::{SignatureType, VerifierKey},
};
use lucid_pipeline::wraps::Recipient;
use lucid_store::given_file;
use zeroize::Zeroizing;

use crate::config::{SecretText, WitnessAddress};

/// The names of suites; the first leaves the choice to the machine.
pub(super) const SUITES: [&str; 3] = ["auto", "aes-256-gcm", "chacha20-poly1305"];

const SIZE_UNITS: [(&str, u64); 4] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// More than 64 digits, white space around them, and one byte to tell that a file is longer.
const KEY_FILE_BYTES_MAX: usize = 129;

/// What an HMAC key of SHA-256 should have at the least (RFC 7518 §3.2).
const SECRET_BYTES_MIN: usize = 32;
const SECRET_BYTES_MAX: usize = 1024;

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
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
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

/// A time in whole seconds, as a number of them or with a unit: `60`, `60s`, `72h`.
pub(super) fn seconds(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    let with_unit = digits(text).map(|seconds| format!("{seconds}s"));
    let time = duration(with_unit.as_deref().unwrap_or(text), allowed)?;
    match time.subsec_millis() {
        0 => Ok(time),
        _ => Err(format!("is {text:?}: it is a whole number of seconds")),
    }
}

pub(super) fn duration_text(time: Duration) -> String {
    match time.as_millis() {
        millis if millis > 0 && millis.is_multiple_of(3_600_000) => {
            format!("{}h", millis / 3_600_000)
        }
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
    if text.trim().is_empty() || crate::telemetry::filter(text).is_err() {
        let form = "a level (error, warn, info, debug, trace) or a list such as \
             warn,session-chunker=debug";
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
    let (text, _) = given_file::read_text(path, KEY_FILE_BYTES_MAX)
        .map_err(|error| fault(&format!("cannot be read: {error}")))?;
    key(&text).map_err(|error| fault(&error))
}

/// The address a service listens at.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    let address = text.parse().map_err(|_| {
        format!("is {text:?}: it is an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    })?;
    Ok(Some(address))
}

/// Where another service is: `http://host:port`, nothing more.
pub(super) fn service_url(text: &str) -> Result<String, String> {
    let form = || format!("is {text:?}: it is http://HOST:PORT, such as http://127.0.0.1:8081");
    let rest = text.strip_prefix("http://").ok_or_else(form)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(form)?;
    let host_ok = !host.is_empty()
        && host.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_[]:".contains(&c));
    match (host_ok, port.parse::<u16>()) {
        (true, Ok(1..)) => Ok(format!("http://{rest}")),
        _ => Err(form()),
    }
}

/// Items separated by commas, each read by `parse`.
pub(super) fn list<T>(
    text: &str,
    form: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let item = |item: &str| parse(item).ok_or_else(|| format!("has {item:?}: {form}"));
    items.map(item).collect()
}

/// Witnesses, each once: one that is there twice would count as two, wherever it is asked and whatever its
/// key is called.
pub(super) fn witnesses(text: &str) -> Result<Vec<WitnessAddress>, String> {
    let form = "it is a witness's key and where it is, such as \
         witness.example/w1+…+… https://witness.example/";
    let witnesses = list(text, form, witness)?;
    match twice(&witnesses, |witness| *witness.key.public_key()) {
        None => Ok(witnesses),
        Some(witness) => Err(format!(
            "has the key of {} twice, and one witness counts once: leave one of the two out",
            witness.key.name()
        )),
    }
}

/// Keys of logs, each log once: what a witness remembers is by the log's name.
pub(super) fn log_keys(text: &str) -> Result<Vec<VerifierKey>, String> {
    let logs = list(text, "it is the key of a log, such as lucid/0123456789abcdef+…+…", log_key)?;
    match twice(&logs, |key| key.name().clone()) {
        None => Ok(logs),
        Some(key) => Err(format!(
            "names the log {} twice, and a log has one key: leave the other out",
            key.name()
        )),
    }
}

/// The first item of which there was another one with the same `part`.
fn twice<T, K: PartialEq>(items: &[T], part: impl Fn(&T) -> K) -> Option<&T> {
    let is_second = |(place, item): &(usize, &T)| {
        items.iter().take(*place).any(|other| part(other) == part(item))
    };
    items.iter().enumerate().find(is_second).map(|(_, item)| item)
}

/// A witness's key, white space, and its submission prefix.
fn witness(text: &str) -> Option<WitnessAddress> {
    let (key, url) = text.split_once(char::is_whitespace)?;
    let key: VerifierKey = key.parse().ok()?;
    let url = url.trim();
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b".-_~:[]/".contains(&c);
    let sound = !rest.starts_with('/') && !rest.is_empty() && rest.bytes().all(allowed);
    let url = url.trim_end_matches('/').to_owned();
    (sound && key.kind() == SignatureType::CosignatureV1).then_some(WitnessAddress { key, url })
}

/// The key of a log.
fn log_key(text: &str) -> Option<VerifierKey> {
    text.parse().ok().filter(|key: &VerifierKey| key.kind() == SignatureType::Ed25519)
}

/// A network, or a single address as one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An origin as browsers send it: scheme, host, and the port where it is not the scheme's.
pub(super) fn origin(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-:[]".contains(&c);
    (!host.is_empty() && host.bytes().all(allowed)).then(|| text.to_owned())
}

/// A name to show: printable, short, on one line.
pub(super) fn public_name(text: &str) -> Result<Option<String>, String> {
    let allowed = |c: char| c.is_ascii_graphic() || c == ' ';
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(Some(text.to_owned()))
    } else {
        Err("is no name: 1 to 64 printable ASCII characters".to_owned())
    }
}

/// A secret that keys are derived from.
pub(super) fn secret(text: &str) -> Result<Option<SecretText>, String> {
    let text = text.trim();
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len()) {
        Ok(Some(SecretText::new(text)))
    } else {
        Err(format!(
            "is no secret: {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} printable characters (make \
             one with: openssl rand -hex 32)"
        ))
    }
}

/// A secret's text in a file.
pub(super) fn secret_file(path: &Path) -> Result<SecretText, String> {
    let parse = |text: &str| secret(text)?.ok_or_else(|| "is empty".to_owned());
    text_file(path, SECRET_BYTES_MAX, parse)
}

/// What `parse` makes of the text in a file, which has at most `bytes_max` bytes and a line's end.
pub(super) fn text_file<T>(
    path: &Path,
    bytes_max: usize,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, String> {
    let fault = |error: &dyn Display| format!("names {}, which {error}", path.display());
    // One byte more than it may have tells that it has too many.
    let (text, _) = given_file::read_text(path, bytes_max + 3)
        .map_err(|error| fault(&format!("cannot be read: {error}")))?;
    parse(&text).map_err(|error| fault(&error))
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
