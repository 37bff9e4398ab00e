//! Every way in which a statement has no answer: its status, its members, and a connection that goes on.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::scene::{ENDLESS, Scene};

const LIMITS: &str = r#"
[sql.people.limits]
answer_bytes = "4KiB"
gather_rows = 10
body_bytes = "2KiB"
statement_bytes = "1KiB"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_has_its_status_and_members_and_leaves_the_connection() {
    let scene = Scene::new(LIMITS).await;
    let mut client = scene.client().await;
    let long = format!("SELECT 1 -- {}", "x".repeat(1100));
    for (asked, status, reason, members) in [
        (json!({ "sql": "SELECT id,\n  FROM WHERE" }), 400, "sql-syntax", json!({ "line": 2 })),
        (json!({ "sql": "SELECT 1; SELECT 2" }), 400, "sql-syntax", json!({})),
        (json!({ "sql": 1 }), 400, "bad-request", json!({})),
        (json!({ "sql": "SELECT 1", "parameters": [] }), 400, "bad-request", json!({})),
        (json!({ "sql": "SELECT ?", "params": [] }), 400, "bad-parameter", json!({})),
        (json!({ "sql": "SELECT random() FROM users" }), 422, "sql-refused", json!({ "construct": "random()" })),
        (json!({ "sql": "SELECT * FROM nobody" }), 422, "sql-refused", json!({ "construct": "table nobody" })),
        (json!({ "sql": "SELECT * FROM users" }), 413, "cap-reached", json!({ "cap": "answer_bytes", "limit": 4096 })),
        (
            json!({ "sql": "SELECT name, (SELECT count(*) FROM users) FROM users" }),
            413,
            "cap-reached",
            json!({ "cap": "gather_rows", "limit": 10 }),
        ),
        (json!({ "sql": long }), 413, "cap-reached", json!({ "cap": "statement_bytes", "limit": 1024 })),
        (json!({ "sql": ENDLESS, "timeout_ms": 100 }), 504, "deadline", json!({})),
        (json!({ "sql": "SELECT nothing FROM users WHERE id = 1" }), 422, "statement-failed", json!({})),
    ] {
        let (answered, problem) = client.ask(asked.clone()).await;
        assert_eq!((answered.as_u16(), &problem["status"]), (status, &json!(status)), "{asked}: {problem}");
        assert_eq!(problem["cause"]["reason"], reason, "{asked}: {problem}");
        assert_eq!(problem["type"], format!("urn:leverframe:problem:{reason}"));
        for (name, value) in members.as_object().expect("members") {
            assert_eq!(&problem[name], value, "{asked}: {problem}");
        }
        // On the same connection.
        let (answered, _) = client.ask(json!({ "sql": "SELECT 1" })).await;
        assert_eq!(answered, StatusCode::OK, "after {asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_posted_json_is_refused() {
    let scene = Scene::new(LIMITS).await;
    let mut client = scene.client().await;
    let json = [("content-type", "application/json")];
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        assert_eq!(client.send(method, &json, "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(client.send(Method::POST, &form, "{}").await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(client.send(Method::POST, &json, "{").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(client.send(Method::POST, &json, r#"{"sql": "SELECT 1"}"#).await.0, StatusCode::OK);
    let (status, problem) = scene.client().await.send(Method::POST, &json, " ".repeat(3000)).await;
    assert_eq!((status, &problem["cause"]["reason"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("body-too-large")));
}

/// The names in a member of a problem.
fn names(nodes: &Value) -> Vec<&str> {
    nodes.as_array().into_iter().flatten().filter_map(|node| node["name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_is_named_and_its_rows_are_never_just_missing() {
    let scene = Scene::without("c").await;
    let all = json!({ "sql": "SELECT id FROM users ORDER BY id" });
    let (status, problem) = scene.client().await.ask(all.clone()).await;
    assert!(matches!(status.as_u16(), 502 | 503), "{status}: {problem}");
    assert_eq!(names(&problem["nodes"]), ["c"], "{problem}");
    // What does not need it is answered.
    assert_eq!(scene.rows("SELECT count(*) FROM users WHERE id < 200", json!([])).await, json!([[200]]));
    let mut allowed = all;
    allowed["allow_partial"] = json!(true);
    let (status, answer) = scene.client().await.ask(allowed).await;
    assert_eq!(
        (status, &answer["partial"], &answer["row_count"]),
        (StatusCode::OK, &json!(true), &json!(200)),
        "{answer}"
    );
    let nodes = answer["nodes"].as_array().expect("nodes");
    let lost = nodes.iter().find(|node| node["name"] == "c").expect("the one that is away");
    assert_eq!(lost["status"], "failed");
    assert!(!lost["error"].as_str().expect("why").is_empty());
}
