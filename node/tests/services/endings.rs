//! What ends without anybody asking.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::Wallet,
    server::{Form, Server},
};

#[test]
fn the_completer_closes_what_was_abandoned() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_UPLOAD_EXPIRES_AFTER", "1s")];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        assert_eq!(owner.patch(&session, 0, b"all there was").unwrap().status, 204);
        let (path, start) = (format!("/api/v1/sessions/{session}"), Instant::now());
        while owner.got(&path).expect(200)["state"] == "open" {
            assert!(start.elapsed() < Duration::from_secs(30), "it stays open");
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(owner.got(&path).expect(200)["state"], "sealed");
        // To a client that goes on with it, the end of what is there must not look like its own.
        let upload = format!("{path}/upload");
        let head = owner.send("HEAD", &upload, &[("tus-resumable", "1.0.0")], &[]).unwrap();
        assert_eq!((head.status, head.header("upload-offset")), (410, None));
        assert_eq!(owner.patch(&session, 13, b"").unwrap().status, 410);
        assert_eq!(owner.patch(&session, 13, b"more").unwrap().status, 410);
        let manifest = owner.got(&format!("{path}/manifest")).expect(200);
        assert_eq!(manifest["complete"], false);
        assert_eq!(owner.got(&format!("{path}/content")).body, b"all there was");
        server.stop();
    }
}
