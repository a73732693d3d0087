//! Sessions and their chunks, which both stand in the order of session ids.

use lucid_core::{ChunkIndex, SessionId};

use super::{Comparing, Report, side::Side};
use crate::{
    Collection, Fault,
    build::check_chunks,
    document::{chunk, session_id},
    session::{Sealed, Session},
    walk,
    window::{KEPT_MAX, Sessions},
};

/// Chunks of a manifest that are asked for at once.
const CHUNKS_AT_ONCE: u32 = 1000;

/// Compares both collections in one go.
pub(super) async fn both(comparing: &Comparing<'_>, report: &mut Report) -> Result<(), Fault> {
    let Comparing { shared, size, .. } = comparing;
    let mut sessions = Side::open(comparing, Collection::Sessions).await?;
    let mut chunks = Side::open(comparing, Collection::Chunks).await?;
    let mut above: Option<SessionId> = None;
    loop {
        let fold = Sessions::new(above.take(), KEPT_MAX);
        let (kept, more) = walk::fold(&shared.source, *size, fold).await?.end();
        above = kept.last().map(|session| session.id);
        for session in kept {
            one(comparing, session, &mut sessions, &mut chunks, report).await?;
        }
        if !more {
            sessions.end(report).await?;
            return chunks.end(report).await;
        }
    }
}

async fn one(
    comparing: &Comparing<'_>,
    mut session: Session,
    sessions: &mut Side<'_>,
    chunks: &mut Side<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let (id, node) = (session.id, comparing.shared.link.node);
    let Some(sealed) = session.sealed else {
        return sessions.expect(session.record(node), None, report).await;
    };
    // As when it is sent: by the hash that the log has.
    let named = [(id, sealed.manifest_hash)];
    match comparing.shared.source.manifests(&named).await?.pop().flatten() {
        Some(head) => {
            session.take_manifest(&head)?;
            sessions.expect(session.record(node), None, report).await?;
            its_chunks(comparing, id, sealed, chunks, report).await
        }
        None => {
            // What the database has of it may be all there is.
            report.unreadable(id);
            sessions.expect(session.record(node), Some("manifest"), report).await?;
            chunks.leave(&format!("{}/", session_id(node, id)), report).await
        }
    }
}

async fn its_chunks(
    comparing: &Comparing<'_>,
    id: SessionId,
    sealed: Sealed,
    side: &mut Side<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let shared = comparing.shared;
    let mut next = 0;
    while next < sealed.chunk_count {
        let from = ChunkIndex(next);
        let list = shared.source.chunks(id, from, CHUNKS_AT_ONCE).await?;
        check_chunks(id, from, sealed.chunk_count, &list)?;
        for one in &list {
            side.expect(chunk(shared.link.node, id, sealed.index, one), None, report).await?;
            next += 1;
        }
    }
    Ok(())
}
