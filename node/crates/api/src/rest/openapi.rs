//! The API's description: OpenAPI 3.1, and a page that shows it.

use std::{collections::BTreeMap, fmt::Write};

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::Value;
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{
        Content, HeaderBuilder, OpenApi as Document, Ref, RefOr, Required, Response as Described,
        ResponseBuilder,
        schema::{ObjectBuilder, Schema, Type},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::Code;

/// What every resource can answer: the gateway's refusals, and failures.
const ANY: [Code; 11] = [
    Code::InvalidRequest,
    Code::TokenMissing,
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::AccountRevoked,
    Code::RateLimited,
    Code::HeadersTooLarge,
    Code::Internal,
    Code::BadGateway,
    Code::Unavailable,
    Code::ServiceTimeout,
];

/// The problems of a group of resources, beside [`ANY`].
macro_rules! problems {
    ($($group:ident: $($code:ident)*;)*) => {$(
        pub(super) struct $group;

        impl IntoResponses for $group {
            fn responses() -> BTreeMap<String, RefOr<Described>> {
                described(&[$(Code::$code),*])
            }
        }
    )*};
}

problems! {
    Plain: ;
    SigningIn: InvalidAddress SignatureInvalid NonceUnknown NonceExpired NonceUsed RefreshReused NotFound
        Timeout TooLarge MediaType DiskFull;
    ListingAccounts: InvalidAddress Forbidden NotFound;
    ChangingAccounts: InvalidAddress Forbidden NotFound Conflict Timeout TooLarge MediaType DiskFull;
    Minting: Forbidden TooManySessions Timeout TooLarge MediaType DiskFull;
    Seeing: Forbidden NotFound Damaged;
    Ending: Forbidden NotFound SessionState Gone UploadInUse Timeout TooLarge MediaType Damaged DiskFull;
    Reading: Forbidden NotFound SessionState Gone RangeNotSatisfiable TooLarge Damaged;
    LogReading: Forbidden NotFound Damaged;
    Witnessed: Forbidden NotFound Conflict Inconsistent Timeout TooLarge DiskFull;
    ChainReading: Forbidden NotFound;
    ChainLooking: Forbidden NotFound Damaged;
    NodeReading: Forbidden;
    Anchored: Forbidden NotFound Damaged;
    Commanding: Forbidden Conflict Timeout TooLarge MediaType;
    RpcCalling: Forbidden NotFound Timeout TooLarge MediaType;
    GovernanceReading: Forbidden NotFound;
    Proposing: Forbidden NotFound Conflict Timeout TooLarge MediaType DiskFull;
    Deciding: Forbidden NotFound Conflict Timeout TooLarge MediaType DiskFull;
    ReadingContent: Forbidden NotFound SessionState Gone PreconditionFailed RangeNotSatisfiable TooLarge
        Damaged;
    TusCreating: Forbidden TooManySessions TusVersion TooLarge Timeout DiskFull;
    TusLooking: Forbidden NotFound SessionState Gone TusVersion Damaged;
    TusFilling: Forbidden NotFound SessionState UploadOffset Conflict Gone TusVersion TooLarge MediaType
        Timeout UploadInUse ChecksumMismatch Damaged DiskFull;
    TusOverriding: Forbidden NotFound MethodNotAllowed SessionState UploadOffset Conflict Gone TusVersion
        TooLarge MediaType Timeout UploadInUse ChecksumMismatch Damaged DiskFull;
}

/// The answers with [`ANY`] code and these.
fn described(codes: &[Code]) -> BTreeMap<String, RefOr<Described>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in ANY.iter().chain(codes) {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    let described = by_status.into_iter().map(|(status, codes)| {
        let text: Vec<_> =
            codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
        let problem = RefOr::Ref(Ref::from_schema_name("Problem"));
        let mut response = ResponseBuilder::new()
            .description(text.join(" "))
            .content("application/problem+json", Content::new(Some(problem)));
        let text = |about: &str| {
            let schema = ObjectBuilder::new().schema_type(Type::String).build();
            HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
        };
        if codes.iter().any(|code| code.retry_after().is_some()) {
            response = response.header("retry-after", text("Seconds to wait"));
        }
        if status == 401 {
            response = response.header("www-authenticate", text("Bearer"));
        }
        (status.to_string(), RefOr::T(response.build()))
    });
    described.collect()
}

fn problem_schema() -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).build();
    let status = ObjectBuilder::new().schema_type(Type::Integer).build();
    let object = ObjectBuilder::new()
        .property("type", text())
        .property("title", text())
        .property("status", status)
        .property("code", code)
        .property("detail", text())
        .property("request_id", text());
    let required = ["type", "title", "status", "code", "detail", "request_id"];
    RefOr::T(required.into_iter().fold(object, ObjectBuilder::required).build().into())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lucid node",
        description = "Record sessions, keep them private, prove them later.\n\nErrors are RFC 9457 \
            problems; `code` is stable.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    security(("token" = [])),
    tags(
        (name = "auth", description = "Signing in with a TRON wallet"),
        (name = "sessions", description = "Sessions and their content"),
        (name = "tus", description = "Uploads: tus 1.0"),
        (name = "log", description = "The ledger log and its witnesses: C2SP tlog-tiles, tlog-witness"),
        (name = "chain", description = "The node's chain: blocks, registrations, Ethereum's JSON-RPC"),
        (name = "governance", description = "What the nodes decide together"),
        (name = "proofs", description = "What shows others that it is so"),
        (name = "admin", description = "Accounts"),
    )
)]
struct Head;

