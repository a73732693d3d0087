//! Which board it is.

use std::path::Path;

use super::sysfs;

/// A board's model and serial number, as its firmware says them. They are no secret and prove nothing: whoever
/// has the card can say what they like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Such as `Raspberry Pi 5 Model B Rev 1.0`.
    pub model: Option<String>,
    /// Such as `10000000abcdef01`.
    pub serial: Option<String>,
}

/// Longer is nobody's model.
const TEXT_MAX: usize = 128;

impl Identity {
    /// What the device tree below `root` says, or the firmware of a PC, whose serial number is root's alone.
    pub fn at(root: &Path) -> Self {
        let read = |files: [&str; 2]| {
            files.into_iter().find_map(|file| {
                let text = sysfs::text(&root.join(file)).ok()?;
                clean(&text)
            })
        };
        Self {
            model: read(["proc/device-tree/model", "sys/class/dmi/id/product_name"]),
            serial: read(["proc/device-tree/serial-number", "sys/class/dmi/id/product_serial"]),
        }
    }
}

/// A firmware's text without the zero at its end, and without what would steer a terminal.
fn clean(text: &str) -> Option<String> {
    let printable = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    let text: String = printable.take(TEXT_MAX).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_firmware() {
        assert_eq!(
            clean("Raspberry Pi 5 Model B Rev 1.0\0").unwrap(),
            "Raspberry Pi 5 Model B Rev 1.0"
        );
        assert_eq!(clean("10000000abcdef01\0\n").unwrap(), "10000000abcdef01");
        assert_eq!(clean("\u{1b}[31mred\r\n").unwrap(), "[31mred");
        assert_eq!(clean(&"x".repeat(500)).unwrap().len(), TEXT_MAX);
        for nothing in ["", "\0", " \n"] {
            assert_eq!(clean(nothing), None);
        }
    }
}
