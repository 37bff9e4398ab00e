//! What a version knows goes over to the next, on all workers or on none.

use serde_json::Value;

use crate::world::{Setup, embedded, guest, salted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_turn_goes_over_from_version_to_version() {
    let world = Setup::new().origins(5).start().await;
    let mut nodes = world.nodes(3).await;
    for salt in ["first", "second", "third"] {
        world.swap_in("round-robin", &salted(&embedded("round-robin"), salt)).await;
        nodes += &world.nodes(3).await;
    }
    assert_eq!(nodes, "123451234512");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_on_one_worker_takes_the_version_back_on_all() {
    let config = "{ fault = \"refuse-state\" }";
    let world =
        Setup::new().workers(3).plugin("saboteur", guest("saboteur")).configured("saboteur", config).start().await;
    // Only the worker of this connection has anything to hand over, so the others have said yes.
    let mut client = world.connect().await;
    assert_eq!(client.get("/").await.node(), "node-1");
    let before = world.plugin("saboteur").await["versions"].clone();
    assert_eq!(before[0]["state"], "serving");

    let plugin = world.refused("saboteur", &salted(&guest("saboteur"), "unwilling")).await;
    let reason = plugin["refused"]["reason"].as_str().expect("a reason");
    let words = ["refused the state of the version before", "cannot go on from 1 bytes of version"];
    assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
    assert_eq!(plugin["versions"][0]["hash"], before[0]["hash"]);
    assert_eq!(plugin["versions"][1], Value::Null);

    assert_eq!(client.get("/").await.node(), "node-2", "the instance that served before serves on");
    for _ in 0..20 {
        world.get("/").await.node();
    }
    let revision = before[0]["revision"].to_string();
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("leverframe_plugin_picks", &[("plugin", "saboteur"), ("revision", &revision)]), 22);
    assert_eq!((metrics.plugin("saboteur", "picks"), metrics.plugin("saboteur", "fallbacks")), (22, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_say_what_it_knows_is_replaced_all_the_same() {
    let config = "{ fault = \"panic\", when = \"export\" }";
    let world = Setup::new().plugin("saboteur", guest("saboteur")).configured("saboteur", config).start().await;
    assert_eq!(world.nodes(2).await, "12");
    let plugin = world.swap_in("saboteur", &salted(&guest("saboteur"), "replacement")).await;
    assert_eq!((&plugin["state"], &plugin["refused"]), (&"loaded".into(), &Value::Null));
    assert_eq!(world.nodes(3).await, "123", "it begins anew");
}
