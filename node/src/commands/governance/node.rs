//! What a node says of decisions.

use http::Method;
use lucid_api::{
    client::Client,
    ports::{
        GovernanceSettings, GovernedChange, GovernedParameters, ParameterHistory, Proposal,
        ProposalPage, ProposalSummary,
    },
};
use lucid_core::Hash;
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::{
    commands::remote::{of_client, runtime},
    failure::{Failure, Outcome},
};

/// Items that are asked for at once.
const PAGE: u32 = 200;

/// A node, and who asks it.
pub(super) struct Node {
    runtime: Runtime,
    client: Client,
    token: Option<Zeroizing<String>>,
}

impl Node {
    /// # Errors
    /// The operating system's.
    pub(super) fn new(client: Client, token: Option<Zeroizing<String>>) -> Outcome<Self> {
        Ok(Self { runtime: runtime()?, client, token })
    }

    fn ask<R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Outcome<R> {
        let token = self.token.as_ref().map(|token| token.as_str());
        let answer = self.runtime.block_on(self.client.ask(method, path, token, body));
        answer.map_err(|error| of_client(&error))
    }

    fn get<R: DeserializeOwned>(&self, path: &str) -> Outcome<R> {
        self.ask(Method::GET, path, None)
    }

    pub(super) fn post<R: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Outcome<R> {
        let body = serde_json::to_vec(body).map_err(std::io::Error::from)?;
        self.ask(Method::POST, path, Some(body))
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
