//! The `lucid-node` binary: parse, run, exit with the code that says how it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    lucid_node::cli::main()
}
