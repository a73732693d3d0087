//! Commands of other programs: shown, run, and what they said when they failed.

use std::{
    fmt, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};

/// As much of what a failed command said goes into the table.
const WHY_BYTES: usize = 400;

/// A command to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    /// Variables that it gets beside those of this process.
    pub(crate) environment: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn new<S: Into<String>>(
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.to_owned(), arguments, environment: Vec::new() }
    }

    /// With a variable more.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Its process, not started yet.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(folder).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it; all that it says goes into `log`.
    ///
    /// # Errors
    /// Where it cannot be run, or fails: then what it said last.
    pub(crate) fn logged(&self, folder: &Path, log: &Path) -> Result<()> {
        self.logged_with(folder, log, Stdio::null())
    }

    /// The same, with something to read on its standard input.
    ///
    /// # Errors
    /// As [`Self::logged`].
    pub(crate) fn logged_with(&self, folder: &Path, log: &Path, input: Stdio) -> Result<()> {
        let said = self.command(folder).stdin(input).output();
        let said = said.with_context(|| format!("running {}", self.program))?;
        fs::write(log, [&said.stdout[..], &said.stderr[..]].concat())
            .with_context(|| format!("writing {}", log.display()))?;
        if said.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&said.stderr);
        Err(anyhow!("{} ({}; all of it in {})", last_lines(&why), said.status, log.display()))
    }
}

impl fmt::Display for Call {
    /// As it can be given to a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
        let quoted = |text: &str| match !text.is_empty() && text.chars().all(plain) {
            true => text.to_owned(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        };
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// What a command prints.
///
/// # Errors
/// Where it cannot be run, or fails: then what it said last.
pub(crate) fn output_of(call: &Call, folder: &Path) -> Result<Vec<u8>> {
    let said =
        call.command(folder).output().with_context(|| format!("running {}", call.program))?;
    if !said.status.success() {
        bail!("{}", last_lines(&String::from_utf8_lossy(&said.stderr)));
    }
    Ok(said.stdout)
}

/// The last lines that say anything, on one line.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() { "it said nothing".to_owned() } else { shortened(&last.join("; ")) }
}

/// At most [`WHY_BYTES`] of a text, printable.
pub(crate) fn shortened(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match printable.char_indices().find(|(place, _)| *place >= WHY_BYTES) {
        None => printable,
        Some((place, _)) => format!("{}…", &printable[..place]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_given_to_a_shell() {
        let call = Call::new("echo", ["it's", "", "a b"]);
        assert_eq!(call.to_string(), r"echo 'it'\''s' '' 'a b'");
    }

    #[test]
    fn why_is_short_and_on_one_line() {
        assert_eq!(last_lines("a\n\nb\nc \n\u{1b}[31md\n"), "b; c;  [31md");
        assert_eq!(last_lines(" \n"), "it said nothing");
        assert!(shortened(&"é".repeat(1000)).len() < WHY_BYTES + 8);
    }
}
