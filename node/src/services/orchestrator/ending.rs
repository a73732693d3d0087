//! Ends of sessions and of uploads.

use lucid_api::{
    Code, Problem,
    ports::{Answer, LeaseId, Session, UploadState},
};
use lucid_core::SessionId;
use lucid_store::SealRequest;

use super::{Parts, of_store, problem};
use crate::{SOFTWARE, context::now};

impl Parts {
    pub(super) fn end_upload(&self, lease: LeaseId, session: SessionId) -> Answer<Session> {
        if !self.holds.release(session, lease) {
            return Err(problem::in_use());
        }
        let view = self.view(session)?;
        match view.upload {
            Some(upload) if upload.length == Some(upload.offset) => self.seal(session, true),
            _ => Ok(view),
        }
    }

    /// Seals it, as complete only where a length that was told is reached.
    pub(super) fn seal(&self, session: SessionId, complete: bool) -> Answer<Session> {
        // The state is asked for first: what has ended is not held.
        let UploadState { length, .. } = self.upload_state(session)?;
        self.held(session, |lease| {
            let (_, offset) = self.begin_hold(session, lease)?;
            if let (true, Some(length)) = (complete, length.filter(|length| *length != offset)) {
                let detail = format!(
                    "the upload has {offset} of {length} bytes: send the rest, or seal it with \
                     {{\"complete\": false}}"
                );
                return Err(Problem::new(Code::SessionState, detail));
            }
            let request = SealRequest { complete, at: now(), software: SOFTWARE.to_owned() };
            self.store.seal(session, &request).map(drop).map_err(of_store)
        })
    }

    /// Gives it up. Neither chunks that are lost keep anybody from that, nor what is wrong with its index.
    pub(super) fn void(&self, session: SessionId, reason: &str) -> Answer<Session> {
        whatever_is_damaged(self.upload_state(session))?;
        self.held(session, |lease| {
            whatever_is_damaged(self.begin_hold(session, lease))?;
            self.store.void(session, reason, now()).map_err(of_store)
        })
    }

    pub(super) fn erase(&self, session: SessionId) -> Answer<Session> {
        self.store.erase(session, now()).map_err(of_store)?;
        self.changed(session)
    }

    /// Ends an open session, which nobody may be filling at the moment.
    fn held(&self, session: SessionId, end: impl FnOnce(LeaseId) -> Answer<()>) -> Answer<Session> {
        let lease = self.holds.take(session)?;
        let ended = end(lease);
        self.holds.release(session, lease);
        ended?;
        self.changed(session)
    }
}

fn whatever_is_damaged<T>(answer: Answer<T>) -> Answer<()> {
    match answer {
        Err(problem) if problem.code != Code::Damaged => Err(problem),
        _ => Ok(()),
    }
}
