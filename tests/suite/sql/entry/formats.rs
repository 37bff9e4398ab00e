//! What an answer looks like, in both forms, and that it is exact.

use http::StatusCode;
use serde_json::json;

use super::scene::{Scene, rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_tells_rows_columns_plan_and_nodes() {
    let scene = Scene::new("").await;
    let sql = "SELECT id, name FROM users WHERE id >= 98 ORDER BY id LIMIT 4";
    let (status, answer) = scene.client().await.ask(json!({ "sql": sql })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let names = |at: i64| json!([at, format!("name {at}")]);
    assert_eq!(answer["rows"], json!([names(98), names(99), names(100), names(101)]));
    assert_eq!((&answer["columns"][0]["name"], &answer["columns"][1]["name"]), (&json!("id"), &json!("name")));
    assert_eq!(answer["row_count"], 4);
    assert!(answer["elapsed_ms"].as_f64().expect("a time") > 0.0);
    assert_eq!((&answer["plan"]["class"], &answer["plan"]["tier"]), (&json!("full"), &json!("merge")));
    let nodes = answer["nodes"].as_array().expect("nodes");
    let mut names: Vec<_> = nodes.iter().map(|node| node["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(nodes.iter().all(|node| node["sql"].as_str().expect("a text").contains("SELECT")), "{answer}");
    assert_eq!(answer.get("partial"), None);

    let (_, single) =
        scene.client().await.ask(json!({ "sql": "SELECT name FROM users WHERE id = ?", "params": [150] })).await;
    assert_eq!((&single["rows"], &single["nodes"][0]["name"]), (&json!([["name 150"]]), &json!("b")));
    assert_eq!(single["plan"]["tier"], "pass-through");
    assert_eq!(scene.rows("SELECT count(*), min(id), max(id) FROM users", json!([])).await, json!([[300, 0, 299]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_exact_on_their_way_in_and_out() {
    let scene = Scene::new("").await;
    for (given, told) in [
        (json!(null), json!(null)),
        (json!(9_007_199_254_740_991_i64), json!(9_007_199_254_740_991_i64)),
        (json!(9_007_199_254_740_993_i64), json!("9007199254740993")),
        (json!(i64::MIN), json!("-9223372036854775808")),
        (json!(0.1), json!(0.1)),
        (json!(5e-324), json!(5e-324)),
        (json!("Ünï \"q\" \u{1F600} \n"), json!("Ünï \"q\" \u{1F600} \n")),
        (json!({ "blob": "AP8=" }), json!("AP8=")),
    ] {
        let rows = scene.rows("SELECT ?1 FROM users WHERE id = 7", json!([given])).await;
        assert_eq!(rows, json!([[told]]), "{given}");
        // Through the merge as well.
        let rows = scene.rows("SELECT id, ?1 FROM users WHERE id IN (99, 100) ORDER BY id", json!([given])).await;
        assert_eq!(rows, json!([[99, told], [100, told]]), "{given}");
    }
    let rows = scene.rows("SELECT score, photo FROM users WHERE id = 3", json!([])).await;
    assert_eq!(rows, json!([[1.5, "A/8="]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_hold_the_same_as_a_document() {
    let scene = Scene::new("").await;
    let asked = json!({ "sql": "SELECT id, name, score FROM users ORDER BY id" });
    let (_, document) = scene.client().await.ask(asked.clone()).await;
    let (headers, lines) = scene.client().await.lines(asked).await;
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let (first, rest) = lines.split_first().expect("columns");
    let (last, rows) = rest.split_last().expect("the rest");
    assert_eq!(first["columns"], document["columns"]);
    assert_eq!(json!(rows), document["rows"]);
    assert_eq!((&last["row_count"], &last["plan"]), (&json!(300), &document["plan"]));
    assert_eq!(last["nodes"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_explained_is_not_carried_out() {
    let scene = Scene::new("").await;
    let asked = json!({ "sql": "DELETE FROM users WHERE id = 5", "explain": true });
    let (status, answer) = scene.client().await.ask(asked).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["nodes"][0]["shard"], answer.get("rows")), (&json!("a"), None));
    assert_eq!(scene.rows("SELECT count(*) FROM users", json!([])).await, json!([[300]]));
    let (_, read) = scene.client().await.ask(json!({ "sql": "SELECT max(id) FROM users", "explain": true })).await;
    assert_eq!((&read["plan"]["tier"], read["nodes"].as_array().map(Vec::len)), (&json!("merge"), Some(3)), "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_told_by_node() {
    let scene = Scene::new("").await;
    let mut client = scene.client().await;
    let sql = "INSERT INTO users (id, name) VALUES (1000, 'x'), (-1, 'y')";
    let (status, answer) = client.ask(json!({ "sql": sql })).await;
    assert_eq!((status, &answer["affected"]), (StatusCode::OK, &json!(2)), "{answer}");
    assert_eq!(answer["nodes"].as_array().map(Vec::len), Some(2));
    let (_, answer) = client.ask(json!({ "sql": "UPDATE users SET name = 'z' WHERE id < 0 RETURNING id, name" })).await;
    assert_eq!((&answer["rows"], &answer["row_count"]), (&json!([[-1, "z"]]), &json!(1)), "{answer}");
    assert_eq!(answer["columns"][0]["name"], "id");
    let (_, answer) = client.ask(json!({ "sql": "DELETE FROM users WHERE id = ?", "params": [1000] })).await;
    assert_eq!((&answer["affected"], &answer["nodes"][0]["name"]), (&json!(1), &json!("c")), "{answer}");
    assert_eq!(scene.rows("SELECT count(*) FROM users", json!([])).await, json!([[301]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_what_lies_where_and_what_was_asked() {
    let scene = Scene::new("").await;
    for _ in 0..3 {
        scene.rows("SELECT count(*) FROM users", json!([])).await;
    }
    scene.rows(&rows(10), json!([])).await;
    let (status, _) = scene.client().await.ask(json!({ "sql": "SELEC" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let entry = scene.entry().await;
    assert_eq!(
        (&entry["name"], &entry["backend"], &entry["topology"]),
        (&json!("people"), &json!("sqlite"), &json!("partitioned"))
    );
    assert_eq!(entry["shards"].as_array().map(Vec::len), Some(3), "{entry}");
    assert_eq!((&entry["tables"][0]["name"], &entry["tables"][0]["key"]), (&json!("users"), &json!("id")), "{entry}");
    assert_eq!(entry["unready"], json!(null));
    let metrics = scene.world.metrics().await;
    let merged = [("entry", "people"), ("tier", "merge")];
    let answered = entry["figures"]["answered"].as_array().expect("figures");
    let merges = answered.iter().find(|answered| answered["tier"] == "merge").expect("merges");
    assert_eq!(merges["statements"], 3, "{merged:?}");
    assert_eq!(metrics.sum("leverframe_sql_failures", &[("entry", "people"), ("reason", "sql-syntax")]), 1);
    assert!(metrics.sum("leverframe_sql_node_statements", &[("entry", "people"), ("node", "b")]) >= 3);
    assert!(metrics.sum("leverframe_sql_cache_lookups", &[("what", "text"), ("result", "hit")]) >= 2);
}
