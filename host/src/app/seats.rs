//! The seats of replicated databases: what each is made of, and whether it stays over a change of the configuration. One whose
//! nodes and log stay is kept, with all that is under way; of one that changes, the next waits until the log is closed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::checking;
use super::lease::TermLease;
use crate::config::{BackendSpec, Cluster, ReplicatedSpec, SqlEntry, TopologySpec};
use crate::model::{Address, ClusterName, EndpointName, Events, SqlName};
use crate::sql::replica::log::{FileLease, Lease};
use crate::sql::replica::{Functions, Seat, SeatPlan, Timing};

/// Connections to a node beside those of clients: one applies the log, one fills another node from it, one compares it with the
/// others, one may still be closing.
const CONNECTIONS: usize = 4;

/// What a seat is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    name: SqlName,
    cluster: ClusterName,
    backend: BackendSpec,
    spec: ReplicatedSpec,
    nodes: Vec<(EndpointName, Address)>,
    connect: Duration,
    check: Option<Duration>,
}

impl Place {
    /// That of an entry; none where its nodes do not all hold everything.
    pub(super) fn of(entry: &SqlEntry, cluster: &Cluster) -> Option<Self> {
        let TopologySpec::Replicated(spec) = &entry.topology else { return None };
        let node = |endpoint: &crate::model::EndpointSpec| (endpoint.name.clone(), endpoint.address.clone());
        Some(Self {
            name: entry.name.clone(),
            cluster: entry.cluster.clone(),
            backend: entry.backend.clone(),
            spec: spec.clone(),
            nodes: cluster.endpoints.iter().map(node).collect(),
            connect: cluster.timeouts.connect,
            check: cluster.health.check.as_ref().map(|check| check.interval),
        })
    }

    /// The file of its log.
    pub(super) fn log(&self) -> &Path {
        &self.spec.log
    }

    fn lease(&self) -> Arc<dyn Lease> {
        match &self.spec.lease {
            None => Arc::new(FileLease::beside(&self.spec.log)),
            Some(lease) => Arc::new(TermLease::new(&self.name, (&lease.url, &lease.prefix), lease.term)),
        }
    }

    fn plan(&self, events: &Events) -> SeatPlan {
        let timing = Timing::default();
        SeatPlan {
            name: self.name.clone(),
            cluster: self.cluster.clone(),
            nodes: self.nodes.clone(),
            backend: checking::backend(&self.backend, CONNECTIONS, self.connect),
            kind: self.backend.clone(),
            log: self.spec.log.clone(),
            lease: self.lease(),
            log_bytes: self.spec.log_bytes,
            acknowledgement: self.spec.acknowledge,
            timing: Timing {
                connect: self.connect,
                apply: self.spec.apply_timeout,
                check: self.check.unwrap_or(timing.check),
                ..timing
            },
            functions: Functions { writers: self.spec.writers.clone(), trusted: self.spec.trusted.clone() },
            events: events.clone(),
        }
    }
}

/// The seat of a place: the earlier one where it is the same; otherwise a new one, as soon as that is given up.
pub(super) fn take(place: Place, earlier: Option<(Place, Arc<Seat>)>, events: &Events) -> (Place, Arc<Seat>) {
    let before = match earlier {
        Some((same, seat)) if same == place => return (same, seat),
        Some((_, other)) => other.close(),
        None => std::future::ready(()).boxed(),
    };
    let seat = Seat::take(place.plan(events), before);
    (place, Arc::new(seat))
}
