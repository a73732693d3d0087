//! The protocol's headers, strictly.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use lucid_core::{MediaType, Timestamp};

use super::{UPLOAD_CHECKSUM, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA};
use crate::{
    Code, Problem,
    ports::{Checksum, ChecksumAlgorithm},
};

/// Bytes of `Upload-Metadata`.
const METADATA_BYTES_MAX: usize = 4096;
/// Most an upload's length can say.
const LENGTH_MAX: u64 = (1 << 53) - 1;

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

/// One header's text; nothing where it is not there.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid(format!("{name} is there twice")));
    }
    value.to_str().map(Some).map_err(|_| invalid(format!("{name} is no text")))
}

/// A header that is a number, in its one form: one with zeros before it is another number to some who read it.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = text(headers, name)? else { return Ok(None) };
    let is_short = text == "0" || !text.starts_with('0');
    let digits = is_short && !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .map(Some)
        .ok_or_else(|| invalid(format!("{name} is a number of bytes, with no zeros before it")))
}

/// The length of a new upload; nothing where it is deferred.
pub(super) fn new_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let deferred = match text(headers, &UPLOAD_DEFER_LENGTH)? {
        None => false,
        Some("1") => true,
        Some(_) => return Err(invalid("Upload-Defer-Length is 1 or not there")),
    };
    match (number(headers, &UPLOAD_LENGTH)?, deferred) {
        (Some(length), false) if length > LENGTH_MAX => {
            Err(Problem::new(Code::TooLarge, "an upload has at most 2^53 - 1 bytes"))
        }
        (Some(length), false) => Ok(Some(length)),
        (None, true) => Ok(None),
        (None, false) => Err(invalid("send Upload-Length, or Upload-Defer-Length: 1")),
        (Some(_), true) => Err(invalid("Upload-Length and Upload-Defer-Length exclude each other")),
    }
}

/// What a body must hash to.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let (name, digest) =
        text.split_once(' ').ok_or_else(|| invalid("Upload-Checksum is ALGORITHM BASE64"))?;
    let (algorithm, bytes) = match name {
        "sha1" => (ChecksumAlgorithm::Sha1, 20),
        "sha256" => (ChecksumAlgorithm::Sha256, 32),
        "crc32c" => (ChecksumAlgorithm::Crc32c, 4),
        _ => return Err(invalid("Upload-Checksum: the algorithms are sha1, sha256 and crc32c")),
    };
    let digest = STANDARD.decode(digest).ok().filter(|digest| digest.len() == bytes);
    let digest = digest
        .ok_or_else(|| invalid(format!("Upload-Checksum: {name} has {bytes} bytes in base64")))?;
    Ok(Some(Checksum { algorithm, digest: hex::encode(digest) }))
}

/// The media type that metadata names. Nothing else of it is kept: file names are private.
pub(super) fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let Some(text) = text(headers, &UPLOAD_METADATA)? else { return Ok(MediaType::octets()) };
    if text.len() > METADATA_BYTES_MAX {
        return Err(invalid("Upload-Metadata has at most 4096 bytes"));
    }
    let mut found = None;
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim());
        let value =
            value.map_err(|_| invalid(format!("Upload-Metadata: {key} is not in base64")))?;
        if matches!(key, "filetype" | "content_type" | "contentType") {
            found = Some(value);
        }
    }
    // A client's guess, with parameters or empty where it knows none: what is no media type here is
    // just bytes.
    let name = found.and_then(|name| String::from_utf8(name).ok()).unwrap_or_default();
    let essence = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(essence.parse().unwrap_or_else(|_| MediaType::octets()))
}

/// A time as HTTP has it (RFC 9110 §5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `2026-02-01T00:00:05.250Z`: the parts are where RFC 3339 has them.
    let text = at.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month =
        part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let days = at.unix_millis() / 86_400_000;
    let day = DAYS[usize::try_from(days % 7).unwrap_or_default()];
    let (month, time) = (month.copied().unwrap_or("Jan"), part(11, 19));
    format!("{day}, {} {month} {} {time} GMT", part(8, 10), part(0, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn lengths() {
        for (pairs, expected) in [
            (&[("upload-length", "0")][..], Some(Some(0))),
            (&[("upload-length", "9007199254740991")], Some(Some(LENGTH_MAX))),
            (&[("upload-length", "9007199254740992")], None),
            (&[("upload-defer-length", "1")], Some(None)),
            (&[("upload-defer-length", "0")], None),
            (&[], None),
            (&[("upload-length", "1"), ("upload-defer-length", "1")], None),
            (&[("upload-length", "1"), ("upload-length", "1")], None),
            (&[("upload-length", "-1")], None),
            (&[("upload-length", "+1")], None),
            (&[("upload-length", "")], None),
            (&[("upload-length", "0x1")], None),
            (&[("upload-length", "00")], None),
            (&[("upload-length", "070000")], None),
            (&[("upload-length", "99999999999999999999")], None),
        ] {
            assert_eq!(new_length(&headers(pairs)).ok(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn checksums() {
        let sha1 = "Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
        let good = headers(&[("upload-checksum", &format!("sha1 {sha1}"))]);
        let read = checksum(&good).unwrap().unwrap();
        assert_eq!(read.digest, "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
        for text in [
            "sha1",
            "sha1 ",
            "md5 AAAA",
            "sha1 AAAA",
            "sha256 x",
            "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert!(checksum(&headers(&[("upload-checksum", text)])).is_err(), "{text}");
        }
        assert!(checksum(&headers(&[])).unwrap().is_none());
    }

    #[test]
    fn media_types() {
        for (text, expected) in [
            ("filetype dGV4dC9wbGFpbg==", "text/plain"),
            ("filename YS50eHQ=,filetype dGV4dC9wbGFpbg==", "text/plain"),
            ("filetype dGV4dC9wbGFpbjsgY2hhcnNldD11dGYtOA==", "text/plain"),
            ("filetype", "application/octet-stream"),
            ("filetype bm90aGluZw==", "application/octet-stream"),
            ("is_confidential", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            let found = media_type(&headers(&[("upload-metadata", text)])).unwrap();
            assert_eq!(found.to_string(), expected, "{text}");
        }
        assert!(media_type(&headers(&[("upload-metadata", "filetype !!!")])).is_err());
    }

    #[test]
    fn dates() {
        // The example of RFC 9110 §5.6.7.
        let at = Timestamp::from_unix_millis(784_111_777_000);
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(Timestamp::from_unix_millis(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
