//! Accounts, for admins.

use axum::{Json, extract::State};
use lucid_core::access::Action;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    extract::{Address, Body, Caller, Params, not_an_address},
    guard,
    openapi::{ChangingAccounts, ListingAccounts},
    views::{AccountView, RoleView},
};
use crate::{Code, Problem, ports::AccountFilter};

/// A page of accounts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAccounts {
    /// Begin after this address.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountPage {
    users: Vec<AccountView>,
    /// Where the next page begins, where there may be one.
    next: Option<String>,
}

/// A role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRequest {
    role: RoleView,
}

/// All accounts, in order of their addresses.
#[utoipa::path(get, operation_id = "list_users", path = "/api/v1/admin/users", tag = "admin", params(ListAccounts),
    responses((status = 200, description = "Accounts.", body = AccountPage), ListingAccounts))]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(caller): Caller,
    Params(ListAccounts { after, limit }): Params<ListAccounts>,
) -> Result<Json<AccountPage>, Problem> {
    guard::may(&caller, Action::ManageAccounts)?;
    let limit = page_limit(limit)?;
    let after = after.map(|after| after.parse().map_err(|_| not_an_address())).transpose()?;
    let page = api.authentication.accounts(AccountFilter { after, limit }).await?;
    let full = page.len() == limit as usize;
    let next = page.last().filter(|_| full).map(|account| account.owner.to_string());
    Ok(Json(AccountPage { users: page.into_iter().map(AccountView::from).collect(), next }))
}

/// Give an account a role; makes the account, and lifts a revocation.
#[utoipa::path(put, operation_id = "grant_role", path = "/api/v1/admin/users/{address}", tag = "admin",
    params(("address" = String, Path, description = "A TRON address")),
    request_body = GrantRequest, responses((status = 200, description = "The account as it is now.", body = AccountView), ChangingAccounts))]
pub(super) async fn grant(
    State(api): State<Api>,
    Caller(caller): Caller,
    Address(of): Address,
    Body(GrantRequest { role }): Body<GrantRequest>,
) -> Result<Json<AccountView>, Problem> {
    guard::may(&caller, Action::ManageAccounts)?;
    let account = api.authentication.grant(&of, role.into(), &caller.owner).await?;
    Ok(Json(account.into()))
}

/// Revoke an account and all its tokens.
#[utoipa::path(delete, operation_id = "revoke_user", path = "/api/v1/admin/users/{address}", tag = "admin",
    params(("address" = String, Path, description = "A TRON address")),
    responses((status = 200, description = "The account as it is now.", body = AccountView), ChangingAccounts))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Caller(caller): Caller,
    Address(of): Address,
) -> Result<Json<AccountView>, Problem> {
    guard::may(&caller, Action::ManageAccounts)?;
    let account = api.authentication.revoke(&of, &caller.owner).await?;
    Ok(Json(account.into()))
}

/// The size of a page.
pub(super) fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(50) {
        limit @ 1..=200 => Ok(limit),
        _ => Err(Problem::new(Code::InvalidRequest, "limit is a number from 1 to 200")),
    }
}
