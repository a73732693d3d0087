//! What a start repairs in an open session.

use std::path::PathBuf;

use lucid_core::{ChunkIndex, SessionId, Timestamp, chunk::ChunkSummary, counted};

use super::{
    Repair, Store,
    recover::{Recovery, temporary_files},
    write::{check_length, check_policy},
};
use crate::{
    disk::parent,
    error::{Doing, StoreError, chain, damaged},
    sessions::{self, ManifestFile, Scan},
    vault::Presence,
};

/// An open session as a start finds it.
struct Found {
    index: Scan,
    /// Where sealing had begun.
    manifest: Option<ManifestFile>,
    /// Whole chunk files that follow the index and were sealed under the session's key.
    adopted: Vec<ChunkSummary>,
    /// Chunk files that do not, and why.
    stray: Vec<(ChunkIndex, String)>,
}

impl Store {
    /// Repairs an open session: nothing it acknowledged is lost, and what stands beyond that is
    /// adopted or set aside.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where something acknowledged is not there; nothing is then changed.
    pub(super) fn recover_open(
        &self,
        session: SessionId,
        recovery: &mut Recovery,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(reason) = self.missing_files(session)? {
            self.void(session, &reason, at)?;
            recovery.repairs.push(Repair::Voided { session, reason });
            return Ok(());
        }
        let found = self.look(session, recovery)?;
        let path = self.sessions.index_path(session);
        self.remove_temporary(session, recovery)?;
        if let Some(tail) = found.index.tail {
            found.index.cut(&path, &self.disk)?;
            recovery.repairs.push(Repair::IndexCut { session, bytes: tail.bytes });
        }
        for (index, reason) in found.stray {
            let path = self.in_vault(&self.vault.quarantine(session, index)?);
            recovery.repairs.push(Repair::Quarantined { path, reason });
        }
        // What an ended process had in the page cache only is brought to the disk here, adopted or
        // acknowledged: a later power cut must not take it.
        self.vault.sync(session)?;
        let folder = parent(&path);
        self.disk.sync_folder(folder).doing("sync", folder)?;
        self.with_lock(session, |live| {
            let (index, _) = self.opened_index(session, live)?;
            index.append(&found.adopted)
        })?;
        if let Some(first) = found.adopted.first().map(|chunk| chunk.header.index) {
            let count = found.adopted.len() as u32;
            recovery.repairs.push(Repair::Adopted { session, first, count });
        }
        let finished = match found.manifest {
            Some(manifest) => self.finish_sealing(session, &manifest, recovery),
            None => Ok(()),
        };
        // Its index is opened again when somebody goes on with it.
        self.forget(session);
        finished
    }

    /// Why an open session never came to be, where it has neither key nor chunks. With chunks there
    /// the loss of a key is damage, which may be repaired from a backup, and no reason to destroy.
    fn missing_files(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        let Presence { key_file, chunk_folder } = self.vault.presence(session)?;
        let missing: Vec<&str> = [
            (key_file, "key file"),
            (self.sessions.index_path(session).exists(), "index"),
            (chunk_folder, "chunk folder"),
        ]
        .into_iter()
        .filter_map(|(there, name)| (!there).then_some(name))
        .collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let reason = format!("it has no {}", missing.join(" and no "));
        let index = self.sessions.index_path(session);
        let acknowledged =
            index.exists() && sessions::scan(&index, session)?.totals.chunk_count > 0;
        if acknowledged || !self.vault.chunks(session)?.is_empty() {
            return Err(damaged(&self.sessions.folder(session), reason));
        }
        Ok(Some(reason))
    }

    /// Reads all there is of an open session and decides; changes nothing but a manifest that is
    /// none.
    fn look(&self, session: SessionId, recovery: &mut Recovery) -> Result<Found, StoreError> {
        let path = self.sessions.index_path(session);
        let index = sessions::scan(&path, session)?;
        let chunks = self.vault.chunks(session)?;
        let count = index.totals.chunk_count;
        let there = chunks.iter().take_while(|index| index.0 < count).count();
        if there < count as usize {
            let lost = count as usize - there;
            let reason = format!("missing: the files of {}", counted(lost, "acknowledged chunk"));
            return Err(damaged(&self.in_vault(&format!("chunks/{session}")), reason));
        }
        let manifest = self.read_manifest(session, recovery)?;
        let (adopted, stray) = self.judge(session, &index, &chunks, manifest.as_ref())?;
        // Whole records beyond a bad one are a batch that a power cut tore, whose chunk files are all
        // there, or damage to what was acknowledged.
        if let Some(tail) = index.tail
            && tail.later_records > 0
            && (adopted.len() as u64) <= tail.later_records
        {
            let reason = format!(
                "record {count} is not whole, {} records follow it, and only {} chunk files of the \
                 session are there to make them again",
                tail.later_records,
                adopted.len()
            );
            return Err(damaged(&path, reason));
        }
        Ok(Found { index, manifest, adopted, stray })
    }

