//! A ledger that says what it was told.

use super::*;

/// A ledger that keeps what it is told, or fails. The root of its first entries is made of their number.
#[derive(Default)]
pub(super) struct Told {
    pub(super) changes: StdMutex<Vec<UserChanged>>,
    pub(super) fails: std::sync::atomic::AtomicBool,
    /// It keeps what it is told, and its answer does not arrive.
    pub(super) mute: std::sync::atomic::AtomicBool,
}

impl Told {
    /// Changes in one answer.
    pub(super) const PAGE: usize = 2;

    pub(super) fn head(size: usize) -> TreeHead {
        match size {
            0 => TreeHead::EMPTY,
            size => TreeHead { size: size as u64, root: Hash([size as u8; 32]) },
        }
    }
}

#[async_trait]
impl Ledger for Told {
    async fn user_changed(&self, change: UserChanged) -> Answer<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Problem::new(Code::Unavailable, "no ledger"));
        }
        self.changes.lock().unwrap().push(change);
        match self.mute.load(Ordering::SeqCst) {
            true => Err(Problem::new(Code::ServiceTimeout, "no answer")),
            false => Ok(()),
        }
    }

    async fn user_changes(&self, after: TreeHead) -> Answer<UserChanges> {
        let changes = self.changes.lock().unwrap();
        let from = after.size as usize;
        if from > changes.len() || Self::head(from) != after {
            return Err(Problem::new(Code::Conflict, "another log"));
        }
        let to = changes.len().min(from + Self::PAGE);
        let (more, until) = (to < changes.len(), Self::head(to));
        Ok(UserChanges { changes: changes[from..to].to_vec(), until, more })
    }

    async fn parameters(&self) -> Answer<Option<lucid_core::entry::ParametersChanged>> {
        Ok(None)
    }

    async fn parameter_changes(
        &self,
        _: lucid_core::EntryIndex,
    ) -> Answer<lucid_api::ports::ParameterChanges> {
        Ok(lucid_api::ports::ParameterChanges { changes: Vec::new(), more: false })
    }

    async fn anchored(&self, _: lucid_core::entry::AnchorTron) -> Answer<()> {
        Err(Problem::new(Code::Unavailable, "accounts anchor nothing"))
    }

    async fn anchors(&self, _: Option<u64>, _: u32) -> Answer<Vec<lucid_api::ports::LoggedAnchor>> {
        Ok(Vec::new())
    }

    async fn node_id(&self) -> Answer<lucid_core::NodeId> {
        Ok("0123456789abcdef".parse().unwrap())
    }
}
