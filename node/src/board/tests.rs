use std::{sync::MutexGuard, time::Duration};

use lucid_hal::board::{
    MilliCelsius, Reading,
    fan::FanRule,
    press::Press,
    scripted::{Script, State, TIMEOUT},
    signal::Signal,
    throttle::Throttling,
};

use super::{Attendance, Attendant, Event, Part, attendant::View};

const MS: Duration = Duration::from_millis(1);
const WELL: View = View { signal: Signal::Healthy, lives: true };

/// A scripted board and whoever attends to it, over a time that the test lets pass.
struct Played {
    script: Script,
    attendant: Attendant,
    now: Duration,
}

impl Played {
    fn new() -> Self {
        let script = Script::default();
        let attendant = Attendant::new(script.board(), FanRule::new(MilliCelsius(65_000)));
        Self { script, attendant, now: Duration::ZERO }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.script.state()
    }

    /// Takes the turns that are due within `time`; gives what happened but for what was measured.
    fn pass(&mut self, time: Duration, view: View) -> Vec<String> {
        let (end, mut events) = (self.now + time, Vec::new());
        while self.now < end {
            let turn = self.attendant.turn(self.now, view);
            assert!(turn.wait > Duration::ZERO, "it would spin");
            self.now += turn.wait;
            events.extend(turn.events.into_iter().filter_map(|event| match event {
                Event::Read(_) => None,
                Event::Failed(part, _) => Some(format!("{} fails", part.name())),
                Event::Recovered(part) => Some(format!("{} works", part.name())),
                Event::Pressed(press) => Some(format!("{press:?}")),
                Event::Supply { is_low } => Some(format!("low {is_low}")),
            }));
        }
        events
    }
}

#[test]
fn the_light_follows_the_node() {
    let mut played = Played::new();
    let starting = View { signal: Signal::Starting, lives: true };
    assert_eq!(played.pass(MS * 1000, starting), [""; 0]);
    // 0.1 s on, 0.1 s off.
    assert_eq!(played.state().light, [true, false].repeat(5));
    played.state().light.clear();
    played.pass(MS * 6000, WELL);
    assert_eq!(played.state().light, [true, false, true, false]);
    played.attendant.leave();
    let state = played.script.state();
    assert_eq!((state.light.last(), state.armed), (Some(&false), false));
}

#[test]
fn presses_are_told_once() {
    let mut played = Played::new();
    assert_eq!(played.pass(MS * 100, WELL), [""; 0]);
    played.state().down = true;
    assert_eq!(played.pass(MS * 200, WELL), [""; 0]);
    played.state().down = false;
    assert_eq!(played.pass(MS * 200, WELL), [format!("{:?}", Press::Short)]);
    played.state().down = true;
    assert_eq!(played.pass(MS * 4000, WELL), [format!("{:?}", Press::Long)]);
    played.state().down = false;
    assert_eq!(played.pass(MS * 1000, WELL), [""; 0]);
}

#[test]
fn a_watchdog_is_fed_while_the_node_lives() {
    let mut played = Played::new();
    played.pass(TIMEOUT * 4, WELL);
    let fed = played.state().fed;
    assert!((12..=20).contains(&fed), "fed {fed} times in four times its time");
    played.pass(TIMEOUT * 4, View { lives: false, ..WELL });
    assert_eq!(played.state().fed, fed, "fed for a node that hangs");
    played.pass(MS * 100, WELL);
    assert_eq!(played.state().fed, fed + 1, "fed again at once");
}

#[test]
fn heat_and_supply() {
    let mut played = Played::new();
    let set = |played: &Played, milli, bits| {
        played.state().reading = Reading {
            temperature: Some(MilliCelsius(milli)),
            throttling: Some(Throttling::from_bits(bits)),
        };
    };
    set(&played, 50_000, 0);
    assert_eq!(played.pass(MS * 5000, WELL), [""; 0]);
    assert_eq!(played.state().fan, [false]);
    // Too hot, and the supply breaks down.
    set(&played, 70_000, 0x5_0005);
    assert_eq!(played.pass(MS * 5000, WELL), ["low true"]);
    set(&played, 60_000, 0x5_0000);
    assert_eq!(played.pass(MS * 5000, WELL), ["low false"]);
    set(&played, 50_000, 0x5_0000);
    assert_eq!(played.pass(MS * 5000, WELL), [""; 0]);
    assert_eq!(played.state().fan, [false, true, false]);
}

#[test]
fn what_fails_is_told_once_and_what_works_again_too() {
    let mut played = Played::new();
    let temperature = Some(MilliCelsius(50_000));
    played.state().reading = Reading { temperature, throttling: None };
    played.pass(MS * 100, WELL);
    // With the sensors the fan is to turn, and cannot.
    played.state().fails = true;
    let all = played.pass(TIMEOUT, WELL);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["button fails", "fan fails", "light fails", "sensors fails", "watchdog fails"],
        "{all:?}"
    );
    played.state().fails = false;
    let mut again = played.pass(TIMEOUT, WELL);
    again.sort();
    assert_eq!(
        again,
        ["button works", "fan works", "light works", "sensors works", "watchdog works"]
    );
}

/// A fan whose board does not say how hot it is turns.
#[test]
fn heat_that_is_not_known_turns_the_fan() {
    let mut played = Played::new();
    played.pass(MS * 100, WELL);
    assert_eq!(played.state().fan, [true]);
}

#[tokio::test]
async fn the_thread_takes_turns_until_it_is_dropped() {
    let script = Script::default();
    let attendant = Attendant::new(script.board(), FanRule::new(MilliCelsius(65_000)));
    let (attendance, mut events) = Attendance::begin(attendant, Duration::from_mins(1)).unwrap();
    assert!(matches!(events.recv().await, Some(Event::Read(_))));
    attendance.show(Signal::Healthy);
    script.state().down = true;
    tokio::time::sleep(Duration::from_millis(300)).await;
    script.state().down = false;
    loop {
        match events.recv().await.expect("the press is told") {
            Event::Pressed(press) => break assert_eq!(press, Press::Short),
            Event::Read(_) => {}
            other => panic!("{other:?}"),
        }
    }
    {
        let state = script.state();
        assert!(state.fed > 0 && state.armed && state.light.len() > 1, "{state:?}");
    }
    tokio::task::spawn_blocking(move || drop(attendance)).await.unwrap();
    let state = script.state();
    assert_eq!((state.light.last(), state.armed), (Some(&false), false));
}

#[test]
fn every_part_has_a_place_of_its_own() {
    let all = [Part::Light, Part::Button, Part::Fan, Part::Sensors, Part::Watchdog];
    assert!(all.iter().enumerate().all(|(place, part)| place == *part as usize));
}
