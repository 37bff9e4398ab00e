//! Nodes that all hold everything, behind an entry of a process of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use http::{Method, StatusCode};
use leverframe::demo::{DatabaseSettings, Node, NodeSettings};
use leverframe::model::EndpointName;
use mysql_async::prelude::Queryable as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{Client, MariaDb, Postgres, Process, Setup, eventually};

/// A statement with its parameters as PostgreSQL has them written.
pub(super) fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |sql, (part, nth)| format!("{sql}${nth}{part}"))
}

/// Databases of one kind, which can be stopped and started again.
pub(super) trait Databases {
    /// How many.
    fn count(&self) -> usize;

    /// Their addresses, as the configuration has them.
    fn addresses(&self) -> Vec<String>;

    /// Lines of the entry.
    fn entry(&self) -> String;

    /// The table of the scenario.
    fn create(&self) -> &'static str;

    /// A statement with its parameters as they are written there.
    fn words(&self, sql: &str) -> String {
        sql.to_owned()
    }

    async fn stop(&mut self, node: usize);

    async fn start(&mut self, node: usize);

    /// All rows of a node's tables, asked beside the entry.
    async fn rows(&self, node: usize) -> String;

    /// Statements that are carried out on a node beside the entry.
    async fn behind(&self, node: usize, sql: &str);

    /// An INSERT of many rows into `items`.
    fn many(&self) -> &'static str {
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300000) \
         INSERT INTO items (name, amount) SELECT 'one of very many items ' || n, n FROM n"
    }
}

const TABLES: [&str; 2] = ["items", "purse"];

/// What every node has from the beginning.
const PURSE: &str = "CREATE TABLE purse (id INTEGER PRIMARY KEY, amount INTEGER);
    INSERT INTO purse VALUES (1, 50), (2, 50)";

const SQLITE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, amount INTEGER, made TEXT)";

/// SQLite files, by the numbers of their nodes. A file that is not there is no node.
struct Folder(TempDir);

impl Folder {
    fn new(count: usize) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        (0..count).for_each(|node| folder.run(node, PURSE));
        folder
    }

    fn path(&self, node: usize) -> PathBuf {
        self.0.path().join(format!("{node}.db"))
    }

    fn open(&self, node: usize) -> rusqlite::Connection {
        let file = rusqlite::Connection::open(self.path(node)).expect("a file");
        file.busy_timeout(std::time::Duration::from_secs(10)).expect("a setting");
        file
    }

    fn run(&self, node: usize, sql: &str) {
        self.open(node).execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// All rows, one by one.
    fn rows(&self, node: usize) -> String {
        let (file, mut all) = (self.open(node), String::new());
        for table in TABLES {
            let mut statement = file.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).expect("a table");
            let width = statement.column_count();
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                let values: Vec<rusqlite::types::Value> = (0..width).map(|at| row.get(at).expect("a value")).collect();
                let _ = writeln!(all, "{table} {values:?}");
            }
        }
        all
    }
}

/// SQLite files. One that is stopped is elsewhere.
pub(super) struct Files {
    folder: Folder,
    count: usize,
}

impl Files {
    pub(super) fn new(count: usize) -> Self {
        Self { folder: Folder::new(count), count }
    }

    fn elsewhere(&self, node: usize) -> PathBuf {
        self.folder.path(node).with_extension("away")
    }
}

impl Databases for Files {
    fn count(&self) -> usize {
        self.count
    }

    fn addresses(&self) -> Vec<String> {
        (0..self.count).map(|node| format!("file:{}", self.folder.path(node).display())).collect()
    }

    fn entry(&self) -> String {
        "backend = \"sqlite\"".to_owned()
    }

    fn create(&self) -> &'static str {
        SQLITE
    }

    async fn stop(&mut self, node: usize) {
        // With what was not carried over into it yet.
        let inside = self.folder.open(node);
        inside.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
        std::fs::rename(self.folder.path(node), self.elsewhere(node)).expect("a file");
    }

    async fn start(&mut self, node: usize) {
        std::fs::rename(self.elsewhere(node), self.folder.path(node)).expect("a file");
    }

    async fn rows(&self, node: usize) -> String {
        self.folder.rows(node)
    }

    async fn behind(&self, node: usize, sql: &str) {
        self.folder.run(node, sql);
    }
}

