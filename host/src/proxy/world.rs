//! What a worker serves: its listeners and clusters, replaced whole. What stays keeps its connections, pools and seats;
//! what goes finishes what it has begun.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

use super::listener::{ListenerSlot, ListenerView, OpenConnections, listen};
use super::metrics::WorkerMetrics;
use super::record::Watch;
use super::seat::ClusterSeat;
use super::service::Service;
use super::shared::ClusterShared;
use crate::circuit::Circuits;
use crate::cluster::LiveCluster;
use crate::config;
use crate::model::{ClusterName, ListenerName, SqlName};
use crate::routing::{RouteTable, Seat, SeatCommand, SeatLost, Selector};

/// Everything that a worker is to serve from now on.
#[derive(Debug, Default)]
pub struct WorldUpdate {
    /// Every listener; one that is missing is closed.
    pub listeners: Vec<ListenerUpdate>,
    /// Every cluster; one that is missing goes when its last request is done.
    pub clusters: Vec<ClusterUpdate>,
    /// Every service that routes lead to; requests under way finish on the one that they began with.
    pub services: HashMap<SqlName, Arc<dyn Service>>,
    /// The admin API, for routes that lead to it.
    pub admin: Option<Arc<dyn Service>>,
    /// Who wants to know of requests from now on.
    pub watch: Watch,
}

/// A listener of a world.
#[derive(Debug)]
pub struct ListenerUpdate {
    /// Its configuration.
    pub config: Arc<config::Listener>,
    /// Its routes.
    pub routes: Arc<RouteTable>,
    /// Its connections over all workers: the same for as long as the socket is.
    pub open: OpenConnections,
    /// This worker's sockets, when the listener is new or has a new address: from `bind`, or from the process before; none
    /// when it keeps its own, which it does by `open`, whatever its name.
    pub sockets: Vec<std::net::TcpListener>,
}

/// A cluster of a world.
#[derive(Debug)]
pub struct ClusterUpdate {
    /// Its configuration.
    pub config: Arc<config::Cluster>,
    /// Its members. With the same live cluster as before, selector, pools and seat are kept.
    pub live: Arc<LiveCluster>,
    /// The members' circuits; the same for as long as the live cluster is.
    pub circuits: Arc<Circuits>,
    /// What its workers share; the same for as long as the live cluster is.
    pub shared: Arc<ClusterShared>,
    /// A strategy to seat: for a new cluster, or when its strategy changed.
    pub seat: Option<Seat>,
}

/// What came of an update. Whatever is listed here, everything else was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// Listeners whose socket could not be used.
    pub failed: Vec<(ListenerName, io::Error)>,
}

/// What a worker serves now.
pub(super) struct World {
    number: usize,
    lost: mpsc::UnboundedSender<SeatLost>,
    metrics: Arc<WorkerMetrics>,
    clusters: RefCell<HashMap<ClusterName, Rc<ClusterSeat>>>,
    services: RefCell<HashMap<SqlName, Arc<dyn Service>>>,
    watch: RefCell<Rc<Watch>>,
    listeners: RefCell<Vec<Rc<ListenerSlot>>>,
    connections: Cell<usize>,
    emptied: Notify,
}

