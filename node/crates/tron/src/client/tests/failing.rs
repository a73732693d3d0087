//! Everything that can go wrong on the way, for a question and for a transaction.

use std::time::Duration;

use lucid_core::tron::Sun;
use serde_json::json;

use super::script::{ANSWER_TIME, Answer, KEY, Script, client, ok, status};
use crate::{
    ApiKey, ClientError, Failure, Retry, Tron,
    testing::{OTHER, key, terms},
};

const TEMPORARY: Retry = Retry::Temporary { after: None };

/// The errors of a question and of a transaction that both get `answer`.
async fn errors(answer: Answer) -> [ClientError; 2] {
    let script = Script::of([answer.clone(), answer]).await;
    let client = script.client();
    let transaction = key().sign(&terms().transfer(OTHER.parse().unwrap(), Sun::new(1), b""));
    let errors = [
        client.resources(OTHER.parse().unwrap()).await.unwrap_err(),
        client.broadcast(&transaction.unwrap()).await.unwrap_err(),
    ];
    for error in &errors {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(KEY) && !said.contains("path-key"), "{said}");
        assert!(said.contains(&script.url[..script.url.len() - "/path-key".len()]), "{said}");
    }
    errors
}

#[tokio::test]
async fn what_the_way_does_to_a_question_and_to_a_transaction() {
    let after = |seconds| Retry::Temporary { after: Some(Duration::from_secs(seconds)) };
    let same = |retry| [retry, retry];
    let open = [TEMPORARY, Retry::Unknown];
    let rows = [
        ("hung", Answer::Hangs, open),
        ("closed", Answer::Closes, open),
        ("broken off", Answer::BreaksOff, open),
        ("429", status("429 Too Many Requests", ""), same(TEMPORARY)),
        ("429 with seconds", status("429 X\r\nRetry-After: 7", "{}"), same(after(7))),
        ("429 with too many", status("429 X\r\nRetry-After: 999999999", ""), same(after(3600))),
        (
            "429 with a date",
            status("429 X\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT", ""),
            same(TEMPORARY),
        ),
        ("429 with nonsense", status("429 X\r\nRetry-After: -1", ""), same(TEMPORARY)),
        ("403", status("403 Forbidden", "the key is suspended"), same(TEMPORARY)),
        ("403 with seconds", status("403 X\r\nRetry-After: 30", ""), same(after(30))),
        ("500", status("500 Internal Server Error", "words"), open),
        ("502", status("502 Bad Gateway", "<html>"), open),
        ("503", status("503 Service Unavailable", ""), open),
        ("408", status("408 Request Timeout", ""), open),
        ("401", status("401 Unauthorized", ""), same(Retry::Permanent)),
        ("404", status("404 Not Found", ""), same(Retry::Permanent)),
        ("413", status("413 Payload Too Large", ""), same(Retry::Permanent)),
        (
            "elsewhere",
            status("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
            same(Retry::Permanent),
        ),
        ("no JSON", ok("<html>please sign in</html>"), open),
        ("nothing", ok(""), open),
        ("an error inside", ok(json!({ "Error": "class X : words" })), open),
        ("a gateway's error", ok(json!({ "success": false, "error": "words" })), open),
        ("a refusal inside", ok(json!({ "result": false, "message": "words" })), open),
        ("busy inside", ok(json!({ "Error": "lack of computing resources" })), same(TEMPORARY)),
    ];
    for (what, answer, wanted) in rows {
        for (error, wanted) in errors(answer).await.iter().zip(wanted) {
            assert_eq!(error.retry(), wanted, "{what}: {error}");
        }
    }
}

#[tokio::test]
async fn answers_are_read_up_to_an_end() {
    let [question, transaction] = errors(Answer::Endless).await;
    for error in [&question, &transaction] {
        // Which of both limits comes first is the machine's matter; that there is one is not.
        assert!(matches!(error.failure, Failure::TooLong(_) | Failure::TimedOut(_)), "{error}");
    }
    assert_eq!(transaction.retry(), Retry::Unknown);
    let long = format!("{{\"freeNetLimit\":1{}}}", " ".repeat(4 << 20));
    let [question, transaction] = errors(ok(long)).await;
    assert_eq!(question.failure, Failure::TooLong(4 << 20));
    assert_eq!((question.retry(), transaction.retry()), (Retry::Permanent, Retry::Unknown));
}

#[tokio::test]
async fn a_node_that_is_not_there_was_sent_nothing() {
    // Taken and let go: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let transaction = key().sign(&terms().transfer(OTHER.parse().unwrap(), Sun::new(1), b""));
    let error = client(&url).broadcast(&transaction.unwrap()).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unreachable(_)), "{error}");
    assert_eq!(error.retry(), TEMPORARY);
    assert!(error.to_string().starts_with(&format!("{url} wallet/broadcasthex: ")), "{error}");
}

#[tokio::test]
async fn a_hung_node_is_given_up() {
    let errors = errors(Answer::Hangs).await;
    assert!(
        errors.iter().all(|error| error.failure == Failure::TimedOut(ANSWER_TIME)),
        "{errors:?}"
    );
}

#[tokio::test]
async fn the_key_is_not_repeated_where_a_server_repeats_it() {
    let words = format!("ApiKey {KEY} does not exist");
    for answer in [
        status("401 Unauthorized", &words),
        ok(json!({ "Error": words })),
        ok(json!({ "success": false, "message": words })),
    ] {
        let [question, transaction] = errors(answer).await;
        assert!(question.to_string().contains("ApiKey (the API key) does not exist"), "{question}");
        assert!(transaction.to_string().contains("(the API key)"), "{transaction}");
    }
    for bad in ["", " ", "two words", "grüße", "line\nbreak", &"x".repeat(129)] {
        assert!(ApiKey::parse(bad).is_err(), "{bad}");
    }
}
