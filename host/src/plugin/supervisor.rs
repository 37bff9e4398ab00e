//! The supervisor: decides which version of which plugin sits where. It takes in new bytes, tries them out and seats them
//! wherever the plugin is used, or nowhere; `seating` does the seating, `recovery` starts failed instances again and takes
//! back a version that keeps failing.
//!
//! All changes go through one lock, so they happen one after the other. Neither requests nor whoever asks how things are
//! wait for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::artifact::ContentHash;
use super::builtin::builtins;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::figures::CustomMetrics;
use super::host::Shared;
use super::imports::World;
use super::lines::LogLines;
use super::recovery::Place;
use super::registry::{Refusal, Registry};
use super::restart::{Backoff, Trouble};
use super::seating::Judging;
use super::shared_state::SharedState;
use super::version::{Origin, Version};
use super::workshop::{self, Use};
use crate::config::{PluginLimits, Plugins, PolicySpec, StrategySpec};
use crate::health::Panel;
use crate::model::{ClusterName, PluginName, WorkKind, Works};
use crate::routing::Seats;

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

/// Seats strategies and policies.
pub struct Supervisor {
    pub(super) engine: Arc<PluginEngine>,
    pub(super) seats: Seats,
    pub(super) registry: Registry,
    pub(super) works: Works,
    plugins: ArcSwap<Plugins>,
    pub(super) state: Mutex<State>,
    /// Held while an upload is tried out and kept.
    pub(super) uploads: Mutex<()>,
    shown: ArcSwap<Shown>,
}

/// What is shown of the state: as it was after the last change.
#[derive(Default)]
struct Shown {
    assignments: BTreeMap<ClusterName, StrategySpec>,
    policies: BTreeMap<ClusterName, Vec<PolicySpec>>,
    shared: Vec<Arc<Shared>>,
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct State {
    pub(super) assignments: BTreeMap<ClusterName, StrategySpec>,
    pub(super) judging: BTreeMap<ClusterName, Judging>,
    shared: BTreeMap<PluginName, Arc<Shared>>,
    revisions: u64,
    /// Of each plugin, the bytes that an operator went back from: they do not come back by themselves.
    pub(super) gone_back: BTreeMap<PluginName, ContentHash>,
    /// Of each plugin, the bytes that were taken back last, and why.
    pub(super) taken_back: BTreeMap<PluginName, (ContentHash, String)>,
    pub(super) backoffs: BTreeMap<(ClusterName, Place), Backoff>,
    pub(super) troubles: BTreeMap<u64, Trouble>,
}

impl Supervisor {
    /// A supervisor that knows the embedded plugins and has seated none.
    pub fn new(engine: Arc<PluginEngine>, seats: Seats, plugins: Plugins) -> Self {
        let registry = Registry::default();
        builtins().for_each(|(name, _)| registry.change(&name, |_| {}));
        let plugins = ArcSwap::from_pointee(plugins);
        let (works, state, shown) = (Works::nowhere(), Mutex::default(), ArcSwap::default());
        Self { engine, seats, registry, works, plugins, state, uploads: Mutex::default(), shown }
    }

    /// Tells of what is compiled.
    #[must_use]
    pub fn telling(self, works: Works) -> Self {
        Self { works, ..self }
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

    /// The drop-in folder, if there is one.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.plugins.load().folder.clone()
    }

    /// The limits that a plugin lives under.
    pub fn limits(&self, name: &PluginName) -> PluginLimits {
        self.plugins.load().limits_of(name)
    }

    /// What the guests of each plugin share; nothing for a plugin that nobody used.
    pub fn shared(&self) -> Vec<Arc<Shared>> {
        self.shown.load().shared.clone()
    }

    /// Who chooses in each cluster.
    pub fn assignments(&self) -> BTreeMap<ClusterName, StrategySpec> {
        self.shown.load().assignments.clone()
    }

    /// Who judges in each cluster, in their order.
    pub fn policies(&self) -> BTreeMap<ClusterName, Vec<PolicySpec>> {
        self.shown.load().policies.clone()
    }

    /// Takes in new bytes for a plugin: compiles, tries out, and seats them wherever the plugin is used. On an error
    /// everything is as it was, and the registry says why.
    pub async fn offer(&self, name: &PluginName, bytes: Vec<u8>, origin: Origin) -> Result<Swap, LoadError> {
        let hash = ContentHash::of(&bytes);
        let outcome = self.try_offer(name, bytes, &origin).await;
        outcome.inspect_err(|error| self.refuse(name, Some(hash), origin, error.to_string()))
    }

