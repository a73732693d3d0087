use tokio::{net::TcpListener, task::JoinHandle};

use super::*;

/// How many bytes are read, and what is then said.
type Steps = Vec<(usize, Vec<u8>)>;

/// What a proxy says, step by step, each after it has read so many bytes; it gives all that it read.
async fn scripted(steps: Steps) -> (Proxy, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        for (count, answer) in steps {
            let mut bytes = vec![0; count];
            stream.read_exact(&mut bytes).await.unwrap();
            all.extend(bytes);
            stream.write_all(&answer).await.unwrap();
        }
        all
    });
    (format!("socks5h://{address}").parse().unwrap(), serving)
}

const TIME: Duration = Duration::from_secs(5);

#[test]
fn targets_are_names_and_addresses() {
    for (host, shown) in [
        ("Example.COM.", "example.com:443"),
        ("a_b.internal", "a_b.internal:443"),
        ("127.0.0.1", "127.0.0.1:443"),
        ("[::1]", "[::1]:443"),
        ("::1", "[::1]:443"),
        ("localhost", "localhost:443"),
    ] {
        assert_eq!(Target::new(host, 443).unwrap().to_string(), shown);
    }
    for host in [
        "",
        ".",
        "a..b",
        "a b",
        "a/b",
        "a@b",
        "é",
        "1.2.3",
        "127.1",
        "256.1.1.1",
        "12",
        &"a".repeat(254),
    ] {
        assert!(matches!(Target::new(host, 443), Err(SocksError::Target(_))), "{host}");
    }
    assert!(Target::new("x.onion", 80).unwrap().is_onion());
    assert!(!Target::new("x.onion.example", 80).unwrap().is_onion());
}

#[tokio::test]
async fn a_name_goes_to_the_proxy_as_it_is() {
    let (proxy, serving) = scripted(vec![
        (3, vec![5, 0]),
        (4 + 1 + 9 + 2, [&[5, 0, 0, 3, 2][..], b"ab", &[0, 0], b"hello"].concat()),
    ])
    .await;
    let target = Target::new("node.test", 80).unwrap();
    let mut stream = proxy.connect(&target, TIME).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"hello", "what the other end says begins after the reply");
    let expected = [&[5, 1, 0, 5, 1, 0, 3, 9][..], b"node.test", &[0, 80]].concat();
    assert_eq!(serving.await.unwrap(), expected);
}

#[tokio::test]
async fn credentials_are_shown_only_where_they_are_asked_for() {
    let done = vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let (proxy, serving) =
        scripted(vec![(3, vec![5, 2]), (1 + 1 + 9 + 1 + 16, vec![1, 0]), (10, done)]).await;
    let target = Target::new("10.0.0.1", 27017).unwrap();
    proxy.isolated("abc", 7).connect(&target, TIME).await.unwrap();
    let all = serving.await.unwrap();
    let expected = [&[5, 1, 2, 1, 9][..], b"lucid-abc", &[16], b"0000000000000007"].concat();
    let expected = [expected, vec![5, 1, 0, 1, 10, 0, 0, 1, 0x69, 0x89]].concat();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn each_refusal_has_its_words() {
    for (code, words) in
        [(5, "refuses"), (0xf0, "no descriptor"), (0xf4, "client's key"), (0x77, "not known")]
    {
        let (proxy, serving) =
            scripted(vec![(3, vec![5, 0]), (10, vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0])]).await;
        let target = Target::new("10.0.0.1", 80).unwrap();
        let error = proxy.connect(&target, TIME).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("10.0.0.1:80"), "{text}");
        assert_eq!(serving.await.unwrap().len(), 13);
    }
}

#[tokio::test]
async fn what_does_not_speak_socks_is_named() {
    let rows: [(Steps, &str); 6] = [
        (vec![(3, b"HT".to_vec())], "another version in its greeting"),
        (vec![(3, vec![5, 0xff])], "does not take the user name"),
        (vec![(3, vec![5, 2])], "not offered"),
        (vec![(3, vec![5, 0]), (10, vec![4, 0, 0, 1])], "another version in its reply"),
        (vec![(3, vec![5, 0]), (10, vec![5, 0, 0, 9])], "kind of address"),
        (vec![(3, vec![5, 0]), (10, vec![5, 0, 0])], "does not answer"),
    ];
    for (steps, words) in rows {
        let (proxy, _serving) = scripted(steps).await;
        let target = Target::new("10.0.0.1", 80).unwrap();
        let error = proxy.connect(&target, TIME).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_or_absent_is_named() {
    let (proxy, _serving) = scripted(vec![(3, vec![5, 0]), (100, Vec::new())]).await;
    let target = Target::new("10.0.0.1", 80).unwrap();
    let error = proxy.connect(&target, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, SocksError::TimedOut { .. }), "{error}");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let absent: Proxy = format!("socks5h://{free}").parse().unwrap();
    let error = absent.connect(&target, TIME).await.unwrap_err();
    assert!(matches!(error, SocksError::NoProxy { .. }), "{error}");
}
