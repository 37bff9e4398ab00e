//! A node that does not answer: the deadline holds, and ends the statement everywhere.

use std::time::Duration;

use http::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tokio::join;

use super::scene::{NODES, SLACK, Scene, Told, WIDE};

const TIME: Duration = Duration::from_millis(1500);

fn in_time(told: &Told) {
    assert!(told.took >= TIME - Duration::from_millis(50) && told.took < TIME + SLACK, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_slow_ends_the_statement_everywhere_at_the_deadline() {
    let scene = Scene::new().await;
    scene.whole().await;
    let ranked = "SELECT id, rank() OVER (ORDER BY amount, id) FROM orders";
    for sql in [WIDE, &format!("{WIDE} ORDER BY id"), "SELECT sum(amount) FROM orders", ranked] {
        let lock = scene.lock(1, "orders").await;
        let asked = scene.tell(json!({ "sql": sql, "timeout_ms": TIME.as_millis() as u64 }));
        let seen = async {
            scene.locked_out(1).await;
            if sql.starts_with(WIDE) {
                scene.sending(&[0, 2]).await;
            }
        };
        let (told, ()) = join!(asked, seen);
        told.is(504, "deadline");
        in_time(&told);
        assert_eq!(told.names("nodes"), [NODES[1]], "{sql}: {told:?}");
        // The lock is still held: what ended the statements was the entry.
        scene.quiet().await;
        // Those that do not need the node go on.
        assert_eq!(*scene.ask("SELECT id FROM orders WHERE id = 1").await.rows(), json!([[1]]));
        drop(lock);
    }
    scene.whole().await;
    marked_where_they_may_be_missing(&scene).await;
}

/// Rows that a deadline has cut off are marked where they may be missing.
async fn marked_where_they_may_be_missing(scene: &Scene) {
    let lock = scene.lock(1, "orders").await;
    let asked = json!({ "sql": WIDE, "timeout_ms": TIME.as_millis() as u64, "allow_partial": true });
    let told = scene.tell(asked).await;
    in_time(&told);
    // Whether anything came of the others or not: never an answer that looks complete.
    match told.status {
        StatusCode::OK => {
            assert_eq!(told.document["partial"], true, "{:.500}", told.document.to_string());
            let nodes = told.document["nodes"].as_array().expect("nodes");
            let slow = nodes.iter().find(|node| node["name"] == NODES[1]).expect("the slow one");
            assert_eq!(slow["status"], "failed", "{slow}");
        }
        _ => drop(told.is(504, "deadline")),
    }
    scene.quiet().await;
    drop(lock);
    scene.whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_no_more_than_the_deadline() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    scene.servers[1].signal(Signal::STOP);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        // The first meets open connections, the others have to make one, which nobody answers.
        let told =
            scene.tell(json!({ "sql": "SELECT sum(amount) FROM orders", "timeout_ms": TIME.as_millis() as u64 }));
        let told = told.await;
        in_time(&told);
        assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
        statuses.push((told.status.as_u16(), told.took.as_millis()));
        told.is(504, "deadline");
        let count = scene.ask(&format!("SELECT count(*) FROM orders WHERE id <= {}", scene.each)).await;
        assert_eq!(*count.rows(), json!([[scene.each]]));
    }
    crate::programs::tell(&format!("a server stands still: {statuses:?}"));
    scene.servers[1].signal(Signal::CONT);
    scene.whole().await;
    scene.quiet().await;
}
