//! `openapi`: prints the description of the HTTP API.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::failure::Outcome;

/// Prints it.
///
/// # Errors
/// Standard output's.
pub fn run() -> Outcome<ExitCode> {
    let mut text =
        serde_json::to_string_pretty(&lucid_api::rest::document()).map_err(io::Error::from)?;
    text.push('\n');
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
