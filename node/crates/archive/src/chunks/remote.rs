//! What an object store's refusal means. What it said itself is not repeated: S3 quotes key ids, signatures and what
//! was signed.

use std::error::Error as _;

use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};

use super::Place;
use crate::error::ArchiveError;

/// Codes that say that the bucket is not there.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "InvalidBucketName"];
/// Codes that say that the keys, or the clock, will not do.
const ACCESS: [&str; 12] = [
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "NotSignedUp",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "Unauthorized",
];

/// Names what failed while `doing`.
pub(super) fn refusal(place: &Place, doing: &'static str, error: &Error) -> ArchiveError {
    let (place, said) = (place.to_string(), chain(error));
    let code = s3_code(&said);
    if code.as_deref().is_some_and(|code| NO_BUCKET.contains(&code)) {
        return ArchiveError::NoPlace { place };
    }
    if let Some(code) = sent_elsewhere(&said) {
        return ArchiveError::Elsewhere { place, code };
    }
    let denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || matches!(status(&said).as_deref(), Some("HTTP 401" | "HTTP 403"));
    if denied || code.as_deref().is_some_and(|code| ACCESS.contains(&code)) {
        let code = code.or_else(|| status(&said)).unwrap_or_else(|| "no reason given".to_owned());
        return ArchiveError::Access { place, code };
    }
    let code = code.or_else(|| status(&said)).unwrap_or_else(|| word(error).to_owned());
    ArchiveError::Remote { place, doing, code }
}

/// The error and its causes, to look for codes in and for nothing else.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push('\n');
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What stands in `<Code>` of S3's answer, if it looks like a code.
fn s3_code(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = code.bytes().all(|c| c.is_ascii_alphanumeric());
    (plain && (1..=64).contains(&code.len())).then(|| code.to_owned())
}

/// The status of an answer without a code.
fn status(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("status code: ")?;
    let digits = rest.get(..3)?;
    digits.bytes().all(|c| c.is_ascii_digit()).then(|| format!("HTTP {digits}"))
}

/// Whether it names another server (a status of 300 to 399), or would if it said which.
fn sent_elsewhere(said: &str) -> Option<String> {
    if said.contains("redirect without LOCATION") {
        return Some("a redirect to nowhere".to_owned());
    }
    // 304 is an answer about what is there.
    status(said).filter(|status| status.starts_with("HTTP 3") && status != "HTTP 304")
}

/// What happened to the connection, or the disk.
fn word(error: &Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return match http.kind() {
                HttpErrorKind::Connect => "no connection",
                HttpErrorKind::Timeout => "it took too long",
                HttpErrorKind::Request | HttpErrorKind::Interrupted => "the connection was cut",
                HttpErrorKind::Decode => "an answer that is none",
                _ => "the request failed",
            };
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::StorageFull => "its disk is full",
                std::io::ErrorKind::PermissionDenied => "no permission",
                _ => "input or output failed",
            };
        }
        cause = error.source();
    }
    "for a reason that has no name"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_and_nothing_else() {
        let body = "403: <?xml?><Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA\
                    SECRET</AWSAccessKeyId><StringToSign>x</StringToSign></Error>";
        let check = |body: &str, denied: bool| {
            let source = body.to_owned().into();
            let path = "p".to_owned();
            let error = match denied {
                true => Error::PermissionDenied { path, source },
                false => Error::Generic { store: "S3", source },
            };
            let folder = tempfile::tempdir().unwrap();
            let url = format!("file://{}", folder.path().display());
            let place = Place::open(&url, &|_| None, None, super::super::Limits::default());
            refusal(&place.unwrap(), "sending", &error)
        };
        for denied in [true, false] {
            let error = check(body, denied);
            let shown = format!("{error} {error:?}");
            assert!(matches!(error, ArchiveError::Access { .. }), "{shown}");
            assert!(shown.contains("SignatureDoesNotMatch") && !shown.contains("AKIA"), "{shown}");
        }
        let gone = check("<Code>NoSuchBucket</Code>", false);
        assert!(matches!(gone, ArchiveError::NoPlace { .. }), "{gone}");
        let busy = check("Server returned non-2xx status code: 503 x: ", false);
        assert!(busy.to_string().contains("HTTP 503"), "{busy}");
        for odd in ["<Code>a b</Code>", "<Code></Code>", "status code: 5", ""] {
            let error = check(odd, false).to_string();
            assert!(error.contains("no name"), "{odd} {error}");
        }
    }
}
