//! The board that the node runs on: a light, a button, a fan, the heat and the supply of its processor, its
//! hardware watchdog, and which board it is.
//!
//! Owns the ways to them (a Raspberry Pi's pins in `pi`, behind the crate rppal; sysfs and device files of any
//! Linux in [`sysfs`], [`watchdog`], [`identity`]; a script in tests, [`scripted`]) and the rules that need no
//! hardware: which light means what ([`signal`]), what a press is ([`press`]), when the fan turns ([`fan`]),
//! what the firmware's bits say ([`throttle`]). Leaves to the node what state it is in and what a press does.
//!
//! Invariants: everything is optional, and what nobody asked for is not touched; what was asked for and cannot
//! be had is a [`BoardError`], and the rest is there without it; no call waits longer than the kernel takes to
//! read or write a few bytes; root is not needed where the device's group is.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

mod error;
pub mod fan;
pub mod identity;
#[cfg(target_arch = "aarch64")]
mod pi;
#[cfg(not(target_arch = "aarch64"))]
#[path = "no_pi.rs"]
mod pi;
pub mod press;
pub mod scripted;
pub mod signal;
pub mod sysfs;
pub mod throttle;
pub mod watchdog;

pub use error::BoardError;

use self::{identity::Identity, sysfs::Sysfs, throttle::Throttling};

/// A light, on or off.
pub trait Light: Send {
    /// Turns it on or off.
    ///
    /// # Errors
    /// The device's.
    fn set(&mut self, on: bool) -> Result<(), BoardError>;
}

/// A button.
pub trait Button: Send {
    /// Whether it is held down now.
    ///
    /// # Errors
    /// The device's.
    fn is_down(&mut self) -> Result<bool, BoardError>;
}

/// A fan, on or off.
pub trait Fan: Send {
    /// Turns it on or off.
    ///
    /// # Errors
    /// The device's.
    fn set(&mut self, on: bool) -> Result<(), BoardError>;
}

/// What the board measures.
pub trait Sensors: Send {
    /// Reads all of it.
    ///
    /// # Errors
    /// Where a sensor that is there cannot be read.
    fn read(&mut self) -> Result<Reading, BoardError>;
}

/// A watchdog that resets the board where it is not fed.
pub trait Watchdog: Send {
    /// Feeds it.
    ///
    /// # Errors
    /// The device's.
    fn feed(&mut self) -> Result<(), BoardError>;
    /// It bites where it is not fed for this long.
    fn timeout(&self) -> Duration;
    /// Lets it sleep, where the kernel allows that.
    ///
    /// # Errors
    /// The device's.
    fn disarm(&mut self) -> Result<(), BoardError>;
}

/// A temperature, in thousandths of a degree Celsius, as sysfs has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MilliCelsius(pub i32);

impl fmt::Display for MilliCelsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} °C", f64::from(self.0) / 1000.0)
    }
}

/// What was measured; `None` for what the board does not measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// The processor's.
    pub temperature: Option<MilliCelsius>,
    /// Whether the firmware slows the processor down, and whether the supply holds.
    pub throttling: Option<Throttling>,
}

/// A light to use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LightPlace {
    /// One at a pin, by its BCM number.
    Pin(u8),
    /// One that the kernel has, by its name in `/sys/class/leds`, such as `ACT`.
    Named(String),
}

/// What of the board is to be used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// The light that shows how the node is.
    pub light: Option<LightPlace>,
    /// The button's pin, by its BCM number; it connects the pin with ground.
    pub button_pin: Option<u8>,
    /// The pin that switches the fan on, by its BCM number.
    pub fan_pin: Option<u8>,
    /// The watchdog's device, such as `/dev/watchdog0`.
    pub watchdog: Option<PathBuf>,
}

/// The board, as far as it is there and wanted.
pub struct Board {
    /// The light.
    pub light: Option<Box<dyn Light>>,
    /// The button.
    pub button: Option<Box<dyn Button>>,
    /// The fan.
    pub fan: Option<Box<dyn Fan>>,
    /// What is measured.
    pub sensors: Box<dyn Sensors>,
    /// The watchdog, which is armed.
    pub watchdog: Option<Box<dyn Watchdog>>,
    /// Which board it is.
    pub identity: Identity,
}

impl Board {
    /// The board of this machine, and what of `wanted` cannot be had of it.
    ///
    /// Opening the watchdog arms it: from here on it must be fed.
    pub fn open(wanted: &Wanted) -> (Self, Vec<BoardError>) {
        Self::open_at(Path::new("/"), wanted)
    }

    /// The board whose sysfs and device tree are below `root`.
    fn open_at(root: &Path, wanted: &Wanted) -> (Self, Vec<BoardError>) {
        let sysfs = Sysfs::at(root);
        let mut errors = Vec::new();
        let mut kept = |error| errors.push(error);
        let light = wanted.light.as_ref().and_then(|place| {
            let light = match place {
                LightPlace::Pin(pin) => pi::light(*pin),
                LightPlace::Named(name) => sysfs.light(name),
            };
            light.map_err(&mut kept).ok()
        });
        let button = wanted.button_pin.and_then(|pin| pi::button(pin).map_err(&mut kept).ok());
        let fan = wanted.fan_pin.and_then(|pin| pi::fan(pin).map_err(&mut kept).ok());
        let watchdog = wanted
            .watchdog
            .as_ref()
            .and_then(|path| watchdog::Device::open(path, &sysfs).map_err(&mut kept).ok());
        let watchdog = watchdog.map(|device| Box::new(device) as Box<dyn Watchdog>);
        let identity = Identity::at(root);
        (Self { light, button, fan, sensors: Box::new(sysfs), watchdog, identity }, errors)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("light", &self.light.is_some())
            .field("button", &self.button.is_some())
            .field("fan", &self.fan.is_some())
            .field("watchdog", &self.watchdog.is_some())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