/// Demo nodes with files.
pub(super) struct Demos {
    folder: Folder,
    nodes: Vec<(SocketAddr, Option<Node>)>,
}

impl Demos {
    pub(super) async fn new(count: usize) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut demos = Self { folder: Folder::new(count), nodes: Vec::new() };
        for node in 0..count {
            let node = demos.node(node, any).await;
            demos.nodes.push((node.address(), Some(node)));
        }
        demos
    }

    async fn node(&self, node: usize, address: SocketAddr) -> Node {
        let name = EndpointName::new(&format!("node-{}", node + 1)).expect("a name");
        let database = DatabaseSettings { file: Some(self.folder.path(node)), users: None };
        let settings = NodeSettings { database: Some(database), ..NodeSettings::new(address, name) };
        Node::start_with(settings).await.expect("a node")
    }
}

impl Databases for Demos {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|(address, _)| address.to_string()).collect()
    }

    fn entry(&self) -> String {
        "backend = \"http\"".to_owned()
    }

    fn create(&self) -> &'static str {
        SQLITE
    }

    async fn stop(&mut self, node: usize) {
        if let Some(node) = self.nodes[node].1.take() {
            node.stop().await;
        }
    }

    async fn start(&mut self, node: usize) {
        let again = self.node(node, self.nodes[node].0).await;
        self.nodes[node].1 = Some(again);
    }

    async fn rows(&self, node: usize) -> String {
        self.folder.rows(node)
    }

    async fn behind(&self, node: usize, sql: &str) {
        self.folder.run(node, sql);
    }
}

/// MariaDBs, each a server of its own.
pub(super) struct MariaDbs(Vec<MariaDb>);

impl MariaDbs {
    pub(super) async fn new(count: usize) -> Self {
        let servers = join_all((0..count).map(|_| MariaDb::start())).await;
        for server in &servers {
            server.run(None, "CREATE DATABASE shop").await;
            server.run(Some("shop"), PURSE).await;
        }
        Self(servers)
    }

    /// A connection to a node beside the entry.
    pub(super) async fn side(&self, node: usize) -> mysql_async::Conn {
        self.0[node].connect(Some("shop")).await
    }
}

impl Databases for MariaDbs {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|server| server.address().to_string()).collect()
    }

    fn entry(&self) -> String {
        format!("backend = \"mysql\"\ndatabase = \"shop\"\nuser = \"{}\"", MariaDb::USER)
    }

    fn create(&self) -> &'static str {
        "CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), amount INT, made DATETIME)"
    }

    async fn stop(&mut self, node: usize) {
        self.0[node].kill();
    }

    async fn start(&mut self, node: usize) {
        self.0[node].restart().await;
    }

    async fn rows(&self, node: usize) -> String {
        let mut side = self.0[node].connect(Some("shop")).await;
        let mut all = String::new();
        for table in TABLES {
            let rows: Vec<mysql_async::Row> =
                side.query(format!("SELECT * FROM {table} ORDER BY 1")).await.expect("rows");
            for row in rows {
                let _ = writeln!(all, "{table} {:?}", row.unwrap());
            }
        }
        all
    }

    async fn behind(&self, node: usize, sql: &str) {
        self.0[node].run(Some("shop"), sql).await;
    }

    fn many(&self) -> &'static str {
        "INSERT INTO items (name, amount) SELECT CONCAT('one of very many items ', seq), seq FROM seq_1_to_300000"
    }
}

/// PostgreSQLs, each a server of its own.
pub(super) struct Postgreses(Vec<Postgres>);

impl Postgreses {
    pub(super) async fn new(count: usize) -> Self {
        let servers = join_all((0..count).map(|_| Postgres::start_lasting())).await;
        for server in &servers {
            server.connect("postgres").await.batch_execute(PURSE).await.expect("a table");
        }
        Self(servers)
    }
}

