//! Signing in, over HTTP.

use serde_json::json;

use crate::{
    client::Wallet,
    server::{Form, Server},
};

#[test]
fn challenges_tokens_and_their_ends() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let wallet = Wallet::new(1);
        let server = Server::start_with(form, folder.path(), &[("LUCID_ADMINS", &wallet.address)]);
        let client = server.client();
        let challenge = client.post("/api/v1/auth/challenge", &json!({"address": wallet.address}));
        let challenge = challenge.expect(200);
        let login = wallet.sign(&challenge);

        // Another wallet's signature, then the right one twice.
        let other = Wallet::new(2);
        let mut forged = challenge.clone();
        forged["address"] = json!(other.address);
        let mut forged = other.sign(&forged);
        forged["address"] = json!(wallet.address);
        client.post("/api/v1/auth/login", &forged).problem(401, "signature_invalid");
        let tokens = client.post("/api/v1/auth/login", &login).expect(200);
        client.post("/api/v1/auth/login", &login).problem(401, "nonce_used");
        client
            .post("/api/v1/auth/challenge", &json!({"address": "Tnope"}))
            .problem(400, "invalid_address");

        let mut signed = client.clone();
        signed.token = tokens["access_token"].as_str().map(str::to_owned);
        assert_eq!(signed.got("/api/v1/auth/me").expect(200)["role"], "admin");
        let mut altered = signed.clone();
        altered.token = altered.token.map(|token| format!("{}x", &token[..token.len() - 1]));
        altered.got("/api/v1/auth/me").problem(401, "token_invalid");

        // A refresh token is good once; using it again ends all that came of the sign-in.
        let first = json!({"refresh_token": tokens["refresh_token"]});
        let second = client.post("/api/v1/auth/refresh", &first).expect(200);
        client.post("/api/v1/auth/refresh", &first).problem(401, "refresh_reused");
        let second = json!({"refresh_token": second["refresh_token"]});
        let after = client.post("/api/v1/auth/refresh", &second);
        assert_eq!(after.status, 401, "the family is revoked");
        server.stop();
    }
}

#[test]
fn accounts_are_managed_by_admins_and_survive_a_restart() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let (admin_wallet, user_wallet) = (Wallet::new(1), Wallet::new(2));
        let settings = [("LUCID_ADMINS", admin_wallet.address.as_str())];
        let mut server = Server::start_with(form, folder.path(), &settings);
        let admin = server.client().sign_in(&admin_wallet);
        let user = server.client().sign_in(&user_wallet);
        let path = format!("/api/v1/admin/users/{}", user_wallet.address);
        let put = |client: &crate::client::Client, role: &str| {
            let headers = [("content-type", "application/json")];
            let body = json!({"role": role}).to_string();
            client.send("PUT", &path, &headers, body.as_bytes()).unwrap()
        };
        put(&user, "admin").problem(403, "forbidden");
        put(&admin, "observer").expect(200);
        // A token that was just believed is believed for two seconds more.
        let start = std::time::Instant::now();
        while user.got("/api/v1/auth/me").expect(200)["role"] != "observer"
            || user.post("/api/v1/sessions", &json!({})).status != 403
        {
            assert!(start.elapsed().as_secs() < 10, "the old role still counts");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        user.post("/api/v1/sessions", &json!({})).problem(403, "forbidden");
        server.kill_and_restart();
        assert_eq!(user.got("/api/v1/auth/me").expect(200)["role"], "observer", "tokens live on");
        let revoked = admin.send("DELETE", &path, &[], &[]).unwrap();
        assert!(revoked.status == 200 || revoked.status == 204, "{}", revoked.status);
        let start = std::time::Instant::now();
        while user.got("/api/v1/auth/me").status == 200 {
            assert!(start.elapsed().as_secs() < 10, "a revoked account still speaks");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        server.stop();
    }
}
