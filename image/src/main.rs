//! Builds what a node is shipped as.

mod boot_test;
mod call;
mod clone;
mod containers;
mod dpkg;
mod memory;
mod pi;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Usage or configuration, as `lucid-node` exits.
const USAGE: u8 = 64;
/// Input or output.
const IO: u8 = 74;

#[derive(Parser)]
#[command(name = "lucid-image", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the container image, give it every service's name, and push it where that is asked for
    Containers(containers::Containers),
    /// Bake the image of a Raspberry Pi's card
    Pi(pi::Pi),
    /// Boot an image of `pi` under QEMU: record, cut its power, and look at what it has then
    BootTest(boot_test::BootTest),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            // Where standard error is closed, the exit code says it alone.
            let _ = error.print();
            return code;
        }
    };
    let done = match cli.command {
        Command::Containers(containers) => containers.run(),
        Command::Pi(pi) => pi.run(),
        Command::BootTest(test) => test.run(),
    };
    done.unwrap_or_else(|error| {
        report::notice(&format!("lucid-image: {error:#}"));
        ExitCode::from(IO)
    })
}