impl Databases for Postgreses {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|server| server.address().to_string()).collect()
    }

    fn entry(&self) -> String {
        format!("backend = \"postgres\"\ndatabase = \"postgres\"\nuser = \"{}\"", Postgres::USER)
    }

    fn create(&self) -> &'static str {
        "CREATE TABLE items (id serial PRIMARY KEY, name text, amount int, made timestamptz)"
    }

    fn words(&self, sql: &str) -> String {
        numbered(sql)
    }

    async fn stop(&mut self, node: usize) {
        self.0[node].kill();
    }

    async fn start(&mut self, node: usize) {
        self.0[node].restart().await;
    }

    async fn rows(&self, node: usize) -> String {
        let side = self.0[node].connect("postgres").await;
        let mut all = String::new();
        for table in TABLES {
            let sql = format!("SELECT t::text FROM {table} t ORDER BY id");
            for row in side.query(&sql, &[]).await.expect("rows") {
                let _ = writeln!(all, "{table} {}", row.get::<_, String>(0));
            }
        }
        all
    }

    async fn behind(&self, node: usize, sql: &str) {
        let side = self.0[node].connect("postgres").await;
        side.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn many(&self) -> &'static str {
        "INSERT INTO items (id, name, amount) \
         SELECT 10000 + n, 'one of very many items ' || n, n FROM generate_series(1, 1000000) n"
    }
}

/// What a client was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) document: Value,
}

/// One request, on a connection of its own.
pub(super) async fn ask(address: SocketAddr, body: Value) -> Told {
    let headers = [("content-type", "application/json")];
    let text = body.to_string();
    let reply = Client::connect(address).await.send(Method::POST, "/query", &headers, text.into()).await;
    Told { status: reply.status, document: reply.json() }
}

/// Everything at work.
pub(super) struct Scene<D> {
    pub(super) databases: D,
    process: Process,
    address: SocketAddr,
    /// The folder of the log, which outlives processes.
    log: TempDir,
}

/// What serves nodes that are at these addresses, with lines for the entry.
pub(super) fn replicated(addresses: &[String], log: &Path, entry: &str) -> Setup {
    let mut endpoints = String::new();
    for (address, nth) in addresses.iter().zip(1..) {
        let _ = write!(endpoints, "{{ name = \"db-{nth}\", address = \"{address}\" }}, ");
    }
    let lines = format!(
        r#"
[[listener]]
name = "sql"
address = "127.0.0.1:0"
route = [{{ path = "/query", sql = "shop" }}]

[cluster.nodes]
endpoints = [{endpoints}]

[sql.shop]
cluster = "nodes"
topology = "replicated"
log = "{}"
{entry}
"#,
        log.display(),
    );
    Setup::new().origins(1).more(&lines)
}

/// What serves the databases, with the log in this folder.
pub(super) fn setup(databases: &impl Databases, log: &Path) -> Setup {
    setup_with(databases, log, "")
}

/// The same with more lines for the entry.
pub(super) fn setup_with(databases: &impl Databases, log: &Path, more: &str) -> Setup {
    replicated(&databases.addresses(), &log.join("shop.log"), &format!("{}\n{more}", databases.entry()))
}

/// A process before the databases.
async fn served(databases: &impl Databases, log: &Path) -> (Process, SocketAddr) {
    let process = setup(databases, log).spawn(&[]).await;
    let address = process.listener("sql").await;
    (process, address)
}

impl<D: Databases> Scene<D> {
    pub(super) async fn new(databases: D) -> Self {
        let log = tempfile::tempdir().expect("a folder");
        let (process, address) = served(&databases, log.path()).await;
        Self { databases, process, address, log }
    }

    /// One request, on a connection of its own.
    pub(super) async fn ask(&self, body: Value) -> Told {
        ask(self.address, body).await
    }

    /// The rows of a read, which is to see a position.
    pub(super) async fn read(&self, sql: &str, position: Option<u64>) -> Value {
        let told = self.ask(json!({ "sql": sql, "position": position })).await;
        assert_eq!(told.status, StatusCode::OK, "{sql}: {told:?}");
        told.document["rows"].clone()
    }

