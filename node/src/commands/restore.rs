//! `restore`: gives back what was recorded, whole or a range of it.

use std::{ops::Range, path::PathBuf, process::ExitCode, str::FromStr, time::Instant};

use clap::Args;
use lucid_core::{Hash, SessionId, counted};
use lucid_pipeline::restore::{self, RestoreContext};
use lucid_store::State;
use serde::Serialize;

use super::target::Target;
use crate::{
    cli::{OutputArg, SessionArg},
    context::Context,
    failure::{Failure, Outcome},
    output::human_rate,
    ports::SessionPort,
    progress::Unit,
};

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub struct Restore {
    #[command(flatten)]
    session: SessionArg,
    #[command(flatten)]
    output: OutputArg,
    /// Only the plaintext bytes A to B, both included, counted from 0; A- for all from A on
    #[arg(long, value_name = "A-B")]
    range: Option<ByteRange>,
    /// An age identity file, for sessions whose key is wrapped to an age recipient
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// A range of plaintext bytes as in HTTP's Range header: `A-B`, both included, or `A-`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteRange {
    first: u64,
    last: Option<u64>,
}

impl FromStr for ByteRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wanted = "a range is A-B or A-, in bytes from 0, with A no larger than B";
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten().ok_or(wanted)
        };
        let (first, last) = text.split_once('-').ok_or(wanted)?;
        let first = number(first)?;
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        match last {
            Some(last) if last < first => Err(wanted),
            last => Ok(Self { first, last }),
        }
    }
}

impl ByteRange {
    /// The range within a session of `plain_bytes` bytes.
    ///
    /// # Errors
    /// Where it does not lie within it.
    pub fn within(self, plain_bytes: u64) -> Outcome<Range<u64>> {
        let end = self.last.map_or(Some(plain_bytes), |last| last.checked_add(1));
        match end {
            Some(end) if self.first < end && end <= plain_bytes => Ok(self.first..end),
            _ => Err(Failure::usage(format!(
                "the range is not within the session, which has {plain_bytes} bytes"
            ))),
        }
    }
}

#[derive(Serialize)]
struct Restored {
    session_id: SessionId,
    output: String,
    plain_bytes: u64,
    merkle_root: Hash,
    complete: bool,
    seconds: f64,
}

impl Restore {
    /// Writes the plaintext. Every byte was authenticated before it is written.
    ///
    /// # Errors
    /// Where the session is not sealed or cannot be read; the chunk that is damaged; the output's.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let started = Instant::now();
        context.catch_signals()?;
        let store = context.look_at_store()?;
        let session = self.session.session;
        let manifest = store.manifest(session)?.manifest;
        if store.session(session)?.state() == State::Erased {
            return Err(Failure::usage(format!(
                "session {session} is erased: its chunks and keys are gone; what it was can still \
                 be proved with: lucid-node prove {session}"
            )));
        }
        let range = match self.range {
            Some(range) => range.within(manifest.plain_bytes)?,
            None => 0..manifest.plain_bytes,
        };
        let dek = context.session_key(&store, session, self.identity.as_deref())?;
        let pieces = restore::pieces(manifest.placed(), &range);
        let mut target = Target::open(&self.output, Some(store.path()))?;
        let progress = context.progress("restored", Unit::Bytes, Some(range.end - range.start));
        let restore_context = RestoreContext { session, suite: manifest.suite, dek: &dek };
        let port = SessionPort { store: &store, session };
        let writer = target.writer();
        context.with_control(&progress, |control| {
            restore::restore(&restore_context, &port, &pieces, writer, control)
        })?;
        drop(progress);
        let Some(output) = target.finish()? else { return Ok(ExitCode::SUCCESS) };
        let restored = Restored {
            session_id: session,
            output: output.display().to_string(),
            plain_bytes: range.end - range.start,
            merkle_root: manifest.merkle_root,
            complete: manifest.complete,
            seconds: started.elapsed().as_secs_f64(),
        };
        context.output.print(&restored, |restored| {
            let rate = human_rate(restored.plain_bytes, restored.seconds);
            let Restored { plain_bytes, output, seconds, .. } = restored;
            format!(
                "restored {} to {output} in {seconds:.2} s, {rate}",
                counted(*plain_bytes, "byte")
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let within = |text: &str, bytes| {
            text.parse::<ByteRange>().ok().and_then(|range| range.within(bytes).ok())
        };
        assert_eq!(within("0-0", 10), Some(0..1));
        assert_eq!(within("3-9", 10), Some(3..10));
        assert_eq!(within("3-", 10), Some(3..10));
        for (text, bytes) in [("0-10", 10), ("10-", 10), ("0-0", 0), ("0-18446744073709551615", 10)]
        {
            assert_eq!(within(text, bytes), None, "{text} of {bytes}");
        }
        for bad in ["", "-", "5", "-5", "5-4", "a-b", "+1-2", "1-2-3", "99999999999999999999-"] {
            assert!(bad.parse::<ByteRange>().is_err(), "{bad}");
        }
    }
}
