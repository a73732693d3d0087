//! `doctor`: looks at the machine, the configuration and the data folder, and says of everything what
//! was found, whether it is well, and what to do where it is not.
//!
//! It changes nothing but what every start of the node repairs, and that only where the folder is its
//! user's own. Where a check cannot be done because an earlier one failed, it is left out.

mod bench;
mod disk;
mod folder;
mod machine;
mod services;
mod sessions;
mod tor;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use lucid_core::counted;
use serde::Serialize;

use crate::{
    context::{Context, now},
    failure::{Class, Outcome},
};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Measure instead how fast this machine is at what the node does: 30 seconds at most, half a gigabyte
    /// written and removed again; what is printed can be sent to others
    #[arg(long)]
    bench: bool,
    /// Where --bench writes [default: the data folder]
    #[arg(long, value_name = "DIR", requires = "bench")]
    dir: Option<PathBuf>,
}

/// How well something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// The node works; it might not for long, or not as well as it could.
    Warn,
    /// The node does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Line {
    check: &'static str,
    status: Status,
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Line {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), remedy: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (status, remedy) = (Status::Warn, Some(remedy.into()));
        Self { check, status, found: found.into(), remedy }
    }

    fn fail(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(check, found, remedy) }
    }
}

#[derive(Serialize)]
struct Report {
    /// Whether nothing failed.
    ok: bool,
    checks: Vec<Line>,
}

impl Doctor {
    /// Looks at everything; exit code 1 where something failed. Or measures.
    ///
    /// # Errors
    /// Standard output's; when it measures, the disk's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        if self.bench {
            return bench::run(context, self.dir.as_deref());
        }
        let report = Report::of(context);
        let ok = report.ok;
        context.output.print(&report, text)?;
        Ok(if ok { ExitCode::SUCCESS } else { Class::Check.into() })
    }
}

/// What `doctor` says, as text, for somebody who is not at this machine.
#[must_use]
pub fn report_text(context: &Context) -> String {
    text(&Report::of(context))
}

impl Report {
    /// Looks at everything.
    fn of(context: &Context) -> Self {
        let config = &context.config;
        let mut checks = vec![configuration(context), machine::processor()];
        checks.extend(machine::board());
        checks.extend([machine::cipher(config), machine::hashing(), machine::memory(config)]);
        let examined = folder::examine(context, &mut checks);
        checks.push(disk::room(&config.data, config.reserve_bytes.or(examined.reserve_bytes)));
        checks.push(disk::file_system(&config.data));
        if examined.is_ours {
            checks.push(disk::latency(&config.data));
            checks.push(disk::rate(&config.data));
        }
        checks.push(machine::clock(now(), examined.last_entry));
        checks.extend(machine::clock_source());
        checks.push(services::port(config));
        checks.extend(services::tls(config));
        checks.extend(services::secret_files(config));
        checks.extend(services::peers(config));
        checks.extend(tor::tor(config));
        let ok = checks.iter().all(|line| line.status != Status::Fail);
        Self { ok, checks }
    }
}

/// One that is not sound ends every command but `config`, so this only says where it came from.
fn configuration(context: &Context) -> Line {
    let settings = &context.config.settings;
    let given = settings.iter().filter(|setting| setting.origin != crate::config::Origin::Default);
    let file = settings.iter().find(|setting| setting.name == "config");
    let file = match file.and_then(|setting| setting.value.as_ref()) {
        Some(path) => format!("file {path}"),
        None => "no file".to_owned(),
    };
    let data = context.config.data.display();
    let given = counted(given.count(), "setting");
    let found = format!("sound; {file}, {given} given, data folder {data}");
    Line::ok("configuration", found)
}

fn text(report: &Report) -> String {
    let width = report.checks.iter().map(|line| line.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Line { check, status, found, remedy } in &report.checks {
        let status = match status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        text.push_str(&format!("{status}  {check:width$}  {found}\n"));
        if let Some(remedy) = remedy {
            text.push_str(&format!("{:6}{:width$}  -> {remedy}\n", "", ""));
        }
    }
    text.push_str(match report.ok {
        true => "nothing failed\n",
        false => "something failed\n",
    });
    text
}
