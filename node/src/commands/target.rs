//! Where a result goes: standard output, or a file that appears under its name when it is whole, and never over another.
//!
//! A crash leaves the file under its name for now, `NAME.RANDOM.part`.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::{
    cli::OutputArg,
    failure::{Failure, Outcome},
};

/// Where a result goes: standard output, or a file that appears under its name only when it is whole.
pub enum Target {
    /// Standard output.
    Stdout(io::Stdout),
    /// A file in the making.
    File {
        /// The file under its temporary name.
        file: File,
        /// Its name for now; removed if it is never finished.
        part: PartFile,
        /// Its name when it is whole.
        path: PathBuf,
        /// Whether what has that name by then is replaced.
        force: bool,
    },
}

/// A temporary file that is removed unless it was renamed.
pub struct PartFile(Option<PathBuf>);

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It is left behind only where it cannot be removed; its name says what it is.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Target {
    /// Opens the target. Files are made with mode 0600: what was private stays so.
    ///
    /// # Errors
    /// Where the file is there already and may not be replaced, or lies in the data folder `data`;
    /// the operating system's.
    pub fn open(argument: &OutputArg, data: Option<&Path>) -> Outcome<Self> {
        let Some(path) = argument.output.clone() else {
            if io::stdout().is_terminal() {
                return Err(Failure::usage(
                    "standard output is a terminal: give a file with -o FILE, or pipe it",
                ));
            }
            return Ok(Self::Stdout(io::stdout()));
        };
        // A link that leads nowhere is there, too.
        if path.symlink_metadata().is_ok() && !argument.force {
            let path = path.display();
            return Err(Failure::usage(format!("{path} is there already; --force replaces it")));
        }
        refuse_inside(&path, data)?;
        let part = part_name(&path)?;
        // Its own, whatever anybody put there: no link is followed, and nobody else has it open.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| {
            Failure::io(format!("{} cannot be written: {error}", part.display()))
        })?;
        Ok(Self::File { file, part: PartFile(Some(part)), path, force: argument.force })
    }

    /// What to write to.
    pub fn writer(&mut self) -> &mut (dyn Write + Send) {
        match self {
            Self::Stdout(stdout) => stdout,
            Self::File { file, .. } => file,
        }
    }

    /// Everything was written: gives the file its name, which is `None` for standard output.
    ///
    /// # Errors
    /// The operating system's.
    pub fn finish(self) -> Outcome<Option<PathBuf>> {
        match self {
            Self::Stdout(mut stdout) => {
                stdout.flush()?;
                Ok(None)
            }
            Self::File { file, mut part, path, force } => {
                file.sync_all()?;
                if let Some(part) = &part.0 {
                    give_name(part, &path, force)?;
                }
                part.0 = None;
                Ok(Some(path))
            }
        }
    }
}

/// The node's own files are not to be overwritten, whatever the user insists on.
fn refuse_inside(path: &Path, data: Option<&Path>) -> Outcome {
    let Some(data) = data.and_then(|data| data.canonicalize().ok()) else { return Ok(()) };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.canonicalize() {
        Ok(folder) if folder.starts_with(&data) => {
            let path = path.display();
            Err(Failure::usage(format!("{path} is in the data folder: choose a place outside it")))
        }
        _ => Ok(()),
    }
}

/// A name beside `path` that nobody knows before.
fn part_name(path: &Path) -> Outcome<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::io(format!("the operating system has no randomness: {error}")))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", hex::encode(random)));
    Ok(PathBuf::from(name))
}

/// Gives a file its name. What has appeared under that since it was looked for is replaced only where that is wanted.
fn give_name(part: &Path, path: &Path, force: bool) -> Outcome {
    let taken = || {
        let path = path.display();
        Failure::usage(format!("{path} appeared meanwhile, and stays as it is: give another name"))
    };
    let named = match force {
        true => std::fs::rename(part, path),
        false => {
            match renameat_with(CWD, part, CWD, path, RenameFlags::NOREPLACE) {
                // A file system that cannot; the name is looked for once more.
                Err(Errno::INVAL | Errno::NOSYS) if !path.exists() => std::fs::rename(part, path),
                Err(Errno::INVAL | Errno::NOSYS | Errno::EXIST) => return Err(taken()),
                named => named.map_err(Into::into),
            }
        }
    };
    named.map_err(|error| Failure::io(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Class;

    /// Opens `-o PATH`, does something, then writes and names the file.
    fn written(path: &Path, force: bool, meanwhile: impl FnOnce()) -> Outcome<Option<PathBuf>> {
        let argument = OutputArg { output: Some(path.to_owned()), force };
        let mut target = Target::open(&argument, None)?;
        meanwhile();
        target.writer().write_all(b"restored")?;
        target.finish()
    }

    #[test]
    fn what_others_put_beside_a_target_stays_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("out"), folder.path().join("victim"));
        std::fs::write(&victim, "theirs").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("out.part")).unwrap();
        written(&path, false, || {}).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"restored");
        assert!(!path.is_symlink());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read(&victim).unwrap(), b"theirs");
        // A link is a name that is taken, wherever it leads.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert_eq!(written(&link, false, || {}).unwrap_err().class, Class::Usage);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left over");
    }

    #[test]
    fn two_that_write_one_target_do_not_mix_and_the_second_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let second = || drop(written(&path, false, || {}).unwrap());
        let failure = written(&path, false, second).unwrap_err();
        assert_eq!(failure.class, Class::Usage);
        assert!(failure.error.to_string().contains("appeared meanwhile"), "{}", failure.error);
        written(&path, true, || std::fs::write(&path, "another").unwrap()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"restored");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        let failure = written(folder.path(), true, || {}).unwrap_err();
        assert!(failure.error.to_string().contains("cannot be written"), "{}", failure.error);
    }
}
