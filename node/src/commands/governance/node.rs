//! What a node says of decisions.

use http::Method;
use lucid_api::ports::{
    GovernanceSettings, GovernedChange, GovernedParameters, ParameterHistory, Proposal,
    ProposalPage, ProposalSummary,
};
use lucid_core::Hash;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    commands::remote::Connection,
    failure::{Failure, Outcome},
};

/// Items that are asked for at once.
const PAGE: u32 = 200;

/// A node, as far as decisions are concerned.
pub(super) struct Node(pub(super) Connection);

impl Node {
    fn get<R: DeserializeOwned>(&self, path: &str) -> Outcome<R> {
        self.0.get(path)
    }

    pub(super) fn post<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Outcome<R> {
        self.0.send(Method::POST, path, body)
    }

    pub(super) fn parameters(&self) -> Outcome<GovernedParameters> {
        self.get("/api/v1/governance/parameters")
    }

    pub(super) fn settings(&self) -> Outcome<GovernanceSettings> {
        self.get("/api/v1/governance/settings")
    }

    pub(super) fn proposal(&self, id: Hash) -> Outcome<Proposal> {
        self.get(&format!("/api/v1/governance/proposals/{id}"))
    }

    pub(super) fn history(&self, limit: u32) -> Outcome<Vec<GovernedChange>> {
        let (mut changes, mut before) = (Vec::new(), None);
        loop {
            let left = limit - u32::try_from(changes.len()).unwrap_or(limit).min(limit);
            let before_text = before.map_or_else(String::new, |before| format!("&before={before}"));
            let path = "/api/v1/governance/parameters/history";
            let path = format!("{path}?limit={}{before_text}", left.min(PAGE));
            let page: ParameterHistory = self.get(&path)?;
            changes.extend(page.changes);
            match page.next {
                Some(next) if changes.len() < limit as usize => before = Some(next),
                _ => return Ok(changes),
            }
        }
    }

    fn page(&self, after: Option<Hash>, limit: u32) -> Outcome<ProposalPage> {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        self.get(&format!("/api/v1/governance/proposals?limit={limit}{after}"))
    }

    pub(super) fn proposals(&self, limit: u32) -> Outcome<Vec<ProposalSummary>> {
        let (mut proposals, mut after) = (Vec::new(), None);
        loop {
            let left = limit - u32::try_from(proposals.len()).unwrap_or(limit).min(limit);
            let page = self.page(after, left.min(PAGE))?;
            proposals.extend(page.proposals);
            match page.next {
                Some(next) if proposals.len() < limit as usize => after = Some(next),
                _ => return Ok(proposals),
            }
        }
    }

    /// The proposal whose id this is, or begins with this.
    pub(super) fn resolve(&self, prefix: &str) -> Outcome<Hash> {
        if let Ok(id) = prefix.parse() {
            return Ok(id);
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(after, PAGE)?;
            let ids = page.proposals.into_iter().map(|proposal| proposal.id);
            found.extend(ids.filter(|id| id.to_string().starts_with(prefix)));
            if page.next.is_none() {
                break;
            }
            after = page.next;
        }
        match found.as_slice() {
            [id] => Ok(*id),
            [] => Err(Failure::check(format!("no proposal's id begins with {prefix}"))),
            several => {
                let ids: Vec<_> = several.iter().map(ToString::to_string).collect();
                let ids = ids.join(", ");
                Err(Failure::usage(format!("{prefix} is the beginning of several ids: {ids}")))
            }
        }
    }
}
