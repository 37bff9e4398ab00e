//! Events: what changed by itself or by an operator's hand, and why. Whoever changes something tells; who listens is not
//! their business.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::endpoint::Weight;
use super::health::{AdminState, CircuitState, EndpointState};
use super::names::{ClusterName, EndpointName, PluginName};
use super::work::Works;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An endpoint came into its cluster.
    Joined,
    /// An endpoint is no longer named by any source: it finishes what it has.
    Leaving,
    /// An endpoint is gone.
    Left {
        /// No other has its name: it did not just move to another address.
        is_last: bool,
    },
    /// What operators are shown of an endpoint.
    State {
        /// Before.
        from: EndpointState,
        /// Now.
        to: EndpointState,
    },
    /// An endpoint's circuit.
    Circuit {
        /// Before.
        from: CircuitState,
        /// Now.
        to: CircuitState,
    },
    /// An operator took an endpoint out, or put it back.
    Admin(AdminState),
    /// An operator gave an endpoint another weight; none is that of its source again.
    Weight(Option<Weight>),
    /// So few endpoints of a cluster are ready that its panic rule decides; or no longer.
    Panic(bool),
    /// A health policy failed, and the built-in one judges in its place; or it is back.
    Policy {
        /// Which.
        plugin: PluginName,
        /// Whether it judges.
        judges: bool,
    },
    /// What keeps up the number of a cluster's nodes did something with one of them, or saw something of it.
    Node(NodeChange),
    /// A node that holds a copy of a replicated database.
    Replica(ReplicaChange),
}

/// What became of a node that holds a copy of a replicated database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaChange {
    /// It has everything that was written, and answers.
    Up,
    /// It does not answer; what is written waits for it.
    Down,
    /// It answers, and applies what was written while it was away.
    Recovering,
    /// It did something else than the others with the same statement: it gets nothing any more.
    Inconsistent,
    /// What it has cannot be brought up to date by what is kept: it must be filled anew.
    RebuildNeeded,
    /// It is filled anew.
    Rebuilding,
    /// It has less than it had: it was restored from a backup.
    OlderData,
    /// It comes and goes; or no longer.
    Flapping(bool),
    /// It follows another writer: this one must not write any more.
    Fenced,
}

/// What became of a node whose cluster is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// It was started.
    Started,
    /// It could not be started.
    StartFailed,
    /// It ended by itself.
    Ended,
    /// It does not pass its checks, and makes way for another.
    Replaced,
    /// It is wanted no more: it finishes what it has.
    Removed,
    /// It was stopped.
    Stopped,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// In which cluster.
    pub cluster: ClusterName,
    /// Of which endpoint; none when it is about the cluster.
    pub endpoint: Option<EndpointName>,
    /// What.
    pub change: Change,
    /// Why: one line for the operator.
    pub cause: String,
}

/// The way from whoever changes something to whoever keeps the events, and from whoever takes longer over it to whoever
/// shows that. Never waits.
#[derive(Clone)]
pub struct Events {
    listener: Arc<dyn Fn(Event) + Send + Sync>,
    works: Works,
}

impl Events {
    /// Tells a listener.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { listener: Arc::new(listener), works: Works::nowhere() }
    }

    /// Tells of work, too.
    #[must_use]
    pub fn with_works(self, works: Works) -> Self {
        Self { works, ..self }
    }

    /// Where work is told of.
    pub fn works(&self) -> &Works {
        &self.works
    }

    /// Tells nobody.
    pub fn nowhere() -> Self {
        Self::to(|_| {})
    }

    /// Tells of a change that happened now.
    pub fn tell(
        &self,
        cluster: &ClusterName,
        endpoint: Option<&EndpointName>,
        change: Change,
        cause: impl Into<String>,
    ) {
        let (cluster, endpoint) = (cluster.clone(), endpoint.cloned());
        (self.listener)(Event { at: SystemTime::now(), cluster, endpoint, change, cause: cause.into() });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
