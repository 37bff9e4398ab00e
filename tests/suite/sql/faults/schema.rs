//! A node whose table is not like that of the others: an error that names the node and the column, never rows.

use http::StatusCode;
use serde_json::json;

use super::scene::{NODES, Scene, Wanted};

/// Tables, and how the second node has them.
const UNLIKE: [(&str, &str); 6] = [
    ("lacks", "id int PRIMARY KEY, label text"),
    ("typed", "id int PRIMARY KEY, amount text, label text"),
    ("wider", "id int PRIMARY KEY, amount bigint, label text"),
    ("scaled", "id int PRIMARY KEY, amount numeric(10,2), label text"),
    ("turned", "id int PRIMARY KEY, label text, amount int"),
    ("missing", ""),
];
const ALIKE: &str = "id int PRIMARY KEY, amount int, label text";

const READS: [&str; 6] = [
    "SELECT * FROM T",
    "SELECT * FROM T ORDER BY id LIMIT 5",
    "SELECT id, amount FROM T",
    "SELECT sum(amount) FROM T",
    "SELECT amount, count(*) FROM T GROUP BY amount",
    "SELECT id, rank() OVER (ORDER BY amount, id) FROM T",
];

async fn scene() -> Scene {
    let tables = &["orders", "notes", "lacks", "typed", "wider", "scaled", "turned", "missing", "changing"];
    let scene = Scene::with(Wanted { each: 100, tables, ..Wanted::default() }).await;
    for node in 0..3 {
        let side = scene.side(node).await;
        for (table, columns) in UNLIKE.iter().copied().chain([("changing", ALIKE)]) {
            let columns = if node == 1 { columns } else { ALIKE };
            if !columns.is_empty() {
                let first = scene.key(node, 1);
                let rows = format!(
                    "CREATE TABLE {table} ({columns}); \
                     INSERT INTO {table} (id, label) SELECT id, 'x' FROM generate_series({first}, {first} + 9) AS id"
                );
                side.batch_execute(&rows).await.unwrap_or_else(|error| panic!("{rows}: {error:?}"));
            }
        }
    }
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_columns_are_others_is_named_with_the_column() {
    let scene = scene().await;
    for (table, _) in UNLIKE {
        for read in READS {
            for allow_partial in [false, true] {
                let sql = read.replace("FROM T", &format!("FROM {table}"));
                let told = scene.tell(json!({ "sql": sql, "allow_partial": allow_partial })).await;
                assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{sql}: {told:?}");
                assert!(told.names("nodes").contains(&NODES[1]), "{sql}: {told:?}");
                let what = if table == "missing" { "missing" } else { "amount" };
                assert!(told.document.to_string().contains(what), "{sql}: {told:?}");
                assert_eq!(told.document["rows"], json!(null));
            }
        }
    }
    // By itself, too, and in a write.
    let id = scene.key(1, 1);
    let told = scene.ask(&format!("SELECT amount FROM lacks WHERE id = {id}")).await;
    told.is(422, "statement-failed");
    assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
    assert!(told.document["detail"].as_str().is_some_and(|why| why.contains("amount")), "{told:?}");
    let told =
        scene.ask(&format!("INSERT INTO lacks (id, amount) VALUES ({}, 1), ({}, 1)", scene.key(0, 50), id + 50)).await;
    told.is(422, "statement-failed");
    assert_eq!(told.names("nodes"), [NODES[1]], "{told:?}");
    let count = scene.side(0).await.query_one("SELECT count(*) FROM lacks", &[]).await.expect("a count");
    assert_eq!(count.get::<_, i64>(0), 10);
    changes_are_noticed(&scene).await;
}

/// A table that changes under plans that are kept.
async fn changes_are_noticed(scene: &Scene) {
    let reads = [
        "SELECT * FROM changing ORDER BY id",
        "SELECT id, amount FROM changing",
        "SELECT sum(amount) FROM changing",
        "SELECT id, rank() OVER (ORDER BY amount, id) FROM changing",
    ];
    let side = scene.side(1).await;
    for (change, undo) in [
        ("ALTER TABLE changing RENAME amount TO sum_of_it", "ALTER TABLE changing RENAME sum_of_it TO amount"),
        ("ALTER TABLE changing ALTER amount TYPE text", "ALTER TABLE changing ALTER amount TYPE int USING amount::int"),
        ("ALTER TABLE changing RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO changing"),
        (
            "ALTER TABLE changing DROP amount; ALTER TABLE changing ADD amount int",
            "ALTER TABLE changing DROP label; ALTER TABLE changing ADD label text DEFAULT 'x'",
        ),
    ] {
        for read in reads {
            assert_eq!(scene.ask(read).await.status, StatusCode::OK, "{read} before {change}");
        }
        side.batch_execute(change).await.expect("a change");
        for read in reads {
            let told = scene.ask(read).await;
            let is_same = change.contains("ADD") && !read.contains('*');
            match told.status {
                // What is asked for by name may come from any place, as long as nobody knows that it has moved.
                StatusCode::OK if is_same => {}
                StatusCode::BAD_GATEWAY | StatusCode::UNPROCESSABLE_ENTITY => {
                    assert!(told.names("nodes").contains(&NODES[1]), "{read} after {change}: {told:?}");
                }
                _ => panic!("{read} after {change}: {told:?}"),
            }
        }
        side.batch_execute(undo).await.expect("the same as before");
    }
    for read in reads {
        assert_eq!(scene.ask(read).await.status, StatusCode::OK, "{read}");
    }
}
