//! Owns the databases of a run: real ones, each behind a relay where it is reached over a network, which are killed, started
//! again, and asked beside the entry.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::SimpleQueryMessage;

use super::disk::Disk;
use super::load::MADE;
use super::plan::{Fault, Kind, Plan};
use super::relay::Relay;
use crate::programs::{Program, leverframe};
use crate::world::{MariaDb, Postgres};

/// How many servers there are for the runs of a kind.
const SERVERS: usize = 3;

/// A statement beside the entry waits so long for who has a file: a proxy that is killed may leave it held until the next one is
/// there.
const BUSY: Duration = Duration::from_secs(60);

/// Servers, which outlive a run: each run has databases of its own on them.
pub(super) enum Servers {
    None,
    Postgres(Vec<Arc<Mutex<Postgres>>>),
    MariaDb(Vec<Arc<Mutex<MariaDb>>>),
}

impl Servers {
    pub(super) async fn start(kind: Kind) -> Self {
        let all = 0..SERVERS;
        match kind {
            Kind::Http | Kind::Sqlite => Self::None,
            Kind::MariaDb => {
                let started = join_all(all.map(|_| MariaDb::start())).await;
                Self::MariaDb(started.into_iter().map(|server| Arc::new(Mutex::new(server))).collect())
            }
            Kind::Postgres => {
                let started = join_all(all.map(|_| Postgres::start_lasting())).await;
                Self::Postgres(started.into_iter().map(|server| Arc::new(Mutex::new(server))).collect())
            }
        }
    }
}

/// What a node is.
enum Body {
    File(PathBuf),
    Demo { file: PathBuf, program: Mutex<Option<Program>> },
    Postgres { server: Arc<Mutex<Postgres>>, database: String },
    MariaDb { server: Arc<Mutex<MariaDb>>, database: String },
}

/// A node.
pub(super) struct Node {
    body: Body,
    relay: Option<Relay>,
    /// One fault at a time.
    turn: Mutex<()>,
    disk: Option<Disk>,
}

fn away(file: &Path) -> PathBuf {
    file.with_extension("away")
}

/// A connection to a file, beside the entry.
fn open(file: &Path) -> rusqlite::Connection {
    let side = rusqlite::Connection::open(file).expect("a file");
    side.busy_timeout(BUSY).expect("a setting");
    side
}

/// A demo node as the program that it is.
async fn demo(file: &Path) -> (Program, SocketAddr) {
    let mut command = leverframe();
    command.args(["node", "--address=127.0.0.1:0", "--name=node", "--database"]).arg(file);
    let mut program = Program::start(&mut command);
    let listens = |said: &str| said.split_once("listening on ")?.1.lines().next()?.parse().ok();
    let address = program.says("where it listens", listens).await;
    (program, address)
}

impl Node {
    /// The nth of a run.
    pub(super) async fn new(plan: &Plan, nth: usize, servers: &Servers, folder: &Path) -> Self {
        let is_bounded = plan.strikes.iter().any(|strike| strike.fault == Fault::NodeDiskFull && strike.node == nth);
        let disk = is_bounded.then(Disk::new);
        let file = disk.as_ref().map_or(folder, Disk::path).join(format!("{nth}.db"));
        let database = format!("run_{}", plan.seed);
        let (body, upstream) = match servers {
            Servers::None if plan.kind == Kind::Sqlite => {
                drop(open(&file));
                (Body::File(file), None)
            }
            Servers::None => {
                let (program, address) = demo(&file).await;
                (Body::Demo { file, program: Mutex::new(Some(program)) }, Some(address))
            }
            Servers::Postgres(servers) => {
                let server = Arc::clone(&servers[nth]);
                let address = {
                    let server = server.lock().await;
                    let make = format!("CREATE DATABASE {database}");
                    server.connect("postgres").await.batch_execute(&make).await.expect("a database");
                    server.address()
                };
                (Body::Postgres { server, database }, Some(address))
            }
            Servers::MariaDb(servers) => {
                let server = Arc::clone(&servers[nth]);
                let address = {
                    let server = server.lock().await;
                    server.run(None, &format!("CREATE DATABASE {database}")).await;
                    server.address()
                };
                (Body::MariaDb { server, database }, Some(address))
            }
        };
        Self { body, relay: upstream.map(Relay::new), turn: Mutex::new(()), disk }
    }

    /// As the configuration has it.
    pub(super) fn address(&self) -> String {
        match (&self.body, &self.relay) {
            (Body::File(file), _) => format!("file:{}", file.display()),
            (_, relay) => relay.as_ref().map(|relay| relay.address().to_string()).expect("a node behind a relay"),
        }
    }

