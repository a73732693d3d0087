//! The part of the configuration that is about the board.

use std::path::PathBuf;

use lucid_hal::board::{MilliCelsius, Wanted};

/// What of the board is used, and how.
#[derive(Clone, Debug)]
pub struct BoardConfig {
    /// The parts.
    pub wanted: Wanted,
    /// The fan turns from this temperature on.
    pub fan_on_at: MilliCelsius,
    /// Made where the button was held, as the node's last act: whoever watches it switches the machine off. `None`
    /// where the node ends and the machine goes on.
    pub poweroff_file: Option<PathBuf>,
}
