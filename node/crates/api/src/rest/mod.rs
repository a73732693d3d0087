//! The public REST API: what api-server answers.
//!
//! Owns paths, bodies, headers and their OpenAPI description. It asks `lucid_core::access` what a caller
//! may do (in module `guard`, nowhere else) and the ports to do it.

mod accounts;
mod auth;
mod content;
mod documents;
mod events;
mod extract;
mod guard;
mod openapi;
mod proof;
mod sessions;
mod tus;
mod views;

use std::sync::Arc;

use axum::{Router, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use openapi::document;
pub(crate) use tus::{is_upload, resumable};

use crate::ports::{Authentication, Chunker, Encryptor, MerkleBuilder, Sessions};

/// The ports the API works with.
#[derive(Clone)]
pub struct Api {
    /// authentication
    pub authentication: Arc<dyn Authentication>,
    /// session-orchestrator
    pub sessions: Arc<dyn Sessions>,
    /// session-chunker
    pub chunker: Arc<dyn Chunker>,
    /// session-encryptor
    pub encryptor: Arc<dyn Encryptor>,
    /// merkle-builder
    pub merkle_builder: Arc<dyn MerkleBuilder>,
    /// Counts proofs that do not hold and the like.
    pub metrics: crate::metrics::Metrics,
}

/// Paths of the API for which nobody needs a token.
const PUBLIC: [&str; 6] = [
    "/api/v1/auth/challenge",
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/api/v1/auth/refresh",
    "/docs",
    "/openapi.json",
];

/// Whether nobody needs a token for a path.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(auth::challenge))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::grant, accounts::revoke))
        .routes(routes!(sessions::mint, sessions::list))
        .routes(routes!(sessions::show))
        .routes(routes!(sessions::seal))
        .routes(routes!(sessions::void))
        .routes(routes!(sessions::erase))
        .routes(routes!(content::content))
        .routes(routes!(documents::manifest))
        .routes(routes!(documents::chunk))
        .routes(routes!(proof::proof))
        .routes(routes!(events::events))
        .routes(routes!(tus::create::create, tus::create::options))
        .routes(routes!(
            tus::resource::head,
            tus::resource::patch,
            tus::resource::terminate,
            tus::resource::override_method,
            tus::resource::options
        ))
}

/// The API's routes, with its description at `/openapi.json` and a page that shows it at `/docs`.
///
/// # Panics
/// Never: the document is plain data.
pub fn router(api: Api) -> Router {
    let (routes, document) = described().split_for_parts();
    let json = serde_json::to_string_pretty(&document).expect("the document is plain data");
    let page = openapi::page(&document);
    routes
        .with_state(api)
        .route("/openapi.json", get(move || async move { openapi::json(json.clone()) }))
        .route("/docs", get(move || async move { openapi::html(page.clone()) }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_public_is_described_as_such() {
        let document = serde_json::to_value(super::document()).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                // OPTIONS tells what the protocol can do, and nothing about anybody.
                if method != "options" {
                    let open = operation["security"] == serde_json::json!([{}]);
                    assert_eq!(open, super::is_public(path), "{method} {path}");
                }
            }
        }
    }
}
