//! A node that fails in the middle of a write to several: nothing has changed anywhere, or the error names exactly where
//! it has. What is told is compared with what the databases have.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::join;

use super::scene::{NODES, Raw, Scene, Told, tell};

/// A row for each node.
fn insert(scene: &Scene, round: i64) -> String {
    let row = |node| format!("({}, 'round {round}')", scene.key(node, round));
    format!("INSERT INTO notes (id, note) VALUES {}, {}, {}", row(0), row(1), row(2))
}

/// Which nodes have the rows of a round.
async fn have(scene: &Scene, round: i64) -> Vec<bool> {
    let mut have = Vec::new();
    for node in 0..3 {
        let sql = format!("SELECT count(*) FROM notes WHERE note = 'round {round}'");
        let count = scene.side(node).await.query_one(&sql, &[]).await.expect("a count");
        have.push(count.get::<_, i64>(0) == 1);
    }
    have
}

/// What was told is what the databases have.
async fn is_true(scene: &Scene, round: i64, told: &Told) {
    let have = have(scene, round).await;
    if told.status == StatusCode::OK {
        assert_eq!(have, [true; 3], "{told:?}");
        return;
    }
    if told.document["cause"]["reason"] != "half-committed" {
        assert_eq!(have, [false; 3], "{told:?}");
        return;
    }
    told.is(409, "half-committed");
    let (committed, missing) = (told.names("committed"), told.names("missing"));
    let unknown = told.names("unknown");
    for (name, has) in NODES.iter().zip(have) {
        let is = [committed.contains(name), missing.contains(name), unknown.contains(name)];
        assert_eq!(is.iter().filter(|is| **is).count(), 1, "{name}: {told:?}");
        assert!(is[2] || is[0] == has, "{name} has it: {has}; {told:?}");
    }
}

/// A write that is held up at `held`, the others having done their part, until `then` has happened to the servers.
async fn held_up(scene: &mut Scene, round: i64, held: usize, then: impl AsyncFnOnce(&mut Scene)) -> Told {
    let asked = tell(scene.address, json!({ "sql": insert(scene, round), "timeout_ms": 10_000 }));
    let lock = scene.lock(held, "notes").await;
    let happens = async {
        scene.locked_out(held).await;
        for other in (0..3).filter(|other| *other != held) {
            scene.pending(other).await;
        }
        then(scene).await;
        drop(lock);
    };
    join!(asked, happens).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_within_a_write_leaves_it_undone_or_is_told_exactly() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    let told = scene.ask(&insert(&scene, 1)).await;
    assert_eq!((told.status, &told.document["affected"]), (StatusCode::OK, &json!(3)), "{told:?}");
    is_true(&scene, 1, &told).await;
    // Killed while its own statement waits, and after its part with another that waits: first, middle, last to commit.
    for (round, (killed, held)) in (2..).zip([(2, 2), (0, 2), (1, 2), (2, 0)]) {
        let told = held_up(&mut scene, round, held, async |scene| scene.servers[killed].kill()).await;
        scene.servers[killed].restart().await;
        crate::programs::tell(&format!(
            "{} killed, {} waiting: {} {} committed {:?} missing {:?} unknown {:?}",
            NODES[killed],
            NODES[held],
            told.status.as_u16(),
            told.document["cause"]["reason"],
            told.names("committed"),
            told.names("missing"),
            told.names("unknown"),
        ));
        assert_ne!(told.status, StatusCode::OK, "{told:?}");
        assert!(told.document.to_string().contains(NODES[killed]), "{told:?}");
        is_true(&scene, round, &told).await;
        scene.whole().await;
        scene.quiet().await;
    }
    // The connections of the others are sound.
    let told = scene.ask(&insert(&scene, 20)).await;
    is_true(&scene, 20, &told).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_ends_before_it_commits_has_changed_nothing() {
    let mut scene = Scene::new().await;
    scene.whole().await;
    // The deadline.
    let lock = scene.lock(2, "notes").await;
    let told = scene.tell(json!({ "sql": insert(&scene, 1), "timeout_ms": 500 })).await;
    told.is(504, "deadline");
    assert_eq!(told.names("nodes"), [NODES[2]], "{told:?}");
    scene.quiet().await;
    // The client.
    let raw = Raw::ask(scene.address, &json!({ "sql": insert(&scene, 2) })).await;
    scene.locked_out(2).await;
    scene.pending(0).await;
    drop(raw);
    scene.quiet().await;
    drop(lock);
    // A row that one node refuses.
    let mut doubled = insert(&scene, 3);
    doubled.push_str(&format!(", ({}, 'twice')", scene.key(1, 3)));
    let told = scene.ask(&doubled).await;
    told.is(422, "statement-failed");
    assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
    // A node that was down before, whose connections are dead.
    scene.servers[1].kill();
    let told = scene.tell(json!({ "sql": insert(&scene, 4), "timeout_ms": 3000 })).await;
    assert!(told.status == StatusCode::BAD_GATEWAY && told.took < Duration::from_secs(3), "{told:?}");
    assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
    scene.servers[1].restart().await;
    for round in 1..=4 {
        assert_eq!(have(&scene, round).await, [false; 3], "round {round}");
    }
    scene.whole().await;
    let told = scene.ask(&insert(&scene, 5)).await;
    is_true(&scene, 5, &told).await;
}
