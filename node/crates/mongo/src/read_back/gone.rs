//! What of a node's sessions is gone with its disk.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use lucid_core::{ChunkIndex, Hash, SessionId};

use super::{ReadBack, ReadBackError};
use crate::{
    PortError,
    session::{Session, Step},
    walk,
    window::{KEPT_MAX, Sessions},
};

/// Ranges of chunks that are named for a session; more are only counted.
const RANGES_MAX: usize = 64;

/// What is still on the disk, and what takes up what is read back for it.
#[async_trait]
pub trait Had: Send + Sync {
    /// Takes the next bytes of a session's manifest, in order. It is called on the runtime's threads.
    ///
    /// # Errors
    /// The operating system's.
    fn put(&self, session: SessionId, bytes: &[u8]) -> std::io::Result<()>;

    /// There are no more of them: only where `state` is [`ManifestState::Verified`] were they the manifest, whose
    /// hash is `hash`.
    ///
    /// # Errors
    /// [`PortError`].
    async fn ended(
        &self,
        session: SessionId,
        state: ManifestState,
        hash: Hash,
    ) -> Result<(), PortError>;

    /// Whether a chunk's file is there.
    ///
    /// # Errors
    /// [`PortError`].
    async fn has_chunk(&self, session: SessionId, index: ChunkIndex) -> Result<bool, PortError>;
}

/// What became of a session's manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestState {
    /// It can be put together from the database, and is the one that was sealed.
    Verified,
    /// The database does not have all of it.
    Missing,
    /// What the database has is not what was sealed.
    Altered,
}

/// A session that the log has, and what is gone of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoneSession {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub owner: String,
    /// Its state, by the log.
    pub state: &'static str,
    /// Chunks it was sealed with; 0 where it was not sealed: what it had then is in no log, and is gone.
    pub chunk_count: u32,
    /// Plaintext bytes it was sealed with.
    pub plain_bytes: u64,
    /// Chunks that are not on the disk.
    pub chunks_gone: u32,
    /// The first 64 ranges of them.
    pub gone: Vec<RangeInclusive<u32>>,
    /// Its manifest; `None` where it was never sealed.
    pub manifest: Option<ManifestState>,
}

/// All sessions together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LossReport {
    /// Sessions in the log.
    pub sessions: u64,
    /// Sealed ones, not erased, of which chunks are gone.
    pub sessions_with_loss: u64,
    /// Sessions that were open: what they had is gone.
    pub sessions_open: u64,
    /// Chunks that are gone; not those of sessions that were erased, which were gone before.
    pub chunks_gone: u64,
    /// Manifests that were put together and verified.
    pub manifests_verified: u64,
    /// Manifests that could not be.
    pub manifests_lost: u64,
}

impl ReadBack {
    /// Goes through all sessions of the verified log, in the order of ids, gives `had` their manifests, and tells of
    /// each what is gone.
    ///
    /// # Errors
    /// [`ReadBackError`].
    pub async fn report(
        &self,
        had: &dyn Had,
        tell: &mut (dyn FnMut(GoneSession) + Send),
    ) -> Result<LossReport, ReadBackError> {
        let mut report = LossReport::default();
        let mut above = None;
        loop {
            let fold = Sessions::new(above.take(), KEPT_MAX);
            let (sessions, more) = walk::fold(self, self.head().size, fold).await?.end();
            above = sessions.last().map(|session| session.id);
            for session in sessions {
                let gone = self.gone(&session, had).await?;
                report.count(&gone);
                tell(gone);
            }
            if !more {
                return Ok(report);
            }
        }
    }

    async fn gone(&self, session: &Session, had: &dyn Had) -> Result<GoneSession, ReadBackError> {
        let state = session.state();
        let mut gone = GoneSession {
            session: session.id,
            owner: session.owner().unwrap_or("").to_owned(),
            state: state.name(),
            chunk_count: 0,
            plain_bytes: 0,
            chunks_gone: 0,
            gone: Vec::new(),
            manifest: None,
        };
        let Some(sealed) = session.sealed else { return Ok(gone) };
        (gone.chunk_count, gone.plain_bytes) = (sealed.chunk_count, sealed.plain_bytes);
        let put = &mut |bytes: &[u8]| had.put(session.id, bytes);
        let manifest = self.manifest_of(session.id, sealed, put).await?;
        let ended = had.ended(session.id, manifest, sealed.manifest_hash).await;
        ended.map_err(crate::Fault::from)?;
        gone.manifest = Some(manifest);
        if state == Step::Erased {
            return Ok(gone);
        }
        for index in 0..sealed.chunk_count {
            let has = had.has_chunk(session.id, ChunkIndex(index)).await;
            if !has.map_err(crate::Fault::from)? {
                gone.add(index);
            }
        }
        Ok(gone)
    }
}

impl GoneSession {
    fn add(&mut self, index: u32) {
        self.chunks_gone += 1;
        let named = self.gone.len();
        match self.gone.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(index) => {
                *last = *last.start()..=index;
            }
            _ if named < RANGES_MAX => self.gone.push(index..=index),
            _ => {}
        }
    }
}

impl LossReport {
    fn count(&mut self, session: &GoneSession) {
        self.sessions += 1;
        self.sessions_open += u64::from(session.state == Step::Opened.name());
        self.sessions_with_loss += u64::from(session.chunks_gone > 0);
        self.chunks_gone += u64::from(session.chunks_gone);
        match session.manifest {
            Some(ManifestState::Verified) => self.manifests_verified += 1,
            Some(_) => self.manifests_lost += 1,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_chunks_are_ranges() {
        let mut gone = GoneSession {
            session: SessionId::from_random([0; 16]),
            owner: String::new(),
            state: "sealed",
            chunk_count: 1000,
            plain_bytes: 0,
            chunks_gone: 0,
            gone: Vec::new(),
            manifest: None,
        };
        for index in [0, 1, 2, 5, 7, 8] {
            gone.add(index);
        }
        assert_eq!(gone.gone, [0..=2, 5..=5, 7..=8]);
        for index in (10..1000).step_by(2) {
            gone.add(index);
        }
        assert_eq!((gone.gone.len(), gone.chunks_gone), (64, 6 + 495));
    }
}
