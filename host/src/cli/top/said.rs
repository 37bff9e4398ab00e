//! What the admin API's stream says, as far as it is shown. What is missing counts as nothing, and what is more is passed
//! over: a console is of use to an older and to a newer Leverframe, too.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How everything stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    /// Since when it runs, in seconds since 1970; another time is another process.
    pub(super) started_s: Option<f64>,
    pub(super) access: String,
    pub(super) health: Health,
    pub(super) config: Config,
    pub(super) clusters: Vec<Cluster>,
    pub(super) plugins: Vec<Plugin>,
    pub(super) sql: Vec<Entry>,
}

impl Overview {
    /// Takes over what runs of it.
    pub(super) fn follow(&mut self, tick: &Tick) {
        for entry in &mut self.sql {
            let running = tick.sql.get(&entry.name).and_then(|flow| flow.replication.as_ref());
            entry.replication = running.cloned().or(entry.replication.take());
        }
        for cluster in &mut self.clusters {
            let trouble = tick.clusters.get(&cluster.name).map(|flow| flow.trouble.as_slice()).unwrap_or_default();
            for (id, reason, weight) in trouble {
                let endpoint = cluster.endpoints.iter_mut().find(|endpoint| endpoint.id == *id);
                let Some(endpoint) = endpoint else { continue };
                (endpoint.reason, endpoint.effective_weight) = (reason.clone(), *weight);
            }
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) version: String,
    pub(super) config: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) generation: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) strategy: Option<Chosen>,
    pub(super) policies: Option<Vec<Chosen>>,
    pub(super) ready: u64,
    pub(super) panic: bool,
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chosen {
    pub(super) plugin: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) weight: f64,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) circuit: String,
    pub(super) effective_weight: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) world: Option<String>,
    pub(super) state: String,
    pub(super) clusters: Vec<String>,
    pub(super) version: Option<String>,
    pub(super) revision: Option<u64>,
    pub(super) refused: Option<Refused>,
    pub(super) note: Option<String>,
    pub(super) disabled: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refused {
    pub(super) reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) topology: String,
    pub(super) unready: Option<String>,
    pub(super) replication: Option<Replication>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Replication {
    pub(super) log: String,
    pub(super) position: Option<u64>,
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) state: Option<String>,
    pub(super) position: Option<u64>,
    pub(super) lag: Option<u64>,
    pub(super) readable: bool,
    pub(super) why: Option<String>,
}

/// What a second brought.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tick {
    pub(super) at_ms: u64,
    pub(super) total: Flow,
    pub(super) clusters: BTreeMap<String, ClusterFlow>,
    pub(super) sql: BTreeMap<String, SqlFlow>,
}

/// What passed through.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flow {
    pub(super) per_second: f64,
    pub(super) errors_per_second: f64,
    pub(super) in_flight: u64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClusterFlow {
    #[serde(flatten)]
    pub(super) flow: Flow,
    pub(super) endpoints: Vec<EndpointFigures>,
    pub(super) trouble: Vec<EndpointTrouble>,
}

/// Of one that is not as it should be: id, why, effective weight.
pub(super) type EndpointTrouble = (u64, String, f64);

/// Id, requests, failures, requests under way, mean latency in microseconds, health score.
pub(super) type EndpointFigures = (u64, u64, u64, u64, f64, f64);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SqlFlow {
    pub(super) per_second: f64,
    pub(super) failed_per_second: f64,
    pub(super) under_way: u64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) nodes: Vec<NodeFigures>,
    pub(super) replication: Option<Replication>,
}

/// Name, statements, failures, rows, mean time in milliseconds.
pub(super) type NodeFigures = (String, u64, u64, u64, f64);

/// What is under way that takes longer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    pub(super) work: Vec<Work>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Work {
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) unit: String,
}

/// Something that happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Happened {
    pub(super) id: u64,
    pub(super) at: Option<String>,
    pub(super) kind: String,
    pub(super) cluster: String,
    pub(super) endpoint: Option<String>,
    pub(super) plugin: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) cause: String,
}
