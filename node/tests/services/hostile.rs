//! Connections that are not as they should be: TLS, slow ones, large ones, ambiguous ones.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::BINARY,
};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// All that is answered until the other end closes.
fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn asked(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    rest(stream)
}

#[test]
fn a_request_has_one_end_for_everyone() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let address = server.client().address();
        let smuggled = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
        let post = "POST /api/v1/auth/challenge HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
            content-type: application/json\r\n";
        // However it is read, there is one answer at the most, and what follows is no request.
        for head in [
            "content-length: 0\r\ntransfer-encoding: xchunked\r\n",
            "content-length: 0\r\ncontent-length: 5\r\n",
            "content-length: +0\r\n",
            "content-length: 0x0\r\n",
            "content-length : 0\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "content-length:\r\n 0\r\n",
        ] {
            let answer = asked(address, &format!("{post}{head}\r\n{smuggled}"));
            let answers = answer.matches("HTTP/1.1 ").count();
            assert!(answers <= 1, "{form:?} {head:?}: {answer}");
            assert!(!answer.contains(" 200 "), "{form:?} {head:?}: {answer}");
        }
        // RFC 9112 §6.3: the chunks count, and the connection ends.
        let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        let answer = asked(address, &format!("{post}{both}{smuggled}"));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{form:?}: {answer}");
        assert_eq!(server.client().got("/health").status, 200);
        server.stop();
    }
}

#[test]
fn what_is_too_large_is_refused() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let large = json!({"media_type": "x".repeat(2 << 20)});
        // A client that writes all before it reads has its answer, too.
        for _ in 0..20 {
            owner.post("/api/v1/sessions", &large).problem(413, "too_large");
        }
        let session = owner.mint(&json!({"length": 10}));
        owner.patch(&session, 0, b"more than ten").unwrap().problem(413, "too_large");
        assert_eq!(owner.patch(&session, owner.offset(&session), b"").unwrap().status, 204);
        // What is checked as a whole is held as a whole.
        let checked = [
            ("tus-resumable", "1.0.0"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", "0"),
            ("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ];
        let fresh = owner.mint(&json!({}));
        let path = format!("/api/v1/sessions/{fresh}/upload");
        let head: String =
            checked.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let token = owner.token.as_ref().unwrap();
        let answer = asked(
            owner.address(),
            &format!(
                "PATCH {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer \
                 {token}\r\n{head}content-length: 17000000\r\n\r\n"
            ),
        );
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(owner.offset(&fresh), 0);
        server.stop();
    }
}

#[test]
fn who_is_slow_is_not_waited_for_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(Form::One, folder.path(), &[("LUCID_CONNECTIONS_MAX", "64")]);
    let address = server.client().address();
    let started = Instant::now();
    let mut slow: Vec<_> = (0..32).map(|_| connect(address)).collect();
    while started.elapsed() < Duration::from_secs(12) {
        for stream in &mut slow {
            // A byte of the head now and then, for ever.
            let _ = stream.write_all(if started.elapsed().as_secs() == 0 { b"G" } else { b"E" });
        }
        let asked = Instant::now();
        assert_eq!(Client::new(address).got("/health").status, 200);
        assert!(asked.elapsed() < Duration::from_secs(2), "others wait");
        std::thread::sleep(Duration::from_millis(500));
    }
    for stream in slow {
        let text = rest(stream);
        assert!(!text.contains(" 200 "), "{text}");
    }
    assert!(started.elapsed() < Duration::from_secs(25), "the head has no end in time");
    server.stop();
}

/// Until a connection has said what it speaks, nothing but time ends it.
#[test]
fn who_says_nothing_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LUCID_CONNECTIONS_MAX", "8"), ("LUCID_CONNECTIONS_PER_ADDRESS_MAX", "8")];
    let server = Server::start_with(Form::One, folder.path(), &settings);
    let address = server.client().address();
    let started = Instant::now();
    let quiet: Vec<_> = ["", "P", "PRI * HTTP/2.0\r\n", "G", "", "P", "", ""]
        .map(|said| {
            let mut stream = connect(address);
            stream.write_all(said.as_bytes()).unwrap();
            stream
        })
        .into_iter()
        .collect();
    for stream in quiet {
        assert!(!rest(stream).contains(" 200 "));
    }
    let took = started.elapsed();
    assert!(took > Duration::from_secs(10) && took < Duration::from_secs(25), "{took:?}");
    assert_eq!(Client::new(address).got("/health").status, 200);
    server.stop();
}

