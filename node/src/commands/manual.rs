//! `completions` and `manual`: the command line's definition, for shells and for `man`. Neither needs a
//! configuration or a data folder, so that a package can be made where there are none.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueHint};
use clap_complete::{Shell, generate};

use crate::{
    cli,
    failure::{Failure, Outcome},
};

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// Prints them.
    ///
    /// # Errors
    /// Standard output's.
    pub fn run(&self) -> Outcome<ExitCode> {
        let mut definition = cli::definition();
        let name = definition.get_name().to_owned();
        // Made in memory: `generate` itself would panic where a reader went away.
        let mut text = Vec::new();
        generate(self.shell, &mut definition, name, &mut text);
        io::stdout().lock().write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `manual`.
#[derive(Args, Debug)]
pub struct Manual {
    /// The folder that they are written to, one page a command
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

impl Manual {
    /// Writes the pages: `lucid-node.1`, and one for each command and each command of that.
    ///
    /// # Errors
    /// Where they cannot be written there.
    pub fn run(&self) -> Outcome<ExitCode> {
        let folder = self.folder.display();
        clap_mangen::generate_to(cli::definition(), &self.folder).map_err(|error| {
            Failure::io(format!("cannot write the manual to {folder}: {error}"))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
