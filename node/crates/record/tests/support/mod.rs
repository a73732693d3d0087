//! What the recorder's tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lucid_record::asciicast::{Data, Decoder, Event, Header};
use lucid_record::{Attach, RecordOptions};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Long enough for any machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A shell command with nobody at the terminal.
pub fn shell(script: &str) -> RecordOptions {
    let mut options = RecordOptions::new(["/bin/sh", "-c", script], 1_700_000_000);
    options.input = Attach::Nothing;
    options.output = Attach::Nothing;
    options
}

/// A decoded recording.
pub struct Cast {
    pub header: Header,
    pub events: Vec<Event>,
}

impl Cast {
    /// Decodes a complete stream.
    pub fn decode(stream: &[u8]) -> Self {
        let decoder = Decoder::new(stream).expect("a header");
        let header = decoder.header().clone();
        let events = decoder.collect::<Result<_, _>>().expect("events");
        Self { header, events }
    }

    /// Everything the command wrote.
    pub fn output(&self) -> String {
        self.collect(|data| match data {
            Data::Output(text) => Some(text),
            _ => None,
        })
    }

    /// Everything that was typed, if it was recorded.
    pub fn input(&self) -> String {
        self.collect(|data| match data {
            Data::Input(text) => Some(text),
            _ => None,
        })
    }

    /// What happened besides output and input.
    pub fn rest(&self) -> Vec<&Data> {
        let text = |data: &&Data| matches!(data, Data::Output(_) | Data::Input(_));
        self.events.iter().map(|event| &event.data).filter(|data| !text(data)).collect()
    }

    fn collect(&self, pick: impl Fn(&Data) -> Option<&String>) -> String {
        self.events.iter().filter_map(|event| pick(&event.data)).map(String::as_str).collect()
    }
}

/// A sink that does something with each write before it keeps it.
pub struct Sink<F> {
    pub kept: Vec<u8>,
    pub before: F,
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Sink<F> {
    pub fn new(before: F) -> Self {
        Self { kept: Vec::new(), before }
    }
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Write for Sink<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.before)(bytes)?;
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal as the user of the recorder would have one.
pub struct Desk {
    /// The user's eyes and hands.
    pub user: File,
    /// What the recorder gets.
    pub terminal: OwnedFd,
}

impl Desk {
    pub fn new(cols: u16, rows: u16) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = ioctl_tiocgptpeer(&user, flags).unwrap();
        let desk = Self { user: File::from(user), terminal };
        desk.resize(cols, rows);
        desk
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        let size = Winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.user, size).unwrap();
    }

    /// The terminal for the recorder to hold.
    pub fn attach(&self) -> Attach {
        Attach::Descriptor(self.terminal.try_clone().unwrap())
    }

    pub fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    pub fn type_keys(&self, keys: &str) {
        (&self.user).write_all(keys.as_bytes()).unwrap();
    }

    /// Reads what is shown until `text` is among it.
    pub fn wait_for(&self, text: &str) -> String {
        let mut shown = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&shown).contains(text) {
            let read = (&self.user).read(&mut buffer).expect("the terminal shows on");
            shown.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    }
}

/// Looks until something is so.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
