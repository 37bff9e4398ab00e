//! Owns the proxy of a run: the program as a process, with a log on a disk of its own, which is killed and started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::disk::Disk;
use super::nodes::Node;
use super::plan::{Kind, Plan};
use crate::sql::replicated::scene::replicated;
use crate::world::{MariaDb, Port, Postgres, Process, Setup};

/// Between two looks at a file.
const GLANCE: Duration = Duration::from_micros(50);

/// A proxy before the nodes.
pub(super) struct Proxy {
    process: Mutex<Process>,
    /// Where it is, after where it was: nobody else is to answer its clients.
    ports: StdMutex<Vec<Port>>,
    setup: Setup,
    disk: Disk,
}

fn setup(plan: &Plan, nodes: &[Node], log: &Path) -> Setup {
    let addresses: Vec<String> = nodes.iter().map(Node::address).collect();
    let backend = match plan.kind {
        Kind::Http => "backend = \"http\"".to_owned(),
        Kind::Sqlite => "backend = \"sqlite\"".to_owned(),
        Kind::Postgres => {
            format!("backend = \"postgres\"\ndatabase = \"run_{}\"\nuser = \"{}\"", plan.seed, Postgres::USER)
        }
        Kind::MariaDb => format!("backend = \"mysql\"\ndatabase = \"run_{}\"\nuser = \"{}\"", plan.seed, MariaDb::USER),
    };
    let Plan { acknowledge, apply_timeout, .. } = plan;
    let entry = format!("acknowledge = \"{acknowledge}\"\napply_timeout = \"{apply_timeout}\"\n{backend}");
    replicated(&addresses, log, &entry)
}

async fn spawn(setup: &Setup) -> (Process, Port) {
    let process = setup.clone().spawn(&[]).await;
    let port = Port::of(process.listener("sql").await);
    (process, port)
}

/// A proxy that is down, to be started again.
pub(super) struct Dead<'a> {
    proxy: &'a Proxy,
    process: MutexGuard<'a, Process>,
}

impl Dead<'_> {
    pub(super) async fn start(mut self) {
        let (process, port) = spawn(&self.proxy.setup).await;
        *self.process = process;
        self.proxy.ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    }
}

impl Proxy {
    pub(super) async fn start(plan: &Plan, nodes: &[Node]) -> Self {
        let disk = Disk::new();
        let setup = setup(plan, nodes, &disk.path().join("shop.log"));
        let (process, port) = spawn(&setup).await;
        Self { process: Mutex::new(process), ports: StdMutex::new(vec![port]), setup, disk }
    }

    /// Where clients ask.
    pub(super) fn address(&self) -> SocketAddr {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).last().expect("one at least").address()
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(super) fn log(&self) -> PathBuf {
        self.disk.path().join("shop.log")
    }

    /// Whoever has the process may kill it; a moment is waited for with it.
    pub(super) async fn hold(&self) -> Dead<'_> {
        Dead { proxy: self, process: self.process.lock().await }
    }

    /// How the entry stands.
    pub(super) async fn standing(&self) -> Value {
        self.process.lock().await.api("/api/sql").await["entries"][0]["replication"].clone()
    }

    /// What it has said, the last lines.
    pub(super) async fn said(&self) -> String {
        let log = self.process.lock().await.log();
        log.iter().rev().take(40).rev().map(|line| format!("{line}\n")).collect()
    }
}

impl Dead<'_> {
    /// Kills it, in the middle of whatever it does.
    pub(super) async fn kill(&mut self) {
        self.process.kill();
        self.process.ended().await;
    }
}

/// Waits until something is written to a file. False where nothing is, in time.
pub(super) async fn grows(file: &Path, within: Duration) -> bool {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    let path = PathBuf::from(name);
    let look = move || {
        let seen = || path.metadata().ok().map(|found| (found.len(), found.modified().ok()));
        let (first, began) = (seen(), Instant::now());
        while began.elapsed() < within {
            if seen() != first {
                return true;
            }
            std::thread::park_timeout(GLANCE);
        }
        false
    };
    tokio::task::spawn_blocking(look).await.expect("a look")
}
