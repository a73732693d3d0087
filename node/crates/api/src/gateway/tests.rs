use std::num::NonZeroU32;

use axum::{body::Body, routing::get};
use http::StatusCode;
use lucid_core::{
    Owner,
    access::{Principal, Role},
};
use tower::ServiceExt;

use super::*;
use crate::{
    Code, Problem,
    ports::{Account, AccountFilter, Answer, Challenge, Login, Tokens as TokenAnswer},
};

/// Two are more than an address may leave unread.
const LARGE: usize = 40 << 20;

/// Believes the token `good`.
struct Believer;

#[async_trait::async_trait]
impl Authentication for Believer {
    async fn verify(&self, token: &str) -> Answer<Principal> {
        match token {
            "good" => Ok(Principal { owner: "TGood".parse().unwrap(), role: Role::User }),
            _ => Err(Problem::new(Code::TokenInvalid, "no")),
        }
    }
    async fn challenge(&self, _: &str) -> Answer<Challenge> {
        unreachable!("the gateway only verifies")
    }
    async fn login(&self, _: Login) -> Answer<TokenAnswer> {
        unreachable!("the gateway only verifies")
    }
    async fn refresh(&self, _: &str) -> Answer<TokenAnswer> {
        unreachable!("the gateway only verifies")
    }
    async fn logout(&self, _: &str) -> Answer<()> {
        unreachable!("the gateway only verifies")
    }
    async fn account(&self, _: &Owner) -> Answer<Account> {
        unreachable!("the gateway only verifies")
    }
    async fn accounts(&self, _: AccountFilter) -> Answer<Vec<Account>> {
        unreachable!("the gateway only verifies")
    }
    async fn grant(&self, _: &Owner, _: Role, _: &Owner) -> Answer<Account> {
        unreachable!("the gateway only verifies")
    }
    async fn revoke(&self, _: &Owner, _: &Owner) -> Answer<Account> {
        unreachable!("the gateway only verifies")
    }
}

async fn who(request: Request) -> String {
    let principal = request.extensions().get::<Principal>();
    let ClientAddress(address) = request.extensions().get().copied().unwrap();
    format!("{} {address}", principal.map_or("nobody", |principal| principal.owner.as_str()))
}

fn gateway(per_minute: u32) -> Router {
    let large = || async { vec![0; LARGE] };
    let api = Router::new()
        .route("/api/v1/x", get(who))
        .route("/api/v1/auth/x", get(who))
        .route("/api/v1/large", get(large))
        .route("/api/v1/sessions/x/content", get(large));
    let options = GatewayOptions {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        cors_origins: vec!["https://console.example".to_owned()],
        limits: RateLimits {
            requests_per_minute: NonZeroU32::new(per_minute).unwrap(),
            sign_ins_per_minute: NonZeroU32::new(2).unwrap(),
        },
    };
    let metrics = Metrics::new("0", String::new());
    router(api, Arc::new(Believer), options, metrics)
}

