//! What the compose file describes, on an engine of its own.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::images;
use crate::world::{Engine, eventually, fetch};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml");
const SERVICES: [&str; 4] = ["proxy", "db-backend", "orchestrator", "redis"];

/// The composed containers. They end with the engine.
pub(super) struct Stack {
    engine: Engine,
    /// What the compose file takes from the environment, as `NAME=value`.
    environment: Vec<String>,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Stack {
    /// Builds the images and starts everything, with so many nodes.
    pub(super) async fn up(nodes: usize) -> Self {
        let engine = Engine::start().await;
        images::leverframe(&engine).await;
        images::redis(&engine).await;
        let [address, admin] = free_addresses();
        let socket = engine.socket();
        let group = fs::metadata(&socket).expect("the engine's socket").gid();
        let environment = vec![
            format!("DOCKER_SOCKET={}", socket.display()),
            format!("DOCKER_GID={group}"),
            format!("PORT={}", address.port()),
            format!("ADMIN_PORT={}", admin.port()),
        ];
        let stack = Self { engine, environment, address, admin };
        stack.scale(nodes).await;
        eventually("the proxy answers", || answer(admin)).await;
        stack
    }

    /// Where the proxy's first listener is published.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has so many nodes from here on, in the way that the compose file says.
    pub(super) async fn scale(&self, nodes: usize) {
        self.compose(&["up", "-d", "--scale", &format!("db-backend={nodes}")]).await;
    }

    /// Restarts a service's container as an operator does.
    pub(super) async fn restart(&self, service: &str) {
        for container in self.containers(service).await {
            self.docker(&["restart", &container]).await;
        }
    }

    /// Ends a service's container without a word.
    pub(super) async fn kill(&self, service: &str) {
        for container in self.containers(service).await {
            self.docker(&["kill", &container]).await;
        }
    }

    /// Stops a node as an operator does.
    pub(super) async fn stop_node(&self, container: &str) {
        self.docker(&["stop", container]).await;
    }

    /// Runs `docker` against the engine.
    pub(super) async fn docker(&self, args: &[&str]) -> String {
        self.engine.docker(args).await
    }

    /// The running containers of a service.
    pub(super) async fn containers(&self, service: &str) -> Vec<String> {
        let of_service = format!("label=com.docker.compose.service={service}");
        let listed = self.docker(&["ps", "--quiet", "--no-trunc", "--filter", &of_service]).await;
        listed.lines().map(str::to_owned).collect()
    }

    /// Waits until the proxy has so many nodes to choose from, both those that it finds by Docker and those that are
    /// registered, and all of them answer.
    pub(super) async fn serves(&self, nodes: usize) {
        for cluster in ["db-backend", "registered"] {
            let look = || async { (self.members(cluster).await == (nodes, nodes)).then_some(()) };
            eventually(&format!("{nodes} nodes in the cluster {cluster}"), look).await;
        }
        eventually(&format!("answers of {nodes} nodes"), || self.answers_of(nodes)).await;
    }

    /// Asks often enough for every node to have its turn, whichever worker takes the request.
    async fn answers_of(&self, nodes: usize) -> Option<()> {
        let mut seen = BTreeSet::new();
        for _ in 0..nodes * 8 {
            seen.insert(fetch(self.address, "/api/v1/hello").await.text());
        }
        (seen.len() == nodes).then_some(())
    }

    /// How many endpoints a cluster has, and how many of them are ready.
    async fn members(&self, cluster: &str) -> (usize, usize) {
        let clusters = fetch(self.admin, "/api/clusters").await.json();
        let mut clusters = clusters["clusters"].as_array().expect("clusters").iter();
        let found = clusters.find(|found| found["name"] == cluster).expect("a cluster of config/docker.toml");
        let ready = found["ready"].as_u64().expect("a number");
        (found["endpoints"].as_array().expect("endpoints").len(), usize::try_from(ready).expect("a small number"))
    }

    /// Asks the kernel what every container may do: nobody is root, nobody has or can get a capability, and no root
    /// file system can be written to.
    pub(super) async fn is_confined(&self) {
        for service in SERVICES {
            for container in self.containers(service).await {
                let process = self.docker(&["inspect", "--format", "{{.State.Pid}}", &container]).await;
                let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
                let says = |name: &str| {
                    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    line.unwrap_or_else(|| panic!("no {name}")).split_whitespace().collect::<Vec<_>>()
                };
                assert!(!says("Uid").contains(&"0") && !says("Gid").contains(&"0"), "{service}: {status}");
                for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                    assert_eq!(says(set), ["0000000000000000"], "{service}: {set}");
                }
                assert_eq!(says("NoNewPrivs"), ["1"], "{service}");
                assert!(root_is_read_only(&process), "{service}");
            }
        }
    }

    async fn compose(&self, args: &[&str]) -> String {
        let compose = ["docker-compose", "--project-name", "leverframe", "--file", FILE];
        let words: Vec<&str> =
            self.environment.iter().map(String::as_str).chain(compose).chain(args.iter().copied()).collect();
        self.engine.run("env", &words).await
    }
}

/// Whether there is an answer. A published port is open before there is anybody behind it.
async fn answer(at: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await.ok()?;
    (stream.read(&mut [0]).await.ok()? > 0).then_some(())
}

/// `36 35 98:0 / / ro,noatime ...`: what is mounted where, and how.
fn root_is_read_only(process: &str) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).expect("a process");
    let mut roots = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|mount| mount[4] == "/");
    roots.any(|mount| mount[5].split(',').any(|option| option == "ro"))
}

/// Two that nobody listens on. Somebody may before the containers do; the machine hands out others first.
fn free_addresses() -> [SocketAddr; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    held.map(|held| held.local_addr().expect("an address"))
}
