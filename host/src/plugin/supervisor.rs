//! The supervisor: decides which version of which plugin sits where. It takes in new bytes, tries them out, seats them on
//! every worker or on none, starts failed instances again and takes back a version that keeps failing.
//!
//! All changes go through one lock, so they happen one after the other; requests never wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};

use super::artifact::ContentHash;
use super::builtin::builtins;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::figures::CustomMetrics;
use super::host::Shared;
use super::registry::{Refusal, Registry};
use super::restart::{Backoff, Trouble};
use super::shared_state::SharedState;
use super::version::{Origin, Version};
use super::workshop;
use crate::config::{PluginLimits, Plugins, StrategySpec};
use crate::model::{ClusterName, PluginName};
use crate::routing::{Carried, SeatLost, Seats};

/// What came of bytes that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The same bytes serve already.
    Unchanged,
    /// They serve from now on, on so many clusters; state went over on so many seats.
    Seated {
        /// Clusters that use the plugin.
        clusters: usize,
        /// Seats whose state went over.
        carried: usize,
    },
}

/// Seats strategies.
pub struct Supervisor {
    pub(super) engine: Arc<PluginEngine>,
    pub(super) seats: Seats,
    pub(super) registry: Registry,
    plugins: ArcSwap<Plugins>,
    pub(super) state: Mutex<State>,
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct State {
    pub(super) assignments: BTreeMap<ClusterName, StrategySpec>,
    shared: BTreeMap<PluginName, Arc<Shared>>,
    revisions: u64,
    taken_back: BTreeMap<(PluginName, ContentHash), String>,
    backoffs: BTreeMap<(usize, ClusterName), Backoff>,
    troubles: BTreeMap<u64, Trouble>,
}

impl Supervisor {
    /// A supervisor that knows the embedded plugins and has seated none.
    pub fn new(engine: Arc<PluginEngine>, seats: Seats, plugins: Plugins) -> Self {
        let registry = Registry::default();
        builtins().for_each(|(name, _)| registry.change(&name, |_| {}));
        Self { engine, seats, registry, plugins: ArcSwap::from_pointee(plugins), state: Mutex::default() }
    }

    /// What plugins there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<PluginEngine> {
        &self.engine
    }

    /// Takes over limits from a new configuration; instances that are seated keep theirs.
    pub fn set_limits(&self, plugins: Plugins) {
        self.plugins.store(Arc::new(plugins));
    }

    /// The limits that a plugin lives under.
    pub fn limits(&self, name: &PluginName) -> PluginLimits {
        self.plugins.load().limits_of(name)
    }

    /// What the guests of each plugin share; nothing for a plugin that nobody used.
    pub async fn shared(&self) -> Vec<Arc<Shared>> {
        self.state.lock().await.shared.values().cloned().collect()
    }

    /// Who chooses in each cluster.
    pub async fn assignments(&self) -> BTreeMap<ClusterName, StrategySpec> {
        self.state.lock().await.assignments.clone()
    }

    /// Takes in new bytes for a plugin: compiles, tries out, and seats them wherever the plugin is used. On an error
    /// everything is as it was, and the registry says why.
    pub async fn offer(&self, name: &PluginName, bytes: Vec<u8>, origin: Origin) -> Result<Swap, LoadError> {
        let hash = ContentHash::of(&bytes);
        if self.registry.current(name).is_some_and(|current| current.artifact.hash() == hash) {
            self.registry.change(name, |entry| (entry.refused, entry.note) = (None, None));
            return Ok(Swap::Unchanged);
        }
        let outcome = self.take_in(name, bytes, hash, origin.clone()).await;
        match &outcome {
            Ok(swap) => tracing::info!(plugin = name.as_str(), hash = %hash, %origin, ?swap, "plugin loaded"),
            Err(error) => self.refuse(name, Some(hash), origin, error.to_string()),
        }
        outcome
    }

    /// Notes that a file could not be taken.
    pub fn refuse(&self, name: &PluginName, hash: Option<ContentHash>, origin: Origin, reason: String) {
        tracing::error!(plugin = name.as_str(), %origin, %reason, "plugin not taken; what served before serves on");
        let refusal = Refusal { hash, origin, reason, at: Timestamp::now() };
        self.registry.change(name, |entry| entry.refused = Some(refusal));
    }

