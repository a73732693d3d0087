//! The binaries: given, or compiled for their platform. Nothing is emulated.

use std::{
    env, fs,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use super::services::Platform;
use crate::{
    call::{Call, output_of},
    clone,
};

/// What compiles for another machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Compiler {
    /// `cargo build --target …`, with the target's standard library and C compiler installed
    Cargo,
    /// `cross`, which brings them in a container
    Cross,
}

impl Compiler {
    /// What this machine most likely has.
    pub(super) fn of_this_machine() -> Self {
        if cfg!(target_os = "linux") { Self::Cargo } else { Self::Cross }
    }

    /// What compiles the node for a platform.
    pub(super) fn call(self, platform: Platform) -> Call {
        let program = match self {
            Self::Cargo => env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()),
            Self::Cross => "cross".to_owned(),
        };
        let target = platform.target();
        let words = [
            "build",
            "--locked",
            "--profile",
            "dist",
            "--package",
            "lucid-node",
            "--target",
            target,
        ];
        let mut call = Call::new(&program, words);
        let foreign = !cfg!(target_arch = "aarch64") && platform == Platform::Arm64;
        if self == Self::Cargo && foreign {
            for (name, value) in [
                ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
                ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
                ("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar"),
            ] {
                if env::var_os(name).is_none() {
                    call.environment.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        call
    }

    /// That what it compiles here starts on the base, as far as that is known before: what is linked with this machine's C library
    /// wants one as new.
    ///
    /// # Errors
    /// Where it wants a newer one.
    pub(super) fn check_host(self, base: &str, root: &Path) -> Result<()> {
        if self != Self::Cargo || !base.contains("debian12") {
            return Ok(());
        }
        // A machine whose C library is another one, or does not say, is found out by what it has linked.
        let said = output_of(&Call::new("getconf", ["GNU_LIBC_VERSION"]), root).unwrap_or_default();
        let here = host_glibc(&String::from_utf8_lossy(&said)).unwrap_or(0);
        ensure!(
            here <= DEBIAN_12_GLIBC,
            "this machine has glibc 2.{here}, and the base {base} has 2.{DEBIAN_12_GLIBC}: what cargo links here would not start \
             there. Give --compile-with cross, or a binary that was compiled on Debian 12 (--binary-amd64, --binary-arm64), or a \
             --base with a newer one (gcr.io/distroless/cc-debian13:nonroot)"
        );
        Ok(())
    }

    /// Where it puts the binary.
    pub(super) fn output(root: &Path, platform: Platform) -> PathBuf {
        clone::target(root).join(platform.target()).join("dist").join("lucid-node")
    }
}

/// The C library of what is called debian12 (Debian 12's release notes, and its package libc6).
const DEBIAN_12_GLIBC: u32 = 36;

/// Puts the binary where the image is built from, once it is one of that platform, and of a C library that the base has.
///
/// # Errors
/// A file that is not a 64-bit little-endian ELF of the platform's machine; one that wants a newer glibc than Debian 12's 2.36
/// where the base is that; the operating system's.
pub(super) fn take(binary: &Path, platform: Platform, base: &str, context: &Path) -> Result<()> {
    check(binary, platform)?;
    if base.contains("debian12") {
        let file = fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
        let newest = newest_glibc(&file);
        ensure!(
            newest <= DEBIAN_12_GLIBC,
            "{} wants glibc 2.{newest}, and the base {base} has 2.{DEBIAN_12_GLIBC}: it would not start. Compile it on \
             Debian 12, or with --compile-with cross, or give --base an image with a newer one",
            binary.display()
        );
    }
    let folder = context.join(platform.architecture());
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let to = folder.join("lucid-node");
    // A binary that may not be written to has left one that may not be.
    if to.exists() {
        fs::remove_file(&to).with_context(|| format!("removing {}", to.display()))?;
    }
    fs::copy(binary, &to)
        .with_context(|| format!("copying {} to {}", binary.display(), to.display()))?;
    Ok(())
}

/// The second number of glibc's version, as `getconf GNU_LIBC_VERSION` has it.
fn host_glibc(said: &str) -> Option<u32> {
    said.trim().strip_prefix("glibc 2.")?.split('.').next()?.parse().ok()
}

/// The second number of the newest version of glibc 2 that a program's symbols name; 0 where it names none.
fn newest_glibc(file: &[u8]) -> u32 {
    let name = b"GLIBC_2.";
    let found = file.windows(name.len()).enumerate().filter(|(_, bytes)| bytes == name);
    let number = |(place, _): (usize, &[u8])| {
        let digits = file[place + name.len()..].iter().take(3).take_while(|c| c.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    };
    found.map(number).max().unwrap_or(0)
}

fn check(binary: &Path, platform: Platform) -> Result<()> {
    let mut head = [0; 20];
    let mut file =
        File::open(binary).with_context(|| format!("opening the binary {}", binary.display()))?;
    let name = binary.display();
    if file.read_exact(&mut head).is_err() {
        bail!("{name} is no program: it has fewer than 20 bytes");
    }
    // ELF's header: magic, class 2 (64 bits), data 1 (little-endian), and at 18 the machine.
    ensure!(head.starts_with(b"\x7fELF\x02\x01"), "{name} is no 64-bit Linux program (ELF)");
    let machine = u16::from_le_bytes([head[18], head[19]]);
    ensure!(
        machine == platform.machine(),
        "{name} is not for {platform}: its ELF machine is {machine}, not {}; give the one that was \
         compiled for {}",
        platform.machine(),
        platform.target()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(18, 0);
        file.extend(machine.to_le_bytes());
        file
    }

    #[test]
    fn a_binary_of_another_machine_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (binary, context) = (folder.path().join("lucid-node"), folder.path().join("context"));
        for (bytes, platform, refusal) in [
            (elf(62), Platform::Amd64, None),
            (elf(183), Platform::Arm64, None),
            (elf(62), Platform::Arm64, Some("not for linux/arm64")),
            (elf(40), Platform::Arm64, Some("its ELF machine is 40")),
            (b"#!/bin/sh\nexit 0 # long enough".to_vec(), Platform::Amd64, Some("no 64-bit Linux")),
            (b"\x7fELF".to_vec(), Platform::Amd64, Some("fewer than 20 bytes")),
        ] {
            fs::write(&binary, &bytes).unwrap();
            let taken = take(&binary, platform, "r.example/cc-debian12", &context);
            match refusal {
                None => {
                    taken.unwrap();
                    let copy = context.join(platform.architecture()).join("lucid-node");
                    assert_eq!(fs::read(copy).unwrap(), bytes);
                }
                Some(words) => {
                    let said = taken.unwrap_err().to_string();
                    assert!(said.contains(words), "{said}");
                }
            }
        }
    }

    #[test]
    fn a_binary_that_would_not_start_on_the_base_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (binary, context) = (folder.path().join("lucid-node"), folder.path().join("context"));
        for (names, newest) in
            [("", 0), ("GLIBC_2.36 GLIBC_2.4 GLIBC_2.2.5", 36), ("GLIBC_2.4 GLIBC_2.41", 41)]
        {
            let file = [elf(62), names.replace(' ', "\0").into_bytes()].concat();
            assert_eq!(newest_glibc(&file), newest);
            fs::write(&binary, &file).unwrap();
            let on = |base: &str| take(&binary, Platform::Amd64, base, &context);
            assert_eq!(
                on("gcr.io/distroless/cc-debian12:nonroot").is_ok(),
                newest <= 36,
                "{names}"
            );
            on("gcr.io/distroless/cc-debian13:nonroot").unwrap();
        }
        let said = take(&binary, Platform::Amd64, "cc-debian12", &context).unwrap_err().to_string();
        assert!(said.contains("wants glibc 2.41"), "{said}");
    }

    #[test]
    fn the_machines_c_library_is_read() {
        for (said, number) in
            [("glibc 2.36\n", Some(36)), ("glibc 2.41.1", Some(41)), ("musl 1.2", None), ("", None)]
        {
            assert_eq!(host_glibc(said), number, "{said:?}");
        }
        Compiler::Cross.check_host("cc-debian12", Path::new(".")).unwrap();
    }

    #[test]
    fn the_compiler_is_asked_for_what_is_shipped() {
        let call = Compiler::Cross.call(Platform::Arm64).to_string();
        assert_eq!(
            call,
            "cross build --locked --profile dist --package lucid-node --target aarch64-unknown-linux-gnu"
        );
    }
}
