//! The control plane: processes of the real program beside a real Redis, with demo nodes to look after.

mod api;
mod lease;
mod status;

use std::net::SocketAddr;
use std::process::Command;

use http::Method;
use leverframe::demo::Node;
use leverframe::model::EndpointName;

use crate::programs::{Program, leverframe};
use crate::world::{Redis, Reply, eventually, fetch, send};

/// A process of the control plane.
struct Orchestrator {
    program: Program,
    address: SocketAddr,
}

impl Orchestrator {
    /// Starts one that checks ten times a second.
    async fn start(redis: &Redis) -> Self {
        let mut command: Command = leverframe();
        command.args(["orchestrate", "--address", "127.0.0.1:0", "--interval", "100ms", "--timeout", "1s"]);
        command.args(["--redis", &redis.url()]).env_remove("REDIS_URL");
        let mut program = Program::start(&mut command);
        let address = |said: &str| {
            let (_, rest) = said.split_once("orchestrator listening on ")?;
            rest.split_once('\n')?.0.parse().ok()
        };
        let address = program.says("where it listens", address).await;
        Self { program, address }
    }

    async fn role(&self) -> String {
        let health = fetch(self.address, "/health").await.json();
        health["role"].as_str().expect("a role").to_owned()
    }

    async fn becomes(&self, role: &str) {
        eventually(&format!("{} is {role}", self.address), || async { (self.role().await == role).then_some(()) })
            .await;
    }

    async fn register(&self, body: &str) -> Reply {
        send(self.address, Method::POST, "/backends", body.to_owned()).await
    }
}

/// A demo node of this name.
async fn node(name: &str) -> Node {
    let name = EndpointName::new(name).expect("a name");
    Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), name).await.expect("a free port")
}

/// Says that a node is unhealthy, or healthy again.
async fn toggle(node: &Node) {
    send(node.address(), Method::POST, "/toggle-health", "").await;
}

/// Writes a backend as another program would.
fn write(redis: &Redis, id: &str, node: &Node) {
    redis.cli(&["hset", &format!("backend:{id}"), "url", &format!("http://{}", node.address())]);
    redis.cli(&["sadd", "backends", id]);
}

/// Waits until the registry has this status of a backend.
async fn stands(redis: &Redis, id: &str, status: &str) {
    let look = || async { (redis.cli(&["hget", &format!("backend:{id}"), "status"]) == status).then_some(()) };
    eventually(&format!("{id} is {status}"), look).await;
}
