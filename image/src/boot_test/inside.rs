//! Commands inside the machine, by the way in that operators have: SSH, with a key that lucid.toml names. The key is
//! made for one test; the image has none.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use crate::call::{Call, last_lines, output_of};

/// The way into a machine.
#[derive(Debug)]
pub(super) struct Inside {
    key: PathBuf,
    known: PathBuf,
    port: u16,
}

impl Inside {
    /// With a new key in `folder`.
    ///
    /// # Errors
    /// ssh-keygen's.
    pub(super) fn new(folder: &Path, port: u16) -> Result<Self> {
        let (key, known) = (folder.join("key"), folder.join("known_hosts"));
        for old in [&key, &folder.join("key.pub"), &known] {
            let _ = fs::remove_file(old);
        }
        let path = key.display().to_string();
        let words = ["-q", "-t", "ed25519", "-N", "", "-C", "boot-test", "-f", &path];
        output_of(&Call::new("ssh-keygen", words), folder)
            .context("running ssh-keygen, of Debian's package openssh-client")?;
        Ok(Self { key, known, port })
    }

    /// The public key, as lucid.toml takes it.
    ///
    /// # Errors
    /// The file's.
    pub(super) fn public(&self) -> Result<String> {
        let path = self.key.with_extension("pub");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// What a command prints, which gets `input` to read. The machine's own key has to stay what it was first.
    ///
    /// # Errors
    /// Where the machine cannot be reached, or the command fails: then what it said.
    pub(super) fn run(&self, command: &str, input: &[u8]) -> Result<String> {
        let mut child = self.call(command).command(Path::new("."));
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().context("running ssh")?;
        let mut to = child.stdin.take().context("ssh has no standard input")?;
        // A command that fails reads nothing more: what it says then is worth more than the pipe's own error.
        let written = to.write_all(input);
        drop(to);
        let said = child.wait_with_output().context("waiting for ssh")?;
        if !said.status.success() {
            let why = [&said.stdout[..], &said.stderr[..]].concat();
            bail!("{command}: {} ({})", last_lines(&String::from_utf8_lossy(&why)), said.status);
        }
        written.with_context(|| format!("writing to {command}"))?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    fn call(&self, command: &str) -> Call {
        let options = [
            "BatchMode=yes".to_owned(),
            "ConnectTimeout=60".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "ServerAliveInterval=10".to_owned(),
            "ServerAliveCountMax=12".to_owned(),
            "StrictHostKeyChecking=accept-new".to_owned(),
            "LogLevel=ERROR".to_owned(),
            format!("UserKnownHostsFile={}", self.known.display()),
        ];
        let mut words =
            vec!["600".to_owned(), "ssh".to_owned(), "-F".to_owned(), "none".to_owned()];
        words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
        words.extend(["-i".to_owned(), self.key.display().to_string()]);
        words.extend([
            "-p".to_owned(),
            self.port.to_string(),
            "root@127.0.0.1".to_owned(),
            command.to_owned(),
        ]);
        Call::new("timeout", words)
    }
}
