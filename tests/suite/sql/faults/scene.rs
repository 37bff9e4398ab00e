//! The servers, each with a third of the rows, and a Leverframe of its own process before them.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_postgres::Client as Database;

pub(super) use crate::sql::entry::scene::Raw;
use crate::world::{Client, Postgres, Process, Setup, eventually};

/// The nodes.
pub(super) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// Beyond every deadline that is tested: an answer that takes so long hangs.
pub(super) const HANGS: Duration = Duration::from_secs(15);

/// What a deadline may be late by on a machine that is busy.
pub(super) const SLACK: Duration = Duration::from_millis(1500);

/// Rows of each node that come to 140 MB: several times what the sockets between a server and a client may hold (Linux:
/// 4 MiB to be sent, 32 MiB that were received).
pub(super) const WIDE: &str = "SELECT id, repeat(region, 3000) AS wide FROM orders";

/// How many of the entry's statements a server has under way, transactions included.
const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leverframe' AND state <> 'idle'";

/// As good as no checks: what is seen is what statements meet.
const UNWATCHED: &str = r#"
health.check = { kind = "sql", interval = "5m", before_traffic = false }
circuit = false
"#;

/// What the servers have, and how they are served.
pub(super) struct Wanted {
    /// Rows of each in `orders`.
    pub(super) each: i64,
    /// More tables with the same keys, by name.
    pub(super) tables: &'static [&'static str],
    /// Lines for the cluster.
    pub(super) cluster: &'static str,
    /// Lines for the entry.
    pub(super) entry: &'static str,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { each: 10_000, tables: &["orders", "notes"], cluster: UNWATCHED, entry: "" }
    }
}

/// Everything at work.
pub(super) struct Scene {
    pub(super) servers: Vec<Postgres>,
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    pub(super) each: i64,
}

/// What a client was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) document: Value,
    pub(super) took: Duration,
}

impl Told {
    /// The nodes that it names, in order.
    pub(super) fn names(&self, member: &str) -> Vec<&str> {
        let list = self.document[member].as_array().into_iter().flatten();
        let mut names: Vec<&str> = list.filter_map(|node| node["name"].as_str().or(node.as_str())).collect();
        names.sort_unstable();
        names
    }

    /// That it is this status, for this reason.
    pub(super) fn is(&self, status: u16, reason: &str) -> &Self {
        let told = (self.status.as_u16(), self.document["cause"]["reason"].as_str());
        assert_eq!(told, (status, Some(reason)), "{self:?}");
        self
    }