    /// What is between it and the proxy.
    pub(super) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    pub(super) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// What the proxy itself has open.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.body {
            Body::File(file) => Some(file),
            _ => None,
        }
    }

    /// Whoever has it may do something to the node.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Ends it as `kill -9` does; a file is elsewhere.
    pub(super) async fn kill(&self) {
        match &self.body {
            Body::File(file) => {
                // Nobody is in the middle of a transaction.
                let side = open(file);
                side.execute_batch("BEGIN IMMEDIATE").expect("a lock");
                std::fs::rename(file, away(file)).expect("a file");
            }
            Body::Demo { program, .. } => {
                if let Some(relay) = &self.relay {
                    relay.leads_to(None);
                }
                drop(program.lock().await.take());
            }
            Body::Postgres { server, .. } => server.lock().await.kill(),
            Body::MariaDb { server, .. } => server.lock().await.kill(),
        }
        if let Some(relay) = &self.relay {
            relay.cut();
        }
    }

    /// Starts it again, with what it had made lasting.
    pub(super) async fn start(&self) {
        match &self.body {
            Body::File(file) => std::fs::rename(away(file), file).expect("a file"),
            Body::Demo { file, program } => {
                let (again, address) = demo(file).await;
                *program.lock().await = Some(again);
                if let Some(relay) = &self.relay {
                    relay.leads_to(Some(address));
                }
            }
            Body::Postgres { server, .. } => server.lock().await.restart().await,
            Body::MariaDb { server, .. } => server.lock().await.restart().await,
        }
    }

    /// Holds a file against all who write, for a while.
    pub(super) async fn hold(&self, time: Duration) {
        let Body::File(file) = &self.body else { return };
        let side = open(file);
        side.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
        tokio::time::sleep(time).await;
        side.execute_batch("ROLLBACK").expect("a lock that is given back");
    }

    /// Statements beside the entry.
    pub(super) async fn run(&self, sql: &str) {
        match &self.body {
            Body::File(file) | Body::Demo { file, .. } => open(file).execute_batch(sql).expect(sql),
            Body::Postgres { server, database } => {
                server.lock().await.connect(database).await.batch_execute(sql).await.expect(sql);
            }
            Body::MariaDb { server, database } => server.lock().await.run(Some(database), sql).await,
        }
    }

    /// How many tables clients have made.
    pub(super) async fn made(&self) -> Vec<Vec<i64>> {
        let like = format!("LIKE '{MADE}%'");
        let sql = match &self.body {
            Body::File(_) | Body::Demo { .. } => format!("SELECT count(*) FROM sqlite_schema WHERE name {like}"),
            Body::Postgres { .. } => {
                format!("SELECT count(*) FROM information_schema.tables WHERE table_name {like}")
            }
            Body::MariaDb { database, .. } => format!(
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = '{database}' AND table_name {like}"
            ),
        };
        self.rows(&sql).await
    }

    /// Leaves nothing behind on a server.
    pub(super) async fn clear(&self) {
        match &self.body {
            Body::File(_) | Body::Demo { .. } => {}
            Body::Postgres { server, database } => {
                let drop = format!("DROP DATABASE {database} WITH (FORCE)");
                server.lock().await.connect("postgres").await.batch_execute(&drop).await.expect("a database");
            }
            Body::MariaDb { server, database } => {
                server.lock().await.run(None, &format!("DROP DATABASE {database}")).await;
            }
        }
    }

    /// Rows of whole numbers, asked beside the entry.
    pub(super) async fn rows(&self, sql: &str) -> Vec<Vec<i64>> {
        match &self.body {
            Body::File(file) | Body::Demo { file, .. } => {
                let side = open(file);
                let mut statement = side.prepare(sql).expect(sql);
                let width = statement.column_count();
                let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
                statement.query_map([], row).expect(sql).collect::<Result<_, _>>().expect(sql)
            }
            Body::Postgres { server, database } => {
                let side = server.lock().await.connect(database).await;
                let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("a number");
                let row = |message| match message {
                    SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| number(row.get(at))).collect()),
                    _ => None,
                };
                side.simple_query(sql).await.expect(sql).into_iter().filter_map(row).collect()
            }
            Body::MariaDb { server, database } => {
                let mut side = server.lock().await.connect(Some(database)).await;
                let rows: Vec<mysql_async::Row> = side.query(sql).await.expect(sql);
                let row = |row: mysql_async::Row| row.unwrap().into_iter().map(mysql_async::from_value).collect();
                rows.into_iter().map(row).collect()
            }
        }
    }
}
