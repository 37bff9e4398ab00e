//! A Leverframe before three servers, with the topology `replicated`; what is not said is as it is by default.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{Program, leverframe};
use crate::world::{Client, Postgres, fetch};

/// A process of its own.
pub(crate) struct Proxy {
    program: Program,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: TempDir,
}

/// What the log has taken in, and how often it was flushed to the disk for that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: u64,
    pub(crate) fsyncs: u64,
}

impl Proxy {
    pub(crate) async fn start(servers: &[Postgres]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("leverframe.toml");
        std::fs::write(&file, config(&folder, servers)).expect("a file");
        let mut command = leverframe();
        command.args(["run", "--log-format", "json", "--config"]).arg(&file);
        let mut program = Program::start(&mut command);
        let address = program.says("where it listens", |output| told(output, "listening")).await;
        let admin = program.says("where its admin API is", |output| told(output, "admin API listening")).await;
        Self { program, address, admin, _folder: folder }
    }

    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    pub(crate) async fn log(&self) -> Log {
        let reply = fetch(self.admin, "/metrics").await;
        let text = reply.text();
        let count = |name: &str| {
            let of = |line: &str| line.strip_prefix(name)?.rsplit_once(' ')?.1.parse().ok();
            text.lines().find_map(of).unwrap_or_else(|| panic!("no {name} in:\n{text}"))
        };
        Log { entries: count("leverframe_sql_log_appended_total{"), fsyncs: count("leverframe_sql_log_fsyncs_total{") }
    }

    pub(crate) async fn end(self) {
        let (status, output) = self.program.end("TERM").await;
        assert!(status.success(), "{status}:\n{output}");
    }
}

fn config(folder: &TempDir, servers: &[Postgres]) -> String {
    let node =
        |(nth, server): (usize, &Postgres)| format!("{{ name = \"db-{nth}\", address = \"{}\" }}", server.address());
    let nodes: Vec<String> = servers.iter().enumerate().map(node).collect();
    format!(
        "plugins.folder = false
state = false
[[listener]]
address = \"127.0.0.1:0\"
route = [{{ path = \"/query\", sql = \"orders\" }}]
[admin]
address = \"127.0.0.1:0\"
[cluster.nodes]
endpoints = [{}]
[sql.orders]
cluster = \"nodes\"
backend = \"postgres\"
user = \"{}\"
database = \"postgres\"
topology = \"replicated\"
acknowledge = \"all_up\"
log = \"{}\"
",
        nodes.join(", "),
        Postgres::USER,
        folder.path().join("orders.log").display(),
    )
}

/// The address in a line of the log.
fn told(output: &str, message: &str) -> Option<SocketAddr> {
    let mut lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["message"] == message)?["address"].as_str()?.parse().ok()
}
