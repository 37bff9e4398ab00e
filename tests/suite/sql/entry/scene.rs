//! An entry over three files that share a table of 300 people.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Client, Process, Setup, World, eventually};

/// People in each file.
const EACH: i64 = 100;

/// A statement that never ends by itself, and asks no table.
pub(super) const ENDLESS: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000000) SELECT count(*) FROM c";

/// So many rows, each with its number and some text.
pub(super) fn rows(count: u64) -> String {
    format!(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) \
         SELECT n, 'the text of row ' || n FROM c"
    )
}

/// The files, and the lines of a configuration that serves them.
pub(super) struct Files {
    folder: TempDir,
    lines: String,
}

impl Files {
    /// Three, with more lines for the entry.
    pub(super) fn new(entry: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut endpoints = String::new();
        for (nth, name) in (0..).zip(["a", "b", "c"]) {
            let path = folder.path().join(format!("{name}.db"));
            fill(&Connection::open(&path).expect("a file"), nth * EACH).expect("rows");
            endpoints.push_str(&format!("{{ name = \"{name}\", address = \"file:{}\" }},", path.display()));
        }
        let lines = format!(
            r#"
[[listener]]
name = "sql"
address = "127.0.0.1:0"
route = [{{ path = "/query", sql = "people" }}, {{ cluster = "web" }}]

[cluster.files]
endpoints = [{endpoints}]

[sql.people]
cluster = "files"
backend = "sqlite"
table.users = {{ key = "id", ranges = {{ a = "..{EACH}", b = "{EACH}..{}", c = "{}.." }} }}
{entry}
"#,
            2 * EACH,
            2 * EACH
        );
        Self { folder, lines }
    }

    /// Takes a file away.
    pub(super) fn lose(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("{name}.db"))).expect("a file");
    }

    fn setup(&self) -> Setup {
        Setup::new().origins(1).more(&self.lines)
    }

    /// Served in this process.
    pub(super) async fn serve(self) -> Scene {
        let world = self.setup().start().await;
        let address = world.listener("sql").expect("the listener of the entry");
        Scene { world, address, _files: self }
    }

    /// Served by a process.
    pub(super) async fn spawn(self) -> (Process, SocketAddr, Self) {
        let process = self.setup().spawn(&[]).await;
        let address = process.listener("sql").await;
        (process, address, self)
    }
}

fn fill(file: &Connection, first: i64) -> rusqlite::Result<()> {
    file.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score REAL, photo BLOB)")?;
    let mut insert = file.prepare("INSERT INTO users VALUES (?1, ?2, ?3, ?4)")?;
    for id in first..first + EACH {
        insert.execute(params![id, format!("name {id}"), id as f64 / 2.0, [id as u8, 255]])?;
    }
    Ok(())
}

/// The entry at work.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) address: SocketAddr,
    _files: Files,
}

impl Scene {
    /// With more lines for the entry.
    pub(super) async fn new(entry: &str) -> Self {
        Files::new(entry).serve().await
    }

    /// Three files of which one is lost.
    pub(super) async fn without(name: &str) -> Self {
        let files = Files::new("");
        files.lose(name);
        files.serve().await
    }

    pub(super) async fn client(&self) -> Asker {
        Asker(Client::connect(self.address).await)
    }

    /// One statement on a connection of its own, which is answered.
    pub(super) async fn rows(&self, sql: &str, params: Value) -> Value {
        let (status, document) = self.client().await.ask(json!({ "sql": sql, "params": params })).await;
        assert_eq!(status, StatusCode::OK, "{sql}: {document}");
        document["rows"].clone()
    }

    /// What the admin API says of the entry.
    pub(super) async fn entry(&self) -> Value {
        self.world.api("/api/sql").await["entries"][0].clone()
    }

    /// Waits until so many statements are under way.
    pub(super) async fn under_way(&self, wanted: u64) {
        let look = || async { (self.entry().await["figures"]["under_way"] == wanted).then_some(()) };
        eventually(&format!("{wanted} statements are under way"), look).await;
    }
}

/// A connection that statements are sent on.
pub(super) struct Asker(Client);

impl Asker {
    /// A statement; the answer's status and JSON.
    pub(super) async fn ask(&mut self, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (StatusCode, Value) {
        let reply = self.0.send(method, "/query", headers, body.into()).await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    /// The headers and lines of an answer that comes line by line.
    pub(super) async fn lines(&mut self, body: Value) -> (HeaderMap, Vec<Value>) {
        let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
        let reply = self.0.send(Method::POST, "/query", &headers, body.to_string().into()).await;
        let text = reply.text();
        (reply.headers, text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect())
    }
}

/// A connection that is read by hand.
pub(in crate::sql) struct Raw(pub(in crate::sql) TcpStream);

impl Raw {
    /// Sends a statement whose answer is to come line by line.
    pub(in crate::sql) async fn ask(address: SocketAddr, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let head = format!(
            "POST /query HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\naccept: application/x-ndjson\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.expect("room to send");
        Self(stream)
    }

    /// Some of the answer.
    pub(in crate::sql) async fn some(&mut self) -> String {
        let mut buffer = vec![0; 64 << 10];
        let n = self.0.read(&mut buffer).await.expect("an answer");
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }

    /// All that comes until the connection ends or the answer does.
    pub(in crate::sql) async fn rest(&mut self) -> String {
        let mut text = String::new();
        loop {
            let more = self.some().await;
            text.push_str(&more);
            if more.is_empty() || text.ends_with("\r\n0\r\n\r\n") {
                return text;
            }
        }
    }
}
