//! `POST /strategy`: another strategy chooses at once, by any spelling of its name, and stays until the file says
//! something else.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{Setup, World, embedded, guest, salted};

/// Who chooses in the cluster of the setup.
async fn strategy(world: &World) -> Value {
    world.api("/api/clusters").await["clusters"][0]["strategy"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyphens_and_underscores_name_the_same_strategy() {
    let world = Setup::new().workers(2).start().await;
    for (spelling, name) in [
        ("least_connections", "least-connections"),
        ("round-robin", "round-robin"),
        ("weighted-round_robin", "weighted-round-robin"),
    ] {
        let reply = world.switch(&format!("strategy={spelling}"), "").await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.json(), json!({ "strategy": { "plugin": name, "config": {} }, "clusters": ["web"] }));
        assert_eq!(strategy(&world).await["plugin"], name);
        let before = world.metrics().await.plugin(name, "picks");
        world.get("/").await.node();
        assert_eq!(world.metrics().await.plugin(name, "picks"), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_is_usable_at_once() {
    let world = Setup::new().start().await;
    let reply = world.switch("strategy=my-own", "").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert!(reply.text().contains("my-own") && reply.text().contains("round-robin"), "{}", reply.text());

    world.drop_in("my_own", &salted(&embedded("round-robin"), "my own"));
    world.plugin_when("my-own", "it is there", |plugin| plugin["state"] == "loaded").await;
    let reply = world.switch("strategy=my_own&cluster=web", "").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(world.nodes(4).await, "1231");
    let plugin = world.plugin("my-own").await;
    assert_eq!((&plugin["clusters"], &plugin["versions"][0]["picks"]), (&json!(["web"]), &json!(4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_comes_in_the_body_and_a_bad_one_changes_nothing() {
    let world = Setup::new().plugin("saboteur", guest("saboteur")).start().await;
    assert_eq!(world.nodes(2).await, "12");
    for (body, status, words) in [
        (r#"{"fault": "panic", "when": "configure"}"#, 422, vec!["failed in `configure`", "sabotage on purpose"]),
        (r#"{"fault": "loop", "when": "configure"}"#, 422, vec!["failed in `configure`", "no answer within"]),
        (r#"{"fault": "panic", "when": "candidates"}"#, 422, vec!["candidates", "sabotage on purpose"]),
        (r#"{"fault": "refuse-config"}"#, 422, vec!["refused its configuration", "not to my liking"]),
        (r#"{"fualt": "none"}"#, 422, vec!["refused its configuration", "fualt"]),
        (r#"["fault"]"#, 400, vec!["JSON object"]),
    ] {
        let reply = world.switch("strategy=saboteur", body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        assert!(words.iter().all(|words| reply.text().contains(words)), "{body}: {}", reply.text());
        assert_eq!(strategy(&world).await["plugin"], "round-robin", "{body}");
    }
    assert_eq!(world.nodes(2).await, "31", "the instance that served before serves on");

    let reply = world.switch("strategy=saboteur", r#"{"after": 7}"#).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(strategy(&world).await, json!({ "plugin": "saboteur", "config": { "after": 7 } }));
    assert_eq!(world.nodes(3).await, "123");
    let metrics = world.metrics().await;
    assert_eq!((metrics.plugin("saboteur", "picks"), metrics.plugin("saboteur", "traps")), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_is_named() {
    let world = Setup::new().plugin("broken", b"no plugin".as_slice()).start().await;
    for (query, status, words) in [
        ("strategy=round-robin&cluster=nowhere", 404, vec!["nowhere", "web"]),
        ("strategy=broken", 422, vec!["broken", "refused", "not WebAssembly"]),
        ("cluster=web", 400, vec!["strategy=NAME"]),
        ("strategy=a%2Fb", 400, vec!["strategy", "/"]),
    ] {
        let reply = world.switch(query, "").await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        assert!(words.iter().all(|words| reply.text().contains(words)), "{query}: {}", reply.text());
    }
    let reply = world.switch("strategy=missing", "").await;
    assert!(!reply.text().contains("broken"), "what cannot serve is not offered: {}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_switched_survives_an_edit_that_does_not_concern_it() {
    let world = Setup::new().cluster_lines("retry.attempts = 2").start().await;
    assert_eq!(world.switch("strategy=random", "").await.status, StatusCode::OK);
    world.edit(|text| text.replace("attempts = 2", "attempts = 3")).await;
    assert_eq!(strategy(&world).await["plugin"], "random");
    world.get("/").await.node();
    assert_eq!(world.metrics().await.plugin("random", "picks"), 1);

    // The file has the last word once it speaks of it.
    world.edit(|text| text.replace("\"round-robin\"", "\"least-connections\"")).await;
    assert_eq!(strategy(&world).await["plugin"], "least-connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_does_not_leave_workers_between_two_strategies() {
    const REQUESTS: u64 = 24;
    let world = Setup::new().workers(4).start().await;
    for round in 0..20 {
        let name = ["random", "maglev"][round % 2];
        let request =
            format!("POST /strategy?strategy={name} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
        let mut leaving = TcpStream::connect(world.admin()).await.expect("the admin API is open");
        leaving.write_all(request.as_bytes()).await.expect("the request fits in the socket");
        tokio::time::sleep(Duration::from_micros(200 * round as u64)).await;
    }
    // Changes happen one after the other, so this one comes after all that were begun.
    assert_eq!(world.switch("strategy=least-connections", "").await.status, StatusCode::OK);
    assert_eq!(strategy(&world).await["plugin"], "least-connections");
    for _ in 0..REQUESTS {
        world.get("/").await.node();
    }
    assert_eq!(world.metrics().await.plugin("least-connections", "picks"), REQUESTS);
}
