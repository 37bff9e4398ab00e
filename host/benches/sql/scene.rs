//! The servers, their rows, and the Leverframe before them: each a process of its own.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client as Database;

use crate::cpu;
use crate::programs::{Program, leverframe};
use crate::world::{Client, Postgres};

const SHARDS: u32 = 3;

/// One row: what shops have. Deterministic by id, so that every server has the same row under the same id.
const ROWS: &str = "INSERT INTO orders SELECT id, (id::bigint * 7919 % 5000)::int,
    (ARRAY['north','south','east','west','centre','islands'])[1 + id % 6],
    ((id::bigint * 104729 % 1000000) / 100.0)::numeric(10,2), date '2020-01-01' + (id % 2000)
    FROM generate_series($1::int, $2::int) AS id";
const TABLE: &str = "orders (id int PRIMARY KEY, customer int NOT NULL, region text NOT NULL,
    amount numeric(10,2) NOT NULL, placed date NOT NULL)";

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// One server with all rows.
    One,
    /// `postgres_fdw` as it comes.
    Fdw,
    /// `postgres_fdw` told to ask all servers at once, in large steps, and to leave aggregates to them.
    TunedFdw,
    /// Leverframe.
    Leverframe,
}

/// Everything that is measured.
pub(crate) struct Scene {
    pub(crate) rows: u32,
    /// Direct connections to the shards.
    pub(crate) shards: Vec<Database>,
    one: Database,
    fdw: Database,
    tuned: Database,
    proxy: Program,
    pub(crate) address: std::net::SocketAddr,
    _servers: Vec<Postgres>,
    _folder: TempDir,
}

impl Scene {
    pub(crate) async fn set(rows: u32) -> Self {
        let mut servers = Vec::new();
        let mut shards = Vec::new();
        for shard in 0..SHARDS {
            let (first, last) =
                (shard * (rows / SHARDS) + 1, if shard + 1 == SHARDS { rows } else { (shard + 1) * (rows / SHARDS) });
            let server = Postgres::start().await;
            let database = server.connect("postgres").await;
            fill(&database, first, last).await;
            servers.push(server);
            shards.push(database);
        }
        let server = Postgres::start().await;
        let one = server.connect("postgres").await;
        fill(&one, 1, rows).await;
        let (fdw, tuned) = (
            foreign(&server, "plain", &servers, rows, &[]).await,
            foreign(&server, "tuned", &servers, rows, &TUNED).await,
        );
        tuned.batch_execute("SET enable_partitionwise_aggregate = on").await.expect("a setting");
        let folder = tempfile::tempdir().expect("a folder");
        let (proxy, address) = start_proxy(&folder, &servers, rows).await;
        servers.push(server);
        Self { rows, shards, one, fdw, tuned, proxy, address, _servers: servers, _folder: folder }
    }

    /// A connection to the proxy.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// The proxy's CPU time so far.
    pub(crate) fn proxy_cpu(&self) -> Duration {
        cpu::used(self.proxy.id())
    }

    /// Asks a peer and takes in the whole answer: how long it took, and how many rows there were.
    pub(crate) async fn ask(&self, peer: Peer, sql: &str, client: &mut Client) -> (Duration, usize) {
        match peer {
            Peer::One => direct(&self.one, sql).await,
            Peer::Fdw => direct(&self.fdw, sql).await,
            Peer::TunedFdw => direct(&self.tuned, sql).await,
            Peer::Leverframe => query(client, sql).await,
        }
    }

    pub(crate) async fn end(self) {
        let (status, output) = self.proxy.end("TERM").await;
        assert!(status.success(), "{status}:\n{output}");
    }
}

/// Asks a server; the rows are received and thrown away.
pub(crate) async fn direct(database: &Database, sql: &str) -> (Duration, usize) {
    let start = Instant::now();
    let rows = database.query_raw(sql, Vec::<&str>::new()).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let count = rows.try_fold(0, |count, _| std::future::ready(Ok(count + 1))).await;
    (start.elapsed(), count.unwrap_or_else(|error| panic!("{sql}: {error:?}")))
}

