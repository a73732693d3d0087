//! What only one form has, and what both say of themselves.

use serde_json::json;

use crate::{
    client::Wallet,
    server::{Form, Server},
};

#[test]
fn internal_ports_are_not_to_be_had_through_the_gateway() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        for path in ["/internal/v1/sessions/session", "/internal/v1/encryptor/chunk_keys"] {
            owner.post(path, &json!({})).problem(404, "not_found");
        }
        server.stop();
    }
}

#[test]
fn health_readiness_and_metrics() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let client = server.client();
        assert_eq!(client.got("/health").status, 200);
        let metrics = String::from_utf8(client.got("/metrics").body).unwrap();
        assert!(metrics.contains("lucid_build_info"), "{metrics}");
        let document = client.got("/openapi.json").expect(200);
        assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
        let page = client.got("/docs");
        assert!(matches!(page.status, 200 | 301..=308), "{}", page.status);
        server.stop();
    }
}

#[test]
fn no_secret_is_in_a_log() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_LOG_LEVEL", "trace")];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        owner.patch(&session, 0, b"a very plain plaintext").unwrap();
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        owner.got(&format!("/api/v1/sessions/{session}/content"));
        let token = owner.token.clone().unwrap();
        let secrets = [token.as_str(), owner.refresh_token.as_deref().unwrap(), "plain plaintext"];
        let log = server.stop();
        assert!(log.len() > 1000, "trace says something");
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
}
