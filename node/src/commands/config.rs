//! `config`: what the configuration is, and whether it is sound. Works with one that is not.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use crate::{
    config::{Config, Origin, Overrides, Setting},
    failure::{Class, Outcome},
    output::{Output, notice},
    serving,
};

/// The subcommands of `config`.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Print every setting, its value (secrets masked) and where it came from
    Show,
    /// Say whether the configuration is sound, and all that is wrong with it
    Check,
}

#[derive(Serialize)]
struct Shown {
    settings: Vec<Setting>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    problems: Vec<String>,
}

impl ConfigCommand {
    /// Shows or checks the configuration; what is wrong with it is told, and ends in exit code 64.
    ///
    /// # Errors
    /// Standard output's.
    pub fn run(&self, overrides: &Overrides, output: Output) -> Outcome<ExitCode> {
        let (Config { settings, services, .. }, errors) = Config::examine(overrides);
        let mut problems: Vec<_> = errors.iter().map(ToString::to_string).collect();
        if let (Self::Check, Err(failure)) = (self, serving::tls_of(&services)) {
            problems.push(format!("{:#}", failure.error));
        }
        let ok = problems.is_empty();
        match self {
            Self::Show => {
                if !output.json {
                    for problem in &problems {
                        notice(problem);
                    }
                }
                output.print(&Shown { settings, problems }, |shown| columns(&shown.settings))?;
            }
            Self::Check => output.print(&Checked { ok, problems }, |checked| {
                if checked.ok { "ok".to_owned() } else { checked.problems.join("\n") }
            })?,
        }
        Ok(if ok { ExitCode::SUCCESS } else { Class::Usage.into() })
    }
}

/// What stands in the place of a value that is not there. In JSON it is absent: nobody can give these
/// words.
fn absent(setting: &Setting) -> &'static str {
    match (setting.name, setting.origin) {
        ("reserve_bytes", Origin::Default) => "a hundredth of the disk, 64MiB to 1GiB",
        _ => "-",
    }
}

/// One line a setting: name, value (secrets masked), where it came from.
#[must_use]
pub fn columns(settings: &[Setting]) -> String {
    let values = settings.iter().map(|setting| setting.value.as_deref().unwrap_or(absent(setting)));
    let width = values.clone().map(str::len).max().unwrap_or(0);
    let names = settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
    let line = |(setting, value): (&Setting, &str)| {
        let Setting { name, origin, source, .. } = setting;
        let origin = match origin {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
            Origin::CommandLine => "command line",
        };
        let source = source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        format!("{name:names$}  {value:width$}  {origin}{source}\n")
    };
    settings.iter().zip(values).map(line).collect()
}
