//! A change of who chooses where: while it is held, nothing else is seated. A configuration prepares strategies for the
//! clusters that are new or changed, hands them over with the new world, and commits; dropped before that, it leaves no
//! trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::builtin::builtins;
use super::error::{LoadError, StrategyError};
use super::supervisor::{State, Supervisor};
use super::version::{Origin, Version};
use super::workshop;
use crate::config::StrategySpec;
use crate::model::{ClusterName, PluginName};
use crate::routing::Seat;

/// A change under way.
pub struct Change<'a> {
    supervisor: &'a Supervisor,
    state: MutexGuard<'a, State>,
}

impl Supervisor {
    /// Begins a change, after the one that is under way.
    pub async fn begin(&self) -> Change<'_> {
        Change { supervisor: self, state: self.state.lock().await }
    }

    /// Gives some clusters another strategy while they run: all of them, or none. Once begun it goes on to its end, also
    /// when nobody waits for it any more, so that no seat is left between the two.
    pub async fn switch(self: &Arc<Self>, clusters: Vec<ClusterName>, spec: StrategySpec) -> Result<(), StrategyError> {
        let supervisor = Arc::clone(self);
        let switching = tokio::spawn(async move { supervisor.begin().await.switch(clusters, spec).await });
        switching.await.unwrap_or_else(|stopped| Err(StrategyError::Stopped(stopped.to_string())))
    }
}

impl Change<'_> {
    /// Who chooses in each cluster now.
    pub fn assignments(&self) -> &BTreeMap<ClusterName, StrategySpec> {
        &self.state.assignments
    }

    /// A strategy for each worker's seat of a cluster.
    pub async fn prepare(&mut self, cluster: &ClusterName, spec: &StrategySpec) -> Result<Vec<Seat>, StrategyError> {
        let version = self.version(spec).await?;
        let workshop = self.supervisor.workshop(&mut self.state, &version);
        let workers = 0..self.supervisor.seats.workers();
        let seats = workshop.seats(workers, cluster, &spec.config).await;
        seats.map_err(|error| StrategyError::Plugin { name: spec.plugin.clone(), error })
    }

    async fn switch(mut self, clusters: Vec<ClusterName>, spec: StrategySpec) -> Result<(), StrategyError> {
        let version = self.version(&spec).await?;
        let clusters: Vec<_> = clusters.into_iter().map(|cluster| (cluster, spec.clone())).collect();
        let seated = self.supervisor.seat_all(&mut self.state, &version, &clusters).await;
        seated.map_err(|error| StrategyError::Plugin { name: spec.plugin, error })?;
        self.state.assignments.extend(clusters);
        Ok(())
    }

    /// Makes it so: from now on the supervisor keeps these strategies seated.
    pub fn commit(mut self, assignments: BTreeMap<ClusterName, StrategySpec>) {
        self.state.assignments = assignments;
    }

    /// The version of the plugin that a strategy names; an embedded one is compiled when it is first needed.
    async fn version(&mut self, spec: &StrategySpec) -> Result<Arc<Version>, StrategyError> {
        let registry = &self.supervisor.registry;
        if let Some(version) = registry.current(&spec.plugin) {
            return Ok(version);
        }
        let Some((name, bytes)) = builtins().find(|(name, _)| *name == spec.plugin) else {
            return Err(self.unknown(&spec.plugin));
        };
        let failed = |error: LoadError| StrategyError::Plugin { name: name.clone(), error };
        let (engine, limits) = (&self.supervisor.engine, self.supervisor.limits(&name));
        let compiled = workshop::compile(engine, bytes.into(), limits, vec![spec.config.clone()]).await;
        let compiled = compiled.map_err(failed)?;
        let version = Version::new(name.clone(), self.state.next_revision(), compiled, Origin::Embedded);
        let version = Arc::new(version);
        registry.change(&name, |entry| entry.current = Some(Arc::clone(&version)));
        Ok(version)
    }

    /// Why there is nothing of that name to seat.
    fn unknown(&self, name: &PluginName) -> StrategyError {
        let plugins = self.supervisor.registry.read();
        if let Some(refusal) = plugins.get(name).and_then(|entry| entry.refused.as_ref()) {
            return StrategyError::Refused { name: name.clone(), reason: refusal.reason.clone() };
        }
        let usable = plugins.iter().filter(|(_, entry)| entry.refused.is_none() || entry.current.is_some());
        let known: Vec<_> = usable.map(|(name, _)| name.to_string()).collect();
        StrategyError::Unknown { name: name.clone(), known: known.join(", ") }
    }
}
