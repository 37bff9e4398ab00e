//! The configuration file: an edit serves at once, and one with a mistake changes nothing and says where it is.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::world::{Setup, embedded, eventually, fetch, salted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_with_mistakes_changes_nothing_and_shows_all_of_them() {
    let world = Setup::new().start().await;
    assert_eq!(world.nodes(1).await, "1");
    let good = world.config();
    let line_of = |text: &str, words: &str| text.lines().position(|line| line.contains(words)).map(|line| line + 1);

    let bad = good.replace("strategy = ", "stratgy = ").replace("cluster = \"web\"", "cluster = \"wbe\"");
    let status = world.edit_badly(|_| bad.clone()).await;
    assert_eq!(status["generation"], 1);
    let mistakes = status["last_error"]["mistakes"].as_array().expect("mistakes").clone();
    for (path, words, advice) in [("cluster.web.stratgy", "stratgy =", "strategy"), ("cluster", "\"wbe\"", "web")] {
        let has_path = |mistake: &&Value| mistake["path"].as_str().is_some_and(|at| at.ends_with(path));
        let mistake = mistakes.iter().find(has_path).unwrap_or_else(|| panic!("nothing on {path}: {mistakes:#?}"));
        assert_eq!(mistake["line"].as_u64(), line_of(&bad, words).map(|line| line as u64), "{mistake:#}");
        assert!(mistake["advice"].as_str().is_some_and(|text| text.contains(advice)), "{mistake:#}");
    }
    assert_eq!(world.api("/health").await["config"], "stale");
    assert_eq!(world.nodes(3).await, "231", "the very instances serve on");

    world.write_config(&good);
    let look = || async { Some(world.api("/api/config").await).filter(|status| status["last_error"].is_null()) };
    let status = eventually("the mistake is forgotten", look).await;
    assert_eq!(status["generation"], 1, "nothing had to be changed");
    assert_eq!(world.api("/health").await["config"], "current");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_cannot_be_put_to_work_changes_nothing_and_is_tried_again() {
    let world = Setup::new().cluster_lines("retry.attempts = 2").start().await;
    let edit = |text: String| text.replace("\"round-robin\"", "\"mine\"").replace("attempts = 2", "attempts = 1");
    let status = world.edit_badly(edit).await;
    let message = status["last_error"]["message"].as_str().expect("a message");
    assert!(["cluster.web.strategy", "`mine`", "round-robin"].iter().all(|words| message.contains(words)), "{message}");
    assert_eq!(world.nodes(4).await, "1231");
    assert_eq!(world.generation().await, 1);

    // What was missing comes.
    world.drop_in("mine", &salted(&embedded("round-robin"), "mine"));
    let look = || async { (world.generation().await == 2).then_some(()) };
    eventually("the edit is put to work", look).await;
    assert_eq!(world.plugin("mine").await["clusters"], json!(["web"]));
    assert_eq!(world.nodes(3).await, "123");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_and_nothing_is_half_done() {
    let world = Setup::new().start().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let edit = |text: String| {
        let listener =
            format!("[[listener]]\nname = \"second\"\naddress = \"{address}\"\nroute = [{{ cluster = \"web\" }}]\n");
        text.replace("\"round-robin\"", "\"random\"") + &listener
    };
    let status = world.edit_badly(edit).await;
    let message = status["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("listener.second") && message.contains(&address.to_string()), "{message}");
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["strategy"]["plugin"], "round-robin");
    assert_eq!(world.nodes(3).await, "123");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_come_and_go() {
    let world = Setup::new().workers(2).start().await;
    let first = world.address();
    let before = world.config();
    let second = r#"
[[listener]]
name = "second"
address = "127.0.0.1:0"
route = [{ cluster = "web" }]
"#;
    world.edit(|text| text + second).await;
    let address = world.listener("second").expect("it is open");
    assert_eq!(fetch(address, "/").await.status, StatusCode::OK);
    assert_eq!(world.address(), first, "the other one was left alone");

    world.edit(|_| before).await;
    assert_eq!(world.listener("second"), None);
    let refused = || async { TcpStream::connect(address).await.is_err().then_some(()) };
    eventually("nobody listens any more", refused).await;
    assert_eq!(fetch(first, "/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_come_and_go_and_the_strategy_hears_of_it() {
    let world = Setup::new().start().await;
    assert_eq!(world.nodes(3).await, "123");
    let text = world.config();
    let second = text.lines().find(|line| line.contains("node-2")).expect("its line").to_owned();
    world.edit(|text| text.replace(&second, "")).await;
    assert_eq!(world.nodes(4).await, "1313");
    world.edit(|_| text).await;
    assert_eq!(world.nodes(6).await.matches('2').count(), 2);
    assert_eq!(world.metrics().await.endpoint_failures(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_finished_on_the_old_configuration() {
    let world = Setup::new().origins(1).start().await;
    let address = world.address();
    let slow = tokio::spawn(async move { fetch(address, "/process?ms=800").await });
    let look = || async { (world.origins()[0].requests() == 1).then_some(()) };
    eventually("the request is at the endpoint", look).await;
    world.edit(|text| text.replace("\"round-robin\"", "\"random\"")).await;
    let reply = slow.await.expect("it ends");
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.json()["processed_ms"], 800);
    assert!(reply.took >= Duration::from_millis(800));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_comes_back_does_not_use_an_endpoints_id_again() {
    let world = Setup::new().start().await;
    let ids = |clusters: Value| {
        let endpoints = clusters["clusters"][0]["endpoints"].as_array().expect("endpoints").clone();
        let id = |endpoint: &Value| endpoint["id"].as_u64().expect("an id");
        let name = |endpoint: &Value| endpoint["name"].as_str().expect("a name").to_owned();
        endpoints.iter().map(|endpoint| (name(endpoint), id(endpoint))).collect::<BTreeMap<_, _>>()
    };
    let before = ids(world.api("/api/clusters").await);
    let renamed = |text: String| text.replace("[cluster.web", "[cluster.other").replace("\"web\"", "\"other\"");
    world.edit(renamed).await;
    assert_eq!(world.api("/api/clusters").await["clusters"][0]["name"], "other");
    let back = |text: String| text.replace("[cluster.other", "[cluster.web").replace("\"other\"", "\"web\"");
    world.edit(|text| back(text).replace("node-2", "node-9")).await;
    let after = ids(world.api("/api/clusters").await);
    assert_eq!((after["node-1"], after["node-3"]), (before["node-1"], before["node-3"]), "they are the same ones");
    assert!(before.values().all(|id| *id != after["node-9"]), "{before:?}, then {after:?}");
    world.get("/").await.node();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_are_answered_although_their_cluster_goes() {
    let lines = "capacity = { in_flight = 1, queue_timeout = \"10s\" }";
    let world = Setup::new().origins(1).cluster_lines(lines).start().await;
    let address = world.address();
    let slow = tokio::spawn(async move { fetch(address, "/process?ms=800").await });
    let look = || async { (world.origins()[0].requests() == 1).then_some(()) };
    eventually("the first is at the endpoint", look).await;
    let waits = tokio::spawn(async move { fetch(address, "/").await });
    // Far more than it takes to come into the queue, and far less than the first takes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.edit(|text| text.replace("[cluster.web", "[cluster.other").replace("\"web\"", "\"other\"")).await;
    for request in [slow, waits] {
        let reply = request.await.expect("it ends");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_with_another_name_costs_no_connection() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let world = Setup::new().workers(2).at(address, ([127, 0, 0, 1], 0).into()).start().await;
    let mut client = world.connect().await;
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    let waits = TcpStream::connect(address).await.expect("a connection");
    world.edit(|text| text.replace("name = \"main\"", "name = \"renamed\"")).await;
    assert_eq!(world.listener("renamed"), Some(address));
    assert_eq!(client.get("/").await.status, StatusCode::OK, "the same connection");
    assert_eq!(fetch(address, "/").await.status, StatusCode::OK);
    drop(waits);
}
