//! A Leverframe as a process of its own, with its log read as it is written.

use std::fs::{DirEntry, read_dir, read_to_string};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use leverframe::demo::Node;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::client::{Reply, fetch};
use super::figures::Metrics;
use super::running::start_origins;
use super::setup::{CACHES, Setup, config_in};
use super::wait::eventually;

/// A process that serves. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    /// Nobody reads the log.
    unread: Arc<AtomicBool>,
    /// Who does not read it waits until this is gone.
    _lasts: mpsc::Sender<()>,
    /// The demo nodes live as long as the process.
    origins: Vec<Node>,
    folder: TempDir,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    pub(super) async fn start(setup: Setup, environment: &[(&str, &str)]) -> Self {
        let origins = start_origins(setup.origins_wanted()).await;
        let addresses: Vec<_> = origins.iter().map(Node::address).collect();
        let folder = setup.lay_out(&addresses);
        let file = config_in(folder.path());
        let mut command = setup.command();
        command.args(["--log-format", "json", "--config"]).arg(&file).current_dir(folder.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LEVERFRAME_")) {
            command.env_remove(name);
        }
        command.env("XDG_CACHE_HOME", CACHES).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let unread = Arc::<AtomicBool>::default();
        let (lasts, ends) = mpsc::channel();
        read_log(&mut child, Arc::clone(&log), (Arc::clone(&unread), ends));
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { child, log, unread, _lasts: lasts, origins, folder, address: none, admin: none };
        let said = async |message: &str| address_in(&process.logged(message, |line| line["message"] == message).await);
        (process.address, process.admin) = (said("listening").await, said("admin API listening").await);
        process
    }

    /// Where its first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its listener of that name is.
    pub(crate) async fn listener(&self, name: &str) -> SocketAddr {
        address_in(&self.logged(&format!("the listener {name}"), |line| line["listener"] == name).await)
    }

    /// Where its admin API is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where its demo nodes are.
    pub(crate) fn origins(&self) -> Vec<SocketAddr> {
        self.origins.iter().map(Node::address).collect()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One request through the proxy.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        fetch(self.address, path).await
    }

    /// A path of the admin API, as JSON.
    pub(crate) async fn api(&self, path: &str) -> Value {
        fetch(self.admin, path).await.json()
    }

    /// Waits until so many endpoints of its first cluster take part in the traffic.
    pub(crate) async fn ready(&self, wanted: usize) {
        let look = || async { (self.api("/api/clusters").await["clusters"][0]["ready"] == wanted).then_some(()) };
        eventually(&format!("{wanted} are ready"), look).await;
    }

    /// All metrics of this moment.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::read(self.admin).await
    }

    /// The lines of its log so far: each an object with `level`, `message` and more.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on nobody reads its log: at most one more line.
    pub(crate) fn leave_log_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Waits for a line of its log.
    pub(crate) async fn logged(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let look = || async { self.log().into_iter().find(&is_it) };
        eventually(&format!("{what} in the log {:#?}", self.log()), look).await
    }

    /// Sends it a signal by its name, as `kill` takes it.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {name}");
    }

    /// Stops it until `CONT`: the signal is sent, and all its threads stand still.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.id());
        let stands = |thread: std::io::Result<DirEntry>| {
            let stat = read_to_string(thread.expect("a thread").path().join("stat")).expect("its state");
            // The state follows the name in brackets (proc(5)).
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let look = || async { read_dir(&threads).expect("threads").all(stands).then_some(()) };
        eventually("the process stands still", look).await;
    }

    /// Ends it in the middle of whatever it does, without delay.
    pub(crate) fn kill(&self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = Mutex::new(&mut self.child);
        let look = || async { child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("a child") };
        eventually("the process ends", look).await
    }
}

/// The address in a line of the log.
fn address_in(line: &Value) -> SocketAddr {
    line["address"].as_str().and_then(|address| address.parse().ok()).expect("an address in the log")
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until the process ends, on a thread of its own.
fn read_log(child: &mut Child, log: Arc<Mutex<Vec<Value>>>, (unread, ends): (Arc<AtomicBool>, mpsc::Receiver<()>)) {
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // What is no JSON is the last word of a program that does not start.
            let line = serde_json::from_str(&line).unwrap_or_else(|_| serde_json::json!({ "message": line }));
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            if unread.load(Relaxed) {
                // Nothing is ever sent: it ends with the process.
                let _ = ends.recv();
            }
        }
    });
}