    /// A plugin's file is gone: the embedded plugin of that name serves again, or the last version stays.
    pub async fn withdraw(&self, name: &PluginName) {
        self.registry.change(name, |entry| entry.refused = None);
        match builtins().find(|(builtin, _)| builtin == name) {
            Some((_, bytes)) => {
                // The outcome is in the registry; the version that serves now serves on if it is bad.
                let _ = self.offer(name, bytes.to_vec(), Origin::Embedded).await;
            }
            None => {
                tracing::warn!(plugin = name.as_str(), "file removed; its last version serves on");
                let note = "its file was removed; the last version serves on until the process ends";
                self.registry.change(name, |entry| entry.note = entry.current.as_ref().map(|_| note.to_owned()));
            }
        }
    }

    /// Handles what the workers report until they are gone.
    pub async fn run(self: Arc<Self>, mut lost: mpsc::UnboundedReceiver<SeatLost>) {
        while let Some(lost) = lost.recv().await {
            let mut wait = self.on_lost(&lost).await;
            let supervisor = Arc::clone(&self);
            tokio::spawn(async move {
                while let Some(time) = wait {
                    tokio::time::sleep(time).await;
                    wait = supervisor.restart(&lost).await;
                }
            });
        }
    }

    async fn take_in(
        &self,
        name: &PluginName,
        bytes: Vec<u8>,
        hash: ContentHash,
        origin: Origin,
    ) -> Result<Swap, LoadError> {
        if let Some(reason) = self.state.lock().await.taken_back.get(&(name.clone(), hash)) {
            return Err(LoadError::TakenBack(reason.clone()));
        }
        let configs = self.state.lock().await.configs(name);
        let compiled = workshop::compile(&self.engine, bytes.into(), self.limits(name), configs).await?;
        let mut state = self.state.lock().await;
        let version = Arc::new(Version::new(name.clone(), state.next_revision(), compiled, origin));
        let swap = self.swap(&mut state, &version).await?;
        self.registry.change(name, |entry| {
            entry.previous = entry.current.replace(version);
            (entry.refused, entry.note) = (None, None);
        });
        Ok(swap)
    }

    /// Seats a version wherever its plugin is used: on every worker, or on none.
    async fn swap(&self, state: &mut State, version: &Arc<Version>) -> Result<Swap, LoadError> {
        let clusters = state.using(&version.plugin);
        let carried = self.seat_all(state, version, &clusters).await?;
        Ok(Swap::Seated { clusters: clusters.len(), carried })
    }

    /// Seats a version on every worker's seat of some clusters, or on none. Tells on how many seats state went over.
    pub(super) async fn seat_all(
        &self,
        state: &mut State,
        version: &Arc<Version>,
        clusters: &[(ClusterName, StrategySpec)],
    ) -> Result<usize, LoadError> {
        let mut carried = Ok(0);
        for (cluster, spec) in clusters {
            let seats = self.seat_everywhere(state, version, cluster, spec).await;
            carried = carried.and_then(|sum| Ok(sum + seats?));
            if carried.is_err() {
                break;
            }
        }
        clusters.iter().for_each(|(cluster, _)| self.seats.settle(cluster, carried.is_ok()));
        carried
    }

    /// Installs a version on every worker's seat of a cluster, unsettled. Tells on how many seats state went over.
    async fn seat_everywhere(
        &self,
        state: &mut State,
        version: &Arc<Version>,
        cluster: &ClusterName,
        spec: &StrategySpec,
    ) -> Result<usize, LoadError> {
        let workers = 0..self.seats.workers();
        let seats = self.workshop(state, version).seats(workers, cluster, &spec.config).await?;
        let mut carried = 0;
        for (worker, seat) in seats.into_iter().enumerate() {
            if self.seats.install(worker, cluster, seat).await? == Carried::Yes {
                carried += 1;
            }
        }
        Ok(carried)
    }

    pub(super) fn workshop(&self, state: &mut State, version: &Arc<Version>) -> workshop::Workshop {
        let limits = self.limits(&version.plugin);
        let shared = state.shared_of(&version.plugin, limits.state_bytes);
        workshop::Workshop { engine: Arc::clone(&self.engine), version: Arc::clone(version), shared, limits }
    }

