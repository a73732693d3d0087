//! The settings of the board: names, defaults and bounds.

use std::{ops::RangeInclusive, path::PathBuf};

use lucid_hal::board::{LightPlace, MilliCelsius, Wanted};

use super::{Loader, show_path, values};
use crate::config::BoardConfig;

/// BCM numbers of the pins of a header.
const PINS: RangeInclusive<u64> = 0..=27;
/// A Raspberry Pi slows itself down from 80 °C on.
const FAN_ON_AT: u64 = 65;
const FAN_TEMPERATURES: RangeInclusive<u64> = 30..=90;

impl Loader {
    /// What of the board is used.
    pub(super) fn board(&mut self) -> BoardConfig {
        let light = self.take("board_light", None, light, |light| {
            light.as_ref().map(|place| match place {
                LightPlace::Pin(pin) => pin.to_string(),
                LightPlace::Named(name) => name.clone(),
            })
        });
        let button_pin = self.pin("board_button_pin");
        let fan_pin = self.pin("board_fan_pin");
        let temperature = |text: &str| values::number(text, FAN_TEMPERATURES);
        let fan_on_at = self.take("board_fan_on_at", FAN_ON_AT, temperature, super::some);
        let path = |text: &str| values::path(text).map(Some);
        let shown = |path: &Option<PathBuf>| path.as_ref().and_then(show_path);
        let watchdog = self.take("board_watchdog", None, path, shown);
        let from_the_root = |text: &str| match text.starts_with('/') {
            true => path(text),
            false => Err(format!(
                "is {text:?}: it is a path from the root, such as /run/lucid-node/poweroff"
            )),
        };
        let poweroff_file = self.take("board_poweroff_file", None, from_the_root, shown);
        BoardConfig {
            wanted: Wanted { light, button_pin, fan_pin, watchdog },
            fan_on_at: MilliCelsius(i32::try_from(fan_on_at * 1000).unwrap_or(i32::MAX)),
            poweroff_file,
        }
    }

    fn pin(&mut self, name: &'static str) -> Option<u8> {
        let shown = |pin: &Option<u8>| pin.map(|pin| pin.to_string());
        self.take(name, None, |text| pin(text).map(Some), shown)
    }
}

/// A pin's BCM number.
fn pin(text: &str) -> Result<u8, String> {
    let number = values::number(text, PINS);
    let number = number.map_err(|why| format!("{why}, the BCM number of a pin"))?;
    u8::try_from(number).map_err(|error| error.to_string())
}

/// A light: a pin's number, or a name of `/sys/class/leds`.
fn light(text: &str) -> Result<Option<LightPlace>, String> {
    match text {
        "" => Err("is empty: it is a pin's BCM number, or a name in /sys/class/leds such as ACT"
            .to_owned()),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            pin(text).map(|pin| Some(LightPlace::Pin(pin)))
        }
        name => Ok(Some(LightPlace::Named(name.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_used_that_nobody_asks_for() {
        let examine = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let none = std::path::Path::new("/no/such/file");
            super::super::examine(&crate::config::Overrides::default(), given, none)
        };
        let (config, errors) = examine(&[]);
        assert_eq!((config.board.wanted, errors.len()), (Wanted::default(), 0));
        assert_eq!(config.board.fan_on_at, MilliCelsius(65_000));
        let (config, errors) = examine(&[
            ("LUCID_BOARD_LIGHT", "ACT"),
            ("LUCID_BOARD_BUTTON_PIN", "3"),
            ("LUCID_BOARD_FAN_PIN", "18"),
            ("LUCID_BOARD_FAN_ON_AT", "70"),
            ("LUCID_BOARD_WATCHDOG", "/dev/watchdog0"),
            ("LUCID_BOARD_POWEROFF_FILE", "/run/lucid-node/poweroff"),
        ]);
        assert!(errors.is_empty(), "{errors:?}");
        let light = Some(LightPlace::Named("ACT".to_owned()));
        let watchdog = Some(PathBuf::from("/dev/watchdog0"));
        let wanted = Wanted { light, button_pin: Some(3), fan_pin: Some(18), watchdog };
        assert_eq!(config.board.wanted, wanted);
        assert_eq!(config.board.fan_on_at, MilliCelsius(70_000));
        assert_eq!(config.board.poweroff_file, Some(PathBuf::from("/run/lucid-node/poweroff")));
        let (_, errors) =
            examine(&[("LUCID_BOARD_FAN_ON_AT", "20"), ("LUCID_BOARD_FAN_PIN", "99")]);
        assert_eq!(errors.len(), 2, "{errors:?}");
    }

    #[test]
    fn a_light_is_a_pin_or_a_name() {
        assert_eq!(light("17"), Ok(Some(LightPlace::Pin(17))));
        assert_eq!(light("ACT"), Ok(Some(LightPlace::Named("ACT".to_owned()))));
        for (bad, says) in [("", "is empty"), ("28", "from 0 to 27"), ("999", "BCM number")] {
            let why = light(bad).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
        assert!(pin("-1").is_err() && pin("GPIO17").is_err());
    }
}
