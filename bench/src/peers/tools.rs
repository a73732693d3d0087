//! What people use instead, where it is installed: restic, borg, zstd and age, openssl and a checksum.
//!
//! Each keeps an input in a store of its own, which is new every time: in an old one everything would be
//! a duplicate. The command lines stand here and, as they stand here, in the report.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::{
    machine,
    node::{Step, clear},
    process::{self, Finished, Input, Output},
};

/// A program, or two of them together, that keeps data encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tool {
    /// `lucid-node`
    Lucid,
    /// `restic`
    Restic,
    /// `borg`
    Borg,
    /// `zstd -3 | age`
    ZstdAge,
    /// `openssl enc` with `sha256sum`
    Openssl,
}

/// How it is called. In braces: the input, the store, the folder that is restored to (where it also
/// runs), and age's key.
pub(super) struct Lines {
    /// What makes the store, where it must be made; this is not measured.
    pub(super) setup: Option<&'static str>,
    ingest: &'static str,
    verify: &'static str,
    restore: &'static str,
}

impl Lines {
    /// The line of a step.
    pub(super) fn step(&self, step: Step) -> &'static str {
        match step {
            Step::Ingest => self.ingest,
            Step::Verify => self.verify,
            Step::Restore => self.restore,
        }
    }
}

impl Tool {
    /// The node first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Lucid, Self::Restic, Self::Borg, Self::ZstdAge, Self::Openssl];

    /// All but the node.
    pub(crate) const PEERS: [Self; 4] = [Self::Restic, Self::Borg, Self::ZstdAge, Self::Openssl];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lucid => "lucid-node",
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::ZstdAge => "zstd -3 to age",
            Self::Openssl => "openssl and sha256sum",
        }
    }

    /// The programs it needs, and what makes each say its version.
    fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Lucid => &[],
            Self::Restic => &[("restic", "version")],
            Self::Borg => &[("borg", "--version")],
            Self::ZstdAge => {
                &[("zstd", "--version"), ("age", "--version"), ("age-keygen", "--version")]
            }
            Self::Openssl => {
                &[("openssl", "version"), ("tee", "--version"), ("sha256sum", "--version")]
            }
        }
    }

    /// How a peer is called; the node's own lines are [`crate::node::Node`]'s.
    pub(super) fn lines(self) -> Option<Lines> {
        Some(match self {
            Self::Lucid => return None,
            Self::Restic => Lines {
                setup: Some("restic init --quiet --repository-version 2 --repo {store}"),
                ingest: "restic backup --quiet --repo {store} {input}",
                verify: "restic check --quiet --read-data --repo {store}",
                restore: "restic restore latest --quiet --repo {store} --target {out}",
            },
            Self::Borg => Lines {
                setup: Some("borg init --encryption repokey {store}"),
                ingest: "borg create --compression auto,zstd,3 {store}::one {input}",
                verify: "borg check --verify-data {store}",
                restore: "borg extract {store}::one",
            },
            Self::ZstdAge => Lines {
                setup: None,
                ingest: "zstd -3 -q -c {input} | age -r {recipient} -o {store}",
                verify: "age -d -i {key} {store} | zstd -t -q -",
                restore: "age -d -i {key} {store} | zstd -d -q -o {out}/restored",
            },
            Self::Openssl => Lines {
                setup: None,
                ingest: "openssl enc -aes-256-ctr -pbkdf2 -pass env:BENCH_PASSWORD -in {input} | tee \
                         {store} | sha256sum",
                verify: "sha256sum {store}",
                restore: "openssl enc -d -aes-256-ctr -pbkdf2 -pass env:BENCH_PASSWORD -in {store} \
                          -out {out}/restored",
            },
        })
    }
}

/// The peers that were found.
pub(crate) struct Tools {
    folder: PathBuf,
    /// age's public key.
    recipient: String,
    found: Vec<Tool>,
    versions: Vec<String>,
    missing: Vec<String>,
}

impl Tools {
    /// Looks for `wanted`; their files go into `folder`, which is made new.
    pub(crate) fn find(folder: &Path, wanted: &[Tool]) -> Result<Self> {
        let folder = folder.canonicalize()?.join("peers");
        clear(&folder)?;
        fs::create_dir_all(&folder)?;
        ensure!(folder.to_str().is_some(), "{} is no text", folder.display());
        let (mut found, mut versions, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for tool in wanted {
            let (here, not_here): (Vec<_>, Vec<_>) = tool
                .programs()
                .iter()
                .partition(|(program, _)| machine::find_program(program).is_some());
            missing
                .extend(not_here.iter().map(|(program, _)| format!("{program} is not installed")));
            if not_here.is_empty() {
                found.push(*tool);
                let of = |(program, word): &(&str, &str)| version(program, word);
                versions.extend(here.iter().map(of).collect::<Result<Vec<_>>>()?);
            }
        }
        let recipient =
            if found.contains(&Tool::ZstdAge) { recipient(&folder)? } else { String::new() };
        Ok(Self { folder, recipient, found, versions, missing })
    }

    /// No peers.
    pub(crate) fn none() -> Self {
        let missing = vec!["peers were left out".to_owned()];
        let (folder, recipient) = (PathBuf::new(), String::new());
        Self { folder, recipient, found: Vec::new(), versions: Vec::new(), missing }
    }

    /// What is not here, in words.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// What its programs say of themselves.
    pub(super) fn versions(&self) -> &[String] {
        &self.versions
    }

    /// What is here.
    pub(super) fn found(&self) -> &[Tool] {
        &self.found
    }

    /// A new store for this input, where the tool is here.
    pub(crate) fn store<'a>(&'a self, tool: Tool, input: &Path) -> Result<Option<Store<'a>>> {
        let (Some(lines), true) = (tool.lines(), self.found.contains(&tool)) else {
            return Ok(None);
        };
        let input = input.canonicalize()?;
        let store = Store { tools: self, lines, tool, input, digest: None };
        store.clear()?;
        if let Some(line) = store.lines.setup {
            let words = store.words(line)?;
            let mut command = Command::new(&words[0]);
            let made = command.args(&words[1..]).envs(store.environment()).output()?;
            let said = String::from_utf8_lossy(&made.stderr);
            ensure!(made.status.success(), "{line}: {}: {said}", made.status);
        }
        Ok(Some(store))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// What a tool keeps of one input.
pub(crate) struct Store<'a> {
    tools: &'a Tools,
    lines: Lines,
    tool: Tool,
    input: PathBuf,
    /// What `sha256sum` said of what was stored.
    digest: Option<Vec<u8>>,
}

