//! `chunks`: chunk files to an object store and back, and whether they are there.

use std::{env, process::ExitCode, time::Instant};

use clap::{Args, Subcommand};
use lucid_archive::chunks::{self, Limits, Place, Progress as Moved, Report};
use lucid_core::{ChunkIndex, SessionId, counted};
use lucid_store::Disk;
use lucid_tunnel::{
    Purpose,
    socks::{SocksError, Target},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::remote::runtime;
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    output::{human_bytes, human_rate, table},
    progress::Unit,
};

/// The subcommands of `chunks`.
#[derive(Subcommand, Debug)]
pub enum Chunks {
    /// Send what is not there yet; the node may run meanwhile
    Export(Elsewhere),
    /// Fetch what is not here; the node must not run meanwhile
    Import(Import),
    /// Read all that was sent back, and compare it
    Verify(Elsewhere),
}

/// Which place.
#[derive(Args, Debug)]
pub struct Elsewhere {
    /// s3://BUCKET/PREFIX or file:///FOLDER. S3 is spoken to with `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` (or their
    /// `_FILE` forms), `AWS_REGION` and, where it is not Amazon's, `AWS_ENDPOINT_URL`
    #[arg(value_name = "PLACE")]
    place: String,
    /// Chunks on their way at once; each takes up to 17 MiB of memory
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    at_once: usize,
    /// Go through this proxy, such as socks5h://127.0.0.1:9050 [default: the one that is configured]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

/// Arguments of `chunks import`.
#[derive(Args, Debug)]
pub struct Import {
    #[command(flatten)]
    at: Elsewhere,
    /// Read all of the chunks that are here, too, and fetch those again that are altered
    #[arg(long)]
    deep: bool,
}

#[derive(Serialize)]
struct Loss {
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<ChunkIndex>,
    reason: String,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip)]
    done: &'static str,
    place: String,
    sessions: u64,
    sessions_whole: u64,
    chunks: u64,
    bytes: u64,
    chunks_there: u64,
    seconds: f64,
    /// The first thousand.
    losses: Vec<Loss>,
    losses_count: u64,
}

impl Chunks {
    /// Runs the subcommand; exit code 1 where a chunk is missing or altered.
    ///
    /// # Errors
    /// Those of [`chunks::export`], [`chunks::import`] and [`chunks::verify`].
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let (at, doing, done) = match self {
            Self::Export(at) => (at, "sending chunks", "sent"),
            Self::Import(import) => (&import.at, "fetching chunks", "fetched"),
            Self::Verify(at) => (at, "reading chunks back", "read back"),
        };
        let limits = Limits { at_once: at.at_once, ..Limits::default() };
        let configured = configured_proxy(context)?;
        let proxy = at.proxy.as_deref().or(configured.as_ref().map(|url| url.as_str()));
        let place = Place::open(&at.place, &|name| env::var(name).ok(), proxy, limits)?;
        let (data, begun) = (&context.config.data, Instant::now());
        let bar = context.progress(doing, Unit::Bytes, None);
        let told = &mut |moved: Moved| bar.set(moved.bytes);
        let runtime = runtime()?;
        let report = match self {
            Self::Export(_) => runtime.block_on(chunks::export(data, &place, told)),
            Self::Verify(_) => runtime.block_on(chunks::verify(data, &place, told)),
            Self::Import(import) => {
                let disk = Disk::default();
                runtime.block_on(chunks::import(data, &place, import.deep, &disk, told))
            }
        }?;
        drop(bar);
        let lost = report.losses_count > 0;
        let answer = Answer::of(done, &place, report, begun.elapsed().as_secs_f64());
        context.output.print(&answer, text)?;
        Ok(if lost { Class::Check.into() } else { ExitCode::SUCCESS })
    }
}

/// The proxy by the configuration: what it says of connections counts here, too.
fn configured_proxy(context: &Context) -> Outcome<Option<Zeroizing<String>>> {
    // Which store it is the address says, and the environment; a proxy is the same for all of them.
    let anywhere = Target::new("objects.invalid", 443).map_err(|error| usage(&error))?;
    context.config.outside.egress.url(Purpose::Chunks, &anywhere).map_err(|error| usage(&error))
}

fn usage(error: &SocksError) -> Failure {
    Failure::usage(error.to_string())
}

impl Answer {
    fn of(done: &'static str, place: &Place, report: Report, seconds: f64) -> Self {
        let Report { sessions, sessions_whole, chunks, bytes, chunks_there, losses, losses_count } =
            report;
        let losses = losses.into_iter().map(|loss| Loss {
            session: loss.session,
            chunk: loss.index,
            reason: loss.reason,
        });
        Self {
            done,
            place: place.to_string(),
            sessions,
            sessions_whole,
            chunks,
            bytes,
            chunks_there,
            seconds,
            losses: losses.collect(),
            losses_count,
        }
    }
}

fn text(answer: &Answer) -> String {
    let Answer { done, place, sessions, sessions_whole, chunks, bytes, chunks_there, .. } = answer;
    let rate = human_rate(*bytes, answer.seconds);
    let mut text = table(&[
        ("place", place.clone()),
        (done, format!("{}, {}, {rate}", counted(*chunks, "chunk"), human_bytes(*bytes))),
        ("were there", counted(*chunks_there, "chunk")),
        ("sessions", format!("{sessions_whole} of {sessions} whole")),
    ]);
    for Loss { session, chunk, reason } in &answer.losses {
        let chunk = chunk.map(|index| format!(", chunk {index}")).unwrap_or_default();
        text.push_str(&format!("LOST  session {session}{chunk}: {reason}\n"));
    }
    if answer.losses_count > answer.losses.len() as u64 {
        text.push_str(&format!("LOST  {} in all\n", answer.losses_count));
    }
    text
}
