//! A board that a test plays: it says what the test wrote, and remembers what was done to it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Board, BoardError, Button, Fan, Light, Reading, Sensors, Watchdog, identity::Identity,
};

/// What a scripted board is like, and what was done to it.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What the light was set to, in order.
    pub light: Vec<bool>,
    /// Whether the button is held.
    pub down: bool,
    /// What the fan was set to, in order.
    pub fan: Vec<bool>,
    /// What is measured.
    pub reading: Reading,
    /// How often the watchdog was fed.
    pub fed: usize,
    /// Whether the watchdog would reset the board.
    pub armed: bool,
    /// Whether every call fails, as on a board whose bus is stuck.
    pub fails: bool,
}

/// A test's end of a scripted board.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Mutex<State>>);

/// The watchdog of a scripted board bites after this.
pub const TIMEOUT: Duration = Duration::from_secs(15);

impl Script {
    /// What it is like now, to look at or to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment, so that a test's panic leaves no half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The board, with everything on it.
    pub fn board(&self) -> Board {
        self.state().armed = true;
        let identity = Identity {
            model: Some("Scripted board".to_owned()),
            serial: Some("0123456789abcdef".to_owned()),
        };
        Board {
            light: Some(Box::new(ScriptedLight(self.clone()))),
            button: Some(Box::new(self.clone())),
            fan: Some(Box::new(ScriptedFan(self.clone()))),
            sensors: Box::new(self.clone()),
            watchdog: Some(Box::new(self.clone())),
            identity,
        }
    }

    /// Changes the state, where it does not fail.
    fn act(&self, change: impl FnOnce(&mut State)) -> Result<(), BoardError> {
        let mut state = self.state();
        if state.fails {
            let error = io::Error::other("the script says that it fails");
            return Err(BoardError::Io { path: PathBuf::from("scripted"), error });
        }
        change(&mut state);
        Ok(())
    }
}

struct ScriptedLight(Script);

impl Light for ScriptedLight {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        self.0.act(|state| state.light.push(on))
    }
}

struct ScriptedFan(Script);

impl Fan for ScriptedFan {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        self.0.act(|state| state.fan.push(on))
    }
}

impl Button for Script {
    fn is_down(&mut self) -> Result<bool, BoardError> {
        let mut down = false;
        self.act(|state| down = state.down).map(|()| down)
    }
}

impl Sensors for Script {
    fn read(&mut self) -> Result<Reading, BoardError> {
        let mut reading = Reading::default();
        self.act(|state| reading = state.reading).map(|()| reading)
    }
}

impl Watchdog for Script {
    fn feed(&mut self) -> Result<(), BoardError> {
        self.act(|state| state.fed += 1)
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn disarm(&mut self) -> Result<(), BoardError> {
        self.act(|state| state.armed = false)
    }
}
