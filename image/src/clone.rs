//! The clone of this project that it is run in.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::call::{Call, output_of};

/// Its top folder.
///
/// # Errors
/// Where the current folder is in none.
pub(crate) fn root() -> Result<PathBuf> {
    let here = env::current_dir().context("asking for the current folder")?;
    let root = here.ancestors().find(|folder| folder.join("image/Containerfile").is_file());
    let root = root.with_context(|| {
        format!("{} is not in a clone of this project: run it there", here.display())
    })?;
    fs::canonicalize(root).with_context(|| format!("looking at {}", root.display()))
}

/// Where what is compiled goes: cargo runs in the top folder.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// What git answers there; `None` where it cannot.
pub(crate) fn git(root: &Path, words: &[&str]) -> Option<String> {
    let said = output_of(&Call::new("git", words.iter().copied()), root).ok()?;
    Some(String::from_utf8_lossy(&said).trim().to_owned())
}
