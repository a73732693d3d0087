//! Accounts follow from the ledger, whatever becomes of their database.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::copy_folder,
};

fn sign_in_answer(client: &Client, wallet: &Wallet) -> crate::client::Answer {
    let address = json!({"address": wallet.address});
    let challenge = client.post("/api/v1/auth/challenge", &address).expect(200);
    client.post("/api/v1/auth/login", &wallet.sign(&challenge))
}

/// Two admins; the second is revoked. Then the accounts are altered as `harm` says (it is given them, and
/// a copy of them from before), and the node starts without knowing any admins.
fn check(form: Form, said: &str, harm: impl FnOnce(&Path, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Wallet::new(1), Wallet::new(2));
    let settings = [("LUCID_ADMINS", first.address.as_str())];
    let auth = folder.path().join(match form {
        Form::One => "data",
        Form::Each => "authentication",
    });
    let (auth, before) = (auth.join("auth"), folder.path().join("before"));
    let server = Server::start_with(form, folder.path(), &settings);
    let admin = server.client().sign_in(&first);
    let other = server.client().sign_in(&second);
    let path = format!("/api/v1/admin/users/{}", second.address);
    let headers = [("content-type", "application/json")];
    admin.send("PUT", &path, &headers, br#"{"role":"admin"}"#).unwrap().expect(200);
    server.stop();
    copy_folder(&auth, &before);
    let server = Server::start(form, folder.path());
    let mut admin = server.client().speaking_for(&admin);
    let other = server.client().speaking_for(&other);
    other.got("/api/v1/auth/me").expect(200);
    admin.send("DELETE", &path, &[], &[]).unwrap().expect(200);
    server.stop();
    harm(&auth, &before);
    let server = Server::start(form, folder.path());
    sign_in_answer(&server.client(), &second).problem(403, "account_revoked");
    // What was signed in before the revocation stays out.
    let other = server.client().speaking_for(&other);
    assert_ne!(other.got("/api/v1/auth/me").status, 200);
    let refresh = json!({"refresh_token": other.refresh_token});
    assert_ne!(other.post("/api/v1/auth/refresh", &refresh).status, 200);
    // The first is an admin because the ledger says so, and sees both.
    admin = server.client().sign_in(&first);
    let users = admin.got("/api/v1/admin/users").expect(200);
    let users = users["users"].as_array().unwrap();
    assert_eq!(users.len(), 2);
    let of = |wallet: &Wallet| {
        users.iter().find(|user| user["address"] == wallet.address.as_str()).unwrap()
    };
    assert_eq!((&of(&first)["role"], &of(&first)["revoked"]), (&json!("admin"), &json!(false)));
    assert_eq!((&of(&second)["role"], &of(&second)["revoked"]), (&json!("admin"), &json!(true)));
    let log = server.stop();
    assert!(log.contains(said), "{form:?}: no {said:?} in {log}");
    // Once is enough.
    let log = Server::start(form, folder.path()).stop();
    assert!(!log.contains("repaired: accounts"), "{log}");
}

const ANEW: &str = "all sign-ins are over";

#[test]
fn an_older_copy_is_brought_up_to_the_log() {
    for form in Form::BOTH {
        check(form, "were behind the log: 1 change", |auth, before| {
            fs::remove_dir_all(auth).unwrap();
            copy_folder(before, auth);
        });
    }
}

#[test]
fn accounts_that_are_missing_or_damaged_are_made_anew_from_the_log() {
    for form in Form::BOTH {
        check(form, ANEW, |auth, _| fs::remove_dir_all(auth).unwrap());
    }
    check(Form::One, ANEW, |auth, _| fs::write(auth.join("db"), "").unwrap());
    check(Form::One, ANEW, |auth, _| fs::write(auth.join("db"), vec![0xff; 100_000]).unwrap());
}

#[test]
fn accounts_of_another_node_are_made_anew_from_the_log() {
    let elsewhere = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, elsewhere.path());
    server.client().sign_in(&Wallet::new(2));
    server.stop();
    let foreign = elsewhere.path().join("data").join("auth");
    for form in Form::BOTH {
        check(form, ANEW, |auth, _| {
            fs::remove_dir_all(auth).unwrap();
            copy_folder(&foreign, auth);
        });
    }
}