    /// Its rows; there must be an answer that is whole.
    pub(super) fn rows(&self) -> &Value {
        assert_eq!((self.status, &self.document["partial"]), (StatusCode::OK, &Value::Null), "{self:?}");
        &self.document["rows"]
    }
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::with(Wanted::default()).await
    }

    pub(super) async fn with(wanted: Wanted) -> Self {
        let each = wanted.each;
        let start = |nth: i64| async move {
            let server = Postgres::start_lasting().await;
            fill(&server.connect("postgres").await, nth * each + 1, (nth + 1) * each).await;
            server
        };
        let servers = join_all((0..3).map(start)).await;
        let process = setup(&servers, &wanted).spawn(&[]).await;
        let address = process.listener("sql").await;
        process.ready(3).await;
        // Compiling takes memory of its own, which is none of a statement's.
        let loaded = |plugin: &Value| plugin["clusters"] == json!([]) || plugin["state"] == "loaded";
        let all = || async {
            let answer = process.api("/api/plugins").await;
            answer["plugins"].as_array().is_some_and(|plugins| plugins.iter().all(loaded)).then_some(())
        };
        eventually("plugins are loaded", all).await;
        Self { servers, process, address, each }
    }

    /// A key of a node.
    pub(super) fn key(&self, node: usize, nth: i64) -> i64 {
        self.each * i64::try_from(node).expect("a few") + nth
    }

    /// A connection to a server, beside the entry.
    pub(super) async fn side(&self, node: usize) -> Database {
        self.servers[node].connect("postgres").await
    }

    /// Whoever holds this holds a table of a node against everybody.
    pub(super) async fn lock(&self, node: usize, table: &str) -> Database {
        let side = self.side(node).await;
        side.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await.expect("a lock");
        side
    }

    /// One statement.
    pub(super) async fn ask(&self, sql: &str) -> Told {
        self.tell(json!({ "sql": sql })).await
    }

    /// One request, on a connection of its own.
    pub(super) async fn tell(&self, body: Value) -> Told {
        tell(self.address, body).await
    }

    /// One statement whose answer comes line by line.
    pub(super) async fn stream(&self, sql: &str) -> Raw {
        Raw::ask(self.address, &json!({ "sql": sql, "timeout_ms": 15_000 })).await
    }

    /// Waits until the servers see nothing of the entry under way.
    pub(super) async fn quiet(&self) {
        for node in 0..self.servers.len() {
            self.activity(node, "nothing under way", BUSY, |busy| busy == 0).await;
        }
    }

    /// Waits until each of these servers has a statement of the entry that waits for its client to take rows.
    pub(super) async fn sending(&self, nodes: &[usize]) {
        let sql = format!("{BUSY} AND wait_event = 'ClientWrite'");
        for node in nodes {
            self.activity(*node, "rows that nobody takes yet", &sql, |busy| busy > 0).await;
        }
    }

    /// Waits until a server has a statement of the entry that waits for a lock.
    pub(super) async fn locked_out(&self, node: usize) {
        let sql = format!("{BUSY} AND wait_event_type = 'Lock'");
        self.activity(node, "a statement that waits for a lock", &sql, |busy| busy > 0).await;
    }

    /// Waits until a server has a transaction of the entry that waits for what comes next.
    pub(super) async fn pending(&self, node: usize) {
        let sql = format!("{BUSY} AND state = 'idle in transaction'");
        self.activity(node, "a transaction under way", &sql, |busy| busy > 0).await;
    }

    async fn activity(&self, node: usize, what: &str, sql: &str, is_it: impl Fn(i64) -> bool) {
        let side = self.side(node).await;
        let (side, is_it) = (&side, &is_it);
        let look = || async move {
            let busy = side.query_one(sql, &[]).await.expect("the activity").get::<_, i64>(0);
            is_it(busy).then_some(())
        };
        eventually(&format!("{}: {what}", NODES[node]), look).await;
    }

    /// The server processes that serve the entry.
    pub(super) async fn backends(&self, node: usize) -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'leverframe'";
        let rows = self.side(node).await.query(sql, &[]).await.expect("the activity");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until all rows are there again.
    pub(super) async fn whole(&self) {
        let all = json!([[3 * self.each]]);
        let look = || async {
            let told = self.ask("SELECT count(*) FROM orders").await;
            // Until then there is an error, never less.
            assert!(told.status != StatusCode::OK || *told.rows() == all, "{told:?}");
            (told.status == StatusCode::OK).then_some(())
        };
        eventually("all rows are there", look).await;
    }

    /// Has the peak counted from now on; what it is now, in KiB.
    pub(super) fn count_peak_anew(&self) -> u64 {
        // 5 sets the peak to what there is at the moment (proc(5)).
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("an own process");
        self.peak()
    }

    /// The most memory that the process has had since then, in KiB.
    pub(super) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// One request, on a connection of its own; one that hangs is a failure.
pub(super) async fn tell(address: SocketAddr, body: Value) -> Told {
    let headers = [("content-type", "application/json")];
    let text = body.to_string();
    let asked = async { Client::connect(address).await.send(Method::POST, "/query", &headers, text.into()).await };
    let reply = tokio::time::timeout(HANGS, asked).await.unwrap_or_else(|_| panic!("no answer: {body}"));
    Told { status: reply.status, document: reply.json(), took: reply.took }
}

/// The rest of a streamed answer; one that hangs is a failure.
pub(super) async fn rest(raw: &mut Raw) -> String {
    tokio::time::timeout(HANGS, raw.rest()).await.expect("an end, one way or the other")
}

async fn fill(database: &Database, first: i64, last: i64) {
    let setup = format!(
        "CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, region text NOT NULL, amount numeric(10,2));
         INSERT INTO orders SELECT id, id % 5000, (ARRAY['north','south','east','west'])[1 + id % 4],
            ((id::bigint * 6761 % 100000) / 100.0)::numeric(10,2) FROM generate_series({first}, {last}) AS id;
         CREATE TABLE notes (id int PRIMARY KEY, note text)",
    );
    database.batch_execute(&setup).await.expect("tables");
}

fn setup(servers: &[Postgres], wanted: &Wanted) -> Setup {
    let (one, two) = (wanted.each + 1, 2 * wanted.each + 1);
    let ranges = format!("{{ node-1 = \"..{one}\", node-2 = \"{one}..{two}\", node-3 = \"{two}..\" }}");
    let table = |name: &&str| format!("table.{name} = {{ key = \"id\", type = \"integer\", ranges = {ranges} }}\n");
    let tables: String = wanted.tables.iter().map(table).collect();
    let (user, entry) = (Postgres::USER, wanted.entry);
    let lines = format!(
        r#"
[[listener]]
name = "sql"
address = "127.0.0.1:0"
route = [{{ path = "/query", sql = "shop" }}]

[sql.shop]
cluster = "web"
backend = "postgres"
user = "{user}"
database = "postgres"
{tables}{entry}
"#
    );
    let addresses = servers.iter().map(Postgres::address).collect();
    Setup::new().endpoints(addresses).cluster_lines(wanted.cluster).more(&lines)
}
