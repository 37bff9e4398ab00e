//! What clients of an entry see whose nodes all hold everything: three SQLite files.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use super::scene::{Files, Scene, ask, setup};

const INSERT: &str = "INSERT INTO items (name, amount) VALUES (?, ?)";

async fn scene() -> Scene<Files> {
    let scene = Scene::new(Files::new(3)).await;
    scene.all_are("UP").await;
    scene.write("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, amount INTEGER)", json!([])).await;
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_statements_are_done_together_or_not_at_all() {
    let scene = scene().await;
    let insert = |name: &str| json!({ "sql": INSERT, "params": [name, 1] });
    // The second finds what the first has done, and the third the rows of both.
    let double = "UPDATE items SET amount = amount * 2 WHERE name IN (SELECT name FROM items ORDER BY id LIMIT 1)";
    let copy = "INSERT INTO items (name, amount) SELECT name || ' again', amount FROM items";
    let done = scene.ask(json!({ "statements": [insert("a"), { "sql": double }, { "sql": copy }] })).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert_eq!(done.document["results"], json!([{ "affected": 1 }, { "affected": 1 }, { "affected": 1 }]), "{done:?}");
    let rows = || async { scene.read("SELECT name, amount FROM items ORDER BY id", None).await };
    assert_eq!(rows().await, json!([["a", 2], ["a again", 2]]));

    let failed = scene.ask(json!({ "statements": [insert("b"), insert("a")] })).await;
    assert_eq!(failed.status, StatusCode::UNPROCESSABLE_ENTITY, "{failed:?}");
    assert_eq!(failed.document["cause"]["reason"], "statement-failed", "{failed:?}");
    assert_eq!(rows().await, json!([["a", 2], ["a again", 2]]));
    let mixed = scene.ask(json!({ "statements": [insert("c"), { "sql": "DROP TABLE items" }] })).await;
    assert_eq!(mixed.document["cause"]["reason"], "sql-refused", "{mixed:?}");
    scene.all_are("UP").await;
    scene.all_are_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_new_rows_are_the_same_everywhere_under_many_clients() {
    let scene = scene().await;
    let one = |client: usize| {
        let scene = &scene;
        async move {
            let mut ids = Vec::new();
            for nth in 0..20 {
                let sql = format!("{INSERT} RETURNING id");
                // Some fail, and take a number with them.
                let name = if nth % 5 == 4 { format!("{client} 0") } else { format!("{client} {nth}") };
                let told = scene.ask(json!({ "sql": sql, "params": [name, nth] })).await;
                match told.status {
                    StatusCode::OK => ids.push(told.document["rows"][0][0].as_i64().expect("an id")),
                    status => {
                        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told:?}");
                        assert!(
                            told.document["detail"].as_str().is_some_and(|why| why.contains("items.name")),
                            "{told:?}"
                        );
                    }
                }
            }
            ids
        }
    };
    let ids: Vec<i64> = join_all((0..8).map(one)).await.into_iter().flatten().collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (8 * 16, 8 * 16));
    scene.all_are("UP").await;
    scene.all_are_equal().await;
    let standing = scene.standing().await;
    let (entries, fsyncs) = (standing["appended"].as_u64(), standing["fsyncs"].as_u64());
    println!("{entries:?} entries by {fsyncs:?} fsyncs");
    assert!(entries >= Some(161) && fsyncs > Some(0), "{standing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_the_position_that_it_names() {
    let scene = scene().await;
    for n in 0..10 {
        let written = scene.write(INSERT, json!([format!("item {n}"), n])).await;
        let count = scene.read("SELECT count(*) FROM items", written["position"].as_u64()).await;
        assert_eq!(count, json!([[n + 1]]));
    }
    let beyond = scene.ask(json!({ "sql": "SELECT 1", "position": 1000 })).await;
    assert_eq!(
        (beyond.status, &beyond.document["cause"]["reason"]),
        (StatusCode::BAD_REQUEST, &json!("bad-parameter"))
    );
    let nothing =
        scene.write("DELETE FROM items WHERE id IN (SELECT id FROM items WHERE id > 50 LIMIT 3)", json!([])).await;
    assert_eq!(nothing["affected"], 0, "{nothing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explaining_says_what_would_be_logged_and_logs_nothing() {
    let scene = scene().await;
    let before = scene.standing().await["position"].clone();
    let explain = |sql: &str| scene.ask(json!({ "sql": sql, "explain": true }));
    let told = explain("INSERT INTO items (name, amount) VALUES (hex(randomblob(4)), abs(random() % 5))").await;
    let sql = told.document["nodes"][0]["sql"].as_str().unwrap_or_else(|| panic!("{told:?}")).to_owned();
    assert!(sql.contains("id") && !sql.contains("random"), "{sql}");
    let told = explain("SELECT * FROM items").await;
    assert_eq!(told.document["nodes"][0]["name"], "db-1, db-2, db-3", "{told:?}");
    let refused = explain("INSERT INTO items (name) VALUES (sqlite_version())").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    assert_eq!(scene.standing().await["position"], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_log_is_done_by_the_process_that_comes_next() {
    let mut scene = scene().await;
    scene.write(INSERT, json!(["before", 1])).await;
    // Nobody is there to take it, and the client is told so.
    for node in 0..3 {
        scene.stop(node).await;
    }
    scene.states(&[0, 1, 2], "DOWN").await;
    let refused = scene.ask(json!({ "sql": INSERT, "params": ["nobody", 1], "timeout_ms": 2000 })).await;
    assert_eq!(
        (refused.status, &refused.document["cause"]["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("no-node"))
    );
    let standing = |document: &Value| document["nodes"].as_array().map(Vec::len);
    assert_eq!(standing(&refused.document), Some(3), "{refused:?}");
    for node in 0..3 {
        scene.start(node).await;
    }
    scene.all_are("UP").await;
    scene.restart().await;
    scene.all_are("UP").await;
    let written = scene.write(INSERT, json!(["after", 2])).await;
    assert_eq!(written["nodes"].as_array().map(Vec::len), Some(3), "{written}");
    assert_eq!(scene.read("SELECT name FROM items ORDER BY id", None).await, json!([["before"], ["after"]]));
    scene.all_are_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_kept_over_a_reload_and_handed_on_in_order_where_it_changes() {
    let (files, folder) = (Files::new(3), tempfile::tempdir().expect("a folder"));
    let world = setup(&files, folder.path()).start().await;
    let address = world.listener("sql").expect("the listener of the entry");
    let world = &world;
    let standing = || async move { world.api("/api/sql").await["entries"][0]["replication"].clone() };
    let spend = || async move {
        let told = ask(address, json!({ "sql": "UPDATE purse SET amount = amount - 1 WHERE id = 1" })).await;
        assert_eq!((told.status, &told.document["affected"]), (StatusCode::OK, &json!(1)), "{told:?}");
        told.document["position"].as_u64().expect("a position")
    };
    assert_eq!((spend().await, spend().await), (1, 2));
    // The database stays what it is: its log was not opened anew, so that it counts on.
    world.edit(|text| text.replace("[sql.shop]", "[sql.shop]\nlimits.timeout = \"20s\"")).await;
    assert_eq!(spend().await, 3);
    assert_eq!(standing().await["appended"], 3);
    // It does not: the log is closed first, and opened by the next.
    world.edit(|text| text.replace("[sql.shop]", "[sql.shop]\nacknowledge = \"majority\"")).await;
    assert_eq!(spend().await, 4);
    let now = standing().await;
    assert_eq!((&now["log"], &now["appended"]), (&json!("open"), &json!(1)), "{now}");
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("leverframe_sql_log_position", &[("entry", "shop")]), 4);
    assert_eq!(metrics.sum("leverframe_sql_log_appended", &[("entry", "shop")]), 1);
}
