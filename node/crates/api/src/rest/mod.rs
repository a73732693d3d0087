//! The public REST API: what api-server answers.
//!
//! Owns paths, bodies, headers and their OpenAPI description. It asks `lucid_core::access` what a caller
//! may do (in module `guard`, nowhere else) and the ports to do it.

mod accounts;
mod anchors;
mod auth;
mod chain;
mod content;
mod documents;
mod events;
mod extract;
mod governance;
mod guard;
mod log;
mod openapi;
mod proof;
mod rpc;
mod search;
mod sessions;
mod sync;
mod tus;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use openapi::document;
pub(crate) use tus::{is_upload, resumable};

use crate::ports::{
    Anchors, Authentication, ChainApi, Chunker, Encryptor, Governance, MerkleBuilder, Sessions,
    SessionsData, TransparencyLog, Witness,
};

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
    /// blockchain-ledger: the log
    pub log: Arc<dyn TransparencyLog>,
    /// blockchain-ledger: witnesses
    pub witness: Arc<dyn Witness>,
    /// blockchain-ledger: anchors
    pub anchors: Arc<dyn Anchors>,
    /// blockchain-sessions-data
    pub sessions_data: Arc<dyn SessionsData>,
    /// blockchain-api, where the node has a chain
    pub chain: Option<Arc<dyn ChainApi>>,
    /// blockchain-governance, where the node has a chain
    pub governance: Option<Arc<dyn Governance>>,
    /// Whether anybody may read the log, and the chain.
    pub public_log: bool,
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

/// Whether nobody needs a token for a path. What a witness does, it does for logs, which have none.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path) || path.starts_with("/api/v1/witness/")
}

/// Whether a path's answer is made while it is read, so that it is never in memory as a whole.
pub(crate) fn is_streamed(path: &str) -> bool {
    let of_session = |rest: &str| {
        let rest = rest.split_once('/').map_or("", |(_, rest)| rest);
        rest == "content" || rest.starts_with("chunks/")
    };
    path == "/api/v1/events" || path.strip_prefix("/api/v1/sessions/").is_some_and(of_session)
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
        .routes(routes!(search::search))
        .routes(routes!(search::statistics))
        .routes(routes!(content::content))
        .routes(routes!(documents::manifest))
        .routes(routes!(documents::chunk))
        .routes(routes!(proof::proof))
        .routes(routes!(events::events))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::cosigned))
        .routes(routes!(log::tile))
        .routes(routes!(log::entries))
        .routes(routes!(log::inclusion))
        .routes(routes!(log::consistency))
        .routes(routes!(log::witnesses))
        .routes(routes!(log::add_checkpoint))
        .routes(routes!(log::witnessed))
        .routes(routes!(rpc::rpc))
        .routes(routes!(chain::head))
        .routes(routes!(chain::blocks))
        .routes(routes!(chain::block))
        .routes(routes!(chain::transaction))
        .routes(routes!(chain::entries))
        .routes(routes!(chain::entry))
        .routes(routes!(chain::session))
        .routes(routes!(chain::anchors))
        .routes(routes!(chain::node))
        .routes(routes!(anchors::show, anchors::make))
        .routes(routes!(anchors::covering))
        .routes(routes!(sync::show))
        .routes(routes!(governance::parameters))
        .routes(routes!(governance::history))
        .routes(routes!(governance::list, governance::propose))
        .routes(routes!(governance::show))
        .routes(routes!(governance::settings))
        .routes(routes!(governance::vote))
        .routes(routes!(governance::queue))
        .routes(routes!(governance::execute))
        .routes(routes!(governance::cancel))
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
    let document = openapi::finished(document);
    let json = serde_json::to_string_pretty(&document).expect("the document is plain data");
    let page = openapi::page(&document);
    routes
        // Where clients of Ethereum look for it.
        .route("/rpc", post(rpc::rpc))
        .with_state(api)
        .route("/openapi.json", get(move || async move { openapi::json(json.clone()) }))
        .route("/docs", get(move || async move { openapi::html(page.clone()) }))
}

#[cfg(test)]
mod tests {
    /// In the repository for those who write clients. A change is deliberate, and a line in the changelog.
    #[test]
    fn the_description_changes_on_purpose_only() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let now = super::document().to_pretty_json().unwrap() + "\n";
        let known = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            known == now,
            "the API's description has changed; where that is meant: lucid-node openapi > {path}"
        );
    }

    #[test]
    fn the_description_is_openapi() {
        let document = serde_json::to_value(super::document()).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{method} {path}: {id} is there twice");
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let said = answer["description"].as_str().unwrap_or_default();
                    assert!(!said.is_empty(), "{method} {path} {status} says nothing");
                }
            }
        }
        // Every code is some resource's.
        let text = document.to_string();
        for code in crate::Code::ALL {
            assert!(text.contains(&format!("`{code}`")), "no resource answers {code}");
        }
    }

    /// A path that is renamed is renamed there, too.
    #[test]
    fn what_is_streamed_is_there() {
        let document = serde_json::to_value(super::document()).unwrap();
        let streamed = document["paths"].as_object().unwrap().keys();
        let streamed: Vec<_> = streamed.filter(|path| super::is_streamed(path)).collect();
        let expected =
            ["/api/v1/events", "/api/v1/sessions/{id}/chunks/{n}", "/api/v1/sessions/{id}/content"];
        assert_eq!(streamed, expected);
        assert!(!super::is_streamed("/api/v1/sessions/content"));
    }

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
