//! What operators are shown of a scaled cluster.

use std::time::Duration;

use crate::model::{Address, ClusterName, EndpointName};

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It is being started, or has not passed its first check.
    Starting,
    /// It passed its last check.
    Running,
    /// It failed its last check.
    Unhealthy,
    /// It makes way for one of the same name, because it does not pass its checks.
    Replacing,
    /// It is wanted no more and finishes what it has.
    Draining,
    /// It does not run, and will be started again.
    Failed,
}

impl NodeState {
    /// As operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::Replacing => "replacing",
            Self::Draining => "draining",
            Self::Failed => "failed",
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: EndpointName,
    /// Where it listens, while it runs.
    pub address: Option<Address>,
    /// How it stands.
    pub state: NodeState,
    /// What went wrong with it last, until it passes a check.
    pub trouble: Option<String>,
}

/// A scaled cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub cluster: ClusterName,
    /// The names of the nodes that there are to be.
    pub desired: Vec<EndpointName>,
    /// The fewest that may be asked for.
    pub least: u32,
    /// The most that may be asked for.
    pub most: u32,
    /// The nodes: those that are desired first and in that order, then those that are on their way out.
    pub nodes: Vec<NodeStatus>,
    /// How long the next change of the count is refused.
    pub cooldown_left: Option<Duration>,
    /// What is wrong with the cluster's scaling as a whole.
    pub trouble: Option<String>,
}
