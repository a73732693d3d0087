//! What people use instead: `borg create` and `zstd -3 | age`, where they are installed.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};

use super::{Plain, Program, Run, clear};
use crate::{
    machine,
    process::{self, Finished, Input, Output},
};

/// The peers that were found.
pub(super) struct Peers {
    folder: PathBuf,
    borg: Option<PathBuf>,
    /// The key file's public part.
    age_recipient: Option<String>,
    missing: Vec<String>,
}

impl Peers {
    /// No peers.
    pub(super) fn none() -> Self {
        let (folder, missing) = (PathBuf::new(), vec!["peers were left out".to_owned()]);
        Self { folder, borg: None, age_recipient: None, missing }
    }

    /// Looks for the peers; their files go into `folder`.
    pub(super) fn find(folder: &Path) -> Result<Self> {
        let folder = folder.join("peers");
        clear(&folder)?;
        fs::create_dir_all(&folder)?;
        let mut missing = Vec::new();
        let mut program = |name: &str| {
            let found = machine::find_program(name);
            if found.is_none() {
                missing.push(format!("{name} is not installed"));
            }
            found
        };
        let borg = program("borg");
        let age = [program("zstd"), program("age"), program("age-keygen")];
        let age_recipient =
            if age.iter().all(Option::is_some) { Some(recipient(&folder)?) } else { None };
        Ok(Self { folder, borg, age_recipient, missing })
    }

    /// What is not here, in words.
    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// Runs a peer, if it is here.
    pub(super) fn run(&self, peer: Program, plain: &Plain, cores: &[usize]) -> Result<Option<Run>> {
        let (finished, stored_bytes) = match (peer, &self.age_recipient, &self.borg) {
            (Program::ZstdAge, Some(recipient), _) => self.zstd_age(recipient, plain, cores)?,
            (Program::Borg, _, Some(borg)) => self.borg(borg, plain, cores)?,
            _ => return Ok(None),
        };
        Ok(Some(Run::new(peer, plain, cores, stored_bytes, finished.usage)))
    }

    fn zstd_age(&self, recipient: &str, plain: &Plain, cores: &[usize]) -> Result<(Finished, u64)> {
        let target = self.folder.join("age");
        let script = "set -o pipefail; zstd -3 -q -c \"$1\" | age -r \"$2\" -o \"$3\"";
        let command: [&OsStr; 7] = [
            "bash".as_ref(),
            "-c".as_ref(),
            script.as_ref(),
            "bash".as_ref(),
            plain.path.as_ref(),
            recipient.as_ref(),
            target.as_ref(),
        ];
        let finished = process::run(&command, &[], cores, Input::None, Output::Dropped)?;
        let stored_bytes = fs::metadata(&target)?.len();
        fs::remove_file(&target)?;
        Ok((finished, stored_bytes))
    }

    /// A repository for each run: in an old one everything would be a duplicate.
    fn borg(&self, borg: &Path, plain: &Plain, cores: &[usize]) -> Result<(Finished, u64)> {
        let (repository, base) = (self.folder.join("repository"), self.folder.join("borg"));
        clear(&repository)?;
        clear(&base)?;
        let environment: [(&str, &OsStr); 2] =
            [("BORG_PASSPHRASE", "bench".as_ref()), ("BORG_BASE_DIR", base.as_os_str())];
        let made = Command::new(borg)
            .args(["init", "--encryption", "repokey"])
            .arg(&repository)
            .envs(environment)
            .stderr(Stdio::null())
            .status()?;
        ensure!(made.success(), "borg init: {made}");
        let mut archive = repository.clone().into_os_string();
        archive.push("::one");
        let command: [&OsStr; 6] = [
            borg.as_ref(),
            "create".as_ref(),
            "--compression".as_ref(),
            "auto,zstd,3".as_ref(),
            &archive,
            plain.path.as_ref(),
        ];
        let finished = process::run(&command, &environment, cores, Input::None, Output::Dropped)?;
        let stored_bytes = folder_bytes(&repository)?;
        clear(&repository)?;
        clear(&base)?;
        Ok((finished, stored_bytes))
    }
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
