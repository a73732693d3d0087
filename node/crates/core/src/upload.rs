//! `sessions/<session>/upload.json`: what an open session's uploader said and was told, which its index
//! does not say.
//!
//! It is there for as long as the session is open. Where it is missing (a session that was recorded on
//! the command line has none), the upload's length is not known and its time does not run out.

use serde::{Deserialize, Serialize};

use crate::json::{self, INTEGER_MAX, JsonError};

/// The facts of an upload, fields in the order of their names, in RFC 8785 form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Seconds without new chunks after which the session may be closed without its owner's end mark.
    pub expires_after_seconds: u64,
    /// Plaintext bytes the whole upload will have, once that is known; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// 1.
    version: u32,
}

/// Why bytes are no upload's facts.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not the canonical JSON of the fields that belong here.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Of a later version.
    #[error("upload version {0} is not known here (1 is)")]
    Version(u32),
    /// A number over 2^53 - 1.
    #[error("a number in it is larger than 2^53 - 1")]
    Number,
}

impl Upload {
    /// Longest form, in bytes: two numbers of 16 digits among the names.
    pub const BYTES_MAX: usize = 128;

    const VERSION: u32 = 1;

    /// The facts of an upload.
    ///
    /// # Errors
    /// [`UploadError::Number`].
    pub fn new(expires_after_seconds: u64, length: Option<u64>) -> Result<Self, UploadError> {
        if expires_after_seconds.max(length.unwrap_or(0)) > INTEGER_MAX {
            return Err(UploadError::Number);
        }
        Ok(Self { expires_after_seconds, length, version: Self::VERSION })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, UploadError> {
        match json::version_of(bytes)? {
            Self::VERSION => {}
            version => return Err(UploadError::Version(version)),
        }
        let Self { expires_after_seconds, length, .. } = json::from_canonical(bytes)?;
        Self::new(expires_after_seconds, length)
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_canonical(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_and_no_other() {
        let check = |text: &str, want: Option<(u64, Option<u64>)>| {
            let parsed = Upload::parse(text.as_bytes());
            let found = parsed.as_ref().ok().map(|u| (u.expires_after_seconds, u.length));
            assert_eq!(found, want, "{text}: {parsed:?}");
            if let Ok(upload) = parsed {
                assert_eq!(upload.to_bytes(), text.as_bytes());
                assert!(text.len() <= Upload::BYTES_MAX);
                let canonical = serde_json_canonicalizer::to_vec(&upload).unwrap();
                assert_eq!(canonical, text.as_bytes(), "as another implementation has it");
            }
        };
        check(r#"{"expires_after_seconds":3600,"version":1}"#, Some((3600, None)));
        check(r#"{"expires_after_seconds":0,"length":0,"version":1}"#, Some((0, Some(0))));
        let largest =
            r#"{"expires_after_seconds":9007199254740991,"length":9007199254740991,"version":1}"#;
        check(largest, Some((INTEGER_MAX, Some(INTEGER_MAX))));
        for bad in [
            "",
            "{}",
            "null",
            r#"{"version":1}"#,
            r#"{"expires_after_seconds":3600}"#,
            r#"{"expires_after_seconds":3600,"version":2}"#,
            r#"{"expires_after_seconds":3600,"length":null,"version":1}"#,
            r#"{"expires_after_seconds":3600,"length":-1,"version":1}"#,
            r#"{"expires_after_seconds":3600,"length":1.0,"version":1}"#,
            r#"{"expires_after_seconds":3600,"length":"1","version":1}"#,
            r#"{"expires_after_seconds":9007199254740992,"version":1}"#,
            r#"{"expires_after_seconds":1,"length":9007199254740992,"version":1}"#,
            r#"{"expires_after_seconds":3600,"version":1} "#,
            r#"{"version":1,"expires_after_seconds":3600}"#,
            r#"{"expires_after_seconds":3600,"expires_after_seconds":3600,"version":1}"#,
            r#"{"expires_after_seconds":3600,"more":1,"version":1}"#,
        ] {
            check(bad, None);
        }
        assert!(Upload::new(1, Some(u64::MAX)).is_err());
    }
}
