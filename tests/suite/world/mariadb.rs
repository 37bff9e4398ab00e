//! A MariaDB of one test: Debian's, on a free port, with its data in a folder of its own, as a user who is not root.
//! Many databases on it serve as many nodes. What it has committed outlives its end,
//! but not that of the machine: nothing is flushed to the disk.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;

use mysql_async::prelude::Queryable as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::account::Account;
use super::wait::eventually;

/// Ports that are tried: a free one may be taken by somebody else before the server has opened it.
const TRIES: usize = 5;
const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--sync-frm=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--max-connections=200",
    "--performance-schema=off",
];

/// A server. Stopped when it is dropped.
pub(crate) struct MariaDb {
    server: Child,
    port: u16,
    account: Account,
    folder: TempDir,
}

impl MariaDb {
    /// Who may do everything there, without a password.
    pub(crate) const USER: &str = "leverframe";

    /// One without tables of its own; text is `utf8mb4_general_ci` where nothing else is said.
    pub(crate) async fn start() -> Self {
        let account = Account::of(&["mysql"]);
        let folder = tempfile::tempdir().expect("a folder");
        account.owns(folder.path());
        let data = folder.path().join("data");
        let mut install = account.command("mariadb-install-db");
        // A server clears away at its start what it takes for left over in there, also what another one uses.
        let own = format!("--tmpdir={}", folder.path().display());
        install.arg("--no-defaults").arg(format!("--datadir={}", data.display())).arg(&own).args([
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
            "--skip-name-resolve",
            "--innodb-flush-method=nosync",
        ]);
        let made = install.current_dir(folder.path()).status().unwrap_or_else(|e| panic!("mariadb-install-db: {e}"));
        assert!(made.success(), "mariadb-install-db: {made}");
        let first = folder.path().join("first.sql");
        let user = Self::USER;
        let grant =
            format!("CREATE USER IF NOT EXISTS '{user}'@'%';\nGRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n");
        fs::write(&first, grant).expect("a file in an own folder");
        fs::set_permissions(&first, fs::Permissions::from_mode(0o644)).expect("an own file");
        for _ in 0..TRIES {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            if let Some(server) = launch(account, folder.path(), free.port()).await {
                return Self { server, port: free.port(), account, folder };
            }
        }
        panic!("mariadbd found no port in {TRIES} tries");
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = kill_process(Pid::from_child(&self.server), Signal::KILL);
        self.server.wait().expect("a child");
    }

    /// Starts it again where it was, with what it had committed.
    pub(crate) async fn restart(&mut self) {
        for _ in 0..TRIES {
            if let Some(server) = launch(self.account, self.folder.path(), self.port).await {
                self.server = server;
                return;
            }
        }
        panic!("mariadbd did not start again in {TRIES} tries");
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A connection to one of its databases, or to none.
    pub(crate) async fn connect(&self, database: Option<&str>) -> mysql_async::Conn {
        open(self.port, database).await.unwrap_or_else(|error| panic!("database {database:?}: {error}"))
    }

    /// Has statements carried out in one of its databases, or in none: one after the other, with a `;` between them.
    pub(crate) async fn run(&self, database: Option<&str>, sql: &str) {
        let mut side = self.connect(database).await;
        for one in sql.split(';').map(str::trim).filter(|one| !one.is_empty()) {
            side.query_drop(one).await.unwrap_or_else(|error| panic!("{one}: {error}"));
        }
    }
}

/// Starts the server and waits until it answers; none where it ends instead.
async fn launch(account: Account, folder: &Path, port: u16) -> Option<Child> {
    let mut command = account.command("mariadbd");
    command.arg("--no-defaults").arg(format!("--datadir={}", folder.join("data").display()));
    command.arg(format!("--tmpdir={}", folder.display()));
    command.arg(format!("--socket={}", folder.join("socket").display()));
    command.arg(format!("--pid-file={}", folder.join("pid").display()));
    command.arg(format!("--init-file={}", folder.join("first.sql").display()));
    command.arg(format!("--port={port}")).args(SETTINGS);
    let mut server = command.current_dir(folder).spawn().expect("mariadbd starts");
    let answers = eventually("mariadbd answers", || {
        let ended = server.try_wait().expect("a child").is_some();
        async move { if ended { Some(false) } else { open(port, None).await.is_ok().then_some(true) } }
    });
    answers.await.then_some(server)
}

async fn open(port: u16, database: Option<&str>) -> Result<mysql_async::Conn, mysql_async::Error> {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .prefer_socket(false)
        .user(Some(MariaDb::USER))
        .db_name(database);
    mysql_async::Conn::new(options).await
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Its data is of no use to anybody. One that has ended already cannot be killed, which is as well.
        let _ = kill_process(Pid::from_child(&self.server), Signal::KILL);
        let _ = self.server.wait();
    }
}
