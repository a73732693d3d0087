//! The board that the node runs on, attended by a thread of its own: light, button, fan, sensors, watchdog.
//!
//! What a board can do, and what its light and presses mean, is `lucid_hal::board`'s. Here is what the node does
//! with it each turn ([`Attendant`]) and the thread that takes the turns ([`Attendance`]): files of sysfs and pins are
//! never waited for on the async runtime. What a press or a low supply leads to is the server's to decide
//! (`serving::board`).
//!
//! Owns nothing on disk. Whatever fails of a board is told once, and the node goes on without it.

mod attendant;
mod thread;

pub use self::{
    attendant::{Attendant, Event, Part, Turn, View},
    thread::Attendance,
};

#[cfg(test)]
mod tests;