impl World {
    pub(super) fn new(number: usize, lost: mpsc::UnboundedSender<SeatLost>, metrics: Arc<WorkerMetrics>) -> Self {
        Self {
            number,
            lost,
            metrics,
            clusters: RefCell::default(),
            services: RefCell::default(),
            watch: RefCell::default(),
            listeners: RefCell::default(),
            connections: Cell::new(0),
            emptied: Notify::new(),
        }
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    pub(super) fn cluster(&self, name: &ClusterName) -> Option<Rc<ClusterSeat>> {
        self.clusters.borrow().get(name).cloned()
    }

    pub(super) fn service(&self, name: &SqlName) -> Option<Arc<dyn Service>> {
        self.services.borrow().get(name).cloned()
    }

    /// Who wants to know of the next request.
    pub(super) fn watch(&self) -> Rc<Watch> {
        Rc::clone(&self.watch.borrow())
    }

    /// Replaces everything. Nothing awaits in between, so no request sees half of it.
    pub(super) fn apply(self: &Rc<Self>, update: WorldUpdate) -> Applied {
        let mut applied = Applied::default();
        self.apply_clusters(update.clusters);
        self.services.replace(update.services);
        self.watch.replace(Rc::new(update.watch));
        self.apply_listeners(update.listeners, update.admin.as_ref(), &mut applied);
        applied
    }

    /// Closes every listener, and returns when the last connection is done.
    pub(super) async fn finish(&self) {
        for listener in self.listeners.borrow_mut().drain(..) {
            listener.close();
        }
        // Lets the listeners take what is in their queues.
        tokio::task::yield_now().await;
        while self.connections.get() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Closes what was idle for too long.
    pub(super) fn sweep(&self, now: Instant) {
        for cluster in self.clusters.borrow().values() {
            cluster.sweep(now);
        }
    }

    /// Handles what the control side says about a seat.
    pub(super) fn command(&self, command: SeatCommand) {
        // Who waits for an answer of a seat that is gone hears that there is nothing to fill.
        if let Some(cluster) = self.cluster(command.cluster()) {
            command.carry_out(&mut cluster.selector.borrow_mut());
        }
    }

    pub(super) fn enter(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    pub(super) fn leave(&self) {
        self.connections.set(self.connections.get() - 1);
        if self.connections.get() == 0 {
            self.emptied.notify_one();
        }
    }

    fn apply_clusters(&self, updates: Vec<ClusterUpdate>) {
        let mut before = self.clusters.take();
        let mut after = HashMap::with_capacity(updates.len());
        for ClusterUpdate { config, live, circuits, shared, seat } in updates {
            let name = config.name.clone();
            let kept = before.remove(&name).filter(|cluster| Arc::ptr_eq(cluster.live(), &live));
            let cluster = match kept {
                Some(cluster) => {
                    cluster.configure(config);
                    cluster
                }
                None => {
                    let selector = Selector::new(self.number, live, self.lost.clone());
                    let counters = self.metrics.cluster(&name);
                    Rc::new(ClusterSeat::new(config, selector, (circuits, shared), counters))
                }
            };
            if let Some(seat) = seat {
                cluster.selector.borrow_mut().replace(seat);
            }
            after.insert(name, cluster);
        }
        self.clusters.replace(after);
    }

    fn apply_listeners(
        self: &Rc<Self>,
        updates: Vec<ListenerUpdate>,
        admin: Option<&Arc<dyn Service>>,
        applied: &mut Applied,
    ) {
        let mut before = self.listeners.take();
        let mut after = Vec::with_capacity(updates.len());
        for ListenerUpdate { config, routes, open, sockets } in updates {
            let name = config.name.clone();
            let view = ListenerView { config, routes, admin: admin.cloned() };
            let sockets = sockets.into_iter().map(listen).collect::<io::Result<Vec<_>>>();
            let before = before.iter().position(|old| old.open().is(&open)).map(|at| before.swap_remove(at));
            let listener = match (sockets, before) {
                (Ok(sockets), Some(kept)) if sockets.is_empty() => {
                    kept.configure(view);
                    kept
                }
                (Ok(sockets), None) if sockets.is_empty() => {
                    applied.failed.push((name, io::Error::new(io::ErrorKind::NotFound, "it has no socket yet")));
                    continue;
                }
                (Ok(sockets), old) => {
                    if let Some(old) = old {
                        old.close();
                    }
                    let listener = Rc::new(ListenerSlot::new(Rc::clone(self), view, open));
                    for socket in sockets {
                        drop(tokio::task::spawn_local(Rc::clone(&listener).accept(socket)));
                    }
                    listener
                }
                (Err(error), old) => {
                    applied.failed.push((name, error));
                    match old {
                        Some(old) => old,
                        None => continue,
                    }
                }
            };
            after.push(listener);
        }
        for listener in before {
            listener.close();
        }
        self.listeners.replace(after);
    }
}
