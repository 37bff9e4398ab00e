//! A change of who chooses and judges where: while it is held, nothing else is seated. A configuration prepares strategies
//! and policies for the clusters that are new or changed, hands them over with the new world, and commits; dropped before
//! that, it leaves no trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::builtin::builtins;
use super::error::{LoadError, SeatError};
use super::imports::World;
use super::seating::Judging;
use super::supervisor::{State, Supervisor};
use super::version::{Origin, Version};
use super::workshop::{self, Use};
use crate::config::{PolicySpec, StrategySpec};
use crate::health::PolicySeat;
use crate::model::{ClusterName, PluginName, WorkKind};
use crate::routing::Seat;

/// A change under way.
pub struct Change<'a> {
    supervisor: &'a Supervisor,
    pub(super) state: MutexGuard<'a, State>,
}

impl Supervisor {
    /// Begins a change, after the one that is under way.
    pub async fn begin(&self) -> Change<'_> {
        Change { supervisor: self, state: self.state.lock().await }
    }

    /// Gives some clusters another strategy while they run: all of them, or none. Once begun it goes on to its end, also
    /// when nobody waits for it any more, so that no seat is left between the two.
    pub async fn switch(self: &Arc<Self>, clusters: Vec<ClusterName>, spec: StrategySpec) -> Result<(), SeatError> {
        let supervisor = Arc::clone(self);
        let switching = tokio::spawn(async move { supervisor.begin().await.switch(clusters, spec).await });
        switching.await.unwrap_or_else(|stopped| Err(SeatError::Stopped(stopped.to_string())))
    }
}

impl Change<'_> {
    /// Who chooses in each cluster now.
    pub fn assignments(&self) -> &BTreeMap<ClusterName, StrategySpec> {
        &self.state.assignments
    }

    /// Who judges in each cluster now.
    pub fn judging(&self) -> &BTreeMap<ClusterName, Judging> {
        &self.state.judging
    }

    /// A strategy for each worker's seat of a cluster.
    pub async fn prepare(&mut self, cluster: &ClusterName, spec: &StrategySpec) -> Result<Vec<Seat>, SeatError> {
        let version = self.version(&spec.plugin, &spec.config, World::RoutingStrategy).await?;
        let workshop = self.supervisor.workshop(&mut self.state, &version);
        let workers = 0..self.supervisor.seats.workers();
        let seats = workshop.seats(workers, cluster, &spec.config).await;
        seats.map_err(|error| SeatError::Plugin { name: spec.plugin.clone(), error })
    }

    /// The policies of a cluster's panel, in their order.
    pub async fn prepare_policies(
        &mut self,
        cluster: &ClusterName,
        specs: &[PolicySpec],
    ) -> Result<Vec<PolicySeat>, SeatError> {
        let mut seats = Vec::with_capacity(specs.len());
        for (position, spec) in specs.iter().enumerate() {
            let version = self.version(&spec.plugin, &spec.config, World::HealthPolicy).await?;
            let workshop = self.supervisor.workshop(&mut self.state, &version);
            let seat = workshop.policy(cluster, position, spec).await;
            seats.push(seat.map_err(|error| SeatError::Plugin { name: spec.plugin.clone(), error })?);
        }
        Ok(seats)
    }

    /// Gives some clusters another strategy: all of them, or none.
    pub(super) async fn switch(mut self, clusters: Vec<ClusterName>, spec: StrategySpec) -> Result<(), SeatError> {
        let version = self.version(&spec.plugin, &spec.config, World::RoutingStrategy).await?;
        let clusters: Vec<_> = clusters.into_iter().map(|cluster| (cluster, spec.clone())).collect();
        let seated = self.supervisor.seat_all(&mut self.state, &version, &clusters).await;
        seated.map_err(|error| SeatError::Plugin { name: spec.plugin, error })?;
        let (mut assignments, judging) = (self.state.assignments.clone(), self.state.judging.clone());
        assignments.extend(clusters);
        self.commit(assignments, judging);
        Ok(())
    }

    /// Makes it so: from now on the supervisor keeps these strategies and policies seated.
    pub fn commit(mut self, assignments: BTreeMap<ClusterName, StrategySpec>, judging: BTreeMap<ClusterName, Judging>) {
        self.supervisor.assign(&mut self.state, assignments, judging);
    }

    /// The version of a plugin that is needed for one world; an embedded one is compiled when it is first needed.
    async fn version(&mut self, plugin: &PluginName, config: &str, world: World) -> Result<Arc<Version>, SeatError> {
        let registry = &self.supervisor.registry;
        let failed = |error: LoadError| SeatError::Plugin { name: plugin.clone(), error };
        if registry.read().get(plugin).is_some_and(|entry| entry.disabled) {
            return Err(SeatError::Disabled { name: plugin.clone() });
        }
        if let Some(version) = registry.current(plugin) {
            version.artifact.expect(world).map_err(failed)?;
            return Ok(version);
        }
        let Some((name, bytes)) = builtins().find(|(name, _)| name == plugin) else {
            return Err(self.unknown(plugin));
        };
        let (engine, limits) = (&self.supervisor.engine, self.supervisor.limits(&name));
        let needed = Use { world: Some(world), configs: vec![config.to_owned()] };
        let compiling = self.supervisor.works.begin(WorkKind::Compile, name.as_str(), "plugins");
        let compiled = workshop::compile(engine, bytes.into(), limits, needed).await.map_err(failed)?;
        drop(compiling);
        let version = Version::new(name.clone(), self.state.next_revision(), compiled, Origin::Embedded);
        let version = Arc::new(version);
        registry.change(&name, |entry| entry.current = Some(Arc::clone(&version)));
        Ok(version)
    }

    /// Why there is nothing of that name to seat.
    fn unknown(&self, name: &PluginName) -> SeatError {
        let plugins = self.supervisor.registry.read();
        if let Some(refusal) = plugins.get(name).and_then(|entry| entry.refused.as_ref()) {
            return SeatError::Refused { name: name.clone(), reason: refusal.reason.clone() };
        }
        let usable = plugins.iter().filter(|(_, entry)| entry.refused.is_none() || entry.current.is_some());
        let known: Vec<_> = usable.map(|(name, _)| name.to_string()).collect();
        SeatError::Unknown { name: name.clone(), known: known.join(", ") }
    }
}
