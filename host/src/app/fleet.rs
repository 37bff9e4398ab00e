//! The fleet: all workers, and what they serve. Puts a configuration to work in two halves: everything that can fail is
//! built first, beside what serves; then the workers' worlds are replaced, which cannot fail.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::crews::Crews;
use super::desk::Desk;
use super::entries::Entries;
use super::mount::Mount;
use super::ports::Ports;
use super::recording::{self, Recorders};
use super::sources;
use super::ward::{Tell, Ward};
use super::worlds::updates;
use crate::admin;
use crate::cluster::LiveCluster;
use crate::config::{self, Config, StrategySpec};
use crate::health::PolicySeat;
use crate::model::{ClusterName, ListenerName};
use crate::observe::Served;
use crate::plugin::{Change, Judging, Supervisor};
use crate::proxy::{OpenConnections, Service, WorkerHandle, WorldUpdate};
use crate::routing::Seat;

/// All workers, and what they serve.
pub(super) struct Fleet {
    workers: Vec<WorkerHandle>,
    ports: Ports,
    supervisor: Arc<Supervisor>,
    listeners: BTreeMap<ListenerName, Bound>,
    wards: BTreeMap<ClusterName, Ward>,
    /// Every cluster that was, so that one that comes back does not use an endpoint's id again.
    gone: BTreeMap<ClusterName, Arc<LiveCluster>>,
    entries: Entries,
    recorders: Recorders,
    crews: Crews,
    desk: Desk,
    tell: Tell,
    publish: watch::Sender<Arc<Served>>,
    admin: admin::Shared,
    /// The same behind routes, with tokens of its own.
    mount: Arc<Mount>,
    /// Where the admin API is.
    admin_address: Option<SocketAddr>,
    /// None, too, while the process that comes next answers there.
    admin_server: Option<admin::Server>,
}

/// A listener that is open on every worker.
#[derive(Clone)]
pub(super) struct Bound {
    /// What the configuration says.
    wanted: SocketAddr,
    /// Where it is open: another port when the configuration says 0.
    address: SocketAddr,
    pub(super) open: OpenConnections,
}

/// For each listener whose address is new, the sockets of each worker.
pub(super) type Sockets = BTreeMap<ListenerName, Vec<Vec<TcpListener>>>;

/// What was built for a configuration that is not at work yet.
struct Prepared {
    wards: BTreeMap<ClusterName, Ward>,
    assignments: BTreeMap<ClusterName, StrategySpec>,
    /// For each cluster whose strategy is new, a strategy for each worker, and one for the desk.
    seats: BTreeMap<ClusterName, Vec<Seat>>,
    /// For each cluster whose policies are new, all of them.
    policies: BTreeMap<ClusterName, Vec<PolicySeat>>,
    listeners: BTreeMap<ListenerName, Bound>,
    sockets: Sockets,
    recorders: recording::Prepared,
    /// Where the admin API is to be, when that is new; none inside when there is to be none.
    admin: Option<Option<admin::Bound>>,
    /// What lets operators in there.
    tokens: Option<admin::Tokens>,
}

