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

    /// Gives a cluster another strategy while it runs.
    pub async fn switch(&self, cluster: &ClusterName, spec: StrategySpec) -> Result<(), StrategyError> {
        let mut change = self.begin().await;
        let version = change.version(&spec).await?;
        let seated = self.seat_everywhere(&mut change.state, &version, cluster, &spec).await;
        self.seats.settle(cluster, seated.is_ok());
        match seated {
            Ok(_) => {
                change.state.assignments.insert(cluster.clone(), spec);
                Ok(())
            }
            Err(error) => Err(StrategyError::Plugin { name: spec.plugin, error }),
        }
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

    fn unknown(&self, name: &PluginName) -> StrategyError {
        let known: Vec<_> = self.supervisor.registry.read().keys().map(ToString::to_string).collect();
        StrategyError::Unknown { name: name.clone(), known: known.join(", ") }
    }
}
