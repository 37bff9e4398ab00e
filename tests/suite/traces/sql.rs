//! The spans of SQL statements.

use ::http::{Method, StatusCode};
use bytes::Bytes;
use rusqlite::Connection;

use super::collector::{Collector, Origin, digits, fact, failed};
use crate::world::{Client, Setup, World, eventually};

/// An entry over such nodes.
fn entry(backend: &str, nodes: &[String], more: &str) -> String {
    let endpoints: Vec<String> = nodes
        .iter()
        .zip(["a", "b"])
        .map(|(address, name)| format!("{{ name = {name:?}, address = {address:?} }}"))
        .collect();
    format!(
        r#"
[[listener]]
name = "sql"
address = "127.0.0.1:0"
route = [{{ sql = "people" }}]
[cluster.nodes]
endpoints = [{}]
[sql.people]
cluster = "nodes"
backend = {backend:?}
table.users = {{ key = "id", ranges = {{ a = "..10", b = "10.." }} }}
{more}"#,
        endpoints.join(", ")
    )
}

async fn query(world: &World, path: &str, sql: &str) -> StatusCode {
    let address = world.listener("sql").expect("the listener of the entry");
    let body = Bytes::from(serde_json::json!({ "sql": sql }).to_string());
    let headers = [("content-type", "application/json")];
    Client::connect(address).await.send(Method::POST, path, &headers, body).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scattered_query_is_told_from_plan_to_merge() {
    let (collector, folder) = (Collector::start().await, tempfile::tempdir().expect("a folder"));
    let mut files = Vec::new();
    for (name, first) in [("a", 0), ("b", 10)] {
        let path = folder.path().join(format!("{name}.db"));
        let file = Connection::open(&path).expect("a file");
        file.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)").expect("a table");
        for id in first..first + 5 {
            file.execute("INSERT INTO users VALUES (?1, 'x')", [id]).expect("a row");
        }
        files.push(format!("file:{}", path.display()));
    }
    let more = entry("sqlite", &files, &collector.lines(1.0));
    let world = Setup::new().origins(1).more(&more).start().await;
    let sql = "SELECT id FROM users WHERE name <> 'secret' AND id < 424242 ORDER BY id";
    for path in ["/first", "/second"] {
        assert_eq!(query(&world, path, sql).await, StatusCode::OK);
    }
    let trace = collector.trace("/first").await;
    assert_eq!(fact(&trace.root, "leverframe.sql.entry").as_deref(), Some("people"));
    let plan = trace.named("sql.plan")[0];
    assert_eq!(
        (fact(plan, "leverframe.sql.tier"), fact(plan, "leverframe.sql.class")),
        (Some("merge".into()), Some("full".into()))
    );
    assert_eq!(
        (fact(plan, "leverframe.sql.cached"), fact(plan, "leverframe.sql.shards")),
        (Some("false".into()), Some("2".into()))
    );
    let nodes = trace.named("sql.node");
    let mut asked: Vec<_> = nodes.iter().filter_map(|node| fact(node, "leverframe.endpoint")).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["a", "b"]);
    for node in nodes {
        assert_eq!((node.kind, failed(node)), (3, false));
        assert_eq!(
            (fact(node, "db.system.name"), fact(node, "db.operation.name")),
            (Some("sqlite".into()), Some("SELECT".into()))
        );
        assert_eq!(fact(node, "db.response.returned_rows").as_deref(), Some("5"));
        let text = fact(node, "db.query.text").expect("a text");
        assert!(text.contains("<> ?") && !text.contains("secret") && !text.contains("424242"), "{text}");
    }
    let merge = trace.named("sql.merge")[0];
    assert_eq!(fact(merge, "db.response.returned_rows").as_deref(), Some("10"));
    let again = collector.trace("/second").await;
    assert_eq!(fact(again.named("sql.plan")[0], "leverframe.sql.cached").as_deref(), Some("true"));
    assert_eq!(query(&world, "/write", "UPDATE users SET name = 'secret' WHERE id = 3").await, StatusCode::OK);
    let write = collector.trace("/write").await;
    let plan = write.named("sql.plan")[0];
    assert_eq!(
        (fact(plan, "leverframe.sql.tier"), fact(plan, "leverframe.sql.shard_names")),
        (Some("write".into()), Some("a".into()))
    );
    let node = write.named("sql.node");
    assert_eq!(node.iter().filter_map(|node| fact(node, "db.operation.name")).collect::<Vec<_>>(), ["UPDATE"]);
    assert!(!format!("{:?}", collector.spans()).contains("secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_speaks_http_is_told_its_trace() {
    let (collector, node) = (Collector::start().await, Origin::start(StatusCode::INTERNAL_SERVER_ERROR).await);
    let address = node.address.to_string();
    let more = entry("http", &[address, "127.0.0.1:1".into()], &collector.lines(1.0));
    let world = Setup::new().origins(1).more(&more).start().await;
    assert!(query(&world, "/one", "SELECT name FROM users WHERE id = 1").await.is_server_error());
    let trace = collector.trace("/one").await;
    let told: Vec<String> = node
        .asked()
        .iter()
        .filter_map(|headers| headers.get("traceparent"))
        .map(|value| value.to_str().expect("text").to_owned())
        .collect();
    let spans = trace.named("sql.node");
    let one = |span: &[u8]| format!("00-{}-{}-01", digits(&trace.root.trace_id), digits(span));
    assert!(
        !told.is_empty() && told.iter().all(|told| spans.iter().any(|span| *told == one(&span.span_id))),
        "{told:?}"
    );
    assert!(failed(&trace.root) && spans.iter().any(|span| failed(span)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replicated_database_tells_of_its_log_and_of_who_was_chosen() {
    let (collector, folder) = (Collector::start().await, tempfile::tempdir().expect("a folder"));
    let files = ["a", "b"].map(|name| {
        let path = folder.path().join(format!("{name}.db"));
        let file = Connection::open(&path).expect("a file");
        file.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)").expect("a table");
        format!("file:{}", path.display())
    });
    let more = entry("sqlite", &files, &collector.lines(1.0));
    let log = format!("topology = \"replicated\"\nlog = {:?}\n", folder.path().join("people.log"));
    let more = more.replace("table.users = { key = \"id\", ranges = { a = \"..10\", b = \"10..\" } }\n", &log);
    let world = Setup::new().origins(1).more(&more).start().await;
    let sql = "INSERT INTO users VALUES (1, 'secret')";
    eventually("the log is open", || async { (query(&world, "/write", sql).await == StatusCode::OK).then_some(()) })
        .await;
    assert_eq!(query(&world, "/read", "SELECT name FROM users WHERE name = \"secret\"").await, StatusCode::OK);
    let written = || async {
        let spans = collector.spans();
        spans.into_iter().find(|span| span.name == "sql.log" && fact(span, "leverframe.sql.position").is_some())
    };
    let write = eventually("the span of the write", written).await;
    assert_eq!(fact(&write, "leverframe.sql.position").as_deref(), Some("1"));
    assert!(fact(&write, "leverframe.sql.nodes").is_some_and(|nodes| nodes.contains(['a', 'b'])), "{write:?}");
    assert_eq!(fact(&write, "db.operation.name").as_deref(), Some("INSERT"));
    let read = collector.trace("/read").await;
    let plan = read.named("sql.plan")[0];
    assert_eq!(fact(plan, "leverframe.sql.tier").as_deref(), Some("pass-through"));
    let (pick, node) = (read.named("pick")[0], read.named("sql.node")[0]);
    assert_eq!(fact(pick, "leverframe.endpoint"), fact(node, "leverframe.endpoint"));
    assert!(!format!("{:?}", collector.spans()).contains("secret"));
}
