//! What is to be done, in which order, with which commands.

use std::path::PathBuf;

use anyhow::Result;

use super::{
    fat, layout,
    sources::{Archives, Sources, Suite},
};
use crate::call::Call;

/// What is to be baked.
pub(super) struct Plan {
    pub(super) root: PathBuf,
    pub(super) deb: PathBuf,
    pub(super) output: PathBuf,
    pub(super) version: String,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) sources: Sources,
    pub(super) suite: Suite,
    pub(super) archives: Archives,
    pub(super) fresh: bool,
    pub(super) url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Look,
    Root,
    Squash,
    Boot,
    Join,
    Compress,
    Describe,
}

impl Step {
    pub(super) const ALL: [Self; 7] = [
        Self::Look,
        Self::Root,
        Self::Squash,
        Self::Boot,
        Self::Join,
        Self::Compress,
        Self::Describe,
    ];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Look => "look for what it takes",
            Self::Root => "root",
            Self::Squash => "squashfs",
            Self::Boot => "FAT partition",
            Self::Join => "image",
            Self::Compress => "compress",
            Self::Describe => "hashes, map, SBOM, list",
        }
    }

    /// Seconds that it took on two cores of an amd64 server, for time left on a first run.
    pub(super) fn seconds(self) -> f64 {
        match self {
            Self::Look => 1.0,
            Self::Root => 600.0,
            Self::Squash => 30.0,
            Self::Boot => 3.0,
            Self::Join => 5.0,
            Self::Compress => 60.0,
            Self::Describe => 15.0,
        }
    }
}