    /// Notes a failure; tells how long to wait before the instance is started again, if it is to be.
    async fn on_lost(&self, lost: &SeatLost) -> Option<Duration> {
        let mut state = self.state.lock().await;
        let (plugin, revision) = (&lost.holder.plugin, lost.holder.revision);
        let entry = self.registry.read().get(plugin).cloned()?;
        let known = [entry.current.as_ref(), entry.previous.as_ref()].into_iter().flatten();
        known.filter(|version| version.revision == revision).for_each(|version| version.failed(lost.fault.to_string()));
        let (cluster, fault) = (lost.cluster.as_str(), &lost.fault);
        tracing::warn!(plugin = plugin.as_str(), cluster, worker = lost.worker, %fault, "strategy failed");
        let current = entry.current.filter(|current| current.revision == revision)?;
        if state.assignments.get(&lost.cluster).is_none_or(|spec| spec.plugin != *plugin) {
            return None;
        }
        self.consequence(&mut state, lost, &current, fault.to_string()).await
    }

    /// What follows from a failure of the version that serves: it is taken back, or the seat is filled again after the
    /// time that this tells.
    async fn consequence(
        &self,
        state: &mut State,
        lost: &SeatLost,
        current: &Arc<Version>,
        fault: String,
    ) -> Option<Duration> {
        let now = Instant::now();
        let keeps_failing = state.troubles.entry(current.revision).or_default().failed(now);
        let previous = self.registry.read().get(&current.plugin).and_then(|entry| entry.previous.clone());
        if let Some(previous) = previous.filter(|_| keeps_failing)
            && self.take_back(state, current, &previous, fault).await
        {
            return None;
        }
        Some(state.backoffs.entry((lost.worker, lost.cluster.clone())).or_default().failed(now))
    }

    /// Seats the version before. Tells whether that worked.
    async fn take_back(
        &self,
        state: &mut State,
        current: &Arc<Version>,
        previous: &Arc<Version>,
        fault: String,
    ) -> bool {
        if let Err(error) = self.swap(state, previous).await {
            tracing::error!(plugin = current.plugin.as_str(), %error, "the version before cannot be seated again");
            return false;
        }
        let reason = format!("kept failing, so the version before serves again: {fault}");
        state.taken_back.insert((current.plugin.clone(), current.artifact.hash()), reason.clone());
        state.troubles.remove(&current.revision);
        self.refuse(&current.plugin, Some(current.artifact.hash()), current.origin.clone(), reason);
        self.registry.change(&current.plugin, |entry| {
            entry.current = Some(Arc::clone(previous));
            entry.previous = None;
        });
        true
    }

    /// Starts a failed instance again, unless something else sits there by now. Tells how long to wait for the next try
    /// when this one failed.
    async fn restart(&self, lost: &SeatLost) -> Option<Duration> {
        let mut state = self.state.lock().await;
        let spec = state.assignments.get(&lost.cluster).cloned()?;
        let current = self.registry.current(&spec.plugin)?;
        if current.revision != lost.holder.revision {
            return None;
        }
        let workshop = self.workshop(&mut state, &current);
        match workshop.seats(lost.worker..lost.worker + 1, &lost.cluster, &spec.config).await {
            Ok(mut seats) => {
                self.seats.refill(lost.worker, &lost.cluster, seats.pop()?);
                None
            }
            Err(error) => {
                current.failed(error.to_string());
                tracing::warn!(plugin = spec.plugin.as_str(), %error, "a failed strategy cannot be started again yet");
                self.consequence(&mut state, lost, &current, error.to_string()).await
            }
        }
    }
}

impl State {
    pub(super) fn next_revision(&mut self) -> u64 {
        self.revisions += 1;
        self.revisions
    }

    /// The clusters that use a plugin.
    fn using(&self, plugin: &PluginName) -> Vec<(ClusterName, StrategySpec)> {
        let using = self.assignments.iter().filter(|(_, spec)| spec.plugin == *plugin);
        using.map(|(cluster, spec)| (cluster.clone(), spec.clone())).collect()
    }

    fn configs(&self, plugin: &PluginName) -> Vec<String> {
        self.using(plugin).into_iter().map(|(_, spec)| spec.config).collect()
    }

    fn shared_of(&mut self, plugin: &PluginName, state_bytes: usize) -> Arc<Shared> {
        let new = || {
            let (state, metrics) = (SharedState::new(state_bytes), CustomMetrics::default());
            Arc::new(Shared { plugin: plugin.clone(), state, metrics })
        };
        Arc::clone(self.shared.entry(plugin.clone()).or_insert_with(new))
    }
}
