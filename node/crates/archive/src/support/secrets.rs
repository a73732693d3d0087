//! What must be in no text that leaves the node.

use std::{collections::HashMap, fmt, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use lucid_core::keys::{KeyFile, Wrap};
use zeroize::Zeroizing;

use crate::error::{ArchiveError, Doing};

/// Bytes in a row that give a key away: shorter pieces meet by chance, and half a key of 32 bytes is as good as none.
const RUN_BYTES: usize = 16;
/// Shorter values are words: they would be found in any text.
const VALUE_BYTES_MIN: usize = 4;
/// Bytes of a file below `secrets/` that are looked for.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Names below `secrets/` that hold none: a key's id, and names of other logs.
const PUBLIC: [&str; 2] = ["kek_id", "witness.logs"];
/// How keys and tokens begin that are nobody's in particular, and what they are.
const SHAPES: [(&[u8], &str); 4] = [
    (b"AGE-SECRET-KEY-", "an age identity"),
    (b"PRIVATE KEY-----", "a private key"),
    // {"alg": and {"typ": in base64: a token's first bytes.
    (b"eyJhbGciOi", "what looks like an access token"),
    (b"eyJ0eXAiOi", "what looks like an access token"),
];

/// Secrets to look for, each under a name that says whose it is.
///
/// A key is found by any 16 bytes of it in a row: of its text, of the bytes that a hex text stands for, and of those in
/// hex of either case and in base64 of either alphabet at any alignment. A value (a password, a token) is found whole,
/// in the same forms. Beside them stand the shapes of age identities, PEM keys and JSON web tokens.
#[derive(Default)]
pub struct Secrets {
    names: Vec<String>,
    runs: HashMap<[u8; RUN_BYTES], u32>,
    /// Whole values, with the names of whose they are.
    values: Vec<(Zeroizing<Vec<u8>>, u32)>,
    /// Which first two bytes any run has: most places of a text are passed over by it.
    first: Vec<u64>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets of {} things", self.names.len())
    }
}

impl Secrets {
    /// All of a data folder's: the files below `secrets/`, and the wrapped keys below `keys/`. Either may be missing.
    ///
    /// # Errors
    /// The operating system's: what cannot be read cannot be looked for.
    pub fn of_folder(data: &Path) -> Result<Self, ArchiveError> {
        let mut secrets = Self::default();
        for (name, content) in files(&data.join("secrets"))? {
            if !PUBLIC.contains(&name.as_str()) {
                secrets.key(format!("the content of secrets/{name}"), &content);
            }
        }
        for (name, content) in files(&data.join("keys"))? {
            let what = format!("the content of keys/{name}");
            match KeyFile::parse(&content) {
                Ok(file) => {
                    let owner = secrets.owner(what);
                    for wrap in &file.wraps {
                        let ct = match wrap {
                            Wrap::Kek { ct, .. } => ct.as_slice(),
                            Wrap::Age { ct, .. } => ct.as_slice(),
                        };
                        secrets.wrapped(owner, ct);
                    }
                }
                // Whatever it is, it is no text for others.
                Err(_) => secrets.key(what, &content),
            }
        }
        Ok(secrets)
    }

    /// Looks for a key, any 16 bytes of it.
    pub fn key(&mut self, what: impl Into<String>, text: &[u8]) {
        let owner = self.owner(what.into());
        let text = text.trim_ascii();
        self.forms(text, owner, &mut Self::runs_of);
        if let Ok(bytes) = hex::decode(text) {
            self.forms(&Zeroizing::new(bytes), owner, &mut Self::runs_of);
        }
    }

    /// Looks for a password, a token or the like, whole. Says whether it can: one of fewer than four bytes would be found
    /// in any text.
    pub fn value(&mut self, what: impl Into<String>, value: &[u8]) -> bool {
        let value = value.trim_ascii();
        if value.len() < VALUE_BYTES_MIN {
            return false;
        }
        let owner = self.owner(what.into());
        self.forms(value, owner, &mut |secrets, form, owner| {
            if form.len() >= VALUE_BYTES_MIN {
                secrets.values.push((Zeroizing::new(form.to_vec()), owner));
            }
        });
        true
    }

