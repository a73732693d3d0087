//! What a store's or the pipeline's error is to a caller. The cause goes to the log, here and once.

use lucid_api::{Code, Problem};
use lucid_pipeline::{PortError, open::ChunkError};
use lucid_store::{ErrorKind, LogError, State, StoreError};

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
        StoreError::SessionFull { .. } => Problem::new(Code::TooLarge, error.to_string()),
        StoreError::PolicyChanged(_) => {
            Problem::new(Code::Unavailable, "the node's parameters are changing: try again")
        }
        StoreError::DiskFull { .. } => disk_full(&error),
        StoreError::Log(LogError::Poisoned { .. } | LogError::Io { .. }) => log_failed(&error),
        StoreError::Poisoned { .. } => {
            tracing::error!(error = chain(&error), "a file takes no more writes");
            let detail = "a file takes no more writes after a failed one: restart the node, which repairs it";
            Problem::new(Code::Unavailable, detail)
        }
        StoreError::WriteOnly => Problem::new(
            Code::Forbidden,
            "this node is write-only: it cannot read what it stored; restore with the age identity",
        ),
        StoreError::Unreadable { .. } => {
            tracing::error!(%error, "a session's key is lost");
            let detail = "the session's key file is lost or another's, or all of its chunks are lost, so nobody could read it: \
                          have them put back from a backup, or void the session";
            Problem::new(Code::Damaged, detail)
        }
        StoreError::NotWhole { .. } => {
            tracing::error!(%error, "acknowledged chunks are lost");
            let detail = "acknowledged chunks are lost: have them put back from a backup, or seal what there is with \
                          {\"complete\": false}";
            Problem::new(Code::Damaged, detail)
        }
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

/// The log was not written: it takes nothing more before the node is started again.
fn log_failed(error: &StoreError) -> Problem {
    tracing::error!(error = chain(error), "the ledger log cannot be written");
    match error.kind() {
        ErrorKind::DiskFull => {
            let detail = "the disk is full, and the ledger log could not be written: make room, then \
                          restart the node";
            Problem::new(Code::DiskFull, detail)
        }
        _ => {
            let detail = "the ledger log cannot be read or written, and takes no more entries after a \
                          failed write: restart the node, which repairs it";
            Problem::new(Code::Unavailable, detail)
        }
    }
}

fn disk_full(error: &StoreError) -> Problem {
    tracing::error!(error = chain(error), "the disk is nearly full");
    Problem::new(Code::DiskFull, "the node's disk is nearly full: it takes no more chunks")
}

/// That what is stored is not what was written.
pub fn damaged(error: &dyn std::error::Error) -> Problem {
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
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
