//! HTTP nodes under the laws: demo nodes with a database in memory; and what only they have.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use leverframe::demo::{DatabaseSettings, Node, NodeSettings, Part, Users};
use leverframe::model::{Address, EndpointName};
use leverframe::sql::backend::http::Http;
use leverframe::sql::backend::{Backend, Bound, FaultKind, Step};
use leverframe::sql::value::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::every_law;
use super::server::{CONNECT, Server, Words, all, bound, execute, failure, in_millis, number, session, soon};
use super::sqlite;

/// A demo node. Its database is a file, so that it is the same one after a new start.
struct Origin {
    node: Mutex<Option<Node>>,
    address: SocketAddr,
    folder: TempDir,
}

impl Origin {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = node(SocketAddr::from(([127, 0, 0, 1], 0)), &folder).await;
        Self { address: node.address(), node: Mutex::new(Some(node)), folder }
    }

    /// Sends one request as it stands; all that comes back.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    }

    async fn post(&self, path: &str, accept: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    async fn fault(&self, query: &str) {
        let answer = self.post(&format!("/fault?{query}"), "*/*", "").await;
        assert!(answer.contains("200 OK"), "{answer}");
    }
}

async fn node(address: SocketAddr, folder: &TempDir) -> Node {
    let name = EndpointName::new("node-1").expect("a name");
    let users = Users { total: 30, part: Part::new(2, 3).expect("a part") };
    let database = DatabaseSettings { file: Some(folder.path().join("node.db")), users: Some(users) };
    let settings = NodeSettings { database: Some(database), ..NodeSettings::new(address, name) };
    Node::start_with(settings).await.expect("a node")
}

impl Server for Origin {
    fn words(&self) -> Words {
        sqlite::words()
    }

    fn backend(&self, connections: usize) -> Arc<dyn Backend> {
        Arc::new(Http::new(connections, CONNECT))
    }

    fn node(&self) -> Address {
        Address::parse(&self.address.to_string()).expect("an address")
    }

    // Only the node knows; a test of its own asks it.
    fn running(&self) -> BoxFuture<'_, Option<usize>> {
        async { None }.boxed()
    }

    fn sever(&self) -> BoxFuture<'_, ()> {
        async {
            if let Some(node) = self.node.lock().await.take() {
                node.stop().await;
            }
        }
        .boxed()
    }

    fn mend(&self) -> BoxFuture<'_, ()> {
        async { *self.node.lock().await = Some(node(self.address, &self.folder).await) }.boxed()
    }
}

every_law!(Origin::start());

#[tokio::test]
async fn a_node_ends_the_statements_of_clients_that_have_left() {
    let origin = Origin::start().await;
    // More than a node runs at once: had one of them gone on, others would wait for its place.
    for _ in 0..3 {
        let backend = origin.backend(16);
        let leave = (0..16).map(|_| async {
            let mut session = session(&backend, &origin).await;
            let slow = failure(&mut *session, bound(sqlite::words().slow));
            assert!(tokio::time::timeout(Duration::from_millis(100), slow).await.is_err());
        });
        futures_util::future::join_all(leave).await;
    }
    let backend = origin.backend(16);
    let ask = (0..16).map(|_| async {
        let mut session = session(&backend, &origin).await;
        let rows = session.query(Bound { due: in_millis(5_000), ..bound("SELECT 7") }).await;
        assert!(rows.is_ok(), "{rows:?}");
    });
    futures_util::future::join_all(ask).await;
}

