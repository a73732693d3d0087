//! The user's side: where typing comes from, where output is shown, and giving it back.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, ttyname,
};

use super::Attach;
use crate::RecordError;

/// The user's input and output, resolved.
#[derive(Debug)]
pub(super) struct UserSide {
    pub(super) input: Option<File>,
    pub(super) output: Option<File>,
    /// The terminal whose window counts.
    window: Option<OwnedFd>,
    /// The terminal that is typed at, and its mode as it was found.
    keyboard: Option<(OwnedFd, Termios)>,
}

impl UserSide {
    pub(super) fn attach(input: Attach, output: Attach) -> Result<Self, RecordError> {
        let failed = |action| move |source| RecordError::Terminal { action, source };
        let input = resolve(input, io::stdin()).map_err(failed("open"))?;
        let output = resolve(output, io::stdout()).map_err(failed("open"))?;
        let keyboard = match input.as_ref().filter(|input| isatty(input)) {
            None => None,
            Some(terminal) => {
                let mode = tcgetattr(terminal).map_err(|error| failed("read")(error.into()))?;
                Some((terminal.try_clone().map_err(failed("open"))?, mode))
            }
        };
        let window = [&output, &input].into_iter().flatten().find(|end| isatty(end));
        let window = window.map(OwnedFd::try_clone).transpose().map_err(failed("open"))?;
        let output = output.map(without_waiting);
        Ok(Self { input: input.map(File::from), output, window, keyboard })
    }

    /// The mode of the terminal that is typed at, for the pseudo-terminal to begin with.
    pub(super) fn mode(&self) -> Option<&Termios> {
        self.keyboard.as_ref().map(|(_, mode)| mode)
    }

    /// The window's size, where there is one that knows it.
    pub(super) fn window_size(&self) -> Option<Winsize> {
        let size = tcgetwinsize(self.window.as_ref()?).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some(size)
    }

    /// Puts the terminal that is typed at into raw mode until the guard is dropped.
    pub(super) fn enter_raw_mode(&mut self) -> Result<Option<RawMode>, RecordError> {
        let Some((terminal, found)) = self.keyboard.take() else {
            return Ok(None);
        };
        let mut raw = found.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw).map_err(|error| {
            RecordError::Terminal { action: "set raw mode on", source: error.into() }
        })?;
        Ok(Some(RawMode { terminal, found }))
    }
}

/// Gives the terminal back as it was found, on every way out, a panic's included.
#[derive(Debug)]
pub(super) struct RawMode {
    terminal: OwnedFd,
    found: Termios,
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.found);
    }
}

fn resolve(attach: Attach, standard: impl AsFd) -> io::Result<Option<OwnedFd>> {
    match attach {
        Attach::Nothing => Ok(None),
        Attach::Descriptor(end) => Ok(Some(end)),
        Attach::Terminal if !isatty(&standard) => Ok(None),
        Attach::Terminal | Attach::Standard => standard.as_fd().try_clone_to_owned().map(Some),
    }
}

/// A terminal that is stopped (^S) must not stop the recorder too. Its own open file gets
/// `O_NONBLOCK`: the standard one is shared with the shell, which would not expect it.
fn without_waiting(output: OwnedFd) -> File {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reopened = ttyname(&output, Vec::new())
        .and_then(|name| rustix::fs::open(name.as_c_str(), flags, Mode::empty()));
    File::from(reopened.unwrap_or(output))
}
