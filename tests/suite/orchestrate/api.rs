//! Registering and removing over HTTP, at the one that leads and at one that stands by alike.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::orchestrate::{Orchestrator, node, stands};
use crate::programs::Program;
use crate::world::{Client, Redis, fetch, send};

#[tokio::test]
async fn a_backend_is_registered_changed_and_removed() {
    let redis = Redis::start().await;
    let (first, second) = (Orchestrator::start(&redis).await, Orchestrator::start(&redis).await);
    let mut heard = Program::start(redis.client().args(["subscribe", "backend_changes"]));
    heard.says("that it listens", |said| said.contains("subscribe").then_some(())).await;
    let a = node("a").await;
    let url = format!("http://{}", a.address());

    let made =
        first.register(&json!({ "id": "a", "url": url, "labels": { "zone": "eu" }, "weight": 3 }).to_string()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let mut shown = made.json();
    assert!(shown["last_checked"].take().is_string());
    let expected = json!({
        "id": "a", "url": url, "status": "UP", "last_checked": null, "weight": 3, "labels": { "zone": "eu" },
    });
    assert_eq!(shown, expected, "one that answers is up at once");

    let same = json!({ "id": "a", "url": url, "labels": { "zone": "eu" }, "weight": 3 }).to_string();
    assert_eq!(second.register(&same).await.status, StatusCode::OK);
    let other = second.register(&json!({ "id": "a", "url": url, "labels": { "zone": "us" } }).to_string()).await;
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!((&other.json()["labels"], &other.json()["weight"]), (&json!({ "zone": "us" }), &json!(1)));
    assert_eq!(redis.cli(&["hget", "backend:a", "zone"]), "us");

    // Nobody is there, and no name is given.
    let nobody = first.register(r#"{"url":"127.0.0.1:1"}"#).await;
    assert_eq!((nobody.status, &nobody.json()["status"]), (StatusCode::CREATED, &"DOWN".into()));
    let list = fetch(second.address, "/backends").await.json();
    let ids: Vec<&Value> = list["backends"].as_array().expect("a list").iter().map(|backend| &backend["id"]).collect();
    assert_eq!(ids, ["127.0.0.1:1", "a"]);

    let remove = |id: &'static str| send(second.address, Method::DELETE, id, "");
    assert_eq!(remove("/backends/a").await.status, StatusCode::NO_CONTENT);
    assert_eq!(remove("/backends/a").await.status, StatusCode::NOT_FOUND);
    assert_eq!(remove("/backends/127.0.0.1:1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(redis.cli(&["keys", "backend*"]), "");
    let said =
        heard.says("the last removal", |said| said.contains(r#"1:1","status":"REMOVED""#).then(|| said.to_owned()));
    let said = said.await;
    let messages: Vec<_> = said.lines().filter(|line| line.starts_with('{')).collect();
    let message = |id: &str, status: &str| format!(r#"{{"backend_id":"{id}","status":"{status}"}}"#);
    assert_eq!(
        messages,
        [
            message("a", "UP"),
            message("a", "UP"),
            message("127.0.0.1:1", "DOWN"),
            message("a", "REMOVED"),
            message("127.0.0.1:1", "REMOVED"),
        ],
        "what is registered already is not published again"
    );
}

#[tokio::test]
async fn who_is_registered_before_it_answers_is_up_once_it_does() {
    let redis = Redis::start().await;
    let one = Orchestrator::start(&redis).await;
    let a = node("a").await;
    let address = a.address();
    a.stop().await;
    one.register(&json!({ "id": "a", "url": address.to_string() }).to_string()).await;
    stands(&redis, "a", "DOWN").await;
    let name = leverframe::model::EndpointName::new("a").expect("a name");
    let _again = leverframe::demo::Node::start(address, name).await.expect("its port is free again");
    stands(&redis, "a", "UP").await;
}

#[tokio::test]
async fn bad_input_is_refused_with_the_reason_and_nothing_is_written() {
    let redis = Redis::start().await;
    let one = Orchestrator::start(&redis).await;
    let long = format!(r#"{{"url":"web","labels":{{"x":"{}"}}}}"#, "x".repeat(20_000));
    let (bad, unprocessable) = (StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY);
    for (body, status, why) in [
        ("", bad, "no registration"),
        ("url=http://web", bad, "no registration"),
        (r#"{"id":"a"}"#, bad, "missing field `url`"),
        (r#"{"url":"web","wieght":2}"#, bad, "unknown field `wieght`"),
        (r#"{"url":"web","weight":0}"#, bad, "nonzero"),
        (r#"{"url":"web","labels":{"a":1}}"#, bad, "a string"),
        (&long, bad, "limit"),
        (r#"{"url":"https://web"}"#, unprocessable, "by http, not by https"),
        (r#"{"url":"http://"}"#, unprocessable, "no host name"),
        (r#"{"id":"a b","url":"web"}"#, unprocessable, "its id cannot be a name"),
        (r#"{"id":"","url":"web"}"#, unprocessable, "cannot be empty"),
        (r#"{"url":"web","labels":{"status":"UP"}}"#, unprocessable, "`status` cannot be the key of a label"),
    ] {
        let refused = one.register(body).await;
        let detail = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(refused.status == status && detail.contains(why), "{body}: {} {detail}", refused.status);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
    let mut page = Client::connect(one.address).await;
    let body = Bytes::from(r#"{"url":"web"}"#);
    let foreign = page.send(Method::POST, "/backends", &[("origin", "http://evil.example")], body).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(send(one.address, Method::PUT, "/backends", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(fetch(one.address, "/nowhere").await.status, StatusCode::NOT_FOUND);
    let no_text = send(one.address, Method::DELETE, "/backends/%ff", "").await;
    assert_eq!((no_text.status, &no_text.json()["status"]), (bad, &json!(400)));
    assert_eq!(redis.cli(&["keys", "backend*"]), "");
}
