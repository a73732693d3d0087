//! What can be wrong with a board. Each says what the node goes on without, and what to do.

use std::{io, path::PathBuf};

/// What of a board cannot be had, or failed.
#[derive(thiserror::Error, Debug)]
pub enum BoardError {
    /// There are no pins to use.
    #[error(
        "no GPIO for the {part}: this is no Raspberry Pi that is known here; remove {setting} from the \
         configuration, or give a light of /sys/class/leds by its name"
    )]
    NoGpio {
        /// What was to be there.
        part: &'static str,
        /// The setting that asked for it.
        setting: &'static str,
    },
    /// The device is another group's.
    #[error(
        "no permission for {device}, which the {part} needs: add the node's user to the group that has it \
         (gpio on a Raspberry Pi: usermod -aG gpio lucid), then restart the node"
    )]
    Permission {
        /// What was to be there.
        part: &'static str,
        /// The file.
        device: String,
    },
    /// There is no such pin.
    #[error(
        "{setting} is {pin}, and this board has no such pin: it is a BCM number, 0 to 27 on the header"
    )]
    WrongPin {
        /// The setting that asked for it.
        setting: &'static str,
        /// Its value.
        pin: u8,
    },
    /// Two things at one pin.
    #[error("{setting} is {pin}, and another setting has that pin already: give each its own")]
    PinTaken {
        /// The setting that asked for it.
        setting: &'static str,
        /// Its value.
        pin: u8,
    },
    /// The kernel has no light of that name.
    #[error("there is no light {name:?} in /sys/class/leds; there are: {there}")]
    NoLight {
        /// The name.
        name: String,
        /// Those that are there.
        there: String,
    },
    /// A name that is no file's.
    #[error("{name:?} is no name of a light: it is one of those in /sys/class/leds, such as ACT")]
    LightName {
        /// The name.
        name: String,
    },
    /// The watchdog is not there.
    #[error(
        "there is no watchdog at {path}: name the device that is there, or remove board_watchdog from the \
         configuration (on a Raspberry Pi: dtparam=watchdog=on in config.txt)"
    )]
    NoWatchdog {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else feeds the watchdog.
    #[error(
        "the watchdog {path} is busy: something else feeds it, most likely systemd (RuntimeWatchdogSec in \
         /etc/systemd/system.conf); leave it to that and remove board_watchdog, or switch that off"
    )]
    WatchdogBusy {
        /// Where.
        path: PathBuf,
    },
    /// A file of the kernel's does not say what it should.
    #[error("{path} says {said:?}, which is no {what}")]
    Strange {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        said: String,
        /// What it should be.
        what: &'static str,
    },
    /// A file or device failed.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A pin failed.
    #[error("the {part} at pin {pin} failed: {why}")]
    Pin {
        /// What is there.
        part: &'static str,
        /// Its pin.
        pin: u8,
        /// What rppal says.
        why: String,
    },
}
