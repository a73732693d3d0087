//! The signals of a recording: what ends it, the window's size, the command's end.
//!
//! Handlers only set a flag and wake the relay; it decides. signal-hook never takes a handler
//! away, so what a signal did before is remembered here: one that was ignored stays ignored, and
//! one that ended the process does so again when no recording runs.

use std::io;
use std::os::raw::c_int;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::{SigId, flag, low_level};

use super::waker::Waker;

/// The signals that end a recording.
const ENDING: [c_int; 3] = [SIGTERM, SIGINT, SIGHUP];

/// Whether no recording runs, read in signal handlers.
static IDLE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How many recordings run; it guards [`IDLE`].
static RUNNING: Mutex<usize> = Mutex::new(0);

/// A signal's name, `SIGTERM`.
pub(super) fn name(signal: i32) -> String {
    low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// Handlers, for as long as this lives.
#[derive(Debug)]
pub(super) struct Signals {
    ids: Vec<SigId>,
    resized: Arc<AtomicBool>,
    ending: Arc<AtomicUsize>,
}

impl Signals {
    /// Installs the handlers. To be called before the command starts, lest its end go unnoticed.
    pub(super) fn register(waker: &Waker) -> io::Result<Self> {
        let (caught, ignored) = dispositions();
        {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            *running += 1;
            IDLE.store(false, Ordering::SeqCst);
        }
        let mut signals = Self { ids: Vec::new(), resized: Arc::default(), ending: Arc::default() };
        // A flag before its wake-up: actions run in the order of their registration.
        signals.ids.push(flag::register(SIGWINCH, Arc::clone(&signals.resized))?);
        for signal in [SIGCHLD, SIGWINCH] {
            signals.ids.push(low_level::pipe::register(signal, waker.try_clone_stream()?)?);
        }
        for signal in ENDING {
            if ignored.has(signal) {
                continue;
            }
            if !caught.has(signal) {
                flag::register_conditional_default(signal, Arc::clone(&IDLE))?;
            }
            let number = signal.unsigned_abs() as usize;
            signals.ids.push(flag::register_usize(signal, Arc::clone(&signals.ending), number)?);
            signals.ids.push(low_level::pipe::register(signal, waker.try_clone_stream()?)?);
        }
        Ok(signals)
    }

    /// Whether the window's size may have changed since this was last asked.
    pub(super) fn take_resized(&self) -> bool {
        self.resized.swap(false, Ordering::SeqCst)
    }

    /// The signal that asked to end, since this was last asked.
    pub(super) fn take_ending(&self) -> Option<i32> {
        i32::try_from(self.ending.swap(0, Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        *running -= 1;
        IDLE.store(*running == 0, Ordering::SeqCst);
    }
}

/// A set of signals as the kernel prints it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct SignalSet(u64);

impl SignalSet {
    fn has(self, signal: c_int) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }

    /// From the line `name` of `/proc/self/status`.
    fn parse(status: &str, name: &str) -> Option<Self> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }
}

/// The signals this process catches and ignores; where there is no /proc, none of them.
fn dispositions() -> (SignalSet, SignalSet) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = |name| SignalSet::parse(&status, name).unwrap_or_default();
    (set("SigCgt"), set("SigIgn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_masks_are_read() {
        // A process under nohup: SIGHUP is bit 0.
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        let ignored = SignalSet::parse(status, "SigIgn").unwrap();
        let caught = SignalSet::parse(status, "SigCgt").unwrap();
        assert!(ignored.has(SIGHUP) && !ignored.has(SIGTERM) && !ignored.has(SIGINT));
        assert!(caught.has(SIGTERM) && caught.has(SIGINT) && !caught.has(SIGHUP));
        assert_eq!(SignalSet::parse("SigIgnored:\t1\n", "SigIgn"), None);
    }

    #[test]
    fn names() {
        assert_eq!(name(SIGTERM), "SIGTERM");
        assert_eq!(name(63), "signal 63");
    }
}
