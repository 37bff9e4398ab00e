//! What becomes of a plugin that failed: started again after a while, and taken back when it keeps failing.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;

use crate::world::{Setup, World, embedded, eventually, guest, saboteur, salted};

/// One request, which must be answered.
async fn served(world: &World) {
    let reply = world.get("/").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_started_again_and_waits_longer_each_time() {
    let config = "{ fault = \"panic\", after = 2 }";
    let world = Setup::new().plugin("saboteur", guest("saboteur")).configured("saboteur", config).start().await;
    let mut faults = Vec::new();
    while faults.len() < 3 {
        served(&world).await;
        let traps = world.metrics().await.plugin("saboteur", "traps") as usize;
        faults.resize(traps, Instant::now());
    }
    // 100 ms and 200 ms, and what lies between is sound picks.
    assert!(faults[2] - faults[0] >= Duration::from_millis(250), "{:?}", faults[2] - faults[0]);
    let metrics = world.metrics().await;
    assert_eq!(metrics.plugin("saboteur", "picks"), 9, "two sound picks and a fault, three times");
    assert_eq!(metrics.endpoint_failures(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_keeps_failing_is_taken_back_until_its_bytes_change() {
    let world = Setup::new().workers(2).start().await;
    served(&world).await;
    let good = world.plugin("round-robin").await["versions"][0]["hash"].clone();
    let bad = saboteur(r#"{"fault": "panic"}"#);
    let plugin = world.swap_in("round_robin", &bad).await;
    let bad_hash = plugin["versions"][0]["hash"].clone();
    assert_eq!(plugin["versions"][1]["hash"], good, "kept to go back to");

    let plugin = eventually("the version is taken back", || async {
        served(&world).await;
        Some(world.plugin("round-robin").await).filter(|plugin| plugin["versions"][0]["hash"] == good)
    })
    .await;
    // Its version is told no more, and what it did still is.
    assert!(
        world.metrics().await.sum("leverframe_plugin_failures", &[("plugin", "round-robin"), ("reason", "trap")]) >= 5
    );
    let reason = plugin["refused"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("kept failing") && reason.contains("sabotage on purpose"), "{reason}");
    assert_eq!((&plugin["state"], &plugin["refused"]["hash"]), (&"refused".into(), &bad_hash));
    assert_eq!(
        world.nodes(6).await.chars().collect::<std::collections::BTreeSet<_>>().len(),
        3,
        "turns are taken again"
    );

    // The same bytes, written anew.
    let at = plugin["refused"]["at"].clone();
    world.drop_in("round_robin", &bad);
    let offered_again = |plugin: &Value| plugin["refused"]["at"] != at;
    let plugin = world.plugin_when("round-robin", "the same bytes are looked at", offered_again).await;
    let reason = plugin["refused"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("taken back before") && reason.contains("sabotage on purpose"), "{reason}");
    assert_eq!(plugin["versions"][0]["hash"], good);

    let plugin = world.swap_in("round_robin", &salted(&embedded("round-robin"), "put right")).await;
    assert_eq!((&plugin["state"], &plugin["refused"]), (&"loaded".into(), &Value::Null));
    assert_eq!(world.metrics().await.endpoint_failures(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_keeps_failing_and_has_none_before_it_goes_on_by_fallback() {
    let world = Setup::new()
        .workers(2)
        .plugin("saboteur", guest("saboteur"))
        .configured("saboteur", "{ fault = \"panic\" }")
        .start()
        .await;
    // Five would have a version taken back.
    let metrics = eventually("six faults", || async {
        served(&world).await;
        Some(world.metrics().await).filter(|metrics| metrics.plugin("saboteur", "traps") >= 6)
    })
    .await;
    assert!(metrics.plugin("saboteur", "fallbacks") > 6, "also while the plugin is away");
    let plugin = world.plugin("saboteur").await;
    assert_eq!((&plugin["state"], &plugin["refused"]), (&"loaded".into(), &Value::Null));
    assert!(plugin["versions"][0]["last_error"]["reason"].as_str().expect("a reason").contains("sabotage on purpose"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_that_cannot_read_the_state_is_gone_back_to_all_the_same() {
    // Round robin refuses the state of the saboteur, as an older version may refuse a newer format.
    let world = Setup::new().workers(2).start().await;
    world.swap_in("round_robin", &saboteur(r#"{"fault": "panic", "after": 1}"#)).await;
    let plugin = eventually("the version is taken back", || async {
        served(&world).await;
        Some(world.plugin("round-robin").await).filter(|plugin| plugin["refused"].is_object())
    })
    .await;
    assert_eq!(plugin["versions"][0]["origin"], "embedded", "{plugin:#}");
    served(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_is_tried_again() {
    let config = "{ fault = \"panic\", when = \"candidates\" }";
    let world = Setup::new().plugin("saboteur", guest("saboteur")).configured("saboteur", config).start().await;
    let failed_at = |plugin: &Value| plugin["versions"][0]["last_error"]["at"].clone();
    let mut last = Value::Null;
    for _ in 0..4 {
        let again = |plugin: &Value| failed_at(plugin) != last;
        let plugin = world.plugin_when("saboteur", "it fails once more", again).await;
        last = failed_at(&plugin);
        served(&world).await;
    }
}
