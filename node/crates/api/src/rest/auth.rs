//! Signing in.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    extract::{Body, Caller},
    openapi::SigningIn,
    views::AccountView,
};
use crate::{Problem, ports::Login};

/// Whose wallet will sign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// A TRON address.
    #[schema(example = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8")]
    address: String,
}

/// What to sign.
#[derive(Serialize, ToSchema)]
pub(super) struct ChallengeAnswer {
    /// The text to sign, exactly.
    message: String,
    /// Names the challenge at login; good for one login.
    nonce: String,
    /// Until when.
    #[schema(format = "date-time")]
    expires_at: String,
    /// The address, again.
    address: String,
}

/// A challenge, signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    /// The address that signed.
    address: String,
    /// r, s and v, 65 bytes in hex: of `signMessageV2`, or of the older `sign`.
    signature: String,
    /// The challenge's.
    nonce: String,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    /// For the Authorization header.
    access_token: String,
    /// Good for one refresh.
    refresh_token: String,
    /// `Bearer`
    token_type: String,
    /// Seconds the access token is good for.
    expires_in: u64,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshRequest {
    /// The token.
    refresh_token: String,
}

impl From<crate::ports::Tokens> for TokenAnswer {
    fn from(tokens: crate::ports::Tokens) -> Self {
        let crate::ports::Tokens { access_token, refresh_token, token_type, expires_in } = tokens;
        Self { access_token, refresh_token, token_type, expires_in }
    }
}

/// Ask for a text to sign.
#[utoipa::path(post, path = "/api/v1/auth/challenge", tag = "auth", security(()),
    request_body = ChallengeRequest, responses((status = 200, description = "What to sign.", body = ChallengeAnswer), SigningIn))]
pub(super) async fn challenge(
    State(api): State<Api>,
    Body(ChallengeRequest { address }): Body<ChallengeRequest>,
) -> Result<Json<ChallengeAnswer>, Problem> {
    let challenge = api.authentication.challenge(&address).await?;
    let expires_at = challenge.expires_at.to_string();
    let crate::ports::Challenge { message, nonce, .. } = challenge;
    Ok(Json(ChallengeAnswer { message, nonce, expires_at, address }))
}

/// Sign in with a signed challenge.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", security(()),
    request_body = LoginRequest, responses((status = 200, description = "Signed in.", body = TokenAnswer), SigningIn))]
pub(super) async fn login(
    State(api): State<Api>,
    Body(LoginRequest { address, signature, nonce }): Body<LoginRequest>,
) -> Result<Json<TokenAnswer>, Problem> {
    let tokens = api.authentication.login(Login { address, signature, nonce }).await;
    let tokens = tokens.inspect_err(|problem| api.metrics.auth_failure(problem.code))?;
    Ok(Json(tokens.into()))
}

/// Exchange a refresh token for new tokens. It is then used up; using it again revokes all of the sign-in.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", security(()),
    request_body = RefreshRequest, responses((status = 200, description = "New tokens.", body = TokenAnswer), SigningIn))]
pub(super) async fn refresh(
    State(api): State<Api>,
    Body(RefreshRequest { refresh_token }): Body<RefreshRequest>,
) -> Result<Json<TokenAnswer>, Problem> {
    let tokens = api.authentication.refresh(&refresh_token).await;
    let tokens = tokens.inspect_err(|problem| api.metrics.auth_failure(problem.code))?;
    Ok(Json(tokens.into()))
}

/// End a sign-in and all its tokens.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", security(()),
    request_body = RefreshRequest, responses((status = 204, description = "It is over."), SigningIn))]
pub(super) async fn logout(
    State(api): State<Api>,
    Body(RefreshRequest { refresh_token }): Body<RefreshRequest>,
) -> Result<StatusCode, Problem> {
    api.authentication.logout(&refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account of the caller.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth",
    responses((status = 200, description = "The account.", body = AccountView), SigningIn))]
pub(super) async fn me(
    State(api): State<Api>,
    Caller(caller): Caller,
) -> Result<Json<AccountView>, Problem> {
    Ok(Json(api.authentication.account(&caller.owner).await?.into()))
}
