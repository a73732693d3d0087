//! [`Governance`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;
use lucid_core::Hash;

use super::{Caller, method};
use crate::ports::{
    Acted, Answer, Governance, GovernanceSettings, GovernedParameters, NewProposal,
    ParameterHistory, Proposal, ProposalPage, Support,
};

/// What waits for a block takes at most this long.
const ACT_TIME: Duration = Duration::from_secs(50);

/// The called end.
pub fn governance(port: Arc<dyn Governance>) -> Router {
    macro_rules! route {
        ($router:ident, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(&port);
            $router.route(
                concat!("/internal/v1/governance/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = Router::new();
    let router = route!(router, "parameters", |port, (): ()| port.parameters());
    let router = route!(router, "history", |port, (before, limit): (Option<u64>, u32)| port
        .history(before, limit));
    let router = route!(router, "proposals", |port, (after, limit): (Option<Hash>, u32)| port
        .proposals(after, limit));
    let router = route!(router, "proposal", |port, id: Hash| port.proposal(id));
    let router = route!(router, "settings", |port, (): ()| port.settings());
    let router = route!(router, "propose", |port, new: NewProposal| port.propose(new));
    let router =
        route!(router, "vote", |port, (id, support, reason): (Hash, Support, String)| port
            .vote(id, support, reason));
    let router = route!(router, "queue", |port, id: Hash| port.queue(id));
    let router = route!(router, "execute", |port, id: Hash| port.execute(id));
    let cancel = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move { method(body, |id: Hash| async move { port.cancel(id).await }).await }
    };
    router.route("/internal/v1/governance/cancel", post(cancel))
}

/// The calling end.
pub struct RemoteGovernance(pub Caller);

#[async_trait]
impl Governance for RemoteGovernance {
    async fn parameters(&self) -> Answer<GovernedParameters> {
        self.0.call("governance/parameters", &()).await
    }

    async fn history(&self, before: Option<u64>, limit: u32) -> Answer<ParameterHistory> {
        self.0.call("governance/history", &(before, limit)).await
    }

    async fn proposals(&self, after: Option<Hash>, limit: u32) -> Answer<ProposalPage> {
        self.0.call("governance/proposals", &(after, limit)).await
    }

    async fn proposal(&self, id: Hash) -> Answer<Proposal> {
        self.0.call("governance/proposal", &id).await
    }

    async fn settings(&self) -> Answer<GovernanceSettings> {
        self.0.call("governance/settings", &()).await
    }

    async fn propose(&self, proposal: NewProposal) -> Answer<Acted> {
        self.0.call_within("governance/propose", &proposal, ACT_TIME).await
    }

    async fn vote(&self, id: Hash, support: Support, reason: String) -> Answer<Acted> {
        self.0.call_within("governance/vote", &(id, support, reason), ACT_TIME).await
    }

    async fn queue(&self, id: Hash) -> Answer<Acted> {
        self.0.call_within("governance/queue", &id, ACT_TIME).await
    }

    async fn execute(&self, id: Hash) -> Answer<Acted> {
        self.0.call_within("governance/execute", &id, ACT_TIME).await
    }

    async fn cancel(&self, id: Hash) -> Answer<Acted> {
        self.0.call_within("governance/cancel", &id, ACT_TIME).await
    }
}
