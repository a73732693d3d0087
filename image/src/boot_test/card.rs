//! The card that is tried: a copy of the image, as large as a card, with what an operator puts on it.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    call::{Call, output_of},
    pi::layout::{BOOT, IMAGE_BYTES, check_table},
};

/// Bytes of the card: what is sold as 4 GB has a little less than that.
const CARD_BYTES: u64 = 3_800 << 20;

/// A card in a file.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) path: PathBuf,
}

impl Card {
    /// Flashes the image, or unpacks it where it is compressed.
    ///
    /// # Errors
    /// Those of the files; an image of another kind.
    pub(super) fn flash(image: &Path, path: PathBuf) -> Result<Self> {
        if image.extension().is_some_and(|ending| ending == "xz") {
            let target =
                File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            let words =
                ["--decompress".to_owned(), "--stdout".to_owned(), image.display().to_string()];
            let status = Call::new("xz", words).command(Path::new(".")).stdout(target).status();
            ensure!(
                status.context("running xz")?.success(),
                "{} cannot be unpacked",
                image.display()
            );
        } else {
            copy(image, &path)?;
        }
        let card = Self { path };
        let mut file = card.open()?;
        let mut sector = [0; 512];
        file.read_exact(&mut sector).with_context(|| format!("reading {}", image.display()))?;
        check_table(&sector).with_context(|| format!("looking at {}", image.display()))?;
        let bytes = file.metadata().context("looking at the card")?.len();
        ensure!(bytes == IMAGE_BYTES, "{} has {bytes} bytes: it is not whole", image.display());
        file.set_len(CARD_BYTES).context("making the card as large as one")?;
        Ok(card)
    }

    /// # Errors
    /// The file's.
    pub(super) fn open(&self) -> Result<File> {
        let file = File::options().read(true).write(true).open(&self.path);
        file.with_context(|| format!("opening {}", self.path.display()))
    }

    /// Another card with the same on it.
    ///
    /// # Errors
    /// Those of the files.
    pub(super) fn duplicate(&self, path: PathBuf) -> Result<Self> {
        copy(&self.path, &path)?;
        Ok(Self { path })
    }

    /// Puts a file on the FAT partition, over one of that name.
    ///
    /// # Errors
    /// mcopy's.
    pub(super) fn put(&self, file: &Path, name: &str) -> Result<()> {
        let words = ["-o", "-i", &self.fat(), &file.display().to_string(), &format!("::/{name}")]
            .map(str::to_owned);
        mtools("mcopy", words).map(drop)
    }

    /// Takes a file off the FAT partition.
    ///
    /// # Errors
    /// mcopy's.
    pub(super) fn take(&self, name: &str, file: &Path) -> Result<()> {
        let words = ["-n", "-i", &self.fat(), &format!("::/{name}"), &file.display().to_string()]
            .map(str::to_owned);
        mtools("mcopy", words).map(drop)
    }

    /// The names of the kernel and of its initramfs on the FAT partition. Of several kernels it is the first.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn kernel(&self) -> Result<(String, String)> {
        let said =
            mtools("mdir", ["-b".to_owned(), "-i".to_owned(), self.fat(), "::/".to_owned()])?;
        names(&String::from_utf8_lossy(&said))
    }

    fn fat(&self) -> String {
        format!("{}@@{}", self.path.display(), BOOT.offset())
    }
}

/// Of mdir's list (`::/NAME`, one a line) the kernel's name and its initramfs': Debian's with their versions, or those
/// that Raspberry Pi's own packages give them.
fn names(list: &str) -> Result<(String, String)> {
    let names: Vec<_> = list.lines().filter_map(|line| line.trim().strip_prefix("::/")).collect();
    for kernel in &names {
        let initramfs = match kernel.strip_prefix("vmlinuz-") {
            Some(version) => format!("initrd.img-{version}"),
            None if *kernel == "kernel8.img" => "initramfs8".to_owned(),
            None => continue,
        };
        if names.contains(&initramfs.as_str()) {
            return Ok(((*kernel).to_owned(), initramfs));
        }
    }
    bail!("the image has no kernel with an initramfs on its FAT partition")
}

fn mtools(program: &str, words: impl IntoIterator<Item = String>) -> Result<Vec<u8>> {
    let call = Call::new(program, words).with("MTOOLS_SKIP_CHECK", "1").with("TZ", "UTC");
    output_of(&call, Path::new("."))
        .with_context(|| format!("running {program}, of Debian's package mtools"))
}

/// Copies a file with its holes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let _ = fs::remove_file(to);
    let words =
        ["--sparse=always".to_owned(), from.display().to_string(), to.display().to_string()];
    output_of(&Call::new("cp", words), Path::new("."))
        .map(drop)
        .with_context(|| format!("copying {}", from.display()))
}

/// The kernel's command line for a machine whose console is QEMU's serial line.
///
/// # Errors
/// Where the image's has no root.
pub(super) fn command_line(of_the_image: &str) -> Result<String> {
    let words = of_the_image.split_whitespace().filter(|word| !word.starts_with("console="));
    let words: Vec<_> = words.chain(["console=ttyAMA0"]).collect();
    ensure!(words.iter().any(|word| word.starts_with("root=")), "cmdline.txt names no root");
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_has_its_initramfs() {
        let list = "::/overlays/\n::/config.txt\n::/initrd.img-6.12.1\n::/vmlinuz-6.12.1\n";
        let found = names(list).unwrap();
        assert_eq!(found, ("vmlinuz-6.12.1".to_owned(), "initrd.img-6.12.1".to_owned()));
        let found = names("::/kernel8.img\r\n::/initramfs8\r\n").unwrap();
        assert_eq!(found.1, "initramfs8");
        assert!(names("::/vmlinuz-6.12.1\n::/initrd.img-6.12.2\n").is_err());
        assert!(names("").is_err());
    }

    #[test]
    fn the_console_is_qemus() {
        let line =
            command_line("console=serial0,115200 console=tty1 root=PARTUUID=1-02 ro\n").unwrap();
        assert_eq!(line, "root=PARTUUID=1-02 ro console=ttyAMA0");
        assert!(command_line("quiet").is_err());
    }
}
