//! `boot-test`: an image of a card, booted under QEMU, used, and deprived of its power in the middle of a recording.
//!
//! It is the image that is flashed, on a copy that is as large as a card; the test gets in as an operator does, with a
//! `lucid.toml` on the FAT partition and SSH. QEMU's machine is no Raspberry Pi: firmware, device tree and the slot of
//! the card are not tried, and nothing is said about speed. What is: the kernel and its initramfs, the read-only root,
//! the first start, the node as systemd runs it, and that what it acknowledged outlives the power ([`cut`]).

mod card;
mod console;
mod cut;
mod http;
mod inside;
mod machine;
mod node;
mod story;
mod told;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueHint};

use self::story::Story;
use crate::{
    clone,
    report::{print_json, print_text},
};

/// Arguments of `boot-test`.
#[derive(Args, Debug)]
pub(crate) struct BootTest {
    /// The image, as `lucid-image pi` leaves it: .img or .img.xz
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    image: PathBuf,
    /// How much is recorded, in MiB, before the power is cut in the middle of as much again
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=1024))]
    record: u32,
    /// What decides which writes a power cut loses [default: the time]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Times how long anything may take, for slow machines
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    patience: u32,
    /// Where cards and consoles' logs are put [default: target/image/boot-test]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

impl BootTest {
    /// Tests. Exit code 1: something is not as it should be.
    ///
    /// # Errors
    /// Before anything is booted: no image, an output folder that cannot be written.
    pub(crate) fn run(self) -> Result<ExitCode> {
        ensure!(
            self.image.is_file(),
            "there is no {}: lucid-image pi makes it",
            self.image.display()
        );
        let output = match &self.output {
            Some(output) => output.clone(),
            None => clone::target(&clone::root()?).join("image/boot-test"),
        };
        fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => std::time::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs(),
        };
        let story = Story::new(self.image, output, self.record, seed, self.patience);
        let told = story.run();
        match self.json {
            true => print_json(&told)?,
            false => print_text(&told.text())?,
        }
        Ok(if told.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
