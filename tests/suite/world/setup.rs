//! What a world is to look like before it starts: the configuration text, the files in the plugin folder, the origins.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use leverframe::config::Overrides;
use tempfile::TempDir;

use super::process::Process;
use super::running::World;

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The cluster that a world has unless its configuration says otherwise.
const CLUSTER: &str = "web";

/// A world to be.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    workers: usize,
    top: String,
    origins: usize,
    strategy: String,
    endpoints: Option<Vec<SocketAddr>>,
    cluster_lines: String,
    listener_lines: String,
    admin_lines: String,
    more: String,
    plugins: Vec<(String, Vec<u8>)>,
    at: (SocketAddr, SocketAddr),
    arguments: Vec<String>,
    files: Option<u32>,
}

impl Setup {
    /// One worker, so that what one instance does can be told; one listener; three demo nodes in one cluster, by turns.
    pub(crate) fn new() -> Self {
        Self {
            workers: 1,
            top: String::new(),
            origins: 3,
            strategy: "\"round-robin\"".to_owned(),
            endpoints: None,
            cluster_lines: String::new(),
            listener_lines: String::new(),
            admin_lines: String::new(),
            more: String::new(),
            plugins: Vec::new(),
            at: (ANY_PORT, ANY_PORT),
            arguments: Vec::new(),
            files: None,
        }
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Lines above all tables: `state = "state"`.
    pub(crate) fn top(mut self, lines: &str) -> Self {
        self.top = lines.to_owned();
        self
    }

    /// How many demo nodes are started; they are named `node-1`, `node-2` and so on.
    pub(crate) fn origins(mut self, origins: usize) -> Self {
        self.origins = origins;
        self
    }

    /// Servers that the test runs itself, in place of demo nodes.
    pub(crate) fn endpoints(mut self, endpoints: Vec<SocketAddr>) -> Self {
        self.endpoints = Some(endpoints);
        self
    }

    /// The cluster's strategy, by name.
    pub(crate) fn strategy(mut self, plugin: &str) -> Self {
        self.strategy = format!("{plugin:?}");
        self
    }

    /// The cluster's strategy with a configuration, as an inline table of TOML: `{ fault = "panic" }`.
    pub(crate) fn configured(mut self, plugin: &str, config: &str) -> Self {
        self.strategy = format!("{{ plugin = {plugin:?}, config = {config} }}");
        self
    }

    /// Lines for the table of the cluster: `attempts = 1`, or a table below it such as `[cluster.web.timeouts]`.
    pub(crate) fn cluster_lines(mut self, lines: &str) -> Self {
        self.cluster_lines = lines.to_owned();
        self
    }

    /// Lines for the table of the listener: `header_timeout = "1s"`.
    pub(crate) fn listener_lines(mut self, lines: &str) -> Self {
        self.listener_lines = lines.to_owned();
        self
    }

    /// Lines for the table of the admin API: `token_file = "token"`.
    pub(crate) fn admin_lines(mut self, lines: &str) -> Self {
        self.admin_lines = lines.to_owned();
        self
    }

    /// Where the listener and the admin API are, in place of free ports.
    pub(crate) fn at(mut self, listener: SocketAddr, admin: SocketAddr) -> Self {
        self.at = (listener, admin);
        self
    }

    /// More arguments for the process.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// How many file descriptors the process may have.
    pub(crate) fn files(mut self, files: u32) -> Self {
        self.files = Some(files);
        self
    }

    /// Tables to add at the end of the file.
    pub(crate) fn more(mut self, tables: &str) -> Self {
        self.more = tables.to_owned();
        self
    }

    /// A file in the plugin folder.
    pub(crate) fn plugin(mut self, file_stem: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.plugins.push((file_stem.to_owned(), bytes.into()));
        self
    }

    /// Starts it in this process; panics with the reason when it does not start.
    pub(crate) async fn start(self) -> World {
        self.try_start().await.unwrap_or_else(|error| panic!("Leverframe does not start: {error:#}"))
    }

    /// Starts it in this process.
    pub(crate) async fn try_start(self) -> anyhow::Result<World> {
        World::start(self).await
    }

    /// Starts it as a process, with more variables in its environment.
    pub(crate) async fn spawn(self, environment: &[(&str, &str)]) -> Process {
        Process::start(self, environment).await
    }

    pub(super) fn origins_wanted(&self) -> usize {
        if self.endpoints.is_some() { 0 } else { self.origins }
    }

    /// The program as it is to be started, without the arguments that every process has.
    pub(super) fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_leverframe");
        let mut command = match self.files {
            None => Command::new(program),
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string(), program]);
                shell
            }
        };
        command.arg("run").args(&self.arguments);
        command
    }

    /// Writes the world's folder. `origins` are the demo nodes, in order.
    pub(super) fn lay_out(&self, origins: &[SocketAddr]) -> TempDir {
        let folder = tempfile::Builder::new().prefix("leverframe-").tempdir().expect("a temporary folder");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("the plugin folder");
        for (stem, bytes) in &self.plugins {
            std::fs::write(plugins.join(format!("{stem}.wasm")), bytes).expect("a plugin");
        }
        std::fs::write(config_in(folder.path()), self.toml(origins)).expect("the configuration");
        folder
    }

    fn toml(&self, origins: &[SocketAddr]) -> String {
        let mut endpoints = String::new();
        for (nth, address) in self.endpoints.as_deref().unwrap_or(origins).iter().enumerate() {
            let _ = write!(endpoints, "\n    {{ name = \"node-{}\", address = \"{address}\" }},", nth + 1);
        }
        let Self {
            workers, top, strategy, cluster_lines, listener_lines, admin_lines, more, at: (address, admin), ..
        } = self;
        format!(
            r#"workers = {workers}
shutdown_timeout = "2s"
{top}
[admin]
address = "{admin}"
{admin_lines}

[[listener]]
name = "main"
address = "{address}"
{listener_lines}

[[listener.route]]
cluster = "{CLUSTER}"

[cluster.{CLUSTER}]
strategy = {strategy}
endpoints = [{endpoints}
]
{cluster_lines}
{more}"#
        )
    }
}

/// Where the configuration is in a world's folder.
pub(super) fn config_in(folder: &Path) -> PathBuf {
    folder.join("leverframe.toml")
}

/// The folder of caches, as XDG_CACHE_HOME names it: shared by all worlds and all runs, so that a component is compiled
/// once.
pub(super) const CACHES: &str = env!("CARGO_TARGET_TMPDIR");

/// No environment but the cache.
pub(super) fn overrides() -> Overrides {
    Overrides { cache: Some(Path::new(CACHES).join("leverframe")), ..Overrides::default() }
}
