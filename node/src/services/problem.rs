//! What a store's or the pipeline's error is to a caller. The cause goes to the log, here and once.

use lucid_api::{Code, Problem};
use lucid_pipeline::{PortError, open::ChunkError};
use lucid_store::{ErrorKind, State, StoreError};

/// The problem that answers a store's error.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` calls for")]
pub fn of_store(error: StoreError) -> Problem {
    match &error {
        StoreError::UnknownSession(_) => Problem::no_session(),
        StoreError::State { state: State::Voided | State::Erased, .. } => {
            Problem::new(Code::Gone, error.to_string())
        }
        StoreError::State { .. } | StoreError::SessionExists(_) | StoreError::Chunk { .. } => {
            Problem::new(Code::SessionState, error.to_string())
        }
        StoreError::DiskFull { .. } => disk_full(&error),
        StoreError::WriteOnly => Problem::new(
            Code::Forbidden,
            "this node is write-only: it cannot read what it stored; restore with the age identity",
        ),
        StoreError::KeyFileMissing { .. } => {
            tracing::error!(%error, "a key file is missing");
            Problem::new(Code::Gone, "the session's key is gone")
        }
        _ => match error.kind() {
            ErrorKind::LeaseLost => in_use(),
            ErrorKind::Unavailable => {
                tracing::warn!(error = chain(&error), "a service is not reachable");
                Problem::new(Code::Unavailable, "a service is not reachable: try again")
            }
            ErrorKind::NotFound => Problem::new(Code::NotFound, "there is no such thing"),
            ErrorKind::Conflict => Problem::new(Code::Conflict, error.to_string()),
            ErrorKind::DiskFull => disk_full(&error),
            ErrorKind::Damaged => damaged(&error),
            ErrorKind::InUse | ErrorKind::Config | ErrorKind::Io => internal(&error),
        },
    }
}

/// That another uploader has the session.
pub fn in_use() -> Problem {
    Problem::new(Code::UploadInUse, "another request is uploading to this session: try again soon")
}

fn disk_full(error: &StoreError) -> Problem {
    tracing::error!(error = chain(error), "the disk is nearly full");
    Problem::new(Code::DiskFull, "the node's disk is nearly full: it takes no more chunks")
}

fn damaged(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = chain(error), "what is stored is damaged");
    Problem::new(Code::Damaged, "what is stored is not what was written; verify the session")
}

/// An error that is nobody's fault but the node's.
pub fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = chain(error), "a request failed");
    Problem::internal()
}

/// The problem that answers an error that came through the pipeline.
pub fn of_port(error: PortError) -> Problem {
    match error.downcast::<StoreError>() {
        Ok(error) => of_store(*error),
        Err(error) => internal(&*error),
    }
}

/// The problem that answers a chunk that does not open.
pub fn of_chunk(error: &ChunkError) -> Problem {
    match error {
        ChunkError::Missing => Problem::new(Code::Gone, "the chunk's file is gone"),
        ChunkError::Read(error) => internal(error),
        error => damaged(error),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