    /// Stops a node.
    pub(super) async fn stop(&mut self, node: usize) {
        self.databases.stop(node).await;
    }

    /// Starts it again.
    pub(super) async fn start(&mut self, node: usize) {
        self.databases.start(node).await;
    }

    /// Ends the process in the middle of whatever it does, and starts another one with the same log.
    pub(super) async fn restart(&mut self) {
        self.restart_after(|_| ()).await;
    }

    /// The same, and meanwhile something happens to the folder of the log.
    pub(super) async fn restart_after(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.process.signal("KILL");
        self.process.ended().await;
        meanwhile(self.log.path());
        (self.process, self.address) = served(&self.databases, self.log.path()).await;
    }

    /// A write that is acknowledged.
    pub(super) async fn write(&self, sql: &str, params: Value) -> Value {
        let told = self.ask(json!({ "sql": sql, "params": params })).await;
        assert_eq!(told.status, StatusCode::OK, "{sql}: {told:?}");
        told.document
    }

    /// Some of what is in one purse goes into the other.
    pub(super) async fn transfer(&self, amount: i64) -> Value {
        let change = |sign: &str, id: i64| {
            let sql = self.databases.words(&format!("UPDATE purse SET amount = amount {sign} ? WHERE id = ?"));
            json!({ "sql": sql, "params": [amount, id] })
        };
        let told = self.ask(json!({ "statements": [change("-", 1), change("+", 2)] })).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        assert_eq!(told.document["results"], json!([{ "affected": 1 }, { "affected": 1 }]), "{told:?}");
        told.document
    }

    /// How the entry stands.
    pub(super) async fn standing(&self) -> Value {
        self.process.api("/api/sql").await["entries"][0]["replication"].clone()
    }

    /// Has an operator command something.
    pub(super) async fn command(&self, path: &str) -> Told {
        let sent = Client::connect(self.process.admin()).await.send(Method::POST, path, &[], "".into()).await;
        Told { status: sent.status, document: sent.json() }
    }

    /// What has happened so far.
    pub(super) async fn events(&self) -> Value {
        self.process.api("/api/events").await
    }

    /// The work that goes on.
    pub(super) async fn work(&self) -> Value {
        self.process.api("/api/progress").await["work"].clone()
    }

    /// Compares all nodes, and waits for what is found.
    pub(super) async fn verified(&self) -> Value {
        let told = self.command("/api/sql/shop/verify").await;
        assert_eq!(told.status, StatusCode::ACCEPTED, "{told:?}");
        let look = || async {
            let check = self.standing().await["verify"].clone();
            (check["state"] != "running").then_some(check)
        };
        let check = eventually("the nodes are compared", look).await;
        assert_eq!(check["state"], "done", "{check}");
        check
    }

    /// Waits until these nodes stand so.
    pub(super) async fn states(&self, nodes: &[usize], state: &str) {
        let look = || async {
            let standing = self.standing().await;
            let is_so = |node: &usize| standing["nodes"][node]["state"] == state;
            nodes.iter().all(is_so).then_some(())
        };
        eventually(&format!("{nodes:?} are {state}"), look).await;
    }

    /// Waits until all stand so.
    pub(super) async fn all_are(&self, state: &str) {
        let all: Vec<usize> = (0..self.databases.count()).collect();
        self.states(&all, state).await;
    }

    /// Waits until nothing is left in the log.
    pub(super) async fn is_cleared(&self) {
        let look = || async {
            let standing = self.standing().await;
            (standing["trimmed"] == standing["position"] && standing["position"] != 0).then_some(())
        };
        eventually("the log is cleared", look).await;
    }

    /// All nodes have the same rows: as the entry says, and as is seen beside it.
    pub(super) async fn all_are_equal(&self) {
        let check = self.verified().await;
        let nodes = check["nodes"].as_array().map(Vec::len);
        assert_eq!((&check["equal"], nodes), (&json!(true), Some(self.databases.count())), "{check}");
        let first = self.databases.rows(0).await;
        assert!(first.lines().count() > 2, "{first}");
        for node in 1..self.databases.count() {
            assert_eq!(first, self.databases.rows(node).await, "node {node}");
        }
    }
}
