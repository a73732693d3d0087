//! The one place that waits.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::recorder::waker::WakeUp;

/// An error or a hang-up: met, and told apart, by reading or writing.
const FAILED: PollFlags = PollFlags::HUP.union(PollFlags::ERR).union(PollFlags::NVAL);

/// What to wait for. Wake-ups always are.
#[derive(Debug)]
pub(super) struct Interest<'a> {
    pub(super) wake_up: &'a WakeUp,
    pub(super) pty: &'a File,
    /// Which of reading and writing the pseudo-terminal to wait for. With neither it is left out:
    /// `poll` would report its hang-up again and again.
    pub(super) pty_flags: PollFlags,
    pub(super) user_input: Option<&'a File>,
    pub(super) user_output: Option<&'a File>,
    /// `None` where only a descriptor can bring news.
    pub(super) deadline: Option<Instant>,
}

/// What there is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) wake_up: bool,
    /// The part of [`Interest::pty_flags`] that can be tried.
    pub(super) pty: PollFlags,
    pub(super) user_input: bool,
    pub(super) user_output: bool,
}

impl Interest<'_> {
    /// Waits for the first of them, or the deadline.
    pub(super) fn wait(self) -> io::Result<Ready> {
        let pty = (!self.pty_flags.is_empty()).then_some(self.pty);
        let all: [(Option<BorrowedFd<'_>>, PollFlags); 4] = [
            (Some(self.wake_up.as_fd()), PollFlags::IN),
            (pty.map(AsFd::as_fd), self.pty_flags),
            (self.user_input.map(AsFd::as_fd), PollFlags::IN),
            (self.user_output.map(AsFd::as_fd), PollFlags::OUT),
        ];
        let mut fds: Vec<PollFd<'_>> = all
            .iter()
            .filter_map(|(fd, flags)| Some(PollFd::from_borrowed_fd((*fd)?, *flags)))
            .collect();
        match poll(&mut fds, self.timeout().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut fds = fds.iter();
        let [wake_up, pty, user_input, user_output] = all.map(|(fd, flags)| {
            let found = fd.and_then(|_| fds.next()).map_or(PollFlags::empty(), PollFd::revents);
            if found.intersects(FAILED) { flags } else { found & flags }
        });
        Ok(Ready {
            wake_up: !wake_up.is_empty(),
            pty,
            user_input: !user_input.is_empty(),
            user_output: !user_output.is_empty(),
        })
    }

    fn timeout(&self) -> Option<Timespec> {
        let left = self.deadline?.saturating_duration_since(Instant::now());
        Timespec::try_from(left).ok()
    }
}
