//! What is remembered from one run to the next, in the output folder: what is done already, and how long it took.
//!
//! It may be deleted at any time: then everything is done again, and time left is not told.

use std::{collections::BTreeMap, fs, io, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Durations kept of a step.
const KEPT: usize = 5;

/// How long steps took, in seconds, the last ones.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Times(BTreeMap<String, Vec<f64>>);

impl Times {
    /// Takes up one more.
    pub(crate) fn took(&mut self, step: &str, seconds: f64) {
        let times = self.0.entry(step.to_owned()).or_default();
        times.push(seconds);
        let over = times.len().saturating_sub(KEPT);
        times.drain(..over);
    }

    /// How long a step will take: the middle of what it took; `None` where it never ran.
    pub(crate) fn expected(&self, step: &str) -> Option<f64> {
        let mut times = self.0.get(step)?.clone();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    /// How long these steps will take in all; `None` where one of them never ran.
    pub(crate) fn expected_of<'a>(&self, steps: impl Iterator<Item = &'a str>) -> Option<f64> {
        steps.map(|step| self.expected(step)).sum()
    }
}

/// Reads a file of these; one that is missing, or not of this form, is an empty one.
///
/// # Errors
/// The operating system's.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes a file of these, whole or not at all.
///
/// # Errors
/// The operating system's.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).context("writing JSON")?;
    let new = path.with_extension("new");
    fs::write(&new, text).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_learnt() {
        let mut times = Times::default();
        assert_eq!(times.expected_of(["build", "push"].into_iter()), None);
        for seconds in [90.0, 10.0, 12.0, 11.0, 500.0, 10.5] {
            times.took("build", seconds);
        }
        // One that waited for the network does not count for ever, nor at once.
        assert_eq!(times.expected("build"), Some(11.0));
        times.took("push", 2.0);
        assert_eq!(times.expected_of(["build", "push", "push"].into_iter()), Some(15.0));
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("times.json");
        assert_eq!(read::<Times>(&path).unwrap(), Times::default());
        let mut times = Times::default();
        times.took("build", 1.5);
        write(&path, &times).unwrap();
        assert_eq!(read::<Times>(&path).unwrap(), times);
        fs::write(&path, "{\"build\":").unwrap();
        assert_eq!(
            read::<Times>(&path).unwrap(),
            Times::default(),
            "torn: everything is done again"
        );
    }
}
