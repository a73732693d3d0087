//! Where chunks go: what its address and the environment say of it.

use std::{fmt, path::Path as FsPath, sync::Arc, time::Duration};

use lucid_core::{ChunkIndex, Hash, SessionId};
use lucid_store::given_file;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path,
};
use zeroize::Zeroizing;

use super::connector::FollowsNobody;
use crate::error::ArchiveError;

/// Bytes of a file that a secret is read from, at most.
const SECRET_BYTES_MAX: usize = 16 << 10;
/// A chunk of 16 MiB at 20 KB/s, which is slower than Tor.
pub(super) const REQUEST: Duration = Duration::from_mins(15);
/// Onion services take their time.
pub(super) const CONNECT: Duration = Duration::from_secs(30);
/// Where none is said; S3-compatible servers mostly do not care.
const REGION: &str = "us-east-1";

/// How hard the other side is asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Chunks on their way at once; each is held in memory. 1 to 64.
    pub at_once: usize,
    /// How often a request that failed for a passing reason is sent again, waiting longer each time.
    pub retries_max: usize,
    /// After this long from its first try a request is not sent again.
    pub retry_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 4, retries_max: 8, retry_for: Duration::from_mins(2) }
    }
}

/// An object store and a place in it.
pub struct Place {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    shown: String,
    limits: Limits,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Place {
    /// The place `s3://bucket/prefix` or `file:///folder`. Nothing is asked of it yet.
    ///
    /// Of S3, `setting` is asked for `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL` and `AWS_REGION`, each also as `…_FILE`. Keys come from there alone: no instance's metadata
    /// service is asked, and no file in a home folder. An endpoint without TLS (`http://`) is taken: what is sent is
    /// ciphertext under a signature. `proxy` is a SOCKS5 or HTTP proxy (`socks5h://…`) for all of it; without one, the
    /// environment's own `HTTPS_PROXY` holds. No redirect is followed.
    ///
    /// # Errors
    /// [`ArchiveError::Place`], [`ArchiveError::NoPlace`] for a folder that is not there.
    pub fn open(
        url: &str,
        setting: &dyn Fn(&str) -> Option<String>,
        proxy: Option<&str>,
        limits: Limits,
    ) -> Result<Self, ArchiveError> {
        if !(1..=64).contains(&limits.at_once) {
            return Err(wrong("1 to 64 chunks can be on their way at once"));
        }
        if let Some(folder) = url.strip_prefix("file://") {
            return Self::folder(folder, url, limits);
        }
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err(wrong("a place for chunks is s3://BUCKET/PREFIX or file:///FOLDER"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let letters = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(&c);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(letters) {
            // Whoever puts keys into the address does not see them in an error.
            return Err(wrong(
                "a bucket's name has 3 to 63 of a-z, 0-9, dot and hyphen; keys go into AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY",
            ));
        }
        let prefix = parse_prefix(prefix)?;
        let store = s3(bucket, setting, proxy, limits)?;
        let shown = format!("s3://{bucket}/{prefix}");
        Ok(Self { store: Arc::new(store), prefix, shown, limits })
    }

    fn folder(folder: &str, url: &str, limits: Limits) -> Result<Self, ArchiveError> {
        let path = FsPath::new(folder);
        if !path.is_absolute() {
            return Err(wrong(
                "a folder for chunks is file:///FOLDER, with its path from the root",
            ));
        }
        if !path.is_dir() {
            return Err(ArchiveError::NoPlace { place: url.to_owned() });
        }
        let store = LocalFileSystem::new_with_prefix(path).map(|store| store.with_fsync(true));
        let store = store.map_err(|_| ArchiveError::NoPlace { place: url.to_owned() })?;
        let prefix = Path::default();
        Ok(Self { store: Arc::new(store), prefix, shown: url.to_owned(), limits })
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn at_once(&self) -> usize {
        self.limits.at_once
    }

    /// The object of a chunk with this session leaf.
    pub(super) fn chunk(&self, session: SessionId, index: ChunkIndex, leaf: Hash) -> Path {
        self.session(session).join(format!("{:08}-{leaf}.lck", index.0))
    }

    /// Where a session's chunks are.
    pub(super) fn session(&self, session: SessionId) -> Path {
        self.prefix.clone().join("chunks").join(session.to_string())
    }

    /// The mark of a session all of whose chunks are there.
    pub(super) fn whole(&self, session: SessionId, root: Hash) -> Path {
        self.wholes().join(format!("{session}-{root}.json"))
    }

    /// Where those marks are.
    pub(super) fn wholes(&self) -> Path {
        self.prefix.clone().join("whole")
    }
}

/// What an object's name in a session's folder says; `None` for one that is no chunk's.
pub(super) fn parse_chunk(name: &str) -> Option<(ChunkIndex, Hash)> {
    let (digits, leaf) = name.strip_suffix(".lck")?.split_once('-')?;
    let index: u32 = digits.parse().ok()?;
    let leaf = leaf.parse().ok()?;
    (digits == format!("{index:08}")).then_some((ChunkIndex(index), leaf))
}

/// What a mark's name says.
pub(super) fn parse_whole(name: &str) -> Option<(SessionId, Hash)> {
    let (session, root) = name.strip_suffix(".json")?.rsplit_once('-')?;
    Some((session.parse().ok()?, root.parse().ok()?))
}

fn wrong(text: &str) -> ArchiveError {
    ArchiveError::Place(text.to_owned())
}

fn parse_prefix(prefix: &str) -> Result<Path, ArchiveError> {
    let letters = |c: u8| c.is_ascii_alphanumeric() || b"._-/".contains(&c);
    let plain = prefix.bytes().all(letters) && prefix.len() <= 512;
    let parsed = Path::parse(prefix).ok().filter(|_| plain);
    parsed.ok_or_else(|| {
        wrong("a prefix has letters, digits, dot, hyphen, underscore and slash, and no empty part")
    })
}

fn s3(
    bucket: &str,
    setting: &dyn Fn(&str) -> Option<String>,
    proxy: Option<&str>,
    limits: Limits,
) -> Result<object_store::aws::AmazonS3, ArchiveError> {
    let needed = |name: &str| {
        secret(name, setting)?.ok_or_else(|| {
            wrong(&format!("{name} is not set (nor {name}_FILE): it is what S3 is spoken to with"))
        })
    };
    let (id, key) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
    let region = secret("AWS_REGION", setting)?;
    let region = region.as_ref().map_or(REGION, |region| region.as_str());
    let mut client = ClientOptions::new();
    if let Some(proxy) = proxy {
        client = client.with_proxy_url(proxy);
    }
    let backoff = BackoffConfig::default();
    let retry =
        RetryConfig { backoff, max_retries: limits.retries_max, retry_timeout: limits.retry_for };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(id.as_str())
        .with_secret_access_key(key.as_str())
        // The signature is over the body's SHA-256: a server that checks it takes no altered chunk.
        .with_unsigned_payload(false)
        .with_retry(retry);
    if let Some(token) = secret("AWS_SESSION_TOKEN", setting)? {
        builder = builder.with_token(token.as_str());
    }
    if let Some(endpoint) = secret("AWS_ENDPOINT_URL", setting)? {
        let plain = match endpoint.split_once("://") {
            Some(("https", _)) => false,
            Some(("http", _)) => true,
            _ => return Err(wrong("AWS_ENDPOINT_URL is https://HOST or http://HOST")),
        };
        if endpoint.contains('@') {
            return Err(wrong("AWS_ENDPOINT_URL has no user and password in it"));
        }
        client = client.with_allow_http(plain);
        builder = builder.with_endpoint(endpoint.as_str());
    }
    let builder = builder.with_http_connector(FollowsNobody).with_client_options(client);
    let built = builder.build();
    // What it says may repeat the proxy's address, which may have a password.
    built.map_err(|_| wrong("the S3 client takes no such endpoint, region or proxy: look at AWS_ENDPOINT_URL, AWS_REGION and the proxy's address"))
}

/// The setting `name`, or what is in the file that `name_FILE` names, without its last newline.
fn secret(
    name: &str,
    setting: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Zeroizing<String>>, ArchiveError> {
    let file = format!("{name}_FILE");
    let value = match (setting(name), setting(&file)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(wrong(&format!("{name} and {file} are both set: one of them is enough")));
        }
        (Some(value), None) => Zeroizing::new(value),
        (None, Some(path)) => {
            let unreadable = |source| ArchiveError::Io {
                doing: "read",
                path: FsPath::new(&path).to_owned(),
                source,
            };
            let (mut text, _) = given_file::read_text(FsPath::new(&path), SECRET_BYTES_MAX + 1)
                .map_err(unreadable)?;
            if text.len() > SECRET_BYTES_MAX {
                return Err(wrong(&format!("the file that {file} names is too large for a key")));
            }
            let length = text.trim_end_matches(['\n', '\r']).len();
            text.truncate(length);
            text
        }
    };
    match value.is_empty() || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        true => Err(wrong(&format!("{name} is empty, or has a space in it"))),
        false => Ok(Some(value)),
    }
}
