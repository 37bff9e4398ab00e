//! Seating: puts a version wherever its plugin is used, on every seat or on none. Strategies go to the workers' seats,
//! policies to the clusters' panels; both keep who sat there before aside until the whole change is settled.

use std::sync::Arc;

use super::error::LoadError;
use super::imports::World;
use super::supervisor::{State, Supervisor, Swap};
use super::version::Version;
use super::workshop::blocking;
use crate::config::{PolicySpec, StrategySpec};
use crate::health::Panel;
use crate::model::{Carried, ClusterName};

/// Who judges in a cluster.
#[derive(Clone, Debug)]
pub struct Judging {
    /// In this order.
    pub policies: Vec<PolicySpec>,
    /// The panel that they sit on.
    pub panel: Arc<Panel>,
}

impl Supervisor {
    /// Seats a version wherever its plugin is used: on every seat, or on none.
    pub(super) async fn swap(&self, state: &mut State, version: &Arc<Version>) -> Result<Swap, LoadError> {
        let world = version.artifact.world();
        // Between the trial and now a configuration may have put the plugin to use.
        version.artifact.expect(state.needed(&version.plugin).world.unwrap_or(world))?;
        match world {
            World::RoutingStrategy => {
                let clusters = state.chooses_in(&version.plugin);
                let carried = self.seat_all(state, version, &clusters).await?;
                Ok(Swap::Seated { clusters: clusters.len(), carried })
            }
            World::HealthPolicy => {
                let positions = state.judges_on(&version.plugin);
                let carried = self.seat_panels(state, version, &positions).await?;
                let mut clusters: Vec<_> = positions.iter().map(|(panel, _, _)| panel.cluster()).collect();
                clusters.dedup();
                Ok(Swap::Seated { clusters: clusters.len(), carried })
            }
        }
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

    /// Seats a version at every one of some positions, or at none. Tells at how many state went over.
    async fn seat_panels(
        &self,
        state: &mut State,
        version: &Arc<Version>,
        positions: &[(Arc<Panel>, usize, PolicySpec)],
    ) -> Result<usize, LoadError> {
        let mut carried = Ok(0);
        for (panel, position, spec) in positions {
            let workshop = self.workshop(state, version);
            let installed = match workshop.policy(panel.cluster(), *position, spec).await {
                Ok(seat) => {
                    let (panel, position) = (Arc::clone(panel), *position);
                    // Off the runtime: the panel may be judging, and the state goes from guest to guest.
                    blocking(move || Ok(panel.install(position, seat)?)).await
                }
                Err(error) => Err(error),
            };
            carried = carried.and_then(|sum| Ok(sum + usize::from(installed? == Carried::Yes)));
            if carried.is_err() {
                break;
            }
        }
        let (keep, positions) = (carried.is_ok(), positions.to_vec());
        blocking(move || {
            positions.iter().for_each(|(panel, _, _)| panel.settle(keep));
            Ok(())
        })
        .await?;
        carried
    }
}
