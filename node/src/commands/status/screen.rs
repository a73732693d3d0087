//! A terminal that one view is drawn on again and again, and given back as it was.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
        tcsetattr,
    },
};

/// How often whoever waits looks whether to stop.
pub(super) const LOOK_UP: Duration = Duration::from_millis(200);

/// The other screen of the terminal, its cursor hidden; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Where a view is drawn.
pub(super) struct Screen {
    /// How the keyboard was, where there is one.
    keyboard: Option<Termios>,
    /// What is on it.
    drawn: String,
}

impl Screen {
    /// Takes the terminal that standard output is; nothing where it is none.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn open() -> io::Result<Option<Self>> {
        if !isatty(io::stdout()) {
            return Ok(None);
        }
        let keyboard = match isatty(io::stdin()) {
            true => Some(tcgetattr(io::stdin())?),
            false => None,
        };
        // From here on it is given back.
        let screen = Self { keyboard, drawn: String::new() };
        if let Some(before) = &screen.keyboard {
            let mut mode = before.clone();
            // Keys come one by one and unseen. A stopped process would leave the terminal like that.
            mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            mode.special_codes[SpecialCodeIndex::VSUSP] = 0;
            tcsetattr(io::stdin(), OptionalActions::Now, &mode)?;
        }
        write(ENTER)?;
        Ok(Some(screen))
    }

    /// Draws a view, as much of it as there is room for; nothing where that is there already.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn draw(&mut self, view: &str) -> io::Result<()> {
        let size = tcgetwinsize(io::stdout())?;
        let or = |given: u16, default| if given == 0 { default } else { usize::from(given) };
        let drawn = drawn(view, or(size.ws_row, 24), or(size.ws_col, 80));
        if drawn != self.drawn {
            write(&drawn)?;
            self.drawn = drawn;
        }
        Ok(())
    }

    /// Waits for `time`; true where somebody wants an end.
    ///
    /// # Errors
    /// The terminal's.
    pub(super) fn wait(&mut self, time: Duration, cancel: &AtomicBool) -> io::Result<bool> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if cancel.load(Ordering::Acquire) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            let slice = left.min(LOOK_UP);
            if self.keyboard.is_none() {
                std::thread::sleep(slice);
            } else if key_within(slice)? {
                return Ok(true);
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell where the terminal is gone.
        let _ = write(LEAVE);
        if let Some(before) = &self.keyboard {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Waits for `time` without a terminal; true where somebody wants an end.
pub(super) fn wait_unseen(time: Duration, cancel: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    while !cancel.load(Ordering::Acquire) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(LOOK_UP));
    }
    true
}

/// Whether a key that ends the view is pressed within `time`: q, or the end of what is typed.
fn key_within(time: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let descriptor = stdin.as_fd();
    let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(&mut polled, Some(&time)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut keys = [0; 64];
    let count = match rustix::io::read(descriptor, &mut keys) {
        Err(rustix::io::Errno::INTR) => return Ok(false),
        read => read?,
    };
    // Control-C comes as a signal, and Control-D as itself.
    Ok(count == 0 || keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | 4)))
}

/// A view's lines over what was there, cut to the terminal's size.
fn drawn(view: &str, rows: usize, columns: usize) -> String {
    let mut drawn = "\x1b[H".to_owned();
    for (place, line) in view.lines().take(rows).enumerate() {
        if place > 0 {
            drawn.push_str("\r\n");
        }
        drawn.extend(line.chars().take(columns));
        drawn.push_str("\x1b[K");
    }
    drawn.push_str("\x1b[J");
    drawn
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_cut_to_the_terminal() {
        assert_eq!(drawn("abc\ndé\nf\n", 2, 2), "\x1b[Hab\x1b[K\r\ndé\x1b[K\x1b[J");
        assert_eq!(drawn("", 2, 2), "\x1b[H\x1b[J");
    }

    #[test]
    fn a_wait_ends_when_it_is_told_to() {
        let cancel = AtomicBool::new(false);
        assert!(!wait_unseen(Duration::from_millis(1), &cancel));
        cancel.store(true, Ordering::Release);
        assert!(wait_unseen(Duration::from_hours(1), &cancel));
    }
}