    /// Which chunk files beyond the index follow it, one by one, and which do not.
    #[expect(clippy::type_complexity, reason = "two lists, named where they are used")]
    fn judge(
        &self,
        session: SessionId,
        index: &Scan,
        chunks: &[ChunkIndex],
        manifest: Option<&ManifestFile>,
    ) -> Result<(Vec<ChunkSummary>, Vec<(ChunkIndex, String)>), StoreError> {
        let (mut adopted, mut stray) = (Vec::new(), Vec::new());
        let count = index.totals.chunk_count;
        let beyond: Vec<_> = chunks.iter().filter(|chunk| chunk.0 >= count).collect();
        if beyond.is_empty() {
            return Ok((adopted, stray));
        }
        let opened = self.opened(session)?;
        let mut totals = index.totals;
        for &chunk in beyond {
            let sealed = manifest.is_some_and(|file| file.manifest.chunk_count <= chunk.0);
            let verdict = if sealed {
                Err("the session was being sealed without it".to_owned())
            } else if stray.is_empty() {
                self.vault.examine(session, chunk)?.and_then(|summary| {
                    totals.add(&summary.header).map_err(|error| error.to_string())?;
                    check_policy(&summary, &opened).map_err(|error| error.to_string())?;
                    check_length(totals.plain_bytes, &opened).map_err(|error| error.to_string())?;
                    Ok(summary)
                })
            } else {
                Err("a chunk before it is missing or no chunk".to_owned())
            };
            match verdict {
                Ok(summary) => adopted.push(summary),
                Err(reason) => stray.push((chunk, reason)),
            }
        }
        Ok((adopted, stray))
    }

    /// A name in the vault's folder as it is shown: whole where that folder is this one.
    fn in_vault(&self, name: &str) -> PathBuf {
        if self.local.is_some() { self.folder.join(name) } else { PathBuf::from(name) }
    }

    /// The manifest that an interrupted sealing left. It was whole before it had its name, so one
    /// that cannot be read is damaged; it is set aside, as all of it can be made again.
    fn read_manifest(
        &self,
        session: SessionId,
        recovery: &mut Recovery,
    ) -> Result<Option<ManifestFile>, StoreError> {
        match sessions::read(&self.sessions.manifest_path(session), None) {
            Err(error @ StoreError::Damaged { .. }) => {
                self.set_manifest_aside(session, chain(&error), recovery)?;
                Ok(None)
            }
            read => read,
        }
    }

    fn set_manifest_aside(
        &self,
        session: SessionId,
        reason: String,
        recovery: &mut Recovery,
    ) -> Result<(), StoreError> {
        let path = self.sessions.manifest_path(session);
        let aside = path.with_extension("json.orphan");
        self.disk.rename(&path, &aside).doing("rename", &path)?;
        self.disk.sync_folder(parent(&path)).doing("sync", parent(&path))?;
        recovery.repairs.push(Repair::ManifestAside { path: aside, reason });
        Ok(())
    }

    /// Writes the entry of a session whose manifest is durable, if that is the manifest of what was
    /// acknowledged.
    fn finish_sealing(
        &self,
        session: SessionId,
        file: &ManifestFile,
        recovery: &mut Recovery,
    ) -> Result<(), StoreError> {
        let agrees = self.with_lock(session, |live| {
            let (index, opened) = self.opened_index(session, live)?;
            let (totals, root, manifest) = (*index.totals(), index.root(), &file.manifest);
            let agrees = manifest.session_id == session
                && manifest.merkle_root == root
                && manifest.chunk_count == totals.chunk_count
                && manifest.plain_bytes == totals.plain_bytes
                && manifest.owner == opened.owner
                && manifest.node_id == self.node_id()
                && manifest.policy_hash == opened.policy.hash();
            if agrees {
                self.sessions.remove_upload(session)?;
                let opened = opened.clone();
                self.commit_sealed(&opened, &totals, root, file.hash, manifest.sealed_at)?;
            }
            Ok(agrees)
        })?;
        if !agrees {
            let reason = "it is not the manifest of what was acknowledged".to_owned();
            return self.set_manifest_aside(session, reason, recovery);
        }
        recovery.repairs.push(Repair::Sealed(session));
        Ok(())
    }

    fn remove_temporary(
        &self,
        session: SessionId,
        recovery: &mut Recovery,
    ) -> Result<(), StoreError> {
        for name in self.vault.remove_temporary(session)? {
            recovery.repairs.push(Repair::Leftover(self.in_vault(&name)));
        }
        for path in temporary_files(&self.sessions.folder(session))? {
            self.disk.remove(&path).doing("remove", &path)?;
            recovery.repairs.push(Repair::Leftover(path));
        }
        Ok(())
    }
}
