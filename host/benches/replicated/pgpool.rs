//! A Pgpool-II in native replication, on free ports, with its files in a folder of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::account::Account;
use super::postgres::Postgres;
use super::wait::eventually;

/// Where Debian's `pgpool2` has it.
const PROGRAM: &str = "/usr/sbin/pgpool";

/// What is not left as it comes, or is said because it matters here:
/// - A SELECT goes to one server (`load_balance_mode`, `replicate_select`), chosen when the client connects.
/// - A write goes to all. `insert_lock` is for ids that the servers choose; those of this bench are the clients'.
/// - One process serves one client at a time: there are more than clients (`num_init_children`). All have one user and one
///   database, so that each process keeps one connection to each server (`max_pool`).
/// - Answers are not cached (`memory_cache_enabled`): Leverframe does not, either.
const SETTINGS: &str = "backend_clustering_mode = 'native_replication'
load_balance_mode = on
replicate_select = off
insert_lock = off
num_init_children = 40
max_pool = 1
connection_cache = on
memory_cache_enabled = off
listen_addresses = '127.0.0.1'
pcp_listen_addresses = '127.0.0.1'
enable_pool_hba = off
pool_passwd = ''
use_watchdog = off
";

/// A Pgpool-II. Stopped when it is dropped.
pub(crate) struct Pgpool {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Pgpool {
    /// One before these servers.
    pub(crate) async fn start(servers: &[Postgres]) -> Self {
        let account = Account::of(&["postgres"]);
        let folder = tempfile::tempdir().expect("a folder");
        account.owns(folder.path());
        let [port, side] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port")).map(|free| {
            // Both are held until both are known, so that they differ.
            free.local_addr().expect("an address").port()
        });
        let file = |name: &str| folder.path().join(name);
        fs::write(file("pgpool.conf"), settings(folder.path(), (port, side), servers)).expect("a file");
        // Who may use its control port, and who may connect: it wants the files, and both are empty.
        for empty in ["pcp.conf", "pool_hba.conf"] {
            fs::write(file(empty), "").expect("a file");
        }
        let log = File::create(file("log")).expect("a file");
        let mut command = account.command(PROGRAM);
        command.arg("-n").arg("-f").arg(file("pgpool.conf")).arg("-F").arg(file("pcp.conf"));
        command.arg("-a").arg(file("pool_hba.conf")).current_dir(folder.path()).stderr(log);
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{PROGRAM} (Debian's pgpool2) does not start: {error}"));
        eventually("Pgpool-II answers", || {
            let ended = child.try_wait().expect("a child of this process");
            let said = || fs::read_to_string(file("log")).unwrap_or_default();
            assert!(ended.is_none(), "Pgpool-II ended, {ended:?}:\n{}", said());
            async move { super::postgres::open(port, "postgres").await.ok() }
        })
        .await;
        Self { child, port, _folder: folder }
    }

    /// The number of the process that has started all others.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A connection through it.
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        super::postgres::open(self.port, "postgres").await.unwrap_or_else(|error| panic!("Pgpool-II: {error}"))
    }
}

fn settings(folder: &Path, (port, side): (u16, u16), servers: &[Postgres]) -> String {
    let folder = folder.display();
    let mut settings = SETTINGS.to_owned();
    let _ = write!(
        settings,
        "port = {port}\npcp_port = {side}\nsocket_dir = '{folder}'\npcp_socket_dir = '{folder}'
logdir = '{folder}'\npid_file_name = '{folder}/pid'\n"
    );
    for (nth, server) in servers.iter().enumerate() {
        let address = server.address();
        let _ = write!(
            settings,
            "backend_hostname{nth} = '{}'\nbackend_port{nth} = {}\nbackend_weight{nth} = 1\n",
            address.ip(),
            address.port()
        );
    }
    settings
}

impl Drop for Pgpool {
    fn drop(&mut self) {
        // It ends all its processes, which a kill would not do.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let _ = self.child.wait();
    }
}
