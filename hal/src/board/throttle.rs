//! What a Raspberry Pi's firmware says of its supply and its heat.
//!
//! `get_throttled` is a number in hexadecimal (Raspberry Pi documentation, "vcgencmd get_throttled"; the kernel
//! has it in `/sys/devices/platform/soc/soc:firmware/get_throttled`):
//!
//! | bit | now | bit | since the start |
//! | --- | --- | --- | --- |
//! | 0 | under-voltage | 16 | under-voltage occurred |
//! | 1 | frequency capped | 17 | capping occurred |
//! | 2 | throttled | 18 | throttling occurred |
//! | 3 | soft temperature limit | 19 | that limit was reached |

const UNDER_VOLTAGE: u32 = 1 << 0;
const CAPPED: u32 = 1 << 1;
const THROTTLED: u32 = 1 << 2;
const SOFT_LIMIT: u32 = 1 << 3;
/// The same four, since the start.
const SINCE_START: u32 = 16;

/// The firmware's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Throttling(u32);

impl Throttling {
    /// The firmware's bits. Those that are not known are kept, and say nothing.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// What the kernel's `hwmon` knows where the firmware's file is not there: the supply alone.
    pub const fn of_supply(is_low: bool) -> Self {
        Self(if is_low { UNDER_VOLTAGE } else { 0 })
    }

    /// Reads the file's text: hexadecimal, with or without `0x`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        // `from_str_radix` would take a sign.
        let only_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        only_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten().map(Self)
    }

    /// The supply's voltage is too low now.
    pub const fn is_under_voltage(self) -> bool {
        self.0 & UNDER_VOLTAGE != 0
    }

    /// It was, since the start, or is.
    pub const fn was_under_voltage(self) -> bool {
        self.0 & (UNDER_VOLTAGE | UNDER_VOLTAGE << SINCE_START) != 0
    }

    /// The processor is slowed down now, for its heat or its supply.
    pub const fn is_slowed(self) -> bool {
        self.0 & (CAPPED | THROTTLED | SOFT_LIMIT) != 0
    }

    /// How many workers of `workers` to use: half of them where the processor is slowed down, so that it
    /// cools; one at least.
    pub const fn workers(self, workers: usize) -> usize {
        let half = workers.div_ceil(2);
        match self.is_slowed() {
            true if half > 0 => half,
            true => 1,
            false => workers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        let check = |text: &str, under: bool, was_under: bool, slowed: bool| {
            let found = Throttling::parse(text).unwrap();
            let found = (found.is_under_voltage(), found.was_under_voltage(), found.is_slowed());
            assert_eq!(found, (under, was_under, slowed), "{text}");
        };
        check("0\n", false, false, false);
        check("0x0", false, false, false);
        check("50005\n", true, true, true);
        check("0x50000", false, true, false);
        check("2", false, false, true);
        check("8", false, false, true);
        check("e0008", false, false, true);
        check("fff0fff0", false, false, false);
        for text in ["", "0x", "-1", "+1", "throttled=0x0", "100000000", "0x0x0", "g"] {
            assert_eq!(Throttling::parse(text), None, "{text:?}");
        }
        assert!(Throttling::of_supply(true).is_under_voltage());
        assert_eq!(Throttling::of_supply(false), Throttling::default());
    }

    #[test]
    fn fewer_workers_while_it_is_slowed() {
        let slowed = Throttling::from_bits(THROTTLED);
        for (workers, expected) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (64, 32)] {
            assert_eq!(slowed.workers(workers), expected);
            assert_eq!(Throttling::default().workers(workers), workers);
            assert_eq!(Throttling::of_supply(true).workers(workers), workers);
        }
    }
}