#[test]
fn over_tls_and_no_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(path("other.pem"), other.cert.pem()).unwrap();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let settings = [("LUCID_TLS_CERTIFICATE", certificate.as_str()), ("LUCID_TLS_KEY", &key)];
    let mut run = Command::new(BINARY);
    run.env_clear().envs(settings).args(["run", "--json", "--listen", "127.0.0.1:0", "--data"]);
    let mut node = run.arg(path("data")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(node.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = listening["address"].as_str().unwrap();
    assert_eq!(listening["url"], format!("https://{address}"));
    let port = address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");
    let command = |settings: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        let output = command.env_clear().envs(settings.iter().copied()).args(arguments).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let ask = |ca: &str| command(&[], &["status", "--url", &url, "--ca-certificate", &path(ca)]);
    assert_eq!(ask("cert.pem").0, Some(0), "{}", ask("cert.pem").1);
    let (code, why) = ask("other.pem");
    assert!(code == Some(74) && why.contains("certificate"), "{why}");
    let (code, why) = command(&[], &["status", "--url", &url]);
    assert!(code != Some(0), "{why}");
    // The health check of the same machine knows the certificate, whatever its name.
    let own = [settings[0], settings[1], ("LUCID_LISTEN", address)];
    assert_eq!(command(&own, &["healthcheck", "--ready"]).0, Some(0));
    let wrong = [("LUCID_TLS_CERTIFICATE", &*path("other.pem")), settings[1], own[2]];
    assert_eq!(command(&wrong, &["healthcheck"]).0, Some(1), "another certificate is not it");
    // Plain HTTP is no way in.
    let answer = asked(address.parse().unwrap(), "GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    node.kill().unwrap();
    node.wait().unwrap();
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let address = server.client().address();
        let owner = server.client().sign_in(&Wallet::new(1));
        let token = owner.token.clone().unwrap();
        let check = |request: &str, status: u16, code: &str| {
            let answer = asked(address, request);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{form:?} {request:?}: {answer}"
            );
            assert!(answer.contains(code), "{form:?} {request:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{form:?} {request:?}: {answer}");
        };
        // One Host, and a sound one: of every resource.
        for path in ["/health", "/api/v1/auth/me", "/nowhere"] {
            for hosts in [
                "",
                "host: a\r\nhost: a\r\n",
                "host: a\r\nhost: b\r\n",
                "host: a b\r\n",
                "host: \r\n",
                "host: user@a\r\n",
                "host: a:x\r\n",
            ] {
                let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
                check(&request, 400, "invalid_request");
            }
        }
        assert!(asked(address, "GET /health HTTP/1.0\r\n\r\n").contains(" 200 "));
        // One transfer coding, no content coding.
        let patch_of = |session: &str| {
            format!(
                "PATCH /api/v1/sessions/{session}/upload HTTP/1.1\r\nhost: a\r\nauthorization: \
                 Bearer {token}\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: \
                 application/offset+octet-stream\r\n"
            )
        };
        let patch = patch_of(&owner.mint(&json!({})));
        for coding in ["gzip, chunked", "chunked, chunked"] {
            let request = format!("{patch}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
            check(&request, 400, "invalid_request");
        }
        let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        // RFC 9112 §6.1: the chunks count, and what follows is no request.
        let smuggled = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
        let answer = asked(address, &format!("{patch}{both}{smuggled}"));
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{form:?}: {answer}");
        let coded = "content-encoding: gzip\r\ncontent-length: 0\r\n\r\n";
        check(&format!("{patch}{coded}"), 415, "media_type");
        // Chunks that are none are the sender's fault, and not slowness.
        for chunks in ["x\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "fffffffffffffffff\r\n"] {
            // What came before counts, so each begins at the beginning of another.
            let patch = patch_of(&owner.mint(&json!({})));
            let request = format!("{patch}transfer-encoding: chunked\r\n\r\n{chunks}");
            check(&request, 400, "invalid_request");
        }
        // Two versions of one protocol.
        let versions = "tus-resumable: 0.2.2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        check(&format!("{patch}{versions}"), 412, "tus_version");
        server.stop();
    }
}

#[test]
fn one_address_does_not_have_all_connections() {
    let folder = tempfile::tempdir().unwrap();
    let few = ("LUCID_CONNECTIONS_PER_ADDRESS_MAX", "8");
    let server = Server::start_with(Form::One, folder.path(), &[few]);
    let address = server.client().address();
    // Those of the test that waited for the node may still be there.
    let mut slow = Vec::new();
    let start = Instant::now();
    let refused = loop {
        let mut stream = connect(address);
        let closed = stream.write_all(b"GET /health HTTP/1.1\r\n").is_err() || {
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let read = stream.read(&mut [0; 1]);
            read.is_ok() || read.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset)
        };
        if closed {
            break slow.len();
        }
        slow.push(stream);
        assert!(slow.len() <= 8 && start.elapsed().as_secs() < 12, "{}", slow.len());
    };
    assert!((1..=8).contains(&refused), "{refused}");
    drop(slow);
    let start = Instant::now();
    while Client::new(address).get("/health").is_none_or(|answer| answer.status != 200) {
        assert!(start.elapsed().as_secs() < 10, "who is gone still has its share");
    }
    server.stop();
    // A trusted proxy speaks for many.
    let settings = [few, ("LUCID_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start_with(Form::One, folder.path(), &settings);
    let many: Vec<_> = (0..32).map(|_| connect(server.client().address())).collect();
    assert_eq!(server.client().got("/health").status, 200);
    drop(many);
    server.stop();
}
