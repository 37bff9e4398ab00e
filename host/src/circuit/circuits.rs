//! The circuits of one cluster, one for each endpoint that it has. A circuit stays as it is for as long as its endpoint
//! does, whatever else is discovered or configured.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::gate::{Gate, Herald};
use crate::config::Circuit;
use crate::model::{CircuitState, ClusterName, EndpointId, EndpointName, Events};

/// The circuits of a cluster. The control side writes; any number of readers.
#[derive(Debug)]
pub struct Circuits {
    cluster: ClusterName,
    /// What new circuits go by. Locked by writers, one at a time.
    settings: Mutex<Option<Circuit>>,
    gates: ArcSwap<HashMap<EndpointId, Arc<Gate>>>,
    events: Events,
    changed: Arc<Notify>,
}

impl Circuits {
    /// Those of a cluster that has no endpoints yet. Without settings all circuits are closed and stay so.
    pub fn new(cluster: ClusterName, settings: Option<Circuit>, events: Events) -> Self {
        let settings = Mutex::new(settings);
        Self { cluster, settings, gates: ArcSwap::default(), events, changed: Arc::default() }
    }

    /// Goes by other settings from here on. Circuits keep their state; without settings they close.
    pub fn configure(&self, settings: Option<Circuit>) {
        let mut current = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != settings {
            self.gates.load().values().for_each(|gate| gate.configure(settings.clone()));
            *current = settings;
        }
    }

    /// Takes over which endpoints there are. Who stays keeps its circuit; who is new gets a closed one.
    pub fn follow(&self, members: &[(EndpointId, EndpointName)]) {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.gates.load();
        let gate = |(id, name): &(EndpointId, EndpointName)| {
            let gate = before.get(id).map_or_else(|| self.closed(name, settings.clone()), Arc::clone);
            (*id, gate)
        };
        self.gates.store(Arc::new(members.iter().map(gate).collect()));
    }

    fn closed(&self, endpoint: &EndpointName, settings: Option<Circuit>) -> Arc<Gate> {
        let herald = Herald {
            cluster: self.cluster.clone(),
            endpoint: endpoint.clone(),
            events: self.events.clone(),
            changed: Arc::clone(&self.changed),
        };
        Arc::new(Gate::new(settings, herald))
    }

    /// The circuit of an endpoint; none when the cluster has no such endpoint.
    pub fn gate(&self, endpoint: EndpointId) -> Option<Arc<Gate>> {
        self.gates.load().get(&endpoint).map(Arc::clone)
    }

    /// The state of an endpoint's circuit; closed when the cluster has no such endpoint.
    pub fn state(&self, endpoint: EndpointId) -> CircuitState {
        self.gates.load().get(&endpoint).map_or(CircuitState::Closed, |gate| gate.state())
    }

    /// Makes the open circuits half-open whose time is over, and has closed ones take note of their successes: those of
    /// the time since the last call are taken to be spread evenly over it.
    pub fn tick(&self, now: Instant) {
        self.gates.load().values().for_each(|gate| gate.tick(now));
    }

    /// Wakes on every transition of any of them. A hint for whoever follows their states: it says not which.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }
}
