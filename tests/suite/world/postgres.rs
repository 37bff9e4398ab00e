//! A PostgreSQL of one test: Debian's, on a free port, with its data in a folder of its own, as a user who is not root.
//! Many databases on it serve as many nodes. It forgets faster than it should, where nothing else is said: nothing is flushed
//! to the disk.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::account::Account;
use super::wait::eventually;

/// Ports that are tried: a free one may be taken by somebody else before the server has opened it.
const TRIES: usize = 5;
/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "jit=off",
    "shared_buffers=64MB",
    "max_connections=200",
];

/// A server. Stopped when it is dropped.
pub(crate) struct Postgres {
    server: Child,
    port: u16,
    account: Account,
    folder: TempDir,
    settings: &'static [&'static str],
}

impl Postgres {
    /// Who may do everything there, without a password.
    pub(crate) const USER: &str = "leverframe";

    /// One without tables, in the locale C.UTF-8.
    pub(crate) async fn start() -> Self {
        Self::start_with(SETTINGS).await
    }

    /// The same, but what is committed outlives a kill: it is not kept back.
    pub(crate) async fn start_lasting() -> Self {
        let server = Self::start().await;
        let setting = format!("ALTER ROLE {} SET synchronous_commit = on", Self::USER);
        server.connect("postgres").await.batch_execute(&setting).await.expect("a setting");
        server
    }

    /// One with these settings, and all others as PostgreSQL has them.
    pub(crate) async fn start_with(settings: &'static [&'static str]) -> Self {
        let (programs, account) = (programs(), Account::of(&["postgres"]));
        let folder = tempfile::tempdir().expect("a folder");
        account.owns(folder.path());
        let data = folder.path().join("data");
        let mut init = account.command(programs.join("initdb"));
        init.arg("-D").arg(&data).args([
            "-A",
            "trust",
            "-U",
            Self::USER,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let made = init.current_dir(folder.path()).status().unwrap_or_else(|error| panic!("initdb: {error}"));
        assert!(made.success(), "initdb: {made}");
        for _ in 0..TRIES {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            if let Some(server) = launch(account, folder.path(), free.port(), settings).await {
                return Self { server, port: free.port(), account, folder, settings };
            }
        }
        panic!("postgres found no port in {TRIES} tries");
    }

    /// Sends a signal to the server and to all who serve its connections: to one of them alone, the others would go on.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.server.try_wait().expect("a child").is_some() {
            return;
        }
        let server = Pid::from_child(&self.server);
        let others = children(server);
        // The server first, so that it starts no more. Whoever has ended cannot be told, which is as well.
        let _ = kill_process(server, signal);
        for other in others {
            let _ = kill_process(other, signal);
        }
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::STOP);
        self.signal(Signal::KILL);
        self.server.wait().expect("a child");
    }

    /// Starts it again where it was, with what it had made lasting.
    pub(crate) async fn restart(&mut self) {
        // Those who served connections may take a moment to be gone, and it does not start beside them.
        for _ in 0..TRIES {
            if let Some(server) = launch(self.account, self.folder.path(), self.port, self.settings).await {
                self.server = server;
                return;
            }
        }
        panic!("postgres did not start again in {TRIES} tries");
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A connection to one of its databases; `postgres` is there from the beginning.
    pub(crate) async fn connect(&self, database: &str) -> tokio_postgres::Client {
        open(self.port, database).await.unwrap_or_else(|error| panic!("database {database}: {error}"))
    }
}

/// Starts the server and waits until it answers; none where it ends instead.
async fn launch(account: Account, folder: &Path, port: u16, settings: &[&str]) -> Option<Child> {
    let mut command = account.command(programs().join("postgres"));
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    let mut server = command.current_dir(folder).spawn().expect("postgres starts");
    let answers = eventually("postgres answers", || {
        let ended = server.try_wait().expect("a child").is_some();
        async move { if ended { Some(false) } else { open(port, "postgres").await.is_ok().then_some(true) } }
    });
    answers.await.then_some(server)
}

/// Whom a process has started.
fn children(parent: Pid) -> Vec<Pid> {
    let processes =
        fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_child = |id: &i32| {
        // The parent is the second field behind the name, which is in brackets (proc(5)). Who ends meanwhile has none.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split(' ').nth(1) == Some(&parent.as_raw_nonzero().to_string())
    };
    processes.filter_map(|name| name.parse().ok()).filter(is_child).filter_map(Pid::from_raw).collect()
}

/// A connection to whoever listens there for clients of PostgreSQL.
pub(super) async fn open(port: u16, database: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).user(Postgres::USER).dbname(database);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    // It ends with the client; how it ended shows in the client's own answers.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with all who serve connections. One that a test has stopped would not hear of it.
        self.signal(Signal::QUIT);
        self.signal(Signal::CONT);
        let _ = self.server.wait();
    }
}

/// The folder of the newest version's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).unwrap_or_else(|error| panic!("PostgreSQL in {VERSIONS}: {error}"));
    let number =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
    let newest = versions.filter_map(|entry| entry.ok().map(|entry| entry.path())).max_by_key(number);
    newest.unwrap_or_else(|| panic!("no PostgreSQL in {VERSIONS}")).join("bin")
}
