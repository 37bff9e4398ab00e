//! Tables over HTTP nodes: made, changed and dropped on all of them by one statement, and seen to be alike before that lasts.

use std::net::SocketAddr;

use http::{Method, StatusCode};
use leverframe::demo::{DatabaseSettings, Node, NodeSettings};
use leverframe::model::EndpointName;
use serde_json::{Value, json};

use crate::world::{Client, Setup};

/// A table of three parts, which is not there at the beginning.
const ENTRY: &str = r#"
[[listener]]
name = "sql"
address = "127.0.0.1:0"
route = [{ path = "/query", sql = "people" }]

[sql.people]
cluster = "web"
backend = "http"
table.notes = { key = "id", ranges = { node-1 = "..100", node-2 = "100..200", node-3 = "200.." } }
"#;

async fn node(name: &str) -> Node {
    let name = EndpointName::new(name).expect("a name");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = NodeSettings { database: Some(DatabaseSettings::default()), ..NodeSettings::new(any, name) };
    Node::start_with(settings).await.expect("a free port")
}

async fn ask(address: SocketAddr, sql: &str) -> (StatusCode, Value) {
    let headers = [("content-type", "application/json")];
    let body = json!({ "sql": sql }).to_string();
    let reply = Client::connect(address).await.send(Method::POST, "/query", &headers, body.into()).await;
    (reply.status, reply.json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_changed_and_dropped_on_all_http_nodes() {
    let nodes = [node("node-1").await, node("node-2").await, node("node-3").await];
    let world = Setup::new().endpoints(nodes.iter().map(Node::address).collect()).more(ENTRY).start().await;
    let address = world.listener("sql").expect("the listener of the entry");
    for sql in [
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)",
        "INSERT INTO notes (id, note) VALUES (1, 'a'), (101, 'b'), (201, 'c')",
        "ALTER TABLE notes ADD COLUMN score INTEGER",
        "UPDATE notes SET score = 7",
    ] {
        let (status, told) = ask(address, sql).await;
        assert_eq!(status, StatusCode::OK, "{sql}: {told}");
    }
    let (status, told) = ask(address, "SELECT id, note, score FROM notes ORDER BY id").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["rows"], json!([[1, "a", 7], [101, "b", 7], [201, "c", 7]]));
    let (status, told) = ask(address, "DROP TABLE notes").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let (status, told) = ask(address, "SELECT id FROM notes").await;
    assert_ne!(status, StatusCode::OK, "{told}");
}
