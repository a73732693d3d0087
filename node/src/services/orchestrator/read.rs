//! What was written about a session, as callers ask for it: manifests, summaries of chunks, the proof that
//! it is in the ledger.

use bytes::Bytes;
use lucid_api::ports::{Answer, LedgerProof, Summary};
use lucid_core::{ChunkIndex, Hash, SessionId};

use super::{PAGE_MAX, Parts, of_store};
use crate::services::problem;

/// Bytes of manifests after which no other is read in the same turn: others wait for it, and for the memory.
const MANIFESTS_BYTES: usize = 1 << 20;

impl Parts {
    /// A sealed session's manifest.
    pub(super) fn manifest(&self, session: SessionId) -> Answer<Bytes> {
        let manifest = self.store.manifest(session).map_err(of_store)?;
        Ok(Bytes::from(manifest.bytes))
    }

    /// The first session's manifest, and as many of the others' as fit.
    pub(super) fn manifests(&self, sessions: &[(SessionId, Hash)]) -> Vec<Answer<Bytes>> {
        as_many_as_fit(sessions.iter().take(PAGE_MAX as usize).map(|(session, hash)| {
            let bytes = self.store.manifest_bytes(*session, *hash).map_err(of_store)?;
            Ok(Bytes::from(bytes))
        }))
    }

    /// That a sealed session's entry is in the ledger.
    pub(super) fn ledger_proof(&self, session: SessionId) -> Answer<LedgerProof> {
        let index = self.sealed_entry(session)?;
        let read =
            |log: &lucid_store::LogReader| Ok((log.entry(index)?, log.witnessed_proof(index)?));
        let (entry, proof) = self.store.with_log(read).map_err(of_store)?;
        let key = self.store.log_key().verifier_key().to_string();
        let entry = String::from_utf8(entry).map_err(|error| problem::internal(&error))?;
        Ok(LedgerProof { entry, tlog_proof: proof.to_text(), key })
    }

    /// The summaries of acknowledged chunks from `from` on.
    pub(super) fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        limit: u32,
    ) -> Answer<Vec<Summary>> {
        let index = self.store.index(session).map_err(of_store)?;
        let place = usize::try_from(from.0).map_err(|error| problem::internal(&error))?;
        let count = usize::try_from(limit.min(PAGE_MAX)).unwrap_or_default();
        let summaries = index.skip(place).take(count);
        summaries.map(|summary| Ok(Summary(summary.map_err(of_store)?))).collect()
    }
}

fn as_many_as_fit(manifests: impl Iterator<Item = Answer<Bytes>>) -> Vec<Answer<Bytes>> {
    let (mut bytes, mut read) = (0, Vec::new());
    for manifest in manifests {
        bytes += manifest.as_ref().map_or(0, Bytes::len);
        read.push(manifest);
        if bytes >= MANIFESTS_BYTES {
            break;
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use lucid_api::{Code, Problem};

    use super::*;

    #[test]
    fn no_more_are_read_than_fit() {
        let read = |lengths: &[usize]| {
            let manifests = lengths.iter().map(|length| match length {
                0 => Err(Problem::new(Code::NotFound, "there is none")),
                length => Ok(Bytes::from(vec![b'{'; *length])),
            });
            as_many_as_fit(manifests).len()
        };
        assert_eq!(read(&[]), 0);
        assert_eq!(read(&[MANIFESTS_BYTES + 1, 1]), 1, "the first is always given");
        assert_eq!(read(&[0, MANIFESTS_BYTES - 1, 0, 1, 1]), 4);
        assert_eq!(read(&[1; 100]), 100);
    }
}
