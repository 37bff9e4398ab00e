//! The fleet: all workers, and what they serve. Puts a configuration to work in two halves: everything that can fail is
//! built first, beside what serves; then the workers' worlds are replaced, which cannot fail.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::admin;
use crate::cluster::LiveCluster;
use crate::config::{Config, StrategySpec};
use crate::discovery;
use crate::model::{ClusterName, ListenerName};
use crate::observe::Served;
use crate::plugin::{Change, Supervisor};
use crate::proxy::{self, ClusterUpdate, ListenerUpdate, OpenConnections, WorkerHandle, WorldUpdate};
use crate::routing::{RouteTable, Seat};

/// All workers, and what they serve.
pub(super) struct Fleet {
    workers: Vec<WorkerHandle>,
    supervisor: Arc<Supervisor>,
    listeners: BTreeMap<ListenerName, Bound>,
    /// Every cluster that there ever was, so that one that comes back does not use an endpoint's id again.
    known: BTreeMap<ClusterName, Arc<LiveCluster>>,
    publish: watch::Sender<Arc<Served>>,
    admin: admin::Shared,
    admin_server: Option<admin::Server>,
}

/// A listener that is open on every worker.
#[derive(Clone)]
struct Bound {
    /// What the configuration says.
    wanted: SocketAddr,
    /// Where it is open: another port when the configuration says 0.
    address: SocketAddr,
    open: OpenConnections,
}

/// For each listener whose address is new, a socket for each worker.
type Sockets = BTreeMap<ListenerName, Vec<TcpListener>>;

/// What was built for a configuration that is not at work yet.
struct Prepared {
    clusters: BTreeMap<ClusterName, Arc<LiveCluster>>,
    assignments: BTreeMap<ClusterName, StrategySpec>,
    /// For each cluster whose strategy is new, a strategy for each worker.
    seats: BTreeMap<ClusterName, Vec<Seat>>,
    listeners: BTreeMap<ListenerName, Bound>,
    sockets: Sockets,
    /// Where the admin API is to be, when that is new; none inside when there is to be none.
    admin: Option<Option<admin::Bound>>,
}

impl Fleet {
    pub(super) fn new(
        workers: Vec<WorkerHandle>,
        supervisor: Arc<Supervisor>,
        publish: watch::Sender<Arc<Served>>,
        admin: admin::Shared,
    ) -> Self {
        Self {
            workers,
            supervisor,
            listeners: BTreeMap::new(),
            known: BTreeMap::new(),
            publish,
            admin,
            admin_server: None,
        }
    }

    /// Puts a configuration to work: all of it, or none, and says why not.
    pub(super) async fn apply(&mut self, config: Arc<Config>) -> Result<(), String> {
        let supervisor = Arc::clone(&self.supervisor);
        supervisor.set_limits(config.plugins.clone());
        let mut change = supervisor.begin().await;
        let prepared = match self.prepare(&mut change, &config).await {
            Ok(prepared) => prepared,
            Err(reason) => {
                supervisor.set_limits(self.publish.borrow().config.plugins.clone());
                return Err(reason);
            }
        };
        let Prepared { clusters, assignments, seats, listeners, sockets, admin } = prepared;

        let catalog = discovery::fixed(&config);
        for (name, live) in &clusters {
            live.update(catalog.endpoints(name), Instant::now());
        }
        let updates = updates(self.workers.len(), &config, &clusters, (&listeners, sockets), seats);
        let applied = self.workers.iter().zip(updates).map(|(worker, update)| worker.apply(update));
        for applied in join_all(applied).await {
            match applied {
                Ok(applied) => applied.failed.iter().for_each(|(listener, error)| {
                    tracing::error!(listener = listener.as_str(), %error, "a worker cannot use its socket");
                }),
                Err(gone) => tracing::error!(%gone, "a worker did not take the configuration"),
            }
        }
        change.commit(assignments);
        self.listeners = listeners;
        self.known.extend(clusters.clone());
        // No worker routes to these any more.
        for (_, gone) in self.known.iter().filter(|(name, _)| !clusters.contains_key(*name)) {
            gone.update(&[], Instant::now());
        }
        let listeners = self.listeners.iter().map(|(name, bound)| (name.clone(), bound.address)).collect();
        let address = match &admin {
            Some(bound) => bound.as_ref().map(admin::Bound::address),
            None => self.admin_server.as_ref().map(admin::Server::address),
        };
        self.publish.send_replace(Arc::new(Served { config, clusters, listeners, admin: address }));
        // Only now, so that it never answers from what is not served yet.
        if let Some(bound) = admin {
            let server = bound.map(|bound| bound.serve(self.admin.clone()));
            if let Some(old) = std::mem::replace(&mut self.admin_server, server) {
                old.stop();
            }
        }
        Ok(())
    }

