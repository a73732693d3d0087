//! `micro`: every component alone, on one core.

mod chunks;
mod ciphers;
mod codecs;
mod disk;
mod hashes;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lucid_core::chunk::CHUNK_BYTES_DEFAULT;

use crate::{
    inputs::{Generator, Kind},
    machine::{self, Machine},
    quiet::Patience,
    report::{self, Report, Table},
    samples::{self, Row},
};

/// Plaintext of one chunk.
const CHUNK_BYTES: usize = CHUNK_BYTES_DEFAULT as usize;

/// Arguments of `micro`.
#[derive(Args)]
pub(crate) struct Micro {
    /// A folder on the disk to measure
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Samples of each row
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Only the groups whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

/// What is worked on: one chunk of each kind.
struct Material {
    noise: Vec<u8>,
    text: Vec<u8>,
}

impl Micro {
    /// Measures.
    pub(crate) fn run(&self) -> Result<Report> {
        let machine = Machine::here(&self.folder)?;
        let last = machine::processors()?.pop().into_iter().collect::<Vec<_>>();
        machine::pin(&last)?;
        let material = Material {
            noise: Generator::bytes(Kind::Incompressible, CHUNK_BYTES),
            text: Generator::bytes(Kind::Compressible, CHUNK_BYTES),
        };
        let disk = disk::Disks::make(&self.folder)?;
        let chunks = chunks::Sealed::make(&material)?;
        let mut rows = ciphers::rows(&material);
        rows.extend(hashes::rows(&material));
        rows.extend(codecs::rows(&material)?);
        rows.extend(chunks::rows(&material, &chunks));
        rows.extend(disk::rows(&material, &disk)?);
        if let Some(only) = &self.only {
            rows.retain(|row| row.group.contains(only.as_str()));
        }
        samples::measure(&mut rows, self.runs, &self.patience.begin())?;
        let mut report = Report::default();
        report.paragraph(format!(
            "{machine}. One core, median (min to max) of {} samples in turns.",
            self.runs
        ));
        tables(&mut report, &rows);
        report.raw("machine", &machine)?;
        report.raw("micro", &rows)?;
        Ok(report)
    }
}

/// A table for each group, in the order of the rows.
fn tables(report: &mut Report, rows: &[Row<'_>]) {
    for group in rows.chunk_by(|one, next| one.group == next.group) {
        let mut table = Table::new(&["", "median (min to max)", ""]);
        for row in group {
            let spread = report::spread(row.spread());
            table.row([row.name.clone(), spread, row.unit().to_owned()]);
        }
        report.table(group[0].group, &table);
    }
}
