//! What is done with a board at one moment. It has no clock and no thread: a test plays both.

use std::time::Duration;

use lucid_hal::board::{
    Board, BoardError, Reading,
    fan::FanRule,
    press::{Press, Presses},
    signal::Signal,
    throttle::Throttling,
};

/// A button is looked at this often: some looks within the time that its contacts bounce for.
const BUTTON_EVERY: Duration = Duration::from_millis(15);
/// The sensors are read this often. A supply that breaks down for less is in the firmware's memory.
const SENSE_EVERY: Duration = Duration::from_secs(2);
/// A watchdog is fed this many times in its time, so that one turn that comes late does not matter.
const FEEDS: u32 = 4;

/// A part of the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The light.
    Light,
    /// The button.
    Button,
    /// The fan.
    Fan,
    /// What measures.
    Sensors,
    /// The watchdog.
    Watchdog,
}

impl Part {
    const COUNT: usize = 5;

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Button => "button",
            Self::Fan => "fan",
            Self::Sensors => "sensors",
            Self::Watchdog => "watchdog",
        }
    }
}

/// What happened on the board.
#[derive(Debug)]
pub enum Event {
    /// The button was pressed.
    Pressed(Press),
    /// The sensors were read.
    Read(Reading),
    /// The supply's voltage is too low since now, or good again.
    Supply {
        /// Whether it is too low.
        is_low: bool,
    },
    /// A part fails since now.
    Failed(Part, BoardError),
    /// A part that failed works again.
    Recovered(Part),
}

/// What came of a turn.
#[derive(Debug)]
pub struct Turn {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The next turn is due after this at the latest.
    pub wait: Duration,
}

/// What the node shows and says of itself at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// What the light says.
    pub signal: Signal,
    /// Whether the node lives: a watchdog is fed only then.
    pub lives: bool,
}

/// Whoever looks after a board.
pub struct Attendant {
    board: Board,
    fan_rule: FanRule,
    presses: Option<Presses>,
    /// What the light says, and since when.
    signal: Option<(Signal, Duration)>,
    /// How the light is; not known before it was first set.
    shown: Option<bool>,
    fan_turns: Option<bool>,
    is_low: bool,
    sensed_at: Option<Duration>,
    fed_at: Option<Duration>,
    failing: [bool; Part::COUNT],
}

impl Attendant {
    /// Looks after `board`, whose fan turns by `fan_rule`.
    #[must_use]
    pub fn new(board: Board, fan_rule: FanRule) -> Self {
        Self {
            board,
            fan_rule,
            presses: None,
            signal: None,
            shown: None,
            fan_turns: None,
            is_low: false,
            sensed_at: None,
            fed_at: None,
            failing: [false; Part::COUNT],
        }
    }

    /// Does what is due at `now`, a time that never goes back.
    pub fn turn(&mut self, now: Duration, view: View) -> Turn {
        let mut turn = Turn { events: Vec::new(), wait: SENSE_EVERY };
        self.light(now, view.signal, &mut turn);
        self.button(now, &mut turn);
        self.sense(now, &mut turn);
        self.feed(now, view.lives, &mut turn);
        turn
    }

    /// Puts the light out and lets the watchdog sleep: the node ends in order.
    pub fn leave(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(light) = &mut self.board.light {
            events.extend(light.set(false).err().map(|error| Event::Failed(Part::Light, error)));
        }
        if let Some(watchdog) = &mut self.board.watchdog {
            events.extend(watchdog.disarm().err().map(|e| Event::Failed(Part::Watchdog, e)));
        }
        events
    }

    fn light(&mut self, now: Duration, signal: Signal, turn: &mut Turn) {
        let Some(light) = &mut self.board.light else { return };
        let since = match self.signal {
            Some((shown, since)) if shown == signal => since,
            _ => now,
        };
        self.signal = Some((signal, since));
        let (on, wait) = signal.light(now.saturating_sub(since));
        turn.wait = turn.wait.min(wait);
        if self.shown != Some(on) {
            let set = light.set(on);
            // One that failed is set again at the next turn.
            self.shown = set.is_ok().then_some(on);
            self.failing(Part::Light, set, turn);
        }
    }

    fn button(&mut self, now: Duration, turn: &mut Turn) {
        let Some(button) = &mut self.board.button else { return };
        turn.wait = turn.wait.min(BUTTON_EVERY);
        let is_down = button.is_down();
        if let Ok(is_down) = is_down {
            let presses = self.presses.get_or_insert(Presses::new(is_down));
            turn.events.extend(presses.see(is_down, now).map(Event::Pressed));
        }
        self.failing(Part::Button, is_down.map(drop), turn);
    }

    fn sense(&mut self, now: Duration, turn: &mut Turn) {
        if self.sensed_at.is_some_and(|at| now.saturating_sub(at) < SENSE_EVERY) {
            return;
        }
        self.sensed_at = Some(now);
        let read = self.board.sensors.read();
        let reading = read.as_ref().copied().unwrap_or_default();
        let failed = self.failing(Part::Sensors, read.map(drop), turn);
        if !failed {
            let is_low = reading.throttling.is_some_and(Throttling::is_under_voltage);
            if is_low != self.is_low {
                self.is_low = is_low;
                turn.events.push(Event::Supply { is_low });
            }
            turn.events.push(Event::Read(reading));
        }
        let Some(fan) = &mut self.board.fan else { return };
        let turns = self.fan_rule.turns(self.fan_turns == Some(true), reading.temperature);
        if self.fan_turns != Some(turns) {
            let set = fan.set(turns);
            self.fan_turns = set.is_ok().then_some(turns);
            self.failing(Part::Fan, set, turn);
        }
    }

    fn feed(&mut self, now: Duration, lives: bool, turn: &mut Turn) {
        let Some(watchdog) = &mut self.board.watchdog else { return };
        let every = watchdog.timeout() / FEEDS;
        turn.wait = turn.wait.min(every);
        let is_due = self.fed_at.is_none_or(|at| now.saturating_sub(at) >= every);
        if !(lives && is_due) {
            return;
        }
        let fed = watchdog.feed();
        if fed.is_ok() {
            self.fed_at = Some(now);
        }
        self.failing(Part::Watchdog, fed, turn);
    }

    /// Tells of a part that begins to fail, or works again; gives whether it fails.
    fn failing(&mut self, part: Part, done: Result<(), BoardError>, turn: &mut Turn) -> bool {
        let (fails, before) = (done.is_err(), self.failing[part as usize]);
        self.failing[part as usize] = fails;
        match done {
            Err(error) if !before => turn.events.push(Event::Failed(part, error)),
            Ok(()) if before => turn.events.push(Event::Recovered(part)),
            _ => {}
        }
        fails
    }
}
