//! A Redis of one test: Debian's `redis-server` on a free port, with its data in a folder of its own. It can be stopped,
//! started again with what it had, held still, and asked by `redis-cli`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::wait::eventually;

/// Ports that are tried: a free one may be taken by somebody else before the server has opened it.
const TRIES: usize = 5;

/// A server. Killed when it is dropped.
pub(crate) struct Redis {
    server: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// An empty one.
    pub(crate) async fn start() -> Self {
        for _ in 0..TRIES {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            let folder = tempfile::tempdir().expect("a folder");
            let mut redis = Self { server: None, port: free.port(), folder };
            if redis.open(&[]).await {
                return redis;
            }
        }
        panic!("redis-server found no port in {TRIES} tries");
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `redis-cli`, told where it is.
    pub(crate) fn client(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).stdin(Stdio::null());
        command
    }

    /// What it answers to a command, as `redis-cli` prints it to a file.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = self.client().args(words).output().unwrap_or_else(|error| panic!("redis-cli: {error}"));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends it; it keeps what it has.
    pub(crate) async fn stop(&mut self) {
        self.cli(&["shutdown", "save"]);
        if let Some(server) = &mut self.server {
            eventually("redis-server ends", || std::future::ready(server.try_wait().expect("a child"))).await;
        }
        self.server = None;
    }

    /// Starts it where it was, with further settings (`--name`, `value`), and what it had.
    pub(crate) async fn start_again(&mut self, settings: &[&str]) {
        assert!(self.open(settings).await, "redis-server does not start again on port {}", self.port);
    }

    /// Sends it a signal by its name: one that is stopped (`STOP`) keeps its connections and says nothing.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.server.as_ref().expect("it runs").id();
        let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {name}");
    }

    /// Starts the server and waits until it answers; false when it ended instead.
    async fn open(&mut self, settings: &[&str]) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.folder.path()).args(settings);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("redis-server does not start: {error}"));
        self.server = Some(child);
        eventually("redis-server answers", || {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().expect("a child")).is_some();
            // One that is still loading answers, too.
            let answers = || matches!(self.cli(&["ping"]).split(' ').next(), Some("PONG" | "LOADING"));
            std::future::ready(if ended { Some(false) } else { answers().then_some(true) })
        })
        .await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // One that has ended already cannot be killed, which is as well.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