impl Fleet {
    pub(super) fn new(
        workers: Vec<WorkerHandle>,
        (ports, crews, desk): (Ports, Crews, Desk),
        tell: Tell,
        publish: watch::Sender<Arc<Served>>,
        admin: admin::Shared,
    ) -> Self {
        let recorders = Recorders::new(workers.len());
        Self {
            workers,
            ports,
            supervisor: Arc::clone(&admin.supervisor),
            listeners: BTreeMap::new(),
            wards: BTreeMap::new(),
            gone: BTreeMap::new(),
            entries: Entries::new(Arc::clone(&admin.recent)),
            recorders,
            crews,
            desk,
            tell,
            publish,
            mount: Mount::of(admin.behind(admin.tokens.load_full())),
            admin,
            admin_address: None,
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
        let Prepared { wards, assignments, mut seats, mut policies, listeners, sockets, recorders, admin, tokens } =
            prepared;
        let unmounted = tokens.map(|tokens| self.guard(Arc::new(tokens), admin.is_some()));

        let earlier = Arc::clone(&self.publish.borrow().config);
        let disbanded = self.crews.follow(&earlier, &config, &wards).await;
        let directory = Arc::clone(&self.admin.directory);
        let found = directory.prepare(sources::wanted(&config, &self.crews)).await;
        directory.commit(found);
        for (name, cluster) in &config.clusters {
            if let Some(ward) = wards.get(name) {
                ward.configure(cluster, policies.remove(name)).await;
            }
        }
        self.offer(&listeners, &sockets, admin.as_ref()).await;
        let opened: Vec<ListenerName> = sockets.keys().cloned().collect();
        // The last one is the desk's, which comes after the workers.
        let last = |(name, seats): (&ClusterName, &mut Vec<Seat>)| Some((name.clone(), seats.pop()?));
        self.desk.follow(&wards, seats.iter_mut().filter_map(last).collect());
        self.entries.follow(&config, (&wards, &self.desk), &self.tell.events);
        self.recorders.commit(recorders);
        let mut updates = updates(self.workers.len(), &config, &wards, (&listeners, sockets), seats);
        for (worker, update) in updates.iter_mut().enumerate() {
            (update.services, update.watch) = (self.entries.services(), self.recorders.watch(worker));
            update.admin = Some(Arc::clone(&self.mount) as Arc<dyn Service>);
        }
        self.replace_worlds(updates).await;
        if let Some(unmounted) = unmounted {
            unmounted.give_up();
        }
        // Only now can clients connect.
        for (name, bound) in opened.iter().filter_map(|name| listeners.get_key_value(name)) {
            tracing::info!(listener = name.as_str(), address = %bound.address, "listening");
        }
        change.commit(assignments, judging(&config, &wards));
        self.listeners = listeners;
        self.keep(wards);
        disbanded.end();
        if let Some(bound) = &admin {
            self.admin_address = bound.as_ref().map(admin::Bound::address);
        }
        config::warnings(&config).iter().for_each(|warning| tracing::warn!("{warning}"));
        self.publish(config);
        self.ports.relieve();
        // Only now, so that it never answers from what is not served yet.
        if let Some(bound) = admin {
            let server = bound.map(|bound| bound.serve(self.admin.clone()));
            if let Some(old) = std::mem::replace(&mut self.admin_server, server) {
                old.stop();
            }
        }
        Ok(())
    }

    /// Lets operators in by other tokens. What is served until the change is made, at another address or behind a route,
    /// keeps those that it has: fewer may be enough only where the API is to be. Gives back what was behind routes so far.
    fn guard(&mut self, tokens: Arc<admin::Tokens>, moves: bool) -> Arc<Mount> {
        for file in tokens.exposed() {
            tracing::warn!(file = %file.display(), "everybody on this machine may read this token: chmod o-r");
        }
        tokens.follow();
        match moves {
            true => self.admin = self.admin.behind(Arc::clone(&tokens)),
            false => self.admin.tokens.store(Arc::clone(&tokens)),
        }
        std::mem::replace(&mut self.mount, Mount::of(self.admin.behind(tokens)))
    }

    /// Shows what is served now.
    fn publish(&self, config: Arc<Config>) {
        let clusters = self.wards.iter().map(|(name, ward)| (name.clone(), Arc::clone(&ward.live))).collect();
        let keepers = self.wards.iter().map(|(name, ward)| (name.clone(), Arc::clone(&ward.keeper))).collect();
        let listeners = self.listeners.iter().map(|(name, bound)| (name.clone(), bound.address)).collect();
        let (sql, recorded) = (self.entries.served(), Arc::clone(self.recorders.counts()));
        let admin = self.admin_address;
        let served = Served { config, clusters, keepers, sql, listeners, admin, recorded };
        self.publish.send_replace(Arc::new(served));
    }

    /// Hands each worker its world, and waits until each serves from it.
    async fn replace_worlds(&self, updates: Vec<WorldUpdate>) {
        let applied = self.workers.iter().zip(updates).map(|(worker, update)| worker.apply(update));
        for applied in join_all(applied).await {
            match applied {
                Ok(applied) => applied.failed.iter().for_each(|(listener, error)| {
                    tracing::error!(listener = listener.as_str(), %error, "a worker cannot use its socket");
                }),
                Err(gone) => tracing::error!(%gone, "a worker did not take the configuration"),
            }
        }
    }

    /// Ends the workers, giving each request under way its time.
    pub(super) async fn stop(&mut self) {
        let limit = self.publish.borrow().config.shutdown_timeout;
        let until = Instant::now() + limit;
        self.admin.draining.store(true, Relaxed);
        // Operators ask the process that goes on; where there is none, this one says how it ends.
        self.attend().await;
        // Workers that close their sockets must be the last of this process that hold them.
        self.ports.give_up(|_| true).await;
        join_all(self.workers.drain(..).map(|worker| worker.shutdown(limit))).await;
        // Clients have had their answers or are gone; what is being made lasting for them goes on by itself.
        self.entries.settle(until).await;
        self.recorders.stop().await;
        self.crews.stop().await;
        if let Some(server) = self.admin_server.take() {
            server.stop();
        }
    }

    /// Leaves the admin API to the process that comes next for as long as that one serves: of two that answer at the same
    /// address, an operator would not know to which one spoke. The nodes that outlive a process are left to it as well.
    pub(super) async fn attend(&mut self) {
        let is_relieved = self.listeners.values().any(|bound| self.ports.is_taken(bound.address));
        if self.crews.relieve(is_relieved) {
            let config = Arc::clone(&self.publish.borrow().config);
            self.crews.follow(&config, &config, &self.wards).await.end();
        }
        let Some(address) = self.admin_address else { return };
        match (self.ports.is_taken(address), self.admin_server.take()) {
            (true, Some(server)) => {
                tracing::info!(%address, "the next process has the admin API");
                server.stop();
            }
            (false, None) => {
                let bound = self.ports.socket(address).map(|socket| admin::Bound::open(address, Some(socket)));
                self.admin_server = bound.and_then(Result::ok).map(|bound| bound.serve(self.admin.clone()));
            }
            (_, server) => self.admin_server = server,
        }
    }

    /// Wakes when it is time to attend.
    pub(super) fn taken(&self) -> Arc<Notify> {
        Arc::clone(self.ports.taken())
    }

    /// Keeps these, and of those that are no more what one of the same name would go on with.
    fn keep(&mut self, wards: BTreeMap<ClusterName, Ward>) {
        for (name, ward) in std::mem::replace(&mut self.wards, wards) {
            if !self.wards.contains_key(&name) {
                // No worker routes to it any more. Its endpoints stay, for requests that wait or are sent again.
                self.gone.insert(name, ward.live);
            }
        }
        self.gone.retain(|name, _| !self.wards.contains_key(name));
    }

    /// Builds everything that can fail. Dropped, it leaves no trace. Ports come last, since others see them.
    async fn prepare(&self, change: &mut Change<'_>, config: &Config) -> Result<Prepared, String> {
        let before = Arc::clone(&self.publish.borrow());
        let (mut wards, mut assignments) = (BTreeMap::new(), BTreeMap::new());
        let (mut seats, mut policies) = (BTreeMap::new(), BTreeMap::new());
        for (name, cluster) in &config.clusters {
            let is_new = !self.wards.contains_key(name);
            // What an operator switched to while running stays until the file itself says something else.
            let said_before = before.config.clusters.get(name).map(|before| &before.strategy);
            let seated = change.assignments().get(name).filter(|_| said_before == Some(&cluster.strategy));
            let spec = seated.unwrap_or(&cluster.strategy).clone();
            if is_new || change.assignments().get(name) != Some(&spec) {
                let made = change.prepare(name, &spec).await;
                seats.insert(name.clone(), made.map_err(|error| format!("cluster.{name}.strategy: {error}"))?);
            }
            assignments.insert(name.clone(), spec);
            let judging = change.judging().get(name).map(|judging| &judging.policies);
            if is_new || judging != Some(&cluster.health.policies) {
                let made = change.prepare_policies(name, &cluster.health.policies).await;
                let made = made.map_err(|error| format!("cluster.{name}.health.policies: {error}"))?;
                policies.insert(name.clone(), made);
            }
            let ward = self.wards.get(name).cloned();
            let ward = ward.unwrap_or_else(|| self.ward(cluster));
            wards.insert(name.clone(), ward);
        }
        let serves = !before.clusters.is_empty();
        let is_new = !serves || before.config.admin != config.admin;
        let tokens = is_new.then(|| admin::Tokens::read(&config.admin)).transpose()?;
        let admin = match (serves && before.config.admin.address == config.admin.address, config.admin.address) {
            (true, _) => None,
            (false, None) => Some(None),
            (false, Some(address)) => {
                let taken = self.ports.take(address).await.map_err(|why| format!("admin.address: {address}: {why}"))?;
                Some(Some(admin::Bound::open(address, taken)?))
            }
        };
        let recorders = self.recorders.prepare(&config.recording)?;
        let (listeners, sockets) = self.bind(config).await?;
        Ok(Prepared { wards, assignments, seats, policies, listeners, sockets, recorders, admin, tokens })
    }

    /// The parts of a cluster that was not there.
    fn ward(&self, cluster: &config::Cluster) -> Ward {
        let live = self.gone.get(&cluster.name).cloned();
        Ward::new(cluster, live, self.admin.directory.catalog(), self.ports.files(), &self.tell)
    }

    /// Offers what is new to the process that comes next, and gives up what is no more: before the workers do, so that
    /// theirs is the last hold on a socket.
    async fn offer(
        &mut self,
        listeners: &BTreeMap<ListenerName, Bound>,
        sockets: &Sockets,
        admin: Option<&Option<admin::Bound>>,
    ) {
        let address = match admin {
            Some(bound) => bound.as_ref().map(admin::Bound::address),
            None => self.admin_address,
        };
        let is_gone = |held| Some(held) != address && !listeners.values().any(|bound| bound.address == held);
        self.ports.give_up(is_gone).await;
        for (name, sockets) in sockets {
            if let Some(bound) = listeners.get(name) {
                self.ports.offer(bound.address, sockets.iter().flatten()).await;
            }
        }
        if let Some(bound) = admin.and_then(Option::as_ref) {
            self.ports.offer(bound.address(), std::iter::once(bound)).await;
        }
    }

    /// Opens what is not open yet.
    async fn bind(&self, config: &Config) -> Result<(BTreeMap<ListenerName, Bound>, Sockets), String> {
        let (mut listeners, mut sockets) = (BTreeMap::new(), BTreeMap::new());
        for listener in &config.listeners {
            let (name, address) = (&listener.name, listener.address);
            let bound = match self.kept(name, address).cloned() {
                Some(bound) => bound,
                None => {
                    let failed = |why| format!("listener.{name}: {address} cannot be opened: {why}");
                    let opened = self.ports.open(address, self.workers.len()).await.map_err(failed)?;
                    let at = opened.iter().flatten().next().and_then(|socket| socket.local_addr().ok());
                    let at = at.unwrap_or(address);
                    sockets.insert(name.clone(), opened);
                    Bound { wanted: address, address: at, open: self.ports.connections() }
                }
            };
            listeners.insert(name.clone(), bound);
        }
        Ok((listeners, sockets))
    }

    /// What is open for a listener already. By its address, so that another name costs no connection; a port that the
    /// kernel chose belongs to the name.
    fn kept(&self, name: &ListenerName, address: SocketAddr) -> Option<&Bound> {
        let is_there = |bound: &&Bound| bound.wanted == address;
        match address.port() {
            0 => self.listeners.get(name).filter(is_there),
            _ => self.listeners.values().find(is_there),
        }
    }
}

/// Who judges in each cluster.
fn judging(config: &Config, wards: &BTreeMap<ClusterName, Ward>) -> BTreeMap<ClusterName, Judging> {
    let judging = |(name, ward): (&ClusterName, &Ward)| {
        let policies = config.clusters.get(name)?.health.policies.clone();
        Some((name.clone(), Judging { policies, panel: Arc::clone(&ward.panel) }))
    };
    wards.iter().filter_map(judging).collect()
}