    /// Ends the workers, giving each request under way its time.
    pub(super) async fn stop(&mut self) {
        let limit = self.publish.borrow().config.shutdown_timeout;
        join_all(self.workers.drain(..).map(|worker| worker.shutdown(limit))).await;
        if let Some(server) = self.admin_server.take() {
            server.stop();
        }
    }

    /// Builds everything that can fail. Dropped, it leaves no trace. Ports come last, since others see them.
    async fn prepare(&self, change: &mut Change<'_>, config: &Config) -> Result<Prepared, String> {
        let before = Arc::clone(&self.publish.borrow());
        let (mut clusters, mut assignments, mut seats) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, cluster) in &config.clusters {
            let is_new = !before.clusters.contains_key(name);
            // What an operator switched to while running stays until the file itself says something else.
            let said_before = before.config.clusters.get(name).map(|before| &before.strategy);
            let seated = change.assignments().get(name).filter(|_| said_before == Some(&cluster.strategy));
            let spec = seated.unwrap_or(&cluster.strategy).clone();
            if is_new || change.assignments().get(name) != Some(&spec) {
                let made = change.prepare(name, &spec).await;
                seats.insert(name.clone(), made.map_err(|error| format!("cluster.{name}.strategy: {error}"))?);
            }
            assignments.insert(name.clone(), spec);
            let known = self.known.get(name).cloned();
            clusters.insert(name.clone(), known.unwrap_or_else(|| Arc::new(LiveCluster::new(name.clone()))));
        }
        let (listeners, sockets) = self.bind(config)?;
        let serves = !before.clusters.is_empty();
        let admin = match serves && before.config.admin == config.admin {
            true => None,
            false => Some(config.admin.address.map(admin::Bound::open).transpose()?),
        };
        Ok(Prepared { clusters, assignments, seats, listeners, sockets, admin })
    }

    /// Opens what is not open yet.
    fn bind(&self, config: &Config) -> Result<(BTreeMap<ListenerName, Bound>, Sockets), String> {
        let (mut listeners, mut sockets) = (BTreeMap::new(), BTreeMap::new());
        for listener in &config.listeners {
            let (name, address) = (&listener.name, listener.address);
            let kept = self.listeners.get(name).filter(|bound| bound.wanted == address).cloned();
            let bound = match kept {
                Some(bound) => bound,
                None => {
                    let failed = |error| format!("listener.{name}: {address} cannot be opened: {error}");
                    let opened = proxy::bind(address, self.workers.len()).map_err(failed)?;
                    let at = opened.first().map_or(Ok(address), TcpListener::local_addr).map_err(failed)?;
                    tracing::info!(listener = name.as_str(), address = %at, "listening");
                    sockets.insert(name.clone(), opened);
                    Bound { wanted: address, address: at, open: OpenConnections::default() }
                }
            };
            listeners.insert(name.clone(), bound);
        }
        Ok((listeners, sockets))
    }
}

/// The world of each worker.
fn updates(
    workers: usize,
    config: &Config,
    clusters: &BTreeMap<ClusterName, Arc<LiveCluster>>,
    (listeners, mut sockets): (&BTreeMap<ListenerName, Bound>, Sockets),
    mut seats: BTreeMap<ClusterName, Vec<Seat>>,
) -> Vec<WorldUpdate> {
    let cluster_configs: Vec<_> = config.clusters.values().cloned().map(Arc::new).collect();
    let listener_configs: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| (Arc::new(listener.clone()), Arc::new(RouteTable::new(&listener.routes))))
        .collect();
    // From the back, since that is where a vector gives its sockets and seats away.
    let mut updates: Vec<_> = (0..workers)
        .map(|_| WorldUpdate {
            clusters: cluster_configs
                .iter()
                .filter_map(|config| {
                    let seat = seats.get_mut(&config.name).and_then(Vec::pop);
                    Some(ClusterUpdate {
                        config: Arc::clone(config),
                        live: Arc::clone(clusters.get(&config.name)?),
                        seat,
                    })
                })
                .collect(),
            listeners: listener_configs
                .iter()
                .filter_map(|(config, routes)| {
                    let open = listeners.get(&config.name)?.open.clone();
                    let socket = sockets.get_mut(&config.name).and_then(Vec::pop);
                    Some(ListenerUpdate { config: Arc::clone(config), routes: Arc::clone(routes), open, socket })
                })
                .collect(),
        })
        .collect();
    updates.reverse();
    updates
}
