//! What stands in the place of a Raspberry Pi's pins in a build for another architecture: that there are none.

use super::{BoardError, Button, Fan, Light};

pub(super) fn light(_pin: u8) -> Result<Box<dyn Light>, BoardError> {
    Err(BoardError::NoGpio { part: "light", setting: "board_light" })
}

pub(super) fn button(_pin: u8) -> Result<Box<dyn Button>, BoardError> {
    Err(BoardError::NoGpio { part: "button", setting: "board_button_pin" })
}

pub(super) fn fan(_pin: u8) -> Result<Box<dyn Fan>, BoardError> {
    Err(BoardError::NoGpio { part: "fan", setting: "board_fan_pin" })
}