/// Asks Leverframe; the answer is received as lines.
async fn query(client: &mut Client, sql: &str) -> (Duration, usize) {
    let body = json!({ "sql": sql }).to_string();
    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let start = Instant::now();
    let reply = client.send(Method::POST, "/query", &headers, body.into()).await;
    let took = start.elapsed();
    assert_eq!(reply.status, 200, "{sql}: {}", reply.text());
    let text = reply.text();
    let last: Value = serde_json::from_str(text.lines().last().expect("a last line")).expect("JSON");
    (took, usize::try_from(last["row_count"].as_u64().unwrap_or_else(|| panic!("{sql}: {last}"))).expect("a count"))
}

async fn fill(database: &Database, first: u32, last: u32) {
    database.batch_execute(&format!("CREATE TABLE {TABLE}")).await.expect("a table");
    let (first, last) = (i32::try_from(first).expect("a few"), i32::try_from(last).expect("a few"));
    database.execute(ROWS, &[&first, &last]).await.expect("rows");
    database.batch_execute("CREATE INDEX ON orders (customer)").await.expect("an index");
    database.batch_execute("VACUUM ANALYZE orders").await.expect("statistics");
}

const TUNED: [&str; 2] = ["async_capable 'true'", "fetch_size '10000'"];

/// A database whose table is made of the shards' tables.
async fn foreign(server: &Postgres, name: &str, shards: &[Postgres], rows: u32, options: &[&str]) -> Database {
    server.connect("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let database = server.connect(name).await;
    let columns = TABLE.replace(" PRIMARY KEY", "");
    let mut setup = format!("CREATE EXTENSION postgres_fdw; CREATE TABLE {columns} PARTITION BY RANGE (id);");
    for (shard, server) in shards.iter().enumerate() {
        let part = rows / SHARDS;
        let from = if shard == 0 { "MINVALUE".to_owned() } else { (shard as u32 * part + 1).to_string() };
        let to =
            if shard + 1 == shards.len() { "MAXVALUE".to_owned() } else { ((shard as u32 + 1) * part + 1).to_string() };
        let port = server.address().port();
        let more: String = options.iter().map(|option| format!(", {option}")).collect();
        setup += &format!(
            "CREATE SERVER s{shard} FOREIGN DATA WRAPPER postgres_fdw
                OPTIONS (host '127.0.0.1', port '{port}', dbname 'postgres'{more});
             CREATE USER MAPPING FOR CURRENT_USER SERVER s{shard} OPTIONS (user '{user}', password_required 'false');
             CREATE FOREIGN TABLE orders_{shard} PARTITION OF orders FOR VALUES FROM ({from}) TO ({to})
                SERVER s{shard} OPTIONS (table_name 'orders');",
            user = Postgres::USER,
        );
    }
    database.batch_execute(&setup).await.unwrap_or_else(|error| panic!("{setup}: {error:?}"));
    database.batch_execute("ANALYZE orders").await.expect("statistics");
    database
}

async fn start_proxy(folder: &TempDir, shards: &[Postgres], rows: u32) -> (Program, std::net::SocketAddr) {
    let part = rows / SHARDS;
    let node =
        |(shard, server): (usize, &Postgres)| format!("{{ name = \"s{shard}\", address = \"{}\" }}", server.address());
    let nodes: Vec<String> = shards.iter().enumerate().map(node).collect();
    let config = format!(
        "plugins.folder = false
state = false
[[listener]]
address = \"127.0.0.1:0\"
[[listener.route]]
path = \"/query\"
sql = \"orders\"
[admin]
address = false
[cluster.nodes]
endpoints = [{}]
[sql.orders]
cluster = \"nodes\"
backend = \"postgres\"
user = \"{}\"
database = \"postgres\"
[sql.orders.table.orders]
key = \"id\"
type = \"integer\"
ranges = {{ s0 = \"..{}\", s1 = \"{}..{}\", s2 = \"{}..\" }}
",
        nodes.join(", "),
        Postgres::USER,
        part + 1,
        part + 1,
        2 * part + 1,
        2 * part + 1,
    );
    let file = folder.path().join("leverframe.toml");
    std::fs::write(&file, config).expect("a file");
    let mut command = leverframe();
    command.args(["run", "--log-format", "json", "--config"]).arg(&file);
    let mut proxy = Program::start(&mut command);
    let address = proxy.says("where it listens", |output| {
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == "listening").find_map(|line| line["address"].as_str()?.parse().ok())
    });
    let address = address.await;
    (proxy, address)
}
