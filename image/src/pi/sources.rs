//! Where packages come from, and which ones make the root.

use std::path::Path;

use clap::ValueEnum;

/// Whose packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Sources {
    /// Debian arm64 with the Raspberry Pi's own kernel and firmware: Raspberry Pi OS Lite's
    Raspberrypi,
    /// Debian arm64 with Debian's kernel and raspi-firmware
    Debian,
}

/// Debian's release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Suite {
    Trixie,
    Bookworm,
}

impl Suite {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Bookworm => "bookworm",
        }
    }
}

/// Archives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Archives {
    pub(super) debian: String,
    pub(super) security: String,
    pub(super) raspberrypi: String,
}

/// What the node, and a machine that is looked after from afar, need; recommendations are not followed.
const PACKAGES: [&str; 20] = [
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "e2fsprogs",
    "fdisk",
    "dosfstools",
    "util-linux",
    "zstd",
    "initramfs-tools",
    "init-system-helpers",
    "ca-certificates",
    "openssh-server",
    "wpasupplicant",
    "wireless-regdb",
    "firmware-brcm80211",
    "raspi-firmware",
];

impl Sources {
    pub(super) fn text(self, suite: Suite) -> String {
        match self {
            Self::Raspberrypi => format!("Raspberry Pi OS {}", suite.name()),
            Self::Debian => format!("Debian {}", suite.name()),
        }
    }

    pub(super) fn packages(self) -> Vec<&'static str> {
        let kernels: &[_] = match self {
            // For a Pi 4 and for a Pi 5, whose firmware takes the one that is its own.
            Self::Raspberrypi => &["linux-image-rpi-v8", "linux-image-rpi-2712"],
            Self::Debian => &["linux-image-arm64"],
        };
        [&PACKAGES[..], kernels].concat()
    }

    /// Lines of apt's sources.list.
    pub(super) fn lines(self, suite: Suite, archives: &Archives, keyring: &Path) -> Vec<String> {
        let (name, parts) = (suite.name(), "main non-free-firmware");
        let mut lines = vec![
            format!("deb {} {name} {parts}", archives.debian),
            format!("deb {} {name}-updates {parts}", archives.debian),
            format!("deb {} {name}-security {parts}", archives.security),
        ];
        if self == Self::Raspberrypi {
            let keyring = keyring.display();
            lines.push(format!("deb [signed-by={keyring}] {} {name} main", archives.raspberrypi));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_archive_is_named_with_its_key() {
        let archives = Archives {
            debian: "http://d.example/debian".into(),
            security: "http://d.example/security".into(),
            raspberrypi: "http://r.example/debian".into(),
        };
        let lines = |sources: Sources| sources.lines(Suite::Trixie, &archives, Path::new("/k.pgp"));
        let debian = lines(Sources::Debian);
        assert_eq!(debian[0], "deb http://d.example/debian trixie main non-free-firmware");
        assert_eq!(
            debian[2],
            "deb http://d.example/security trixie-security main non-free-firmware"
        );
        assert!(!debian.iter().any(|line| line.contains("r.example")), "{debian:?}");
        let both = lines(Sources::Raspberrypi);
        assert_eq!(both[3], "deb [signed-by=/k.pgp] http://r.example/debian trixie main");
        assert!(Sources::Debian.packages().contains(&"linux-image-arm64"));
        assert!(Sources::Raspberrypi.packages().contains(&"linux-image-rpi-2712"));
    }
}
