//! A Leverframe as a process that keeps up nodes of its own, and what a test asks it and the system about them.

use std::collections::BTreeMap;
use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::world::{Load, Plan, Process, Reply, Setup, eventually, send};

/// A steady stream of requests, light enough to leave the machine to what it is about.
const STEADY: Plan = Plan { clients: 8, every: Duration::from_millis(20), path: "/" };
/// Far above what any change of nodes takes, on a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster `web` with this many nodes, and more lines of `scaling`. What a health check knows within half a second is
/// kept from clients; who is replaced is another matter, with checks each 2 s and a delay of 1 s.
pub(super) fn scaled(count: u32, lines: &str) -> Setup {
    let lines = format!(
        r#"
[cluster.web.health.check]
path = "/health"
interval = "500ms"
timeout = "500ms"

[cluster.web.retry]
per_try_timeout = "1s"

[cluster.web.scaling]
count = {count}
check = {{ path = "/health", interval = "2s", timeout = "1s" }}
replace_after = "1s"
{lines}"#
    );
    Setup::new().workers(2).endpoints(Vec::new()).cluster_lines(&lines)
}

/// The process, and its crew.
pub(super) struct Crew(pub(super) Process);

impl Crew {
    /// Starts it, and waits until so many nodes have traffic.
    pub(super) async fn start(setup: Setup, count: usize) -> Self {
        let crew = Self(setup.spawn(&[]).await);
        crew.settles(count).await;
        crew
    }

    /// What `GET /api/scale` says of its cluster.
    pub(super) async fn status(&self) -> Value {
        self.0.api("/api/scale").await["clusters"][0].clone()
    }

    /// Waits until there are so many nodes, all of them sound, and the cluster has just those for its traffic.
    pub(super) async fn settles(&self, count: usize) {
        patiently(&format!("{count} nodes run"), || async { self.is_settled(count).await.then_some(()) }).await;
    }

    async fn is_settled(&self, count: usize) -> bool {
        let nodes = self.status().await["nodes"].as_array().cloned().unwrap_or_default();
        let cluster = self.0.api("/api/clusters").await["clusters"][0].clone();
        let all_run = nodes.len() == count && nodes.iter().all(|node| node["state"] == "running");
        all_run && cluster["ready"] == count && cluster["endpoints"].as_array().is_some_and(|all| all.len() == count)
    }

    /// Its nodes' processes, by name.
    pub(super) fn nodes(&self) -> BTreeMap<String, u32> {
        children(self.0.id())
    }

    /// Where a node listens.
    pub(super) async fn address(&self, name: &str) -> std::net::SocketAddr {
        let status = self.status().await;
        let nodes = status["nodes"].as_array().expect("nodes");
        let node = nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no {name}: {status}"));
        node["address"].as_str().expect("an address").parse().expect("a socket address")
    }

    /// `POST /api/scale`.
    pub(super) async fn scale(&self, wanted: Value) -> Reply {
        send(self.0.admin(), Method::POST, "/api/scale", wanted.to_string()).await
    }

    /// Another count, which must be taken over.
    pub(super) async fn scale_to(&self, count: usize) {
        let reply = self.scale(json!({ "cluster": "web", "count": count })).await;
        assert_eq!((reply.status.as_u16(), reply.json()["desired"].as_u64()), (200, Some(count as u64)));
    }

    /// The newest event's number.
    pub(super) async fn newest(&self) -> u64 {
        let events = self.0.api("/api/events?limit=1").await;
        events["events"][0]["id"].as_u64().unwrap_or(0)
    }

    /// The events of a kind after a number.
    pub(super) async fn events(&self, kind: &str, after: u64) -> Vec<Value> {
        let events = self.0.api(&format!("/api/events?limit=1000&after={after}")).await;
        let events = events["events"].as_array().expect("events").clone();
        events.into_iter().filter(|event| event["kind"] == kind).collect()
    }

    /// Constant traffic on it.
    pub(super) fn load(&self) -> Load {
        Load::start(self.0.address(), STEADY)
    }
}

/// As `eventually`, for what has pauses of its own. Returns how long it took, too.
pub(super) async fn patiently<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> (T, Duration) {
    let start = Instant::now();
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, looking).await;
    (seen.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}")), start.elapsed())
}

/// Sends a signal to one process.
pub(super) fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().expect("kill starts");
    assert!(sent.success(), "kill -s {name} {id}");
}

/// Waits until none of these processes is there.
pub(super) async fn all_end(nodes: &BTreeMap<String, u32>) {
    let look = || async { nodes.values().all(|id| node_name(*id).is_none()).then_some(()) };
    eventually(&format!("all of {nodes:?} end"), look).await;
}

/// The nodes among a process's children, as the system has them.
fn children(parent: u32) -> BTreeMap<String, u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).filter_map(|id| Some((node_name(id)?, id))).collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// What a process that is a node is called. One that has ended and that nobody has asked after has no arguments any more.
fn node_name(id: u32) -> Option<String> {
    let arguments = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy).skip(1);
    let is_node = arguments.next()? == "node";
    let name = arguments.find_map(|argument| argument.strip_prefix("--name=").map(str::to_owned));
    name.filter(|_| is_node)
}