    /// Whose secret is in a text; `None` where none is.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<&str> {
        let shape = SHAPES.iter().find(|(shape, _)| contains(text, shape));
        if let Some((_, what)) = shape {
            return Some(what);
        }
        let owner =
            self.values.iter().find(|(value, _)| contains(text, value)).map(|(_, owner)| *owner);
        let owner = owner.or_else(|| {
            text.array_windows::<RUN_BYTES>().find_map(|run| {
                let place = usize::from(u16::from_be_bytes([run[0], run[1]]));
                let word = self.first.get(place / 64)?;
                (word >> (place % 64) & 1 == 1).then(|| self.runs.get(run).copied()).flatten()
            })
        })?;
        self.names.get(owner as usize).map(String::as_str)
    }

    fn owner(&mut self, what: String) -> u32 {
        self.names.push(what);
        (self.names.len() - 1) as u32
    }

    /// Gives every form that bytes may take in a text.
    fn forms(&mut self, bytes: &[u8], owner: u32, take: &mut dyn FnMut(&mut Self, &[u8], u32)) {
        take(self, bytes, owner);
        let digits = Zeroizing::new(hex::encode(bytes));
        take(self, digits.as_bytes(), owner);
        take(self, Zeroizing::new(digits.to_ascii_uppercase()).as_bytes(), owner);
        for before in 0..3 {
            let text = aligned(bytes, before);
            take(self, text.as_bytes(), owner);
            let url = Zeroizing::new(text.replace('+', "-").replace('/', "_"));
            take(self, url.as_bytes(), owner);
        }
    }

    fn runs_of(&mut self, form: &[u8], owner: u32) {
        for run in form.array_windows::<RUN_BYTES>() {
            self.run(*run, owner);
        }
        if (VALUE_BYTES_MIN..RUN_BYTES).contains(&form.len()) {
            self.values.push((Zeroizing::new(form.to_vec()), owner));
        }
    }

    /// Of a wrapped key, which opens nothing by itself, every eighth run, as there may be a million of them: any 23 bytes
    /// in a row of the text in its file, or of its bytes in hex, have one.
    fn wrapped(&mut self, owner: u32, bytes: &[u8]) {
        for form in [STANDARD_NO_PAD.encode(bytes), hex::encode(bytes)] {
            for run in form.as_bytes().array_windows::<RUN_BYTES>().step_by(8) {
                self.run(*run, owner);
            }
        }
    }

    fn run(&mut self, run: [u8; RUN_BYTES], owner: u32) {
        let place = usize::from(u16::from_be_bytes([run[0], run[1]]));
        self.first.resize(1 << 10, 0);
        self.first[place / 64] |= 1 << (place % 64);
        self.runs.insert(run, owner);
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        // A map's keys cannot be overwritten in place.
        for (mut run, _) in self.runs.drain() {
            zeroize::Zeroize::zeroize(&mut run);
        }
    }
}

/// The base64 digits that stand for nothing but these bytes where so many others come before them.
fn aligned(bytes: &[u8], before: usize) -> Zeroizing<String> {
    let padded = Zeroizing::new([&[0; 2][..before], bytes].concat());
    let mut text = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded));
    let first = (before * 8).div_ceil(6);
    let whole = padded.len() * 8 / 6;
    text.truncate(whole);
    Zeroizing::new(text.get(first..).unwrap_or("").to_owned())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A file's name, and what is in it.
type Named = (String, Zeroizing<Vec<u8>>);

/// The files in a folder; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<Named>, ArchiveError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing("read", folder)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.doing("read", folder)?.path();
        let metadata = fs::metadata(&path).doing("look at", &path)?;
        if metadata.is_file() && metadata.len() > SECRET_BYTES_MAX {
            let reason = "it is too large for a secret, and cannot be looked for";
            return Err(ArchiveError::Unfit { path, reason });
        }
        if metadata.is_file() {
            let content = Zeroizing::new(fs::read(&path).doing("read", &path)?);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, content));
        }
    }
    Ok(files)
}
