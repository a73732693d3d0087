//! `support-bundle`: what helps whoever helps, in one file without a secret.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueHint};
use lucid_archive::support::{self, BundleOptions, Part, Secrets};
use lucid_core::counted;
use lucid_store::{Disk, given_file};
use serde::Serialize;

use super::{
    config, doctor,
    remote::{NodeArg, runtime},
};
use crate::{
    config::ServiceName,
    context::{Context, now},
    failure::{Failure, Outcome},
    output::{human_bytes, notice, table},
};

/// Bytes of a log's end that are taken.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a file with a secret.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// Arguments of `support-bundle`.
#[derive(Args, Debug)]
pub struct SupportBundle {
    /// The file to write, a tar archive compressed with zstd
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// A log to put into it, such as of: journalctl -u lucid-node; of a long one, the last 16 MiB. Can be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    log: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

#[derive(Serialize)]
struct Answer {
    file: String,
    file_bytes: u64,
    parts: Vec<String>,
}

impl SupportBundle {
    /// Gathers, looks for secrets, and writes.
    ///
    /// # Errors
    /// Where a secret of the node is in any part; where a log or a secret cannot be read; the disk's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let secrets = secrets(context)?;
        let mut parts = vec![
            part("configuration.txt", config::columns(&context.config.settings)),
            part("doctor.txt", doctor::report_text(context)),
            part("versions.txt", versions()),
            part("metrics.txt", self.metrics(context)?),
        ];
        for (path, number) in self.log.iter().zip(1..) {
            parts.push(Part { name: format!("log-{number}.txt"), content: end_of(path)? });
        }
        let options = BundleOptions {
            folder: "lucid-support".to_owned(),
            replace: self.force,
            at: now(),
            disk: Disk::default(),
        };
        let bundle = support::write(&self.output, &parts, &secrets, &options)?;
        let names = bundle.parts.into_iter().map(|(name, _)| name).collect();
        let file = bundle.path.display().to_string();
        let answer = Answer { file, file_bytes: bundle.file_bytes, parts: names };
        context.output.print(&answer, |answer| {
            table(&[
                ("written", format!("{}, {}", answer.file, human_bytes(answer.file_bytes))),
                ("parts", answer.parts.join(", ")),
                ("secrets", "looked for in every part, and none found".to_owned()),
            ])
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// What a running node counts, or that none answers.
    fn metrics(&self, context: &Context) -> Outcome<String> {
        let client = self.node.client(context, ServiceName::ApiGateway)?;
        let url = client.url().to_owned();
        match runtime()?.block_on(client.get("/metrics")) {
            Ok(answer) => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
            Err(error) => {
                let text = format!("no node answers at {url}: {error}");
                notice(&format!("{text}; the bundle is without its figures"));
                Ok(text)
            }
        }
    }
}

fn part(name: &str, text: String) -> Part {
    Part { name: name.to_owned(), content: text.into_bytes() }
}

fn versions() -> String {
    let system = fs::read_to_string("/proc/version").unwrap_or_else(|error| error.to_string());
    format!(
        "lucid-node {}\n{} {}\n{system}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// All secrets that this node knows of: of its folder, of its settings, and of the files that those name.
fn secrets(context: &Context) -> Outcome<Secrets> {
    let config = &context.config;
    let mut secrets = Secrets::of_folder(&config.data)?;
    let mut unsearched = Vec::new();
    let mut look_for = |secrets: &mut Secrets, name: &str, text: &str| {
        let what = format!("the setting {name}");
        // Of an address it is the part before the host that is secret.
        let inner = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let password = inner.map(|(user, _)| user.split_once(':').map_or(user, |(_, text)| text));
        for text in std::iter::once(text).chain(password) {
            if !secrets.value(what.clone(), text.as_bytes()) {
                unsearched.push(name.to_owned());
            }
        }
        if text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit()) {
            secrets.key(what, text.as_bytes());
        }
    };
    for (name, text) in &config.secrets {
        look_for(&mut secrets, name, text.expose());
    }
    let is_file = |name: &str| name.ends_with("_file") || name == "tls_key";
    for setting in config.settings.iter().filter(|setting| is_file(setting.name)) {
        let Some(path) = &setting.value else { continue };
        let wrong = |why: String| Failure::io(format!("{path}, of {}: {why}", setting.name));
        let bytes = given_file::read(Path::new(path), SECRET_BYTES_MAX + 1)
            .map_err(|error| wrong(error.to_string()))?;
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(wrong("it is too long for a secret, and cannot be looked for".to_owned()));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => look_for(&mut secrets, setting.name, text.trim()),
            Err(_) => secrets.key(format!("the file of {}", setting.name), &bytes),
        }
    }
    if !unsearched.is_empty() {
        let names = counted(unsearched.len() as u64, "setting");
        notice(&format!("WARNING: {names} too short to be looked for: {}", unsearched.join(", ")));
    }
    Ok(secrets)
}

/// The end of a log, from the beginning of a line on.
fn end_of(path: &PathBuf) -> Outcome<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let wrong = |error: std::io::Error| Failure::io(format!("{}: {error}", path.display()));
    let mut file = fs::File::open(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    let skipped = length.saturating_sub(LOG_BYTES_MAX);
    file.seek(SeekFrom::Start(skipped)).map_err(wrong)?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes).map_err(wrong)?;
    if skipped > 0 {
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        bytes.drain(..line);
    }
    Ok(bytes)
}
