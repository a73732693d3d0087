//! callgrind, and what its profile says: all instructions, and those of the three big parts.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Instructions of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    /// Of the whole process.
    pub(super) all: u64,
    /// In the hashing of many messages, and what it calls.
    pub(super) hashing: u64,
    /// In the AEAD.
    pub(super) cipher: u64,
    /// In zstd.
    pub(super) zstd: u64,
}

/// The functions by which a part is entered, as callgrind names them. Nothing in one of them calls another.
const HASHING: [&str; 1] = ["lucid_hal::sha256::sha256_prefixed_many"];
const CIPHER: [&str; 2] =
    ["lucid_pipeline::aead::SegmentCipher::seal", "lucid_pipeline::aead::SegmentCipher::open"];
const ZSTD: [&str; 2] = [
    "lucid_pipeline::codec::Compressor::compress",
    "lucid_pipeline::codec::Decompressor::decompress",
];

impl Counts {
    /// All but the hashing, which without instructions for it is so much that it would hide the rest.
    pub(super) fn but_hashing(&self) -> u64 {
        self.all.saturating_sub(self.hashing)
    }

    /// What is shown, the whole first.
    pub(super) fn rows(&self) -> [(&'static str, u64); 6] {
        let rest = self.but_hashing().saturating_sub(self.cipher).saturating_sub(self.zstd);
        [
            ("all", self.all),
            ("all but hashing", self.but_hashing()),
            ("hashing", self.hashing),
            ("cipher", self.cipher),
            ("zstd", self.zstd),
            ("the rest", rest),
        ]
    }

    /// Reads callgrind's output (format version 1): the summary, and the inclusive cost of every call
    /// of the parts' functions. A function is named once, `(12) name`, and `(12)` after that; the line
    /// after `calls=` ends with what the calls cost.
    fn parse(profile: impl BufRead) -> Result<Self> {
        let (mut counts, mut names) = (Self::default(), HashMap::new());
        let (mut called, mut is_cost) = (String::new(), false);
        for line in profile.lines() {
            let line = line?;
            if let Some(total) = line.strip_prefix("summary: ") {
                counts.all = total.trim().parse().with_context(|| format!("no number: {line}"))?;
            } else if let Some(name) = line.strip_prefix("cfn=").or(line.strip_prefix("fn=")) {
                let (id, name) = name.split_once(' ').unwrap_or((name, ""));
                if !name.is_empty() {
                    names.insert(id.to_owned(), name.to_owned());
                }
                if line.starts_with("cfn=") {
                    called.clear();
                    called.push_str(names.get(id).map_or("", String::as_str));
                }
            } else if line.starts_with("calls=") {
                is_cost = true;
            } else if is_cost {
                is_cost = false;
                let cost = line.rsplit(' ').next().and_then(|cost| cost.parse().ok());
                counts.add(&called, cost.with_context(|| format!("no cost: {line}"))?);
            }
        }
        ensure!(counts.all > 0, "callgrind's output has no summary");
        Ok(counts)
    }

    fn add(&mut self, called: &str, cost: u64) {
        for (names, part) in [
            (&HASHING[..], &mut self.hashing),
            (&CIPHER[..], &mut self.cipher),
            (&ZSTD[..], &mut self.zstd),
        ] {
            if names.contains(&called) {
                *part += cost;
            }
        }
    }
}

/// Runs something and counts.
pub(super) struct Callgrind {
    valgrind: PathBuf,
    profile: PathBuf,
}

impl Callgrind {
    /// Its profiles go into `folder`.
    pub(super) fn new(valgrind: PathBuf, folder: &Path) -> Result<Self> {
        let profile = folder.join("callgrind.out");
        ensure!(profile.to_str().is_some(), "{} is no text", profile.display());
        Ok(Self { valgrind, profile })
    }

    /// What goes before the command that is counted.
    pub(super) fn words(&self) -> Vec<OsString> {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(&self.profile);
        vec![self.valgrind.clone().into(), "-q".into(), "--tool=callgrind".into(), file]
    }

    /// What the last run took. Every part was there, or a function has another name now.
    pub(super) fn counts(&self) -> Result<Counts> {
        let name = self.profile.display();
        let file =
            File::open(&self.profile).with_context(|| format!("callgrind left no {name}"))?;
        let counts = Counts::parse(BufReader::new(file)).with_context(|| name.to_string())?;
        ensure!(counts.hashing > 0, "no call of {HASHING:?} was counted: has it another name now?");
        fs::remove_file(&self.profile)?;
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "# callgrind format\nversion: 1\npositions: line\nevents: Ir\nsummary: 1000\n\n\
        fl=(1) a.rs\nfn=(1) main\n3 10\ncfn=(2) lucid_hal::sha256::sha256_prefixed_many\ncalls=2 7\n+1 600\n\
        cfn=(3) lucid_pipeline::aead::SegmentCipher::seal\ncalls=1 9\n* 50\n4 5\ncfn=(2)\ncalls=1 7\n+4 100\n\
        fn=(2)\n7 700\ntotals: 1000\n";

    #[test]
    fn a_profile_gives_the_whole_and_its_parts() {
        let counts = Counts::parse(PROFILE.as_bytes()).unwrap();
        assert_eq!(counts, Counts { all: 1000, hashing: 700, cipher: 50, zstd: 0 });
        assert_eq!(counts.rows()[1], ("all but hashing", 300));
        assert_eq!(counts.rows()[5], ("the rest", 250));
    }

    #[test]
    fn what_is_no_profile_is_an_error() {
        for bad in ["", "events: Ir\n", "summary: many\n", "summary: 5\ncalls=1 2\n3 x\n"] {
            assert!(Counts::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
