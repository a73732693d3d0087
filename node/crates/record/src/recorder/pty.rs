//! The pseudo-terminal and the command in it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;

use filedescriptor::FileDescriptor;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, tcgetattr,
    tcgetpgrp, tcsetattr, tcsetwinsize,
};

use super::ExitStatus;
use crate::RecordError;

/// The end-of-file character where the terminal does not say: ^D.
const DEFAULT_EOF: u8 = 4;

/// A running command and the master side of its terminal, which does not block.
///
/// Dropped before its command was seen to end, it kills and reaps it.
#[derive(Debug)]
pub(super) struct Pty {
    pub(super) master: File,
    child: Child,
    /// The command leads its session, so this is its process group too.
    leader: Pid,
    status: Option<ExitStatus>,
}

impl Pty {
    /// Starts `command` (resolved before) in a terminal of that size, without the variables in
    /// `env_remove`.
    ///
    /// The terminal begins in the mode of the user's, `mode`; without one it does not echo: there
    /// is nobody to read what he typed.
    pub(super) fn start(
        command: Vec<OsString>,
        env_remove: &[OsString],
        current_dir: &Path,
        size: Winsize,
        mode: Option<&Termios>,
    ) -> Result<Self, RecordError> {
        let pty = |source| RecordError::Pty { source };
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: size.ws_row,
                cols: size.ws_col,
                pixel_width: size.ws_xpixel,
                pixel_height: size.ws_ypixel,
            })
            .map_err(|error| pty(io::Error::other(format!("{error:#}"))))?;
        let raw = pair.master.as_raw_fd().ok_or_else(|| pty(io::ErrorKind::Unsupported.into()))?;
        let master = FileDescriptor::dup(&raw)
            .and_then(|duplicate| duplicate.as_file())
            .map_err(|error| pty(io::Error::other(error)))?;
        prepare(&master, mode).map_err(|error| pty(error.into()))?;

        let name = command.first().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let spawn = |source| RecordError::Spawn { command: name.clone(), source };
        let mut builder = CommandBuilder::from_argv(command);
        builder.cwd(current_dir);
        for name in env_remove {
            builder.env_remove(name);
        }
        let child: Box<dyn portable_pty::Child> = pair
            .slave
            .spawn_command(builder)
            .map_err(|error| spawn(io::Error::other(format!("{error:#}"))))?;
        let child: Child = *child
            .downcast()
            .map_err(|_| spawn(io::Error::other("portable-pty gave no std child")))?;
        let leader = Pid::from_child(&child);
        Ok(Self { master, child, leader, status: None })
    }

    /// How the command ended, once it has.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?.map(exit_status);
        }
        Ok(self.status)
    }

    pub(super) fn resize(&self, size: Winsize) -> io::Result<()> {
        tcsetwinsize(&self.master, size).map_err(Into::into)
    }

    /// The character that means end of file on this terminal.
    pub(super) fn end_of_file(&self) -> u8 {
        let mode = tcgetattr(&self.master);
        mode.map_or(DEFAULT_EOF, |mode| mode.special_codes[SpecialCodeIndex::VEOF])
    }

    /// Tells the command that its terminal is gone, stopped jobs included.
    pub(super) fn hang_up(&self) {
        self.signal(Signal::HUP);
        self.signal(Signal::CONT);
    }

    /// Ends a command that does not go.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// To the command's group and to the one in the foreground. Before the command is reaped its
    /// number belongs to nobody else.
    fn signal(&self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        let foreground = tcgetpgrp(&self.master).ok().filter(|group| *group != self.leader);
        for group in [Some(self.leader), foreground].into_iter().flatten() {
            // It may just have ended.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn prepare(master: &File, mode: Option<&Termios>) -> rustix::io::Result<()> {
    fcntl_setfl(master, OFlags::NONBLOCK | OFlags::RDWR)?;
    // On Linux the master's mode is that of the side the command will see.
    let mode = if let Some(mode) = mode {
        mode.clone()
    } else {
        let mut mode = tcgetattr(master)?;
        mode.input_modes |= InputModes::IUTF8;
        mode.local_modes -= LocalModes::ECHO;
        mode
    };
    tcsetattr(master, OptionalActions::Now, &mode)
}

fn exit_status(status: std::process::ExitStatus) -> ExitStatus {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Exited(code),
        (None, Some(signal)) => ExitStatus::Signaled(signal),
        (None, None) => unreachable!("wait without WUNTRACED reports only ends"),
    }
}
