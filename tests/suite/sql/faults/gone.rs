//! Clients that leave in the middle: nothing of theirs goes on, and what they held is there for those who come after.

use std::collections::BTreeSet;

use serde_json::json;

use super::scene::{NODES, Raw, Scene, WIDE, Wanted};

/// Few, so that one that is not given back is missed.
const CONNECTIONS: usize = 4;
const LEAVERS: usize = 50;

/// That rows have begun to come.
async fn begun(raw: &mut Raw) {
    let text = raw.some().await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text:.500}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_that_leave_cancel_everything_and_leave_no_session_behind() {
    let scene = Scene::with(Wanted { entry: "limits.connections = 4", ..Wanted::default() }).await;
    scene.whole().await;
    let before = scene.backends(0).await.len();
    let ranked = "SELECT id, repeat(region, 400), rank() OVER (ORDER BY amount, id) FROM orders";
    let sorted = format!("{WIDE} ORDER BY amount, id");
    let only = format!("{WIDE} WHERE id <= {}", scene.each);
    let mut seen = [const { BTreeSet::new() }; 3];
    for round in 0..LEAVERS {
        match round % 5 {
            // In the middle of the rows.
            0 | 1 => {
                let mut raw = scene.stream(if round % 5 == 0 { WIDE } else { &sorted }).await;
                begun(&mut raw).await;
                scene.sending(&[0, 1, 2]).await;
            }
            2 => {
                let mut raw = scene.stream(&only).await;
                begun(&mut raw).await;
                scene.sending(&[0]).await;
            }
            // In the middle of the final statement.
            3 => begun(&mut scene.stream(ranked).await).await,
            // Before there is an answer.
            _ => {
                let lock = scene.lock(1, "orders").await;
                let raw = scene.stream("SELECT sum(amount) FROM orders").await;
                scene.locked_out(1).await;
                drop(raw);
                // Not the lock's end is what ends the statement.
                scene.quiet().await;
                drop(lock);
            }
        }
        scene.quiet().await;
        for (node, seen) in seen.iter_mut().enumerate() {
            seen.extend(scene.backends(node).await);
        }
    }
    for (node, seen) in seen.iter().enumerate() {
        let now = scene.backends(node).await;
        crate::programs::tell(&format!(
            "{}: {} connections after {LEAVERS} clients left, {before} before, {} over all",
            NODES[node],
            now.len(),
            seen.len()
        ));
        // One more is that of the checks.
        assert!(now.len() <= CONNECTIONS + 1, "{now:?}");
        // Used again, not thrown away.
        assert!(seen.len() <= 2 * CONNECTIONS + 2, "{seen:?}");
    }
    // As many as there are connections for, at a time.
    let all = (0..2 * CONNECTIONS).map(|_| scene.ask("SELECT count(*), sum(amount) FROM orders"));
    for told in futures_util::future::join_all(all).await {
        assert_eq!(told.rows()[0][0], json!(3 * scene.each));
    }
    assert_eq!(*scene.ask("SELECT id FROM orders WHERE id = 1").await.rows(), json!([[1]]));
}
