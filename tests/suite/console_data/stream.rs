//! The stream, its history, and who listens.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::world::{Load, Plan, Setup, Sse, World, embedded, eventually, salted, send};

async fn listen(world: &World) -> Sse {
    Sse::open(world.admin(), "/api/stream", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_how_everything_stands_and_then_what_passes_each_second() {
    let world = Setup::new().origins(2).start().await;
    let mut stream = listen(&world).await;
    let first = stream.next().await.expect("an overview");
    assert_eq!(first.kind, "overview");
    let overview = first.data;
    assert_eq!((&overview["health"]["status"], &overview["access"]), (&"ok".into(), &"write".into()), "{overview}");
    assert!(overview["started_s"].as_f64() > Some(1e9), "{overview}");
    assert_eq!(overview["config"]["generation"], world.generation().await, "{overview}");
    let web = &overview["clusters"][0];
    assert_eq!((&web["name"], &web["strategy"]["plugin"]), (&"web".into(), &"round-robin".into()));
    let endpoint = &web["endpoints"][1];
    assert_eq!((&endpoint["name"], &endpoint["state"]), (&"node-2".into(), &"HEALTHY".into()), "{endpoint}");
    let round_robin = overview["plugins"].as_array().expect("plugins").iter().find(|one| one["name"] == "round-robin");
    let round_robin = round_robin.expect("the strategy");
    assert_eq!((&round_robin["state"], &round_robin["world"]), (&"loaded".into(), &"routing-strategy".into()));

    let every = Duration::from_millis(5);
    let load = Load::start(world.address(), Plan { clients: 2, every, path: "/" });
    let is_busy = |tick: &Value| tick["total"]["per_second"].as_f64() > Some(50.0);
    let tick = stream.until("tick", is_busy).await.data;
    let web = &tick["clusters"]["web"];
    assert_eq!(web["per_second"], tick["total"]["per_second"]);
    assert!(web["p50_ms"].as_f64() > Some(0.0) && web["p99_ms"].as_f64() >= web["p50_ms"].as_f64(), "{tick}");
    let rows = web["endpoints"].as_array().expect("rows");
    assert_eq!((rows.len(), rows[0].as_array().map(Vec::len)), (2, Some(6)), "{tick}");
    assert!(rows.iter().all(|row| row[1].as_u64() > Some(0)), "{tick}");
    drop(load.finish().await);

    // What nobody answers is an error of the whole, and where nothing passes there is no percentile.
    let quiet = stream.until("tick", |tick| tick["total"]["per_second"] == 0.0).await.data;
    assert!(quiet["total"]["p50_ms"].is_null() && quiet["clusters"]["web"]["p99_ms"].is_null(), "{quiet}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_and_what_was_missed_too() {
    let world = Setup::new().origins(2).start().await;
    let mut stream = listen(&world).await;
    stream.until("overview", |_| true).await;
    send(world.admin(), Method::POST, "/api/endpoints/node-1/drain", "").await;
    let event = stream.until("event", |event| event["kind"] == "draining").await;
    assert_eq!((&event.data["endpoint"], event.id), (&"node-1".into(), event.data["id"].as_u64()));
    let changed = stream.until("overview", |all| all["clusters"][0]["endpoints"][0]["state"] == "DRAINING").await;
    assert_eq!(changed.data["clusters"][0]["ready"], 1);

    let before = (event.id.expect("a number") - 1).to_string();
    let mut again = Sse::open(world.admin(), "/api/stream", &[("last-event-id", &before)]).await;
    let missed = again.until("event", |_| true).await;
    assert_eq!((missed.id, &missed.data["kind"]), (event.id, &"draining".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_token_that_is_none_any_more_hears_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "the-first-of-two-tokens").expect("a token");
    let world = Setup::new().origins(1).admin_lines(&format!("token_file = {file:?}")).start().await;
    let mut stream =
        Sse::open(world.admin(), "/api/stream", &[("authorization", "Bearer the-first-of-two-tokens")]).await;
    stream.until("tick", |_| true).await;
    std::fs::write(&file, "the-second-of-two-tokens").expect("a token");
    stream.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_compiled_is_told_as_work() {
    let world = Setup::new().origins(1).start().await;
    let mut stream = listen(&world).await;
    let first = stream.until("progress", |_| true).await;
    assert_eq!(first.data["work"], Value::Array(Vec::new()));
    // Never seen before, so that they are compiled; as many as it takes to be seen at it.
    let salt = format!("{:?}", std::time::SystemTime::now());
    for number in 1..=8 {
        world.drop_in(&format!("mine-{number}"), &salted(&embedded("sticky-session"), &format!("{salt} {number}")));
    }
    let work = stream.until("progress", |said| said["work"][0]["kind"] == "compile").await.data;
    let one = &work["work"][0];
    assert_eq!((&one["done"], &one["unit"]), (&0.into(), &"plugins".into()), "{one}");
    assert!(one["subject"].as_str().is_some_and(|subject| subject.starts_with("mine-")), "{one}");
    assert!(one["total"].is_null() && one["since"].is_string(), "{one}");
    stream.until("progress", |said| said["work"] == Value::Array(Vec::new())).await;
    let look = || async { (world.api("/api/progress").await["work"] == Value::Array(Vec::new())).then_some(()) };
    eventually("nothing is under way", look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_grows_while_nobody_listens() {
    let world = Setup::new().origins(1).start().await;
    let mut client = world.connect().await;
    for _ in 0..10 {
        client.get("/").await;
    }
    let look = || async {
        let history = world.api("/api/history").await;
        (history["points"].as_array().map(Vec::len) >= Some(3)).then_some(history)
    };
    let history = eventually("three points", look).await;
    assert_eq!(history["step_s"], 1);
    let points = history["points"].as_array().expect("points");
    let times: Vec<u64> = points.iter().filter_map(|point| point["at_ms"].as_u64()).collect();
    assert!(times.windows(2).all(|pair| (500..2_500).contains(&(pair[1] - pair[0]))), "{times:?}");
    let all: f64 = points.iter().filter_map(|point| point["clusters"]["web"]["per_second"].as_f64()).sum();
    // A second is one only roughly where much else goes on.
    assert!((5.0..15.0).contains(&all), "{points:?}");
}
