//! The repository file that Raspberry Pi Imager reads (`rpi-imager --repo FILE`): a list of one image.
//!
//! Its form is `doc/json-schema/os-list-schema.json` of raspberrypi/rpi-imager. There is no `init_format`: Imager's own
//! form for names and passwords writes a script for another system; this one reads `lucid.toml`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What is in the list about an image.
pub(super) struct Entry<'a> {
    pub(super) version: &'a str,
    /// Where the compressed image is.
    pub(super) url: &'a str,
    /// The image's own length and SHA-256.
    pub(super) bytes: u64,
    pub(super) sha256: &'a str,
    /// The compressed image's.
    pub(super) download_bytes: u64,
    pub(super) download_sha256: &'a str,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) sources: &'a str,
}

/// A card with a seal on it: Imager asks for a picture, and a file that is read offline has it in itself.
const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'><path d='M8 2h18l8 8v28H8z' \
                    fill='#234'/><circle cx='21' cy='24' r='8' fill='#fc3'/></svg>";

/// The file.
///
/// # Errors
/// A time that is no date.
pub(super) fn repository(entry: &Entry<'_>) -> Result<Value> {
    Ok(json!({ "os_list": [{
        "name": format!("Lucid node {}", entry.version),
        "description": format!("Records sessions, keeps them private, proves them later ({}, 64-bit)", entry.sources),
        "icon": format!("data:image/svg+xml,{}", percent(ICON)),
        "url": entry.url,
        "extract_size": entry.bytes,
        "extract_sha256": entry.sha256,
        "image_download_size": entry.download_bytes,
        "image_download_sha256": entry.download_sha256,
        "release_date": date(entry.time).context("the time of the image is no date")?,
        "devices": ["pi5-64bit", "pi4-64bit"],
    }] }))
}

/// As RFC 3986 has it for what is not plain.
pub(super) fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The day in UTC, YYYY-MM-DD, up to the year 9999 (H. Hinnant, "chrono-compatible low-level date algorithms",
/// civil_from_days).
pub(super) fn date(seconds: u64) -> Option<String> {
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + later;
    (year <= 9999).then(|| format!("{year:04}-{month:02}-{of_month:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_764_115_200, "2025-11-26"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds).as_deref(), Some(day));
        }
        assert_eq!(date(u64::MAX / 2), None);
    }

    #[test]
    fn imager_finds_what_its_schema_requires() {
        let entry = Entry {
            version: "0.1.0",
            url: "https://example.org/a.img.xz",
            bytes: 10,
            sha256: "aa",
            download_bytes: 5,
            download_sha256: "bb",
            time: 0,
            sources: "Debian trixie",
        };
        let file = repository(&entry).unwrap();
        assert_eq!(
            file.as_object().unwrap().len(),
            1,
            "the schema allows nothing beside os_list and imager"
        );
        let image = &file["os_list"][0];
        for text in ["name", "description", "icon", "url", "extract_sha256", "release_date"] {
            assert!(image[text].is_string(), "{text}");
        }
        for number in ["extract_size", "image_download_size"] {
            assert!(image[number].is_u64(), "{number}");
        }
        assert_eq!(image["release_date"], "1970-01-01");
        assert!(image.get("init_format").is_none());
        assert!(!image["icon"].as_str().unwrap().contains([' ', '<', '#']));
    }
}