async fn ask(gateway: &Router, peer: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer(format!("{peer}:1").parse().unwrap()));
    gateway.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn who_calls_is_what_the_token_says_and_nothing_else() {
    let gateway = gateway(1000);
    for (headers, expected) in [
        (&[][..], Ok("nobody")),
        (&[("authorization", "Bearer good")], Ok("TGood")),
        (&[("authorization", "bearer good")], Ok("TGood")),
        (&[("authorization", "Bearer bad")], Err(Code::TokenInvalid)),
        (&[("authorization", "Basic good")], Err(Code::TokenInvalid)),
        (&[("authorization", "good")], Err(Code::TokenInvalid)),
        (&[("authorization", "Bearer ")], Err(Code::TokenInvalid)),
        (
            &[("authorization", "Bearer good"), ("authorization", "Bearer good")],
            Err(Code::TokenInvalid),
        ),
        (&[("x-lucid-principal", "TAdmin"), ("x-user", "TAdmin")], Ok("nobody")),
    ] {
        let response = ask(&gateway, "1.2.3.4", "/api/v1/x", headers).await;
        match expected {
            Ok(name) => assert_eq!(text(response).await, format!("{name} 1.2.3.4"), "{headers:?}"),
            Err(code) => {
                let problem = response.extensions().get::<Problem>().expect("a problem");
                assert_eq!(problem.code, code, "{headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_trusted_proxies_say_who_they_forward_for() {
    let gateway = gateway(1000);
    for (peer, forwarded, expected) in [
        ("1.2.3.4", "9.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "::ffff:9.9.9.9", "9.9.9.9"),
    ] {
        let response = ask(&gateway, peer, "/api/v1/x", &[("x-forwarded-for", forwarded)]).await;
        assert_eq!(text(response).await, format!("nobody {expected}"), "{peer} {forwarded}");
    }
}

#[tokio::test]
async fn rates_are_counted_for_addresses_and_for_accounts() {
    let gateway = gateway(3);
    let status = |response: &Response| response.status();
    for _ in 0..3 {
        let response = ask(&gateway, "1.1.1.1", "/api/v1/x", &[]).await;
        assert_eq!(status(&response), StatusCode::OK);
        assert_eq!(response.headers()["ratelimit-policy"], "\"address\";q=3;w=60");
    }
    let refused = ask(&gateway, "1.1.1.1", "/api/v1/x", &[]).await;
    assert_eq!(refused.extensions().get::<Problem>().unwrap().code, Code::RateLimited);
    assert_eq!(refused.headers()["retry-after"], "20");
    assert_eq!(refused.headers()["ratelimit"], "\"address\";r=0;t=20");
    // The same account from many addresses.
    let token = [("authorization", "Bearer good")];
    for number in 0..4 {
        let response = ask(&gateway, &format!("2.2.2.{number}"), "/api/v1/x", &token).await;
        assert_eq!(status(&response).is_success(), number < 3, "{number}");
    }
    // One network of IPv6 is one caller; signing in has its own, smaller number.
    for number in 0..3 {
        let peer = format!("[2001:db8::{number}]");
        let response = ask(&gateway, &peer, "/api/v1/auth/x", &[]).await;
        assert_eq!(status(&response).is_success(), number < 2, "{number}");
    }
    assert!(status(&ask(&gateway, "[2001:db8:1::1]", "/api/v1/auth/x", &[]).await).is_success());
}

#[tokio::test]
async fn who_reads_nothing_is_answered_no_more() {
    let gateway = gateway(1000);
    let status = |response: &Response| response.status();
    let unread = ask(&gateway, "1.1.1.1", "/api/v1/large", &[]).await;
    assert_eq!(status(&unread), StatusCode::OK);
    let refused = ask(&gateway, "1.1.1.1", "/api/v1/large", &[]).await;
    assert_eq!(refused.extensions().get::<Problem>().unwrap().code, Code::Unavailable);
    // What is small is, and so are others; what is made while it is read does not count.
    for (peer, path) in [
        ("1.1.1.1", "/api/v1/x"),
        ("2.2.2.2", "/api/v1/large"),
        ("1.1.1.1", "/api/v1/sessions/x/content"),
    ] {
        assert_eq!(status(&ask(&gateway, peer, path, &[]).await), StatusCode::OK, "{path}");
    }
    let read = axum::body::to_bytes(unread.into_body(), LARGE).await.unwrap();
    assert_eq!(read.len(), LARGE);
    drop(read);
    let again = ask(&gateway, "1.1.1.1", "/api/v1/large", &[]).await;
    assert_eq!(status(&again), StatusCode::OK, "it was read");
}

#[tokio::test]
async fn pages_of_other_origins_may_not_call_unless_configured() {
    let gateway = gateway(1000);
    for (origin, allowed) in [
        ("https://console.example", true),
        ("https://console.example.evil", false),
        ("http://console.example", false),
        ("null", false),
    ] {
        let response = ask(&gateway, "1.1.1.1", "/api/v1/x", &[("origin", origin)]).await;
        let header = response.headers().get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{origin}");
        let asks = [("origin", origin), ("access-control-request-method", "PATCH")];
        let mut request = Request::builder().method("OPTIONS").uri("/api/v1/x");
        for (name, value) in asks {
            request = request.header(name, value);
        }
        let answer = gateway.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status() == StatusCode::NO_CONTENT, allowed, "{origin}");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    }
}

/// A cache that was asked by nobody's page, or another's, does not give that answer to the one that may see it.
#[tokio::test]
async fn answers_differ_by_origin_and_say_so() {
    let gateway = gateway(1000);
    for (origin, seen) in [
        (None, false),
        (Some("https://other.example"), false),
        (Some("https://console.example"), true),
    ] {
        let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
        let response = ask(&gateway, "1.2.3.4", "/api/v1/x", &headers).await;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("vary"), Some("origin"), "{origin:?}");
        assert_eq!(header("access-control-allow-origin"), origin.filter(|_| seen));
    }
}
