//! The command line: finding its program with an error a person can use, and writing it down.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::RecordError;

/// How much of a file tells what it is; the kernel reads as much for `#!`.
const HEAD_BYTES: usize = 256;

/// Checks that the program can be run and returns the arguments to start.
///
/// A relative path counts from `current_dir`. A text file without `#!` is run by /bin/sh, as
/// every shell does it.
pub(super) fn resolve(
    command: &[OsString],
    current_dir: &Path,
    path: Option<&OsStr>,
) -> Result<Vec<OsString>, RecordError> {
    let Some(program) = command.first().filter(|program| !program.is_empty()) else {
        return Err(RecordError::NoCommand);
    };
    let has_slash = program.as_bytes().contains(&b'/');
    let file =
        if has_slash { current_dir.join(program) } else { find(program, current_dir, path)? };
    check_runnable(&file, program)?;
    let mut arguments = command.to_vec();
    if has_slash {
        arguments[0] = file.clone().into_os_string();
    }
    match head(&file) {
        Some(head) if head.starts_with(b"#!") => check_interpreter(&head, &file)?,
        Some(head) if is_text(&head) => {
            arguments[0] = file.into_os_string();
            arguments.insert(0, "/bin/sh".into());
        }
        _ => {}
    }
    Ok(arguments)
}

fn find(program: &OsStr, current_dir: &Path, path: Option<&OsStr>) -> Result<PathBuf, RecordError> {
    let candidates: Vec<PathBuf> = path
        .into_iter()
        .flat_map(std::env::split_paths)
        .map(|folder| current_dir.join(folder).join(program))
        .filter(|file| file.exists() && !file.is_dir())
        .collect();
    // As a shell: the first that can be run; else the first there is, for its error.
    let runnable = candidates.iter().find(|file| access(*file, Access::EXEC_OK).is_ok());
    runnable.or(candidates.first()).cloned().ok_or_else(|| RecordError::CommandNotFound {
        command: program.to_string_lossy().into_owned(),
    })
}

fn check_runnable(file: &Path, program: &OsStr) -> Result<(), RecordError> {
    let refuse = |reason: &str| {
        Err(RecordError::NotExecutable { path: file.to_owned(), reason: reason.to_owned() })
    };
    if file.is_dir() {
        return refuse("it is a directory");
    }
    if access(file, Access::EXEC_OK).is_ok() {
        return Ok(());
    }
    if file.exists() {
        return refuse("it is not executable; `chmod +x` makes it so");
    }
    Err(RecordError::CommandNotFound { command: program.to_string_lossy().into_owned() })
}

/// The beginning of a file; a program may be executable and not readable, then `None`.
fn head(file: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(file).ok()?.take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// A shell's test: no NUL in what can be seen of it, and not empty.
fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && !head.contains(&0)
}

/// Without this the kernel's refusal would reach nobody: it comes after the fork.
fn check_interpreter(head: &[u8], file: &Path) -> Result<(), RecordError> {
    let line = head[2..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let interpreter = line.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    if interpreter.exists() {
        return Ok(());
    }
    Err(RecordError::NotExecutable {
        path: file.to_owned(),
        reason: format!("its interpreter `{}` is missing", interpreter.display()),
    })
}

/// The command line as one would type it, for the header.
pub(super) fn quote(command: &[OsString]) -> String {
    let words: Vec<String> =
        command.iter().map(|word| quote_word(&word.to_string_lossy())).collect();
    words.join(" ")
}

fn quote_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    #[test]
    fn quoting() {
        for (line, expected) in [
            (vec!["ls", "-l", "/tmp"], "ls -l /tmp"),
            (vec!["sh", "-c", "echo $X"], "sh -c 'echo $X'"),
            (vec!["echo", "it's", ""], r"echo 'it'\''s' ''"),
            (vec!["é"], "'é'"),
        ] {
            assert_eq!(quote(&words(&line)), expected);
        }
    }

    #[test]
    fn programs_are_found_or_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path.into_os_string()
        };
        let script = file("script", "#!/bin/sh\nexit 0\n", 0o755);
        let bare = file("bare", "exit 4\n", 0o755);
        file("data", "x", 0o644);
        file("orphan", "#! /no/such/interpreter -x\n", 0o755);
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let run = |line: &[&str]| resolve(&words(line), dir.path(), Some(dir.path().as_os_str()));

        assert_eq!(run(&["script", "a"]).unwrap(), words(&["script", "a"]));
        assert_eq!(run(&["./script"]).unwrap().len(), 1);
        assert_eq!(run(&[script.to_str().unwrap()]).unwrap(), [script]);
        assert_eq!(run(&["bare", "a"]).unwrap(), [OsString::from("/bin/sh"), bare, "a".into()]);
        for (line, expected) in [
            (&[][..], "no command to record"),
            (&[""], "no command to record"),
            (&["nothing-here"], "command not found: `nothing-here`"),
            (&["./nothing-here"], "command not found: `./nothing-here`"),
            (&["folder"], "command not found: `folder`"),
            (&["./folder"], "it is a directory"),
            (&["data"], "it is not executable; `chmod +x`"),
            (&["orphan"], "its interpreter `/no/such/interpreter` is missing"),
        ] {
            let message = run(line).unwrap_err().to_string();
            assert!(message.contains(expected), "{line:?}: {message}");
        }
    }
}
