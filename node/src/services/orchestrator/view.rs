//! Sessions as callers see them.

use lucid_api::{
    Code, Problem,
    ports::{Answer, SealedSession, Session, SessionState, UploadState},
};
use lucid_core::{EntryIndex, SessionId, Timestamp};
use lucid_store::{SessionRow, State};

use super::{Parts, of_store};

impl Parts {
    /// A session.
    pub(super) fn view(&self, session: SessionId) -> Answer<Session> {
        self.view_of(self.store.session(session).map_err(of_store)?)
    }

    /// A session whose row was read. An open one whose index is damaged is shown without its upload: it keeps nobody from
    /// the others in a list, and can be given up.
    pub(super) fn view_of(&self, row: SessionRow) -> Answer<Session> {
        let upload = match row.state() {
            State::Open => self.upload_of(&row),
            _ => Ok(None),
        };
        let upload = match upload {
            Err(problem) if problem.code == Code::Damaged => None,
            upload => upload?,
        };
        let sealed = row.sealed.map(|facts| SealedSession {
            at: facts.at,
            chunk_count: facts.chunk_count,
            plain_bytes: facts.plain_bytes,
            merkle_root: facts.merkle_root,
            manifest_hash: facts.manifest_hash,
            log_index: facts.entry.0,
        });
        Ok(Session {
            session_id: row.session,
            state: api_state(&row, self.store.anchored_size()),
            media_type: row.media_type.clone(),
            created_at: row.created_at,
            upload,
            sealed,
            ended_at: row.ended.map(|(_, at)| at),
            owner: row.owner,
        })
    }

    /// Where an open session's upload is.
    ///
    /// # Errors
    /// `gone` where the session was voided or erased, `session_state` where it is sealed.
    pub(super) fn upload_state(&self, session: SessionId) -> Answer<UploadState> {
        let row = self.store.session(session).map_err(of_store)?;
        let ended = || match row.state() {
            State::Voided | State::Erased => {
                Problem::new(Code::Gone, format!("session {session} is {}", row.state()))
            }
            state => Problem::new(
                Code::SessionState,
                format!("session {session} is {state}: it takes nothing more"),
            ),
        };
        self.upload_of(&row)?.ok_or_else(ended)
    }

    /// Nothing where it has just ended.
    fn upload_of(&self, row: &SessionRow) -> Answer<Option<UploadState>> {
        let read = || {
            let totals = self.store.totals(row.session)?;
            let upload = self.store.upload(row.session)?;
            Ok((totals, upload, self.store.last_activity(row.session)?))
        };
        match read() {
            Ok((totals, upload, last)) => Ok(Some(UploadState {
                offset: totals.plain_bytes,
                chunk_count: totals.chunk_count,
                length: upload.and_then(|upload| upload.length),
                expires_at: upload.map(|upload| after(last, upload.expires_after_seconds)),
            })),
            Err(lucid_store::StoreError::State { .. }) => Ok(None),
            Err(error) => Err(of_store(error)),
        }
    }

    /// Place of a session's `session.sealed` entry.
    pub(super) fn sealed_entry(&self, session: SessionId) -> Answer<EntryIndex> {
        let row = self.store.session(session).map_err(of_store)?;
        let facts = row.sealed.ok_or_else(|| {
            let code = match row.state() {
                State::Voided => Code::Gone,
                _ => Code::SessionState,
            };
            let state = row.state();
            let detail = format!("session {session} is {state}: only what was sealed has a proof");
            Problem::new(code, detail)
        })?;
        Ok(facts.entry)
    }
}

fn after(at: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis().saturating_add(seconds.saturating_mul(1000)))
}

/// What a list is of, where it is of one state or of all.
pub(in crate::services) fn split(
    state: Option<(State, Option<bool>)>,
) -> (Option<State>, Option<bool>) {
    state.map_or((None, None), |(state, anchored)| (Some(state), anchored))
}

/// A session's state as callers see it, where the first `anchored_size` entries of the log are anchored.
pub(in crate::services) fn api_state(row: &SessionRow, anchored_size: u64) -> SessionState {
    match row.state() {
        State::Open => SessionState::Open,
        State::Sealed if row.is_anchored(anchored_size) => SessionState::Anchored,
        State::Sealed => SessionState::Sealed,
        State::Voided => SessionState::Voided,
        State::Erased => SessionState::Erased,
    }
}

/// A state's name, for metrics.
pub(super) fn name(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => "open",
        SessionState::Sealing => "sealing",
        SessionState::Sealed => "sealed",
        SessionState::Anchored => "anchored",
        SessionState::Voided => "voided",
        SessionState::Erased => "erased",
    }
}

/// A state to list by, and whether those in it are anchored, where that tells them from others.
///
/// # Errors
/// `invalid_request` for a state that no session of this node is ever found in.
pub(in crate::services) fn store_state(state: SessionState) -> Answer<(State, Option<bool>)> {
    match state {
        SessionState::Open => Ok((State::Open, None)),
        SessionState::Sealed => Ok((State::Sealed, Some(false))),
        SessionState::Anchored => Ok((State::Sealed, Some(true))),
        SessionState::Voided => Ok((State::Voided, None)),
        SessionState::Erased => Ok((State::Erased, None)),
        SessionState::Sealing => Err(Problem::new(
            Code::InvalidRequest,
            "sessions are listed by open, sealed, anchored, voided or erased",
        )),
    }
}
