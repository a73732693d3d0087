//! Decisions of the nodes. Reading is for whoever has signed in, or everybody where the log is public;
//! acting makes the node act, with its vote, and is for admins.

use axum::{Json, extract::FromRequestParts};
use http::{StatusCode, request::Parts};
use lucid_core::Hash;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    accounts::page_limit,
    extract::{Body, Params, in_path},
    guard::{Governing, OpenGovernance},
    openapi::{Deciding, GovernanceReading, Proposing},
};
use crate::{
    Code, Problem,
    ports::{
        Acted, GovernanceSettings, GovernedParameters, NewProposal, ParameterHistory, Proposal,
        ProposalPage, Support,
    },
};

/// A proposal in the path.
pub(super) struct ProposalId(Hash);

impl<S: Send + Sync> FromRequestParts<S> for ProposalId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        in_path(parts, "id").await?.parse().map(Self).map_err(|_| {
            let detail = "a proposal's id is 64 hex digits, in lower case";
            Problem::new(Code::InvalidRequest, detail)
        })
    }
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// Those before the one with this sequence number; from the newest on where it is left out.
    before: Option<u64>,
    /// At most so many, 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Which proposals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProposalsParams {
    /// Those made before this one; from the newest on where it is left out.
    after: Option<String>,
    /// At most so many, 1 to 200; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A vote.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VoteRequest {
    support: Support,
    /// Why, in at most 1,024 bytes. It is on the chain for good.
    #[serde(default)]
    reason: String,
}

/// Nothing: what is done is in the path.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoRequest {}

/// The parameters that the nodes decide on, with the values in force.
#[utoipa::path(get, operation_id = "governance_parameters", path = "/api/v1/governance/parameters",
    tag = "governance", responses((status = 200, description = "All parameters.",
        body = GovernedParameters), GovernanceReading))]
pub(super) async fn parameters(
    OpenGovernance(governance): OpenGovernance,
) -> Result<Json<GovernedParameters>, Problem> {
    Ok(Json(governance.parameters().await?))
}

/// How the parameters came to their values, the newest change first.
#[utoipa::path(get, operation_id = "governance_history", path = "/api/v1/governance/parameters/history",
    tag = "governance", params(HistoryParams), responses((status = 200, description = "Changes.",
        body = ParameterHistory), GovernanceReading))]
pub(super) async fn history(
    OpenGovernance(governance): OpenGovernance,
    Params(HistoryParams { before, limit }): Params<HistoryParams>,
) -> Result<Json<ParameterHistory>, Problem> {
    Ok(Json(governance.history(before, page_limit(limit)?).await?))
}

/// Proposals, the newest first.
#[utoipa::path(get, operation_id = "list_proposals", path = "/api/v1/governance/proposals",
    tag = "governance", params(ProposalsParams), responses((status = 200, description = "Proposals.",
        body = ProposalPage), GovernanceReading))]
pub(super) async fn list(
    OpenGovernance(governance): OpenGovernance,
    Params(ProposalsParams { after, limit }): Params<ProposalsParams>,
) -> Result<Json<ProposalPage>, Problem> {
    let after = after.map(|after| {
        after.parse::<Hash>().map_err(|_| {
            let detail = "after is a proposal's id: 64 hex digits, in lower case";
            Problem::new(Code::InvalidRequest, detail)
        })
    });
    Ok(Json(governance.proposals(after.transpose()?, page_limit(limit)?).await?))
}

/// A proposal: what it does, how it stands, who voted.
#[utoipa::path(get, operation_id = "get_proposal", path = "/api/v1/governance/proposals/{id}",
    tag = "governance", params(("id" = String, Path, description = "The proposal's id, 64 hex digits")),
    responses((status = 200, description = "The proposal.", body = Proposal), GovernanceReading))]
pub(super) async fn show(
    OpenGovernance(governance): OpenGovernance,
    ProposalId(id): ProposalId,
) -> Result<Json<Proposal>, Problem> {
    Ok(Json(governance.proposal(id).await?))
}

/// How decisions are made, and by whom.
#[utoipa::path(get, operation_id = "governance_settings", path = "/api/v1/governance/settings",
    tag = "governance", responses((status = 200, description = "Delays, quorum, members.",
        body = GovernanceSettings), GovernanceReading))]
pub(super) async fn settings(
    OpenGovernance(governance): OpenGovernance,
) -> Result<Json<GovernanceSettings>, Problem> {
    Ok(Json(governance.settings().await?))
}

/// Have the node propose something. It is on the chain, and in the log, when this is answered.
#[utoipa::path(post, operation_id = "propose", path = "/api/v1/governance/proposals", tag = "governance",
    request_body = NewProposal, responses((status = 201, description = "It is proposed.", body = Acted),
        Proposing))]
pub(super) async fn propose(
    Governing(governance): Governing,
    Body(new): Body<NewProposal>,
) -> Result<(StatusCode, Json<Acted>), Problem> {
    let acted = governance.propose(new).await?;
    Ok((StatusCode::CREATED, Json(acted)))
}

/// Have the node vote. A vote is final.
#[utoipa::path(post, operation_id = "vote", path = "/api/v1/governance/proposals/{id}/vote",
    tag = "governance", params(("id" = String, Path, description = "The proposal's id, 64 hex digits")),
    request_body = VoteRequest, responses((status = 200, description = "It has voted.", body = Acted),
        Deciding))]
pub(super) async fn vote(
    Governing(governance): Governing,
    ProposalId(id): ProposalId,
    Body(VoteRequest { support, reason }): Body<VoteRequest>,
) -> Result<Json<Acted>, Problem> {
    Ok(Json(governance.vote(id, support, reason).await?))
}

/// Have the node queue a proposal that succeeded: its delay begins.
#[utoipa::path(post, operation_id = "queue_proposal", path = "/api/v1/governance/proposals/{id}/queue",
    tag = "governance", params(("id" = String, Path, description = "The proposal's id, 64 hex digits")),
    request_body = NoRequest, responses((status = 200, description = "It is queued.", body = Acted),
        Deciding))]
pub(super) async fn queue(
    Governing(governance): Governing,
    ProposalId(id): ProposalId,
    Body(NoRequest {}): Body<NoRequest>,
) -> Result<Json<Acted>, Problem> {
    Ok(Json(governance.queue(id).await?))
}

/// Have the node carry out a proposal whose delay is over.
#[utoipa::path(post, operation_id = "execute_proposal", path = "/api/v1/governance/proposals/{id}/execute",
    tag = "governance", params(("id" = String, Path, description = "The proposal's id, 64 hex digits")),
    request_body = NoRequest, responses((status = 200, description = "It is in force.", body = Acted),
        Deciding))]
pub(super) async fn execute(
    Governing(governance): Governing,
    ProposalId(id): ProposalId,
    Body(NoRequest {}): Body<NoRequest>,
) -> Result<Json<Acted>, Problem> {
    Ok(Json(governance.execute(id).await?))
}

/// Have the node cancel a proposal of its own whose vote has not begun.
#[utoipa::path(post, operation_id = "cancel_proposal", path = "/api/v1/governance/proposals/{id}/cancel",
    tag = "governance", params(("id" = String, Path, description = "The proposal's id, 64 hex digits")),
    request_body = NoRequest, responses((status = 200, description = "It is canceled.", body = Acted),
        Deciding))]
pub(super) async fn cancel(
    Governing(governance): Governing,
    ProposalId(id): ProposalId,
    Body(NoRequest {}): Body<NoRequest>,
) -> Result<Json<Acted>, Problem> {
    Ok(Json(governance.cancel(id).await?))
}
