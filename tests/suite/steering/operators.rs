//! Endpoints that an operator takes out and puts back.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::{command, endpoint, endpoint_of, state};
use crate::world::{Client, Setup, eventually, fetch, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_endpoint_gets_nothing_new_until_it_is_undrained_whatever_is_edited() {
    let world = Setup::new().start().await;
    let reply = command(&world, "node-2/drain").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.json()["endpoint"]["state"], "DRAINING");
    assert!(!world.nodes(12).await.contains('2'));
    world.edit(|text| text.replace("strategy = \"round-robin\"", "strategy = \"random\"")).await;
    assert_eq!(endpoint(&world, "node-2").await["state"], "DRAINING");
    assert!(!world.nodes(12).await.contains('2'));
    world.edit(|text| text.replace("strategy = \"random\"", "strategy = \"round-robin\"")).await;
    assert_eq!(command(&world, "node-2/undrain").await.json()["endpoint"]["state"], "HEALTHY");
    assert!(world.nodes(6).await.contains('2'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_a_drained_endpoint_is_finished() {
    let world = Setup::new().origins(1).start().await;
    let mut client = world.connect().await;
    let slow = tokio::spawn(async move { client.get("/process?ms=500").await });
    let busy = || async { (endpoint(&world, "node-1").await["in_flight"] == 1).then_some(()) };
    eventually("the request is under way", busy).await;
    command(&world, "node-1/drain").await;
    assert_eq!(world.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(slow.await.expect("the client").status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_endpoint_is_not_even_checked() {
    let check = "[cluster.web.health.check]\npath = \"/health\"\ninterval = \"50ms\"\n";
    let world = Setup::new().cluster_lines(check).start().await;
    state(&world, "node-1", "HEALTHY").await;
    assert_eq!(command(&world, "node-1/disable").await.json()["endpoint"]["state"], "DISABLED");
    assert!(!world.nodes(9).await.contains('1'));
    let checks = || async {
        let metrics = world.metrics().await;
        metrics.sum("leverframe_checks", &[("endpoint", "node-1")])
    };
    // One that was under way may still come in.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let before = checks().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(checks().await, before);
    command(&world, "node-1/enable").await;
    state(&world, "node-1", "HEALTHY").await;
    assert!(world.nodes(6).await.contains('1'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_said_survives_that_the_endpoint_goes_and_comes() {
    let world = Setup::new().origins(2).start().await;
    let text = world.config();
    command(&world, "node-2/drain").await;
    let without = text.lines().filter(|line| !line.contains("name = \"node-2\"")).collect::<Vec<_>>().join("\n");
    world.edit(|_| without).await;
    let gone = || async { endpoint(&world, "node-2").await.is_null().then_some(()) };
    eventually("the endpoint has left", gone).await;
    world.edit(|_| text).await;
    assert_eq!(endpoint(&world, "node-2").await["state"], "DRAINING");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_and_circuit_survive_an_edit() {
    let world = Setup::new().origins(2).cluster_lines("failures = \"every-error\"\n").start().await;
    let origin = world.origins()[1].address();
    send(origin, Method::POST, "/fault?kind=errors&percent=100", "").await;
    let mut client = world.connect().await;
    for _ in 0..12 {
        client.get("/").await;
    }
    let before = state(&world, "node-2", "FAILED").await;
    assert_eq!(before["circuit"], "open");
    world.edit(|text| text.replace("name = \"node-2\",", "name = \"node-2\", weight = 3,")).await;
    let after = endpoint(&world, "node-2").await;
    assert_eq!((&after["circuit"], &after["weight"]), (&"open".into(), &3.into()));
    assert_eq!((&after["requests"], &after["id"]), (&before["requests"], &before["id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_goes_before_a_number() {
    let world = Setup::new().origins(2).start().await;
    world.edit(|text| text.replace("name = \"node-2\"", "name = \"0\"")).await;
    assert_eq!(command(&world, "0/drain").await.json()["endpoint"]["name"], "0");
    assert_eq!(endpoint(&world, "node-1").await["state"], "HEALTHY", "its id is 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_cannot_command() {
    let world = Setup::new().origins(1).start().await;
    let mut client = Client::connect(world.admin()).await;
    for (path, header) in [
        ("/api/endpoints/node-1/drain", ("origin", "http://evil.example")),
        ("/strategy?strategy=random", ("sec-fetch-site", "cross-site")),
    ] {
        let reply = client.send(Method::POST, path, &[header], Bytes::new()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}: {}", reply.text());
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
    assert_eq!(endpoint(&world, "node-1").await["state"], "HEALTHY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_of_several_clusters_needs_its_clusters_name() {
    let more = "[cluster.other]\nendpoints = [{ name = \"node-1\", address = \"127.0.0.1:1\" }]\n";
    let world = Setup::new().origins(1).more(more).start().await;
    let reply = command(&world, "node-1/drain").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.text().contains("other, web"), "{}", reply.text());
    assert_eq!(command(&world, "node-1/drain?cluster=other").await.json()["cluster"], "other");
    assert_eq!(endpoint_of(&world, "web", "node-1").await["state"], "HEALTHY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_cannot_be_read_is_answered_like_every_other() {
    let world = Setup::new().origins(1).start().await;
    let reply = fetch(world.admin(), "/api/events?limit=many").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert!(reply.text().contains("limit"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_is_named() {
    let world = Setup::new().origins(1).start().await;
    for (path, words) in [
        ("nobody/drain", "nobody"),
        ("node-1/fly", "drain, undrain, enable, disable"),
        ("node-1/drain?cluster=none", "no cluster is named"),
    ] {
        let reply = command(&world, path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert!(reply.text().contains(words), "{path}: {}", reply.text());
    }
    assert_eq!(command(&world, "0/drain?cluster=web").await.status, StatusCode::OK, "an id names it, too");
}
