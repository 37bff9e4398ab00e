//! A Leverframe with so many servers, its keys, and who answers them.

use futures_util::future::join_all;

use super::ring::Ring;
use crate::programs::tell;
use crate::world::{Setup, World};

/// As many requests as keys: each has a path of its own.
pub(super) const REQUESTS: usize = 10_000;
/// Enough for the proxy always to have something to do.
const CLIENTS: usize = 8;
/// Until all choices of one are the plugin's.
const ROUNDS: usize = 5;

/// The hashes that the plugin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// Not configured by name: this is the one by default.
    Polynomial,
    Mixed,
}

impl Hash {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Polynomial => "polynomial",
            Self::Mixed => "mixed",
        }
    }

    const fn config(self) -> &'static str {
        match self {
            Self::Polynomial => r#"{ key = "path" }"#,
            Self::Mixed => r#"{ key = "path", hash = "mixed" }"#,
        }
    }
}

/// Servers behind `consistent-hash` by path.
pub(super) struct Scene {
    world: World,
    keys: Vec<String>,
}

impl Scene {
    pub(super) async fn start(hash: Hash, servers: usize) -> Self {
        let setup = Setup::new().origins(servers).configured("consistent-hash", hash.config());
        let keys = (0..REQUESTS).map(|number| format!("/key/{number}")).collect();
        Self { world: setup.start().await, keys }
    }

    /// The server of each key, as the plugin chose. On a machine that is very busy a choice may run out of its time, and the
    /// host makes it: a round in which that happened says nothing of the hash, and is asked once more.
    pub(super) async fn ask(&self) -> Vec<usize> {
        let mut before = self.made_by_the_host().await;
        for _ in 0..ROUNDS {
            let servers = self.round().await;
            let after = self.made_by_the_host().await;
            if after == before {
                return servers;
            }
            tell(&format!("{} choices of a round were the host's", after - before));
            before = after;
        }
        panic!("in each of {ROUNDS} rounds the host chose in the plugin's place");
    }

    async fn made_by_the_host(&self) -> u64 {
        self.world.metrics().await.plugin("consistent-hash", "fallbacks")
    }

    /// As the answers say. All must be answered with status 200.
    async fn round(&self) -> Vec<usize> {
        let clients = self.keys.chunks(REQUESTS.div_ceil(CLIENTS)).map(async |keys| {
            let mut client = self.world.connect().await;
            let mut servers = Vec::new();
            for key in keys {
                servers.push(number_of(&client.get(key).await.node()));
            }
            servers
        });
        join_all(clients).await.concat()
    }

    /// The server of each key, as the formulas of the polynomial hash say when these are there.
    pub(super) fn expected(&self, servers: &[usize]) -> Vec<usize> {
        let ring = Ring::of(servers);
        self.keys.iter().map(|key| ring.server_of(key)).collect()
    }

    /// Takes a server out of the configuration file, and waits until that is at work.
    pub(super) async fn take_out(&self, server: usize) {
        let its_line = format!("name = \"node-{}\"", server + 1);
        let without = |config: String| {
            let lines = config.lines().filter(|line| !line.contains(&its_line));
            lines.flat_map(|line| [line, "\n"]).collect()
        };
        self.world.edit(without).await;
    }
}

/// Demo nodes are named from `node-1` on; servers are numbered from 0, like the ids of a new cluster's endpoints.
fn number_of(node: &str) -> usize {
    let number = node.strip_prefix("node-").and_then(|number| number.parse::<usize>().ok());
    number.unwrap_or_else(|| panic!("no demo node: {node}")) - 1
}