    /// The same, but the registry says nothing of an error.
    pub(super) async fn try_offer(
        &self,
        name: &PluginName,
        bytes: Vec<u8>,
        origin: &Origin,
    ) -> Result<Swap, LoadError> {
        let hash = ContentHash::of(&bytes);
        if self.registry.current(name).is_some_and(|current| current.artifact.hash() == hash) {
            self.registry.change(name, |entry| (entry.refused, entry.note) = (None, None));
            return Ok(Swap::Unchanged);
        }
        let swap = self.take_in(name, bytes, hash, origin.clone()).await?;
        tracing::info!(plugin = name.as_str(), hash = %hash, %origin, ?swap, "plugin loaded");
        Ok(swap)
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

    async fn take_in(
        &self,
        name: &PluginName,
        bytes: Vec<u8>,
        hash: ContentHash,
        origin: Origin,
    ) -> Result<Swap, LoadError> {
        let needed = {
            let state = self.state.lock().await;
            if let Some((_, reason)) = state.taken_back.get(name).filter(|(taken_back, _)| *taken_back == hash) {
                return Err(LoadError::TakenBack(reason.clone()));
            }
            state.needed(name)
        };
        let compiling = self.works.begin(WorkKind::Compile, name.as_str(), "plugins");
        let compiled = workshop::compile(&self.engine, bytes.into(), self.limits(name), needed).await?;
        drop(compiling);
        let mut state = self.state.lock().await;
        let version = Arc::new(Version::new(name.clone(), state.next_revision(), compiled, origin));
        let swap = self.swap(&mut state, &version).await?;
        state.gone_back.remove(name);
        self.registry.change(name, |entry| {
            entry.previous = entry.current.replace(version);
            (entry.refused, entry.note) = (None, None);
        });
        Ok(swap)
    }

    /// From now on the supervisor keeps these strategies and policies seated.
    pub(super) fn assign(
        &self,
        state: &mut State,
        assignments: BTreeMap<ClusterName, StrategySpec>,
        judging: BTreeMap<ClusterName, Judging>,
    ) {
        let before = State {
            assignments: std::mem::replace(&mut state.assignments, assignments),
            judging: std::mem::replace(&mut state.judging, judging),
            ..State::default()
        };
        // Another plugin does not wait for what the one before it did.
        let mut backoffs = std::mem::take(&mut state.backoffs);
        backoffs.retain(|(cluster, place), _| {
            let now = state.plugin_at(cluster, *place);
            now.is_some() && now == before.plugin_at(cluster, *place)
        });
        state.backoffs = backoffs;
        self.show(state);
    }

    fn show(&self, state: &State) {
        let policies = |(cluster, judging): (&ClusterName, &Judging)| (cluster.clone(), judging.policies.clone());
        self.shown.store(Arc::new(Shown {
            assignments: state.assignments.clone(),
            policies: state.judging.iter().map(policies).collect(),
            shared: state.shared.values().cloned().collect(),
        }));
    }

    pub(super) fn workshop(&self, state: &mut State, version: &Arc<Version>) -> workshop::Workshop {
        let limits = self.limits(&version.plugin);
        let shared = state.shared_of(&version.plugin, limits.state_bytes);
        self.show(state);
        workshop::Workshop { engine: Arc::clone(&self.engine), version: Arc::clone(version), shared, limits }
    }
}

impl State {
    pub(super) fn next_revision(&mut self) -> u64 {
        self.revisions += 1;
        self.revisions
    }

    /// The clusters in which a plugin chooses.
    pub(super) fn chooses_in(&self, plugin: &PluginName) -> Vec<(ClusterName, StrategySpec)> {
        let using = self.assignments.iter().filter(|(_, spec)| spec.plugin == *plugin);
        using.map(|(cluster, spec)| (cluster.clone(), spec.clone())).collect()
    }

    /// Whose place it is.
    pub(super) fn plugin_at(&self, cluster: &ClusterName, place: Place) -> Option<&PluginName> {
        match place {
            Place::Worker(_) => self.assignments.get(cluster).map(|spec| &spec.plugin),
            Place::Position(position) => self.judging.get(cluster)?.policies.get(position).map(|spec| &spec.plugin),
        }
    }

    /// The panels on which a plugin judges, and at which position.
    pub(super) fn judges_on(&self, plugin: &PluginName) -> Vec<(Arc<Panel>, usize, PolicySpec)> {
        let positions = self.judging.values().flat_map(|judging| {
            let numbered = judging.policies.iter().enumerate();
            numbered.map(|(position, spec)| (Arc::clone(&judging.panel), position, spec.clone()))
        });
        positions.filter(|(_, _, spec)| spec.plugin == *plugin).collect()
    }

    /// What a plugin is needed for. As one kind only: no other is seated.
    pub(super) fn needed(&self, plugin: &PluginName) -> Use {
        let (chooses, judges) = (self.chooses_in(plugin), self.judges_on(plugin));
        let world = match (chooses.is_empty(), judges.is_empty()) {
            (false, _) => Some(World::RoutingStrategy),
            (true, false) => Some(World::HealthPolicy),
            (true, true) => None,
        };
        let chooses = chooses.into_iter().map(|(_, spec)| spec.config);
        Use { world, configs: chooses.chain(judges.into_iter().map(|(_, _, spec)| spec.config)).collect() }
    }

    fn shared_of(&mut self, plugin: &PluginName, state_bytes: usize) -> Arc<Shared> {
        let new = || {
            let (state, metrics) = (SharedState::new(state_bytes), CustomMetrics::default());
            Arc::new(Shared { plugin: plugin.clone(), state, metrics, lines: LogLines::default() })
        };
        Arc::clone(self.shared.entry(plugin.clone()).or_insert_with(new))
    }
}
