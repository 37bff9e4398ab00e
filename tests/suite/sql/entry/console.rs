//! What the console is told of statements, statements that are asked at the admin API, and one port for all of it.

use std::net::SocketAddr;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::scene::{ENDLESS, Files, Raw, Scene, rows};
use crate::world::{Client, Reply, Sse, eventually, fetch};

async fn post(at: SocketAddr, path: &str, accept: &str, body: impl Into<bytes::Bytes>) -> Reply {
    let headers = [("content-type", "application/json"), ("accept", accept)];
    Client::connect(at).await.send(Method::POST, path, &headers, body.into()).await
}

/// Waits for the statement that ended last to be as wanted.
async fn told(scene: &Scene, is_it: impl Fn(&Value) -> bool) -> Value {
    let look = || async { Some(scene.world.api("/api/queries").await["queries"][0].clone()).filter(&is_it) };
    eventually("the statement is told", look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_told_without_the_values_in_it() {
    let scene = Scene::new("").await;
    let mut stream = Sse::open(scene.world.admin(), "/api/stream", &[]).await;
    stream.until("overview", |all| all["sql"][0]["name"] == "people" && all["sql"][0]["figures"].is_null()).await;
    scene.rows("SELECT name FROM users WHERE id = 7 AND name <> 'secret'", json!([])).await;
    let one = told(&scene, Value::is_object).await;
    assert_eq!(one["statement"], "SELECT name FROM users WHERE id = ? AND name <> ?");
    assert_eq!(
        (&one["entry"], &one["class"], &one["tier"]),
        (&json!("people"), &json!("single"), &json!("pass-through"))
    );
    assert_eq!((&one["status"], &one["rows"], &one["error"]), (&json!(200), &json!(1), &Value::Null), "{one}");
    assert_eq!((&one["nodes"][0]["name"], &one["nodes"][0]["rows"]), (&json!("a"), &json!(1)), "{one}");
    assert!(one["ms"].as_f64() > Some(0.0) && one["at"].is_string(), "{one}");
    let said = stream.until("query", |query| query["id"] == one["id"]).await;
    assert_eq!(said.data, one);
    let tick = stream.until("tick", |tick| tick["sql"]["people"]["nodes"][0][0] == "a").await.data;
    assert_eq!(tick["sql"]["people"]["nodes"][0][1], 1, "{tick}");

    // Spread over all, line by line.
    let (_, lines) = scene
        .client()
        .await
        .lines(json!({ "sql": "SELECT id FROM users WHERE name <> ?", "params": ["secret"] }))
        .await;
    assert_eq!(lines.len(), 302);
    let one = told(&scene, |one| one["class"] == "full").await;
    assert_eq!((&one["rows"], one["nodes"].as_array().map(Vec::len)), (&json!(300), Some(3)), "{one}");

    for (sql, statement, status, error) in [
        ("SELECT * FROM elsewhere WHERE a = 'secret'", "SELECT * FROM elsewhere WHERE a = ?", 422, "sql-refused"),
        ("SELEC 'secret' FROM users", "SELEC ? FROM users", 400, "sql-syntax"),
        ("SELECT 'secret", "", 400, "sql-syntax"),
    ] {
        scene.client().await.ask(json!({ "sql": sql })).await;
        let one = told(&scene, |one| one["statement"] == statement).await;
        assert_eq!((&one["status"], &one["error"]), (&json!(status), &json!(error)), "{one}");
    }
    // Neither is a statement that was carried out.
    scene.client().await.ask(json!({ "sql": "SELECT 1 FROM users", "explain": true })).await;
    scene.client().await.ask(json!({ "nonsense": true })).await;
    let all = scene.world.api("/api/queries").await;
    assert_eq!(all["queries"].as_array().map(Vec::len), Some(5), "{all}");
    assert!(!all.to_string().contains("secret"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_is_told_as_gone() {
    let scene = Scene::new("").await;
    let raw = Raw::ask(scene.address, &json!({ "sql": ENDLESS })).await;
    scene.under_way(1).await;
    drop(raw);
    let one = told(&scene, Value::is_object).await;
    assert_eq!((&one["status"], &one["error"]), (&json!(499), &json!("client-gone")), "{one}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_answers_statements_as_a_listener_does() {
    let scene = Scene::new("limits.body_bytes = \"2KiB\"").await;
    let (admin, listener) = (scene.world.admin(), scene.address);
    let ask = async |accept: &str, body: String| {
        let mut one = post(admin, "/api/sql/people/query", accept, body.clone()).await;
        let mut other = post(listener, "/query", accept, body).await;
        assert_eq!((one.status, &one.headers["content-type"]), (other.status, &other.headers["content-type"]));
        let timeless = |reply: &mut Reply| {
            let text = reply.text();
            let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
            lines.map(without_times).collect::<Vec<_>>()
        };
        let said = timeless(&mut one);
        assert_eq!(said, timeless(&mut other));
        (one.status, said)
    };
    let query = json!({ "sql": "SELECT id, name FROM users WHERE id < ? ORDER BY id", "params": [150] }).to_string();
    let (status, said) = ask("application/json", query.clone()).await;
    assert_eq!((status, said[0]["row_count"].clone()), (StatusCode::OK, json!(150)));
    let (_, lines) = ask("application/x-ndjson", query).await;
    assert_eq!(lines.len(), 152);
    assert_eq!(ask("application/json", json!({ "sql": "SELEC" }).to_string()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(ask("application/json", "no JSON".to_owned()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        ask("application/json", json!({ "sql": "SELECT 1 FROM users", "explain": true }).to_string()).await.0,
        StatusCode::OK
    );

    let large = json!({ "sql": "x".repeat(3000) }).to_string();
    assert_eq!(post(admin, "/api/sql/people/query", "", large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(admin, "/api/sql/none/query", "", "{}").await.status, StatusCode::NOT_FOUND);
    assert_eq!(fetch(admin, "/api/sql/people/query").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// What an answer says but for how long it took.
fn without_times(mut answer: Value) -> Value {
    let nodes = answer.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten();
    nodes.filter_map(Value::as_object_mut).for_each(|node| drop(node.remove("elapsed_ms")));
    if let Some(members) = answer.as_object_mut() {
        members.remove("elapsed_ms");
        members.remove("steps");
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_the_admin_api_ends_its_statement() {
    let scene = Scene::new("").await;
    let asking =
        tokio::spawn(post(scene.world.admin(), "/api/sql/people/query", "", json!({ "sql": ENDLESS }).to_string()));
    scene.under_way(1).await;
    asking.abort();
    scene.under_way(0).await;
}

/// A listener that has everything: the console, the API, statements, metrics, and a cluster below `/web`.
const ALL: &str = r#"
[[listener]]
name = "all"
address = "127.0.0.1:0"
route = [
    { path = "/query", sql = "people" },
    { path_prefix = "/web", cluster = "web" },
    { path_prefix = "/", handler = "admin" },
]

[[listener]]
name = "some"
address = "127.0.0.1:0"
route = [
    { path = "/metrics", handler = "admin" },
    { path = "/dashboard", handler = "admin" },
    { path_prefix = "/api", handler = "admin" },
    { cluster = "web" },
]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_has_the_console_the_api_statements_and_a_cluster() {
    let (mut process, _, _files) = Files::new(ALL).spawn().await;
    let all = process.listener("all").await;
    let mut client = Client::connect(all).await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/dashboard", "text/html"),
        ("/console/app.js", "text/javascript"),
        ("/metrics", "text/plain"),
        ("/api/clusters", "application/json"),
        ("/health", "application/json"),
        ("/api/history", "application/json"),
    ] {
        let reply = client.get(path).await;
        let said = content_type(&reply.headers);
        assert!(reply.status == StatusCode::OK && said.starts_with(kind), "{path}: {} {said}", reply.status);
    }
    let head = client.send(Method::HEAD, "/dashboard", &[], "".into()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(client.get("/web/x").await.node(), "node-1");
    assert_eq!(client.get("/nothing").await.status, StatusCode::NOT_FOUND);
    let asked = json!({ "sql": "SELECT count(*) FROM users" }).to_string();
    for path in ["/query", "/api/sql/people/query"] {
        let reply = post(all, path, "application/json", asked.clone()).await;
        assert_eq!(reply.json()["rows"], json!([[300]]), "{path}");
    }
    // Long, and line by line.
    let lines =
        post(all, "/api/sql/people/query", "application/x-ndjson", json!({ "sql": rows(100_000) }).to_string()).await;
    assert_eq!(lines.text().lines().count(), 100_002);
    // A command, and what the origin's check makes of another page.
    let drain = "/api/endpoints/node-1/drain?cluster=web";
    let foreign = [("origin", "http://evil.example")];
    assert_eq!(client.send(Method::POST, drain, &foreign, "".into()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(client.send(Method::POST, drain, &[], "".into()).await.status, StatusCode::OK);

    let some = process.listener("some").await;
    assert_eq!(fetch(some, "/dashboard").await.status, StatusCode::OK);
    assert_eq!(fetch(some, "/query-dashboard").await.status, StatusCode::SERVICE_UNAVAILABLE, "it goes to the cluster");

    // Who listens here does not hold up the end.
    let mut stream = Sse::open(some, "/api/stream", &[]).await;
    stream.until("tick", |_| true).await;
    process.signal("TERM");
    stream.ended().await;
    assert!(process.ended().await.success());
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_address_of_its_own_the_api_is_where_routes_lead_to_it() {
    let scene = Files::new(ALL).serve().await;
    let all = scene.world.listener("all").expect("the listener");
    let own = scene.world.admin();
    let config = scene.world.config();
    let line = config.lines().skip_while(|line| *line != "[admin]").nth(1).expect("the address").to_owned();
    scene.world.write_config(&config.replacen(&line, "address = false", 1));
    let look = || async { (fetch(all, "/api/config").await.json()["generation"].as_u64() > Some(1)).then_some(()) };
    eventually("the edit is at work", look).await;
    assert!(tokio::net::TcpStream::connect(own).await.is_err());
    let mut stream = Sse::open(all, "/api/stream", &[]).await;
    stream.until("tick", |_| true).await;
}
