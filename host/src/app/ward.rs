//! A ward: all that the control side keeps of one cluster while it is configured. Its parts know nothing of each other;
//! here they are put together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::checking;
use crate::circuit::Circuits;
use crate::cluster::{CapacityLimits, LiveCluster};
use crate::config;
use crate::health::{Breakers, Keeper, Panel, PolicyLost, PolicySeat, Watched};
use crate::model::{Catalog, CircuitState, EndpointId, Events};
use crate::proxy::{ClusterShared, FileBudget};

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
    following: Arc<Following>,
}

impl Ward {
    /// The parts of a cluster, which follows the catalog. `live` is that of an earlier cluster of its name.
    pub(super) fn new(
        config: &config::Cluster,
        live: Option<Arc<LiveCluster>>,
        catalog: watch::Receiver<Arc<Catalog>>,
        files: &FileBudget,
        tell: &Tell,
    ) -> Self {
        let name = || config.name.clone();
        let live = live.unwrap_or_else(|| Arc::new(LiveCluster::new(name(), tell.events.clone())));
        // While it was away nobody looked after those that left with it.
        live.reap(Instant::now());
        let circuits = Arc::new(Circuits::new(name(), config.circuit.clone(), tell.events.clone()));
        let panel = Arc::new(Panel::new(name(), tell.lost.clone(), tell.events.clone()));
        let breakers = Arc::new(CircuitsOf { circuits: Arc::clone(&circuits), following: Mutex::new(()) });
        let watched = Watched { live: Arc::clone(&live), panel: Arc::clone(&panel), breakers: breakers.clone() };
        let keeper = Arc::new(Keeper::start(watched, checking::sql_checkers(), &config.health));
        let follower = Follower { live: Arc::clone(&live), breakers, keeper: Arc::clone(&keeper), catalog };
        let following = Arc::new(Following::start(follower));
        Self { live, circuits, panel, keeper, shared: Arc::new(ClusterShared::within(files)), following }
    }

    /// Goes by a configuration from here on. `policies` are new ones for the panel, when those are to change.
    pub(super) async fn configure(&self, config: &config::Cluster, policies: Option<Vec<PolicySeat>>) {
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
        // Under its new rules, and before any worker is told of the cluster.
        self.following.follower.follow();
    }
}

/// The way from the catalog to a cluster.
struct Follower {
    live: Arc<LiveCluster>,
    breakers: Arc<CircuitsOf>,
    keeper: Arc<Keeper>,
    catalog: watch::Receiver<Arc<Catalog>>,
}

impl Follower {
    /// Takes over the endpoints that the catalog names now. A cluster that it does not name is as good as gone, and keeps
    /// what it has for those who still route to it.
    fn follow(&self) {
        let is_named = self.breakers.hold(|| {
            // Read under the lock: of two that follow, the last has the latest.
            let catalog = Arc::clone(&self.catalog.borrow());
            let endpoints = catalog.endpoints(self.live.name());
            endpoints.map(|endpoints| self.live.update(endpoints, Instant::now())).is_some()
        });
        if is_named {
            self.breakers.follow(&self.live);
            self.keeper.look();
        }
    }
}

/// A follower at work, until it is dropped.
struct Following {
    follower: Arc<Follower>,
    task: JoinHandle<()>,
}

impl Following {
    fn start(follower: Follower) -> Self {
        let follower = Arc::new(follower);
        let mut catalog = follower.catalog.clone();
        let at_work = Arc::clone(&follower);
        let task = tokio::spawn(async move {
            while catalog.changed().await.is_ok() {
                at_work.follow();
            }
        });
        Self { follower, task }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The circuits, as health sees them.
struct CircuitsOf {
    circuits: Arc<Circuits>,
    /// Held from reading a catalog until its roster is there, and from reading a roster until its circuits are there: of
    /// two that follow, the later is the last.
    following: Mutex<()>,
}

impl CircuitsOf {
    /// Does something that must not come between another's reading and following.
    fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let _following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

impl Breakers for CircuitsOf {
    fn state(&self, endpoint: EndpointId) -> CircuitState {
        self.circuits.state(endpoint)
    }

    fn follow(&self, live: &LiveCluster) {
        self.hold(|| {
            let roster = live.roster();
            let members = roster.members().iter().map(|member| (member.id(), member.endpoint().spec.name.clone()));
            self.circuits.follow(&members.collect::<Vec<_>>());
        });
    }

    fn tick(&self, now: Instant) {
        self.circuits.tick(now);
    }

    fn changed(&self) -> &Notify {
        self.circuits.changed()
    }
}