/// Programs that are needed, with Debian's packages that have them.
pub(super) const PROGRAMS: [(&str, &str); 11] = [
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("mmdebstrap", "mmdebstrap"),
    ("sqfstar", "squashfs-tools"),
    ("mkfs.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("mmd", "mtools"),
    ("xz", "xz-utils"),
    ("arch-test", "arch-test"),
    ("dpkg-deb", "dpkg"),
    ("cargo", "cargo"),
];

/// Debian's keys, where its package debian-archive-keyring has them.
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

impl Plan {
    /// The image's name, without an ending.
    pub(super) fn name(&self) -> String {
        format!("lucid-node-{}-arm64", self.version)
    }

    /// A file that is handed out.
    pub(super) fn file(&self, ending: &str) -> PathBuf {
        self.output.join(format!("{}.{ending}", self.name()))
    }

    /// A file that is made on the way.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.output.join("parts").join(name)
    }

    /// Lines of apt's sources.list.
    pub(super) fn source_lines(&self) -> Vec<String> {
        let keyring = self.root.join("image/pi/raspberrypi-archive-keyring.pgp");
        self.sources.lines(self.suite, &self.archives, &keyring)
    }

    /// What makes the root as a tar archive, the FAT partition's files in `firmware`, and dpkg's list.
    pub(super) fn debootstrap(&self, tar: &str) -> Call {
        let pi = self.root.join("image/pi");
        let (place, finish) = (pi.join("place"), pi.join("finish"));
        let (deb, parts) = (self.deb.display(), self.output.join("parts"));
        // What it mounts, and what it starts for arm64, is in namespaces of its own and ends with this process, however
        // that ends: a `dev` left behind would be one that the next `rm` reaches.
        let mut words: Vec<String> = [
            "--pdeathsig=KILL",
            "unshare",
            "--mount",
            "--propagation=private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "mmdebstrap",
            "--architectures=arm64",
            "--variant=minbase",
            "--format=tar",
            "--aptopt=APT::Install-Recommends \"false\"",
            "--aptopt=Acquire::Retries \"3\"",
            // A bake that is cut off is begun again: nothing of it has to outlast a power cut.
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        ]
        .map(str::to_owned)
        .into();
        words.push(format!("--keyring={DEBIAN_KEYRING}"));
        words.push(format!("--include={}", self.sources.packages().join(",")));
        words.push(format!(
            "--setup-hook={} \"$1\" etc/initramfs-tools && mkdir -p \"$1/boot/firmware\"",
            place.display()
        ));
        words.push(format!(
            "--customize-hook={} \"$1\" {deb} '{}' {}",
            finish.display(),
            layout::command_line(),
            parts.display()
        ));
        words.extend([self.suite.name().to_owned(), tar.to_owned()]);
        words.extend(self.source_lines());
        self.timed(Call::new("setpriv", words))
            .with("TMPDIR", self.output.join("tmp").display().to_string())
    }

    /// What packs the root, from its tar archive on standard input. zlib is what every kernel's squashfs can read.
    pub(super) fn squash(&self, squashfs: &str) -> Call {
        self.timed(Call::new("sqfstar", ["-no-progress", "-comp", "gzip", "-b", "128K", squashfs]))
    }

    /// What compresses the image. The threads are fixed: one and several give different files.
    pub(super) fn compress(image: &str) -> Call {
        Call::new("xz", ["--keep", "--force", "--threads=2", "--block-size=16MiB", "-3", image])
    }

    /// With the image's time.
    fn timed(&self, call: Call) -> Call {
        call.with("SOURCE_DATE_EPOCH", self.time.to_string())
            .with("LC_ALL", "C.UTF-8")
            .with("TZ", "UTC")
    }

    /// Each step with its commands, for `--dry-run`.
    pub(super) fn shown(&self) -> Result<Vec<(String, Vec<String>)>> {
        let part = |name: &str| self.part(name).display().to_string();
        let commands = |step: Step| -> Result<Vec<String>> {
            Ok(match step {
                Step::Look => vec![Call::new("arch-test", ["arm64"]).to_string()],
                Step::Root => vec![self.debootstrap(&part("root.tar")).to_string()],
                Step::Squash => {
                    vec![format!("{} <{}", self.squash(&part("root.squashfs")), part("root.tar"))]
                }
                Step::Boot => vec![
                    fat::make(&part("boot.fat")).to_string(),
                    format!("copy {} into it, by mcopy", part("firmware")),
                ],
                Step::Join => vec![format!("write {}", self.file("img").display())],
                Step::Compress => {
                    vec![Self::compress(&self.file("img").display().to_string()).to_string()]
                }
                Step::Describe => ["img.sha256", "img.bmap", "cdx.json", "imager.json"]
                    .map(|ending| format!("write {}", self.file(ending).display()))
                    .into(),
            })
        };
        Step::ALL.into_iter().map(|step| Ok((step.text().to_owned(), commands(step)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(sources: Sources) -> Plan {
        Plan {
            root: "/clone".into(),
            deb: "/d/lucid-node_1_arm64.deb".into(),
            output: "/out".into(),
            version: "1".into(),
            time: 7,
            sources,
            suite: Suite::Trixie,
            archives: Archives {
                debian: "http://d".into(),
                security: "http://s".into(),
                raspberrypi: "http://r".into(),
            },
            fresh: false,
            url: None,
        }
    }

    #[test]
    fn the_root_is_made_from_what_was_asked_for_and_nothing_else() {
        let line = plan(Sources::Debian).debootstrap("root.tar").to_string();
        assert!(line.starts_with("SOURCE_DATE_EPOCH=7 "), "{line}");
        // Killed at any moment it leaves no mount.
        assert!(
            line.contains(" setpriv --pdeathsig=KILL unshare --mount --propagation=private --pid "),
            "{line}"
        );
        assert!(line.contains("linux-image-arm64") && !line.contains("http://r"), "{line}");
        assert!(line.contains("/clone/image/pi/finish \"$1\" /d/lucid-node_1_arm64.deb"), "{line}");
        let line = plan(Sources::Raspberrypi).debootstrap("root.tar").to_string();
        assert!(
            line.contains("signed-by=/clone/image/pi/raspberrypi-archive-keyring.pgp"),
            "{line}"
        );
        assert!(
            line.contains("linux-image-rpi-v8") && !line.contains("linux-image-arm64"),
            "{line}"
        );
    }

    #[test]
    fn every_step_can_be_shown() {
        let shown = plan(Sources::Debian).shown().unwrap();
        assert_eq!(shown.len(), Step::ALL.len());
        assert!(shown.iter().all(|(_, commands)| !commands.is_empty()));
        let files = &shown.last().unwrap().1;
        assert!(files[0].ends_with("/out/lucid-node-1-arm64.img.sha256"), "{files:?}");
    }
}
