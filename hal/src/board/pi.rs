//! A Raspberry Pi's pins, by rppal. It maps the registers into memory (`/dev/gpiomem`, on a Pi 5
//! `/dev/gpiomem0`), so that reading or setting a pin is a few instructions; the group `gpio` may do that.

use rppal::gpio::{Error, Gpio, InputPin, Level, OutputPin, Pin};

use super::{BoardError, Button, Fan, Light};

/// A light between the pin and ground.
pub(super) fn light(pin: u8) -> Result<Box<dyn Light>, BoardError> {
    Ok(Box::new(Output(get("light", "board_light", pin)?.into_output_low())))
}

/// A button between the pin and ground; the pin's own resistor pulls it up.
pub(super) fn button(pin: u8) -> Result<Box<dyn Button>, BoardError> {
    Ok(Box::new(Input(get("button", "board_button_pin", pin)?.into_input_pullup())))
}

/// A fan that a high level switches on.
pub(super) fn fan(pin: u8) -> Result<Box<dyn Fan>, BoardError> {
    Ok(Box::new(Output(get("fan", "board_fan_pin", pin)?.into_output_low())))
}

fn get(part: &'static str, setting: &'static str, pin: u8) -> Result<Pin, BoardError> {
    let found = Gpio::new().and_then(|gpio| gpio.get(pin));
    found.map_err(|error| explained(error, part, setting, pin))
}

fn explained(error: Error, part: &'static str, setting: &'static str, pin: u8) -> BoardError {
    match error {
        Error::UnknownModel => BoardError::NoGpio { part, setting },
        Error::PermissionDenied(device) => BoardError::Permission { part, device },
        Error::PinNotAvailable(pin) => BoardError::WrongPin { setting, pin },
        Error::PinUsed(pin) => BoardError::PinTaken { setting, pin },
        Error::Io(_) | Error::ThreadPanic => BoardError::Pin { part, pin, why: error.to_string() },
    }
}

/// A pin that is set. It goes back to what it was when it is dropped.
struct Output(OutputPin);

impl Output {
    fn write(&mut self, on: bool) {
        self.0.write(if on { Level::High } else { Level::Low });
    }
}

impl Light for Output {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        self.write(on);
        Ok(())
    }
}

impl Fan for Output {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        self.write(on);
        Ok(())
    }
}

/// A pin that is read.
struct Input(InputPin);

impl Button for Input {
    fn is_down(&mut self) -> Result<bool, BoardError> {
        Ok(self.0.is_low())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_the_thing_and_the_way_out() {
        let check = |error: Error, words: &[&str]| {
            let said = explained(error, "light", "board_light", 99).to_string();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        };
        check(Error::UnknownModel, &["no GPIO for the light", "remove board_light"]);
        let device = "/dev/gpiomem0".to_owned();
        check(Error::PermissionDenied(device), &["/dev/gpiomem0", "usermod -aG gpio"]);
        check(Error::PinNotAvailable(99), &["board_light is 99", "0 to 27"]);
        check(Error::PinUsed(99), &["board_light is 99", "another setting"]);
        check(Error::Io(std::io::ErrorKind::TimedOut.into()), &["light at pin 99", "timed out"]);
    }
}
