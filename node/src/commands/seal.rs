//! `seal` and `void`: the two ends of a session whose source is gone.

use std::{process::ExitCode, time::Instant};

use clap::Args;
use lucid_core::{EntryIndex, SessionId, Timestamp, counted};
use lucid_store::{State, StoreError};
use serde::Serialize;

use super::{erase::confirm, session};
use crate::{
    cli::SessionArg,
    context::{Context, now},
    failure::Outcome,
    output::table,
};

/// The longest reason that a `session.voided` entry takes, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Arguments of `seal`.
#[derive(Args, Debug)]
pub struct Seal {
    #[command(flatten)]
    session: SessionArg,
}

/// Arguments of `void`.
#[derive(Args, Debug)]
pub struct Void {
    #[command(flatten)]
    session: SessionArg,
    /// Why, for the ledger, where everybody can read it
    #[arg(long, value_name = "TEXT", default_value = "given up by the operator")]
    #[arg(value_parser = reason)]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

fn reason(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("it is empty".to_owned()),
        bytes if bytes > REASON_BYTES_MAX => {
            Err(format!("it has {bytes} bytes; at most {REASON_BYTES_MAX} are allowed"))
        }
        _ => Ok(text.to_owned()),
    }
}

#[derive(Serialize)]
struct Voided {
    session_id: SessionId,
    state: &'static str,
    #[serde(rename = "voided_at")]
    at: Option<Timestamp>,
    log_index: Option<EntryIndex>,
    reason: String,
    destroyed: Destroyed,
}

#[derive(Serialize)]
struct Destroyed {
    chunk_count: u32,
    plain_bytes: u64,
}

impl Seal {
    /// Seals the session over what is acknowledged, as incomplete: its end mark never came.
    ///
    /// # Errors
    /// Where there is none, it is not open, or nobody could read it; the store's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let started = Instant::now();
        let session = self.session.session;
        let store = context.open_store()?;
        let media_type = store.session(session)?.media_type;
        session::seal(&store, session, media_type, false, started)?.print(context)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Void {
    /// Asks, and gives the session up: its keys, chunks and index are destroyed.
    ///
    /// # Errors
    /// Where there is none, it is sealed, or the answer is no; the store's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let session = self.session.session;
        let store = context.open_store()?;
        let state = store.session(session)?.state();
        if state != State::Open {
            let wanted = "only an open session can be voided (a sealed one: lucid-node erase)";
            return Err(StoreError::State { session, state, wanted }.into());
        }
        // A damaged index is a reason to void a session, no reason not to.
        let totals = store.totals(session).unwrap_or_default();
        let question = format!(
            "Give up session {session}, {} so far? Nobody can bring it back.",
            counted(totals.plain_bytes, "byte")
        );
        confirm(&question, self.yes)?;
        store.void(session, &self.reason, now())?;
        let ended = store.session(session)?.ended;
        let voided = Voided {
            session_id: session,
            state: State::Voided.as_str(),
            at: ended.map(|(_, at)| at),
            log_index: ended.map(|(entry, _)| entry),
            reason: self.reason.clone(),
            destroyed: Destroyed {
                chunk_count: totals.chunk_count,
                plain_bytes: totals.plain_bytes,
            },
        };
        let voided_text = |voided: &Voided| {
            let Destroyed { chunk_count, plain_bytes } = voided.destroyed;
            table(&[
                ("voided", voided.session_id.to_string()),
                (
                    "destroyed",
                    format!(
                        "its key and {}, {}",
                        counted(chunk_count, "chunk"),
                        counted(plain_bytes, "byte")
                    ),
                ),
                ("kept", "the entries in the log that it was opened and given up".to_owned()),
            ])
        };
        context.output.print(&voided, voided_text)?;
        Ok(ExitCode::SUCCESS)
    }
}