#[tokio::test]
async fn a_node_answers_people_with_one_object() {
    let origin = Origin::start().await;
    let answer = origin.post(
        "/query",
        "*/*",
        r#"{"sql":"SELECT id, 1.5 AS x, x'00ff' FROM users WHERE id <= ?1","params":[12]}"#,
    );
    let answer = answer.await;
    assert!(answer.contains("content-type: application/json"), "{answer}");
    assert!(answer.contains(r#"{"columns":[{"name":"id","type":"INTEGER"},{"name":"x","type":""},"#), "{answer}");
    assert!(answer.contains(r#"[11,1.5,{"blob":"AP8="}],[12,1.5,{"blob":"AP8="}]"#), "{answer}");
    assert!(answer.contains(r#"],"row_count":2,"affected":0}"#), "{answer}");
}

#[tokio::test]
async fn a_node_answers_programs_with_lines() {
    let origin = Origin::start().await;
    let answer = origin.post("/query", "application/x-ndjson", r#"{"sql":"INSERT INTO users SELECT 100 + id, name, age, department, salary, hired FROM users RETURNING id > 0 AS t"}"#);
    let answer = answer.await;
    assert!(answer.contains("content-type: application/x-ndjson"), "{answer}");
    assert!(answer.contains(r#"{"columns":[{"name":"t","type":""}]}"#), "{answer}");
    assert_eq!(answer.matches("[1]\n").count(), 10, "{answer}");
    assert!(answer.contains(r#"{"done":{"rows":10,"affected":10}}"#), "{answer}");
}

#[tokio::test]
async fn a_failure_before_the_first_line_is_a_problem_and_one_later_is_a_line() {
    let origin = Origin::start().await;
    let answer = origin.post("/query", "application/x-ndjson", r#"{"sql":"SELEKT"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains(r#""kind":"statement""#) && answer.contains("syntax error"), "{answer}");
    let sums = r#"{"sql":"SELECT CASE WHEN id < 20 THEN id ELSE abs(-9223372036854775807 - 1) END FROM users"}"#;
    let answer = origin.post("/query", "application/x-ndjson", sums).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#"{"error":{"kind":"overflow","message":"integer overflow"}}"#), "{answer}");
    assert!(!answer.contains("done"), "{answer}");
    let answer = origin.post("/query", "*/*", sums).await;
    assert!(!answer.contains("row_count") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    for (path, body) in [("/query", "{}"), ("/query", "no json"), ("/query", r#"{"sql":"SELECT 1","unknown":1}"#)] {
        let answer = origin.post(path, "*/*", body).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let answer = origin.raw("GET /query HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn an_overflow_among_the_rows_is_told_from_other_failures() {
    let origin = Origin::start().await;
    let backend = origin.backend(1);
    let mut session = session(&backend, &origin).await;
    let sql = "SELECT CASE WHEN id < 20 THEN id ELSE abs(-9223372036854775807 - 1) END FROM users";
    let fault = failure(&mut *session, bound(sql)).await;
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Overflow, "integer overflow"));
    assert_eq!(number(&mut *session, "SELECT count(*) FROM users").await, 10);
}

#[tokio::test]
async fn a_node_has_its_part_of_the_people() {
    let origin = Origin::start().await;
    let backend = origin.backend(1);
    let mut session = session(&backend, &origin).await;
    let rows = all(&mut *session, "SELECT count(*), min(id), max(id) FROM users").await;
    assert_eq!(rows, [[10, 11, 20].map(Value::Integer)]);
}

#[tokio::test]
async fn what_a_node_is_told_to_do_wrong_it_does_to_queries_too() {
    let origin = Origin::start().await;
    let backend = origin.backend(1);
    for (query, kind) in [
        ("kind=errors&percent=100", FaultKind::Lost),
        ("kind=reset", FaultKind::Lost),
        ("kind=hang", FaultKind::TimedOut),
        ("kind=slow&ms=5000", FaultKind::TimedOut),
    ] {
        origin.fault(query).await;
        let mut session = session(&backend, &origin).await;
        let fault = failure(&mut *session, Bound { due: in_millis(300), ..bound("SELECT 7") }).await;
        assert_eq!(fault.kind, kind, "{query}: {fault:?}");
        origin.fault("kind=none").await;
        assert_eq!(number(&mut *session, "SELECT 7").await, 7, "after {query}");
    }
}

#[tokio::test]
async fn a_transaction_is_kept_for_as_long_as_its_client_asks_and_then_taken_back() {
    let origin = Origin::start().await;
    let backend = origin.backend(1);
    let mut session = session(&backend, &origin).await;
    for (body, seconds) in [(r#"{"timeout_ms":1500}"#, 1..8), ("", 8..20)] {
        let answer = origin.post("/transactions", "*/*", body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // The writer's place is free once the node has given it up.
        let began = std::time::Instant::now();
        assert_eq!(execute(&mut *session, "UPDATE users SET age = 20").await, 10);
        assert!(seconds.contains(&began.elapsed().as_secs()), "{body}: {:?}", began.elapsed());
    }
    let answer = origin.post("/transactions", "*/*", r#"{"timeout":1500}"#).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_transaction_outlives_the_usual_idle_time_while_it_is_not_due() {
    let origin = Origin::start().await;
    let backend = origin.backend(2);
    let mut first = session(&backend, &origin).await;
    first.transact(Step::Begin, soon()).await.unwrap();
    assert_eq!(execute(&mut *first, "DELETE FROM users").await, 10);
    tokio::time::sleep(Duration::from_secs(12)).await;
    first.transact(Step::Commit, soon()).await.unwrap();
    assert_eq!(number(&mut *first, "SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn what_a_transaction_makes_has_a_shape_within_it_and_nowhere_else() {
    let origin = Origin::start().await;
    let backend = origin.backend(2);
    let (mut writer, mut other) = (session(&backend, &origin).await, session(&backend, &origin).await);
    writer.transact(Step::Begin, soon()).await.unwrap();
    execute(&mut *writer, "CREATE TABLE made (id INTEGER, note TEXT)").await;
    execute(&mut *writer, "DROP TABLE users").await;
    assert_eq!(writer.shape("made", soon()).await.unwrap().len(), 2);
    assert_eq!(writer.shape("users", soon()).await, Ok(Vec::new()));
    assert_eq!(other.shape("made", soon()).await, Ok(Vec::new()));
    assert!(!other.shape("users", soon()).await.unwrap().is_empty());
    writer.transact(Step::Rollback, soon()).await.unwrap();
    assert_eq!(writer.shape("made", soon()).await, Ok(Vec::new()));
    let answer =
        origin.raw("GET /shape?table=users&transaction=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_session_over_a_broken_connection_takes_its_transaction_back_at_once() {
    let origin = Origin::start().await;
    let backend = origin.backend(2);
    let mut first = session(&backend, &origin).await;
    first.transact(Step::Begin, soon()).await.unwrap();
    execute(&mut *first, "DELETE FROM users").await;
    let slow = failure(&mut *first, bound(sqlite::words().slow));
    assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    drop(first);
    let mut second = session(&backend, &origin).await;
    let update = Bound { due: in_millis(5_000), ..bound("UPDATE users SET age = 20") };
    assert_eq!(second.execute(update).await, Ok(10));
}

#[tokio::test]
async fn an_owner_that_begins_anew_is_not_held_up_by_what_was_left_behind() {
    let origin = Origin::start().await;
    let (dead, other) = (origin.backend(1), origin.backend(2));
    let mut left = session(&dead, &origin).await;
    left.own("a log", soon()).await.unwrap();
    left.transact(Step::Begin, soon()).await.unwrap();
    execute(&mut *left, "DELETE FROM users").await;
    // Somebody else waits for it, and is not let in.
    let mut stranger = session(&other, &origin).await;
    let update = |millis| Bound { due: in_millis(millis), ..bound("UPDATE users SET age = 20") };
    assert!(stranger.execute(update(300)).await.is_err());
    // As a process does that is killed: it takes nothing back.
    std::mem::forget(left);
    let mut next = session(&other, &origin).await;
    next.own("a log", soon()).await.unwrap();
    next.transact(Step::Begin, in_millis(5_000)).await.unwrap();
    assert_eq!(next.execute(update(5_000)).await, Ok(10), "all that was deleted is there");
    next.transact(Step::Commit, soon()).await.unwrap();
    assert_eq!(stranger.execute(update(5_000)).await, Ok(10));
}

/// A node that answers every question with the same bytes, and then closes.
async fn says(answer: &'static str) -> (Arc<dyn Backend>, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = Address::parse(&listener.local_addr().expect("bound").to_string()).expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (Arc::new(Http::new(1, CONNECT)), address)
}

#[tokio::test]
async fn an_answer_that_is_not_whole_or_not_sound_is_never_taken_for_one() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
    const COLUMNS: &str = "{\"columns\":[{\"name\":\"a\",\"type\":\"\"}]}\n";
    for lines in [
        "",
        "[1]\n",
        "{\"done\":{\"rows\":0,\"affected\":0}}\n",
        "{COLUMNS}",
        "{COLUMNS}[1]\n",
        "{COLUMNS}[1]\n{\"done\":{\"rows\":1,\"affected\"",
        "{COLUMNS}[1]\n{\"done\":{\"rows\":2,\"affected\":0}}\n",
        "{COLUMNS}[1,2]\n{\"done\":{\"rows\":1,\"affected\":0}}\n",
        "{COLUMNS}[1]\n{\"done\":{\"rows\":1,\"affected\":0}}\n[2]\n",
        "{COLUMNS}[99999999999999999999]\n{\"done\":{\"rows\":1,\"affected\":0}}\n",
        "{COLUMNS}[{\"date\":\"today\"}]\n{\"done\":{\"rows\":1,\"affected\":0}}\n",
        "{COLUMNS}{COLUMNS}{\"done\":{\"rows\":0,\"affected\":0}}\n",
    ] {
        let answer: &'static str = format!("{HEAD}{}", lines.replace("{COLUMNS}", COLUMNS)).leak();
        let (backend, node) = says(answer).await;
        let mut session = backend.session(&node, soon()).await.expect("a session");
        let fault = failure(&mut *session, Bound { due: in_millis(3_000), ..bound("SELECT 1") }).await;
        assert_eq!(fault.kind, FaultKind::Lost, "{lines}: {fault:?}");
    }
    let (backend, node) = says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let mut session = backend.session(&node, soon()).await.expect("a session");
    assert_eq!(failure(&mut *session, bound("SELECT 1")).await.kind, FaultKind::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_with_a_key_is_done_once_also_after_the_node_was_started_anew() {
    let origin = Origin::start().await;
    let keyed = async |path: &str, key: &str, body: &str| {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nAccept: application/x-ndjson\r\nConnection: close\r\n");
        origin.raw(&format!("{head}Idempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}")).await
    };
    let made = keyed("/query", "a", r#"{"sql": "CREATE TABLE n (n INTEGER)"}"#).await;
    assert!(made.contains("200 OK"), "{made}");
    let insert = r#"{"sql": "INSERT INTO n VALUES (0), (0)"}"#;
    let add = r#"{"sql": "UPDATE n SET n = n + 1"}"#;
    for _ in 0..2 {
        let done = keyed("/query", "b", insert).await;
        assert!(done.contains(r#""affected":2"#), "{done}");
    }
    let refused = keyed("/query", "c", r#"{"sql": "UPDATE nowhere SET n = 1"}"#).await;
    assert!(refused.contains("400 Bad Request"), "{refused}");
    // What was refused has left nothing, its key neither.
    assert!(keyed("/query", "c", add).await.contains(r#""affected":2"#));
    let begun = origin.post("/transactions", "*/*", "").await;
    let id = begun.rsplit('"').nth(1).expect("a name").to_owned();
    let within = format!(r#"{{"sql": "UPDATE n SET n = n + 10", "transaction": "{id}"}}"#);
    assert!(origin.post("/query", "application/x-ndjson", &within).await.contains(r#""affected":2"#));
    let commit = format!("/transactions/{id}/commit");
    assert!(keyed(&commit, "d", "").await.contains("committed"));
    origin.sever().await;
    origin.mend().await;
    assert!(keyed(&commit, "d", "").await.contains("committed"), "it was");
    assert!(keyed(&commit, "e", "").await.contains("no transaction"), "nobody knows of this one");
    assert!(keyed("/query", "c", add).await.contains(r#""affected":2"#));
    let sum = origin.post("/query", "application/x-ndjson", r#"{"sql": "SELECT sum(n) FROM n"}"#).await;
    assert!(sum.contains("[22]"), "{sum}");
}

/// Stands before a node and loses the first answer to a commit; counts the answers.
async fn losing(node: SocketAddr) -> (Address, Arc<AtomicUsize>) {
    async fn carry(mut client: TcpStream, node: SocketAddr, answers: Arc<AtomicUsize>) {
        let mut server = TcpStream::connect(node).await.expect("a node");
        let (mut asked, mut said, mut is_commit) = (vec![0; 64 << 10], vec![0; 64 << 10], false);
        loop {
            tokio::select! {
                Ok(count @ 1..) = client.read(&mut asked) => {
                    is_commit |= String::from_utf8_lossy(&asked[..count]).contains("/commit");
                    server.write_all(&asked[..count]).await.expect("it reads");
                }
                Ok(count @ 1..) = server.read(&mut said) => {
                    // The node has done it, and its first answer goes nowhere.
                    if is_commit && answers.fetch_add(1, SeqCst) == 0 {
                        return;
                    }
                    let _ = client.write_all(&said[..count]).await;
                }
                else => return,
            }
        }
    }
    let relay = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = relay.local_addr().expect("an address").to_string();
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answers);
    tokio::spawn(async move {
        while let Ok((client, _)) = relay.accept().await {
            tokio::spawn(carry(client, node, Arc::clone(&counted)));
        }
    });
    (Address::parse(&address).expect("an address"), answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_known_to_be_done() {
    let origin = Origin::start().await;
    let (relay, answers) = losing(origin.address).await;
    let backend = Http::new(2, CONNECT);
    let mut session = backend.session(&relay, soon()).await.expect("a session");
    execute(&mut *session, "CREATE TABLE n (n INTEGER)").await;
    session.transact(Step::Begin, soon()).await.expect("a transaction");
    execute(&mut *session, "INSERT INTO n VALUES (1)").await;
    session.transact(Step::Commit, soon()).await.expect("it is done, and told so");
    assert_eq!(answers.load(SeqCst), 2);
    assert_eq!(number(&mut *session, "SELECT count(*) FROM n").await, 1);
}
