//! `record`: runs a command in a terminal and records it as an asciicast session.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use lucid_core::MediaType;
use lucid_record::{RecordError, RecordOptions};

use super::session::OpenSession;
use crate::{
    context::{Context, now},
    failure::{Class, Failure, Outcome},
    output::notice,
    progress::{Mode, Progress, Unit},
    source::ChannelSource,
};

/// Arguments of `record`.
#[derive(Args, Debug)]
pub struct Record {
    /// A title, kept in the recording
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Record what is typed too, passwords included
    #[arg(long)]
    input: bool,
    /// Write evidence about the session to this file, and check it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// The command and its arguments [default: $SHELL]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

impl Record {
    /// Records the command's terminal until it ends.
    ///
    /// # Errors
    /// Where the command cannot be run; the store's. What was acknowledged is kept.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let store = context.open_or_create_store()?;
        let shell = || vec![std::env::var_os("SHELL").unwrap_or("/bin/sh".into())];
        let command = if self.command.is_empty() { shell() } else { self.command };
        let mut options = RecordOptions::new(command, now().unix_millis() / 1000);
        options.title = self.title;
        options.capture_input = self.input;
        options.env_remove = secret_variables().collect();
        // First the session, then the command: nothing runs that could not be recorded.
        let session = OpenSession::begin(context, &store, MediaType::asciicast())?;
        let id = session.id();
        let recording = match lucid_record::spawn(options) {
            Ok(recording) => recording,
            Err(error) => {
                store.void(id, "the command could not be started", now())?;
                return Err(record_failure(error));
            }
        };
        let (flush_after, cancel) = (context.config.flush_after, Arc::clone(&context.cancel));
        let mut source = ChannelSource::spawn(recording, flush_after, cancel)?;
        // The terminal belongs to the command: only programs are told of progress meanwhile.
        let mode = if context.progress == Mode::Json { Mode::Json } else { Mode::None };
        let progress = Progress::new(mode, "acknowledged", Unit::Bytes, None);
        progress.event(&session.opened_event());
        let filled = session.fill(context, &mut source, &progress);
        let ended = source
            .into_reader()
            .map_err(Failure::from)
            .and_then(|recording| recording.finish().map_err(record_failure));
        let advise = |failure: Failure| {
            failure.context(format!(
                "what was acknowledged of session {id} is kept; close it with: lucid-node seal {id}"
            ))
        };
        let filled = filled.map_err(advise)?;
        let ended = ended.map_err(advise)?;
        let mut recorded = session.seal(filled, ended.stopped.is_none())?;
        if ended.stopped.is_some() {
            notice("the recording was stopped from outside; it is sealed as incomplete");
        }
        recorded.exit_status = Some(ended.status.to_string());
        recorded.prove(&store, self.proof.as_deref())?;
        recorded.print(context)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The variables that may hold the node's own secrets: the recorded command gets none of them, and
/// could otherwise show them on the terminal that is recorded.
fn secret_variables() -> impl Iterator<Item = OsString> {
    const NAMES: [&str; 5] =
        ["MASTER_ENCRYPTION_KEY", "JWT_SECRET_KEY", "TRON_PRIVATE_KEY", "MONGO_URL", "LUCID_"];
    let secret = |name: &OsString| {
        NAMES.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
    };
    std::env::vars_os().map(|(name, _)| name).filter(secret)
}

fn record_failure(error: RecordError) -> Failure {
    let class = match &error {
        RecordError::NoCommand
        | RecordError::CommandNotFound { .. }
        | RecordError::NotExecutable { .. } => Class::Usage,
        _ => Class::Io,
    };
    Failure { class, error: error.into() }
}