/// The document without its paths.
pub(super) fn head() -> Document {
    let mut document = Head::openapi();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut components = document.components.take().unwrap_or_default();
    components.add_security_scheme("token", token);
    components.schemas.insert("Problem".to_owned(), problem_schema());
    document.components = Some(components);
    document
}

/// The whole document.
#[must_use]
pub fn document() -> Document {
    finished(super::described().split_for_parts().1)
}

/// Operations whose body may be left out: an empty one is an empty object, or no bytes.
const WITHOUT_BODY: [&str; 8] = [
    "cancel_proposal",
    "create_upload",
    "execute_proposal",
    "mint_session",
    "override_upload_method",
    "queue_proposal",
    "seal_session",
    "void_session",
];

/// Says what the handlers' descriptions have no words for.
pub(super) fn finished(mut document: Document) -> Document {
    // The router's word for a parameter that goes on to the path's end is none of OpenAPI's.
    let paths = std::mem::take(&mut document.paths.paths);
    let named = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = named.collect();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.put, &mut item.patch].into_iter().flatten() {
            let named = operation.operation_id.as_deref().unwrap_or_default();
            if let (true, Some(RefOr::T(body))) =
                (WITHOUT_BODY.contains(&named), &mut operation.request_body)
            {
                body.required = Some(Required::False);
            }
        }
    }
    document
}

/// The document as an answer.
pub(super) fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A page as an answer. It has styles of its own and nothing else: no script, no other host.
pub(super) fn html(text: String) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, text).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#222;background:#fff}code,pre{font-family:ui-monospace,monospace}\
    summary{cursor:pointer;padding:.4rem 0}summary b{display:inline-block;min-width:5rem}\
    details{border-bottom:1px solid #ddd}table{border-collapse:collapse;margin:.5rem 0}\
    td,th{padding:.2rem .8rem .2rem 0;vertical-align:top;text-align:left}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}details{border-color:#444}}";

/// A page made from the document: every resource with its parameters and answers.
pub(super) fn page(document: &Document) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Lucid node: API</title>\
         <meta name=viewport content='width=device-width'><style>{STYLE}</style>\
         <h1>Lucid node: API</h1><p>The same for programs: <a href=/openapi.json>openapi.json</a> \
         (OpenAPI {}).</p>",
        escaped(document["openapi"].as_str().unwrap_or_default())
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let about = escaped(tag["description"].as_str().unwrap_or_default());
        let _ = write!(page, "<h2>{about}</h2>");
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let tags = operation["tags"].as_array().into_iter().flatten();
                if tags.into_iter().any(|tag| tag == name) {
                    resource(&mut page, method, path, operation);
                }
            }
        }
    }
    page
}

fn resource(page: &mut String, method: &str, path: &str, operation: &Value) {
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let (method, path) = (escaped(&method.to_uppercase()), escaped(path));
    let _ = write!(page, "<details><summary><b>{method}</b> <code>{path}</code></summary>");
    let _ =
        write!(page, "<p>{} {}</p>", text(&operation["summary"]), text(&operation["description"]));
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
        page.push_str("<table>");
        for parameter in parameters {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            let about = text(&parameter["description"]);
            let _ = write!(page, "<tr><th><code>{name}</code><td>{place}<td>{about}");
        }
        page.push_str("</table>");
    }
    page.push_str("<table>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let about = text(&answer["description"]);
        let _ = write!(page, "<tr><th>{}<td>{about}", escaped(status));
    }
    page.push_str("</table></details>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
