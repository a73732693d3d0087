//! The ledger as other services write to it and follow it: accounts, parameters, and anchors.

use async_trait::async_trait;
use lucid_api::ports::{
    ANCHORS_MAX, Answer, Ledger, LoggedAnchor, PARAMETER_CHANGES_MAX, ParameterChange,
    ParameterChanges, USER_CHANGES_MAX, UserChanges,
};
use lucid_core::{
    EntryIndex, NodeId,
    entry::{AnchorTron, Entry, ParametersChanged, UserChanged},
    merkle::TreeHead,
};

use super::{Orchestrator, of_store};

#[async_trait]
impl Ledger for Orchestrator {
    async fn user_changed(&self, change: UserChanged) -> Answer<()> {
        self.run(|parts| {
            parts.store.append(&[Entry::UserChanged(change)]).map(drop).map_err(of_store)
        })
        .await
    }

    async fn user_changes(&self, after: TreeHead) -> Answer<UserChanges> {
        self.run(move |parts| {
            let found = parts.store.user_changes(after, USER_CHANGES_MAX as usize);
            let lucid_store::UserChanges { changes, until, more } = found.map_err(of_store)?;
            let changes = changes.into_iter().map(|(_, change)| change).collect();
            Ok(UserChanges { changes, until, more })
        })
        .await
    }

    async fn parameters(&self) -> Answer<Option<ParametersChanged>> {
        self.run(|parts| Ok(parts.store.parameters())).await
    }

    async fn parameter_changes(&self, from: EntryIndex) -> Answer<ParameterChanges> {
        self.run(move |parts| {
            let found = parts.store.parameter_changes(from, PARAMETER_CHANGES_MAX as usize);
            let lucid_store::ParameterChanges { changes, more } = found.map_err(of_store)?;
            let change =
                |(index, entry): (EntryIndex, _)| ParameterChange { index: index.0, entry };
            Ok(ParameterChanges { changes: changes.into_iter().map(change).collect(), more })
        })
        .await
    }

    async fn anchored(&self, anchor: AnchorTron) -> Answer<()> {
        self.run(|parts| parts.store.append_anchor(anchor).map(drop).map_err(of_store)).await
    }

    async fn anchors(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>> {
        self.run(move |parts| {
            let before = EntryIndex(before.unwrap_or(u64::MAX));
            let found = parts.store.anchors(before, limit.min(ANCHORS_MAX) as usize);
            let logged = |(index, entry): (EntryIndex, _)| LoggedAnchor { index: index.0, entry };
            Ok(found.map_err(of_store)?.into_iter().map(logged).collect())
        })
        .await
    }

    async fn node_id(&self) -> Answer<NodeId> {
        Ok(self.parts.store.node_id())
    }
}
