//! `ingest`: records a file, a folder or standard input as a session.

use std::{
    fs::File,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use lucid_core::{MediaType, SessionId, counted};
use lucid_pipeline::source::{FileSource, Source};
use lucid_store::Store;

use super::session::{OpenSession, Recorded};
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{in_one_line, notice},
    policy,
    progress::Unit,
    source::{ChannelSource, PollSource, TarSource},
};

/// Arguments of `ingest`.
#[derive(Args, Debug)]
pub struct Ingest {
    /// A file, a folder, or - for standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What the stream is [default: by the kind of PATH]
    #[arg(long, value_name = "TYPE")]
    media_type: Option<MediaType>,
    /// Go on with an interrupted session; PATH must hold what it held then
    #[arg(long, value_name = "ID", conflicts_with = "media_type")]
    resume: Option<SessionId>,
    /// Write evidence about the session to this file, and check it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// The input, by what it is.
enum Input {
    File(FileSource),
    /// A file that says it is empty, as those of the kernel do: what it has is known when it was read, and some wait
    /// for more without end.
    Unmeasured(ChannelSource<File>),
    Folder(TarSource),
    Pipe(PollSource),
}

impl Input {
    fn open(path: &Path, context: &Context) -> Outcome<io::Result<Self>> {
        // A named pipe opens when somebody writes to it.
        context.waiting(|| Self::open_waiting(path, context))
    }

    fn open_waiting(path: &Path, context: &Context) -> io::Result<Self> {
        let (flush_after, cancel) = (context.config.flush_after, Arc::clone(&context.cancel));
        if path.as_os_str() == "-" {
            let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
            return Ok(Self::Pipe(PollSource::new(descriptor, flush_after, cancel)));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        match metadata.file_type() {
            kind if kind.is_dir() => {
                Ok(Self::Folder(TarSource::spawn(path, Some(&context.config.data))?))
            }
            kind if kind.is_file() && metadata.len() == 0 => {
                Ok(Self::Unmeasured(ChannelSource::spawn(file, flush_after, cancel)?))
            }
            kind if kind.is_file() => Ok(Self::File(FileSource::new(file)?)),
            // A named pipe, a terminal, a device.
            _ => Ok(Self::Pipe(PollSource::new(file.into(), flush_after, cancel))),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::File(source) => source,
            Self::Unmeasured(source) => source,
            Self::Folder(source) => source,
            Self::Pipe(source) => source,
        }
    }

    fn media_type(&self, path: &Path) -> MediaType {
        match self {
            Self::Folder(_) => MediaType::tar(),
            Self::File(_) | Self::Unmeasured(_)
                if path.extension().is_some_and(|e| e == "cast") =>
            {
                MediaType::asciicast()
            }
            Self::File(_) | Self::Unmeasured(_) | Self::Pipe(_) => MediaType::octets(),
        }
    }

    fn total_bytes(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.bytes().ok(),
            Self::Unmeasured(_) | Self::Folder(_) | Self::Pipe(_) => None,
        }
    }
}

impl Ingest {
    /// Records the input as a new session, or goes on with one.
    ///
    /// # Errors
    /// The input's, the store's; what was acknowledged is then kept, and the message says how to go
    /// on.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let unreadable = |error: io::Error| {
            Failure::io(format!("the input {} cannot be read: {error}", self.path.display()))
        };
        if self.path.as_os_str() != "-" {
            // No data folder is made for a mistyped name.
            std::fs::metadata(&self.path).map_err(unreadable)?;
        }
        context.catch_signals()?;
        // Before the input: a folder's archive leaves the data folder out, which must be there then.
        let store = context.open_or_create_store()?;
        let mut input = Input::open(&self.path, context)?.map_err(unreadable)?;
        let session = match self.resume {
            Some(session) => OpenSession::resume(context, &store, session)?,
            None => {
                self.check_length(context, &store, &input)?;
                let media_type = self.media_type.clone();
                let media_type = media_type.unwrap_or_else(|| input.media_type(&self.path));
                OpenSession::begin(context, &store, media_type)?
            }
        };
        let progress = context.progress("acknowledged", Unit::Bytes, input.total_bytes());
        progress.event(&session.opened_event());
        if self.resume.is_some() {
            let compared = session.compare(context, input.source());
            compared.map_err(|failure| self.advise(failure, &session))?;
            progress.set(session.plain_bytes());
        }
        let filled = session.fill(context, input.source(), &progress);
        drop(progress);
        let filled = filled.map_err(|failure| self.advise(failure, &session))?;
        let mut recorded: Recorded = session.seal(filled, true)?;
        if let Input::Folder(folder) = &input {
            for path in folder.skipped() {
                notice(&format!("left out: {}", in_one_line(&path.display().to_string())));
            }
            recorded.skipped = Some(folder.skipped().len());
        }
        recorded.prove(&store, self.proof.as_deref())?;
        recorded.print(context)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses a file that is longer than a session may be, before one is opened for it.
    fn check_length(&self, context: &Context, store: &Store, input: &Input) -> Outcome {
        let max = policy::of_new_session(context.policy()?, store)?.session_bytes_max();
        match (max, input.total_bytes()) {
            (Some(max), Some(bytes)) if bytes > max => Err(Failure::usage(format!(
                "{} has {bytes} bytes, and a session has at most {max} on this node \
                 (session_bytes_max): divide it",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Says what is kept after a failure, and how to go on.
    fn advise(&self, failure: Failure, session: &OpenSession<'_>) -> Failure {
        let id = session.id();
        let kept = match session.acknowledged() {
            Ok(totals) => format!(
                "acknowledged and kept of session {id}: {} in {}",
                counted(totals.plain_bytes, "byte"),
                counted(totals.chunk_count, "chunk")
            ),
            Err(_) => format!("what was acknowledged of session {id} is kept"),
        };
        let path = self.path.display();
        let data = session.data().display();
        let Failure { class, error } = failure;
        let message = format!(
            "{error:#}\n{kept}; go on with: lucid-node ingest {path} --resume {id} --data \
             {data}\n\
             or close it as incomplete with: lucid-node seal {id} --data {data}"
        );
        Failure { class, error: anyhow::Error::msg(message) }
    }
}