impl Store<'_> {
    /// Does a step on `cores`. What was restored lies at [`Store::restored`] afterwards.
    pub(crate) fn run(&mut self, step: Step, cores: &[usize]) -> Result<Finished> {
        let out = self.tools.path("out");
        clear(&out)?;
        fs::create_dir_all(&out)?;
        let words = self.words(self.lines.step(step))?;
        let environment = self.environment();
        let environment: Vec<(&str, &OsStr)> =
            environment.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
        let finished =
            process::run_in(&out, &words, &environment, cores, Input::None, Output::Kept)?;
        if self.tool == Tool::Openssl && step != Step::Restore {
            let digest = finished.stdout.get(..64).context("sha256sum said nothing")?;
            let first = self.digest.get_or_insert_with(|| digest.to_vec());
            ensure!(first.as_slice() == digest, "what openssl stored is not what is there");
        }
        Ok(finished)
    }

    /// Bytes of the store.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let path = self.tools.path("store");
        if path.is_dir() { folder_bytes(&path) } else { Ok(fs::metadata(&path)?.len()) }
    }

    /// The restored file.
    pub(crate) fn restored(&self) -> PathBuf {
        let out = self.tools.path("out");
        match self.tool {
            Tool::Restic | Tool::Borg => {
                out.join(self.input.strip_prefix("/").unwrap_or(&self.input))
            }
            _ => out.join("restored"),
        }
    }

    /// Removes the store and what was restored.
    pub(crate) fn clear(&self) -> Result<()> {
        for name in ["out", "borg-base", "restic-cache"] {
            clear(&self.tools.path(name))?;
        }
        let store = self.tools.path("store");
        if store.is_file() { Ok(fs::remove_file(&store)?) } else { clear(&store) }
    }

    /// Passwords that protect nothing, and folders so that nobody's home is written to.
    fn environment(&self) -> [(&'static str, OsString); 5] {
        [
            ("RESTIC_PASSWORD", "bench".into()),
            ("RESTIC_CACHE_DIR", self.tools.path("restic-cache").into()),
            ("BORG_PASSPHRASE", "bench".into()),
            ("BORG_BASE_DIR", self.tools.path("borg-base").into()),
            ("BENCH_PASSWORD", "bench".into()),
        ]
    }

    /// A line with everything put in.
    fn words(&self, line: &str) -> Result<Vec<String>> {
        let text = |path: &Path| -> Result<String> {
            Ok(path.to_str().context("a path is no text")?.to_owned())
        };
        let values = [
            ("{input}", text(&self.input)?),
            ("{store}", text(&self.tools.path("store"))?),
            ("{out}", text(&self.tools.path("out"))?),
            ("{key}", text(&self.tools.path("age-key"))?),
            ("{recipient}", self.tools.recipient.clone()),
        ];
        let put = |word: &str| {
            values.iter().fold(word.to_owned(), |word, (name, value)| word.replace(name, value))
        };
        Ok(line.split_whitespace().map(put).collect())
    }
}

/// The first line of what a program says of itself.
fn version(program: &str, word: &str) -> Result<String> {
    let output = Command::new(program).arg(word).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(if line.contains(program) { line.to_owned() } else { format!("{program} {line}") })
}

fn recipient(folder: &Path) -> Result<String> {
    let key = folder.join("age-key");
    let made = Command::new("age-keygen").arg("-o").arg(&key).stderr(Stdio::null()).status()?;
    ensure!(made.success(), "age-keygen: {made}");
    let public = Command::new("age-keygen").arg("-y").arg(&key).output()?;
    Ok(String::from_utf8(public.stdout)?.trim().to_owned())
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_whole_and_names_what_it_works_on() {
        for tool in Tool::PEERS {
            let lines = tool.lines().unwrap();
            for step in Step::ALL {
                let line = lines.step(step);
                assert!(line.contains("{store}"), "{line}");
                assert_eq!(line.contains("{input}"), step == Step::Ingest, "{line}");
                let (program, _) = tool.programs()[0];
                assert!(line.contains(program) || step == Step::Verify, "{line}");
            }
        }
    }
}
