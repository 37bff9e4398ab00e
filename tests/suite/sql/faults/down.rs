//! A node that is down: whoever needs it is told so at once, whoever does not is answered, and when it is back nobody has
//! to do anything.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::scene::{NODES, SLACK, Scene, Wanted};
use crate::world::eventually;

/// Fast enough that a test need not wait for it.
const WATCHED: &str = r#"
health.check = { kind = "sql", interval = "300ms", timeout = "300ms", before_traffic = false }
circuit = { consecutive_failures = 3, open_for = "200ms", open_at_most = "400ms" }
"#;

/// One for each way of answering.
const NEED_ALL: [&str; 4] = [
    "SELECT id FROM orders",
    "SELECT id, region FROM orders ORDER BY amount, id",
    "SELECT region, count(*), sum(amount) FROM orders GROUP BY region",
    "SELECT id, rank() OVER (ORDER BY amount, id) FROM orders",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_is_named_at_once_and_comes_back_by_itself() {
    let mut scene = Scene::with(Wanted { cluster: WATCHED, ..Wanted::default() }).await;
    scene.whole().await;
    scene.servers[2].kill();
    // Those that come first meet dead connections; then its circuit is open; then the checks have taken it out.
    let first = scene.ask(NEED_ALL[0]).await;
    first.is(502, "nodes-failed");
    assert_eq!(first.names("nodes"), [NODES[2]], "{first:?}");
    let mut statuses = vec![first.status.as_u16()];
    for round in 0..12 {
        let told = scene.tell(json!({ "sql": NEED_ALL[round % 4], "timeout_ms": 3000 })).await;
        assert!(matches!(told.status.as_u16(), 502 | 503) && told.took < SLACK, "{told:?}");
        assert_eq!(told.names("nodes"), [NODES[2]], "{told:?}");
        statuses.push(told.status.as_u16());
        others_answer(&scene).await;
    }
    scene.process.ready(2).await;
    others_answer(&scene).await;
    crate::programs::tell(&format!("a node is down: {statuses:?}"));
    partial_answers_are_marked(&scene).await;
    scene.servers[2].restart().await;
    scene.process.ready(3).await;
    scene.whole().await;
    assert_eq!(scene.ask(NEED_ALL[0]).await.document["row_count"], 3 * scene.each);
}

/// What does not need the third node.
async fn others_answer(scene: &Scene) {
    let last = scene.key(2, 0);
    let told = scene.ask(&format!("SELECT count(*) FROM orders WHERE id <= {last}")).await;
    assert_eq!(*told.rows(), json!([[2 * scene.each]]));
    assert_eq!(*scene.ask("SELECT id FROM orders WHERE id = 1").await.rows(), json!([[1]]));
}

async fn partial_answers_are_marked(scene: &Scene) {
    for sql in NEED_ALL {
        let told = scene.tell(json!({ "sql": sql, "allow_partial": true })).await;
        assert_eq!((told.status, &told.document["partial"]), (StatusCode::OK, &json!(true)), "{sql}: {told:?}");
        let nodes = told.document["nodes"].as_array().expect("nodes");
        let failed: Vec<_> = nodes.iter().filter(|node| node["status"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{sql}: {nodes:?}");
        assert_eq!(failed[0]["name"], NODES[2], "{sql}");
        assert!(failed[0]["error"].as_str().is_some_and(|why| !why.is_empty()), "{sql}: {failed:?}");
        if !sql.contains("GROUP BY") {
            assert_eq!(told.document["row_count"], 2 * scene.each, "{sql}");
        }
    }
    let count = scene.tell(json!({ "sql": "SELECT count(*) FROM orders", "allow_partial": true })).await;
    assert_eq!((&count.document["rows"], &count.document["partial"]), (&json!([[2 * scene.each]]), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_a_restart_has_cut_cost_no_read() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    scene.servers[1].kill();
    scene.servers[1].restart().await;
    // It was not known to be away: the pool holds what is dead, and the read is tried again.
    for sql in NEED_ALL {
        let told = scene.ask(sql).await;
        assert_eq!(told.status, StatusCode::OK, "{sql}: {told:?}");
        assert_eq!(told.document["partial"], json!(null));
    }
    let look = || async { (scene.backends(1).await.len() <= 3).then_some(()) };
    eventually("few connections", look).await;
    assert!(scene.ask("SELECT count(*) FROM orders").await.took < Duration::from_secs(1));
}
