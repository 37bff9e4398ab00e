//! A ward: all that the control side keeps of one cluster while it is configured. Its parts know nothing of each other;
//! here they are put together.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use crate::circuit::Circuits;
use crate::cluster::{CapacityLimits, LiveCluster};
use crate::config;
use crate::health::{Breakers, Keeper, Panel, PolicyLost, PolicySeat, Watched};
use crate::model::{Catalog, CircuitState, ClusterName, EndpointId, Events};
use crate::proxy::ClusterShared;

/// Whom a ward tells.
#[derive(Clone)]
pub(super) struct Tell {
    /// Of everything that changes.
    pub(super) events: Events,
    /// Of policies that had to be dropped.
    pub(super) lost: mpsc::UnboundedSender<PolicyLost>,
}

/// The parts of one cluster.
#[derive(Clone)]
pub(super) struct Ward {
    pub(super) live: Arc<LiveCluster>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) panel: Arc<Panel>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) shared: Arc<ClusterShared>,
}

impl Ward {
    /// The parts of a cluster that has no endpoints yet. `live` is what is left of an earlier cluster of that name.
    pub(super) fn new(config: &config::Cluster, live: Option<Arc<LiveCluster>>, tell: &Tell) -> Self {
        let name = || config.name.clone();
        let live = live.unwrap_or_else(|| Arc::new(LiveCluster::new(name(), tell.events.clone())));
        // While it was away nobody looked after those that left with it.
        live.reap(Instant::now());
        let circuits = Arc::new(Circuits::new(name(), config.circuit.clone(), tell.events.clone()));
        let panel = Arc::new(Panel::new(name(), tell.lost.clone(), tell.events.clone()));
        let breakers = Arc::new(CircuitsOf(Arc::clone(&circuits)));
        let watched = Watched { live: Arc::clone(&live), panel: Arc::clone(&panel), breakers };
        let keeper = Arc::new(Keeper::start(watched, &config.health));
        Self { live, circuits, panel, keeper, shared: Arc::default() }
    }

    /// Goes by a configuration from here on. `policies` are new ones for the panel, when those are to change.
    pub(super) async fn configure(
        &self,
        config: &config::Cluster,
        catalog: &Catalog,
        policies: Option<Vec<PolicySeat>>,
    ) {
        if let Some(policies) = policies {
            let panel = Arc::clone(&self.panel);
            // Off the runtime: the panel may be judging. Were it to break down, the policies before would judge on.
            let _ = tokio::task::spawn_blocking(move || panel.replace(policies)).await;
        }
        self.circuits.configure(config.circuit.clone());
        self.keeper.configure(&config.health);
        self.live.capacity().configure(CapacityLimits {
            in_flight: config.capacity.in_flight,
            queue: config.capacity.queue,
            queue_timeout: config.capacity.queue_timeout,
        });
        self.follow(catalog);
    }

    /// Takes over the endpoints that the catalog names.
    fn follow(&self, catalog: &Catalog) {
        self.live.update(catalog.endpoints(self.name()), Instant::now());
        let roster = self.live.roster();
        let members = roster.members().iter().map(|member| (member.id(), member.endpoint().spec.name.clone()));
        self.circuits.follow(&members.collect::<Vec<_>>());
        self.keeper.look();
    }

    fn name(&self) -> &ClusterName {
        self.live.name()
    }
}

/// The circuits, as health sees them.
struct CircuitsOf(Arc<Circuits>);

impl Breakers for CircuitsOf {
    fn state(&self, endpoint: EndpointId) -> CircuitState {
        self.0.state(endpoint)
    }

    fn tick(&self, now: Instant) {
        self.0.tick(now);
    }

    fn changed(&self) -> &Notify {
        self.0.changed()
    }
}
