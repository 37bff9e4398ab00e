//! Where versions are compiled and instances made: off the request path, on threads that may block.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::artifact::Artifact;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::host::Shared;
use super::imports::World;
use super::instance::{InstanceSetup, PolicyInstance, StrategyInstance};
use super::probe;
use super::version::{Compiled, Version};
use crate::config::{PluginLimits, PolicySpec};
use crate::health::PolicySeat;
use crate::model::ClusterName;
use crate::routing::Seat;

/// What a plugin is needed for.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    /// As what; none as long as nobody uses it.
    pub(super) world: Option<World>,
    /// Under which configurations.
    pub(super) configs: Vec<String>,
}

/// Checks, compiles and tries out.
pub(super) async fn compile(
    engine: &Arc<PluginEngine>,
    bytes: Cow<'static, [u8]>,
    limits: PluginLimits,
    needed: Use,
) -> Result<Compiled, LoadError> {
    let engine = Arc::clone(engine);
    blocking(move || {
        let start = Instant::now();
        let artifact = Artifact::compile(&engine, &bytes, &limits)?;
        let time = start.elapsed();
        needed.world.map_or(Ok(()), |world| artifact.expect(world))?;
        let about = probe::trial(&engine, &artifact, &limits, &needed.configs)?;
        Ok(Compiled { artifact, about, time })
    })
    .await
}

/// Makes instances of one version.
pub(super) struct Workshop {
    pub(super) engine: Arc<PluginEngine>,
    pub(super) version: Arc<Version>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: PluginLimits,
}

impl Workshop {
    /// A configured strategy for each of some workers.
    pub(super) async fn seats(
        self,
        workers: Range<usize>,
        cluster: &ClusterName,
        config: &str,
    ) -> Result<Vec<Seat>, LoadError> {
        let (cluster, config) = (cluster.clone(), config.to_owned());
        blocking(move || workers.map(|worker| self.seat(worker, &cluster, &config)).collect()).await
    }

    /// A configured policy for one position of a cluster's panel.
    pub(super) async fn policy(
        self,
        cluster: &ClusterName,
        position: usize,
        spec: &PolicySpec,
    ) -> Result<PolicySeat, LoadError> {
        let (cluster, config) = (cluster.clone(), spec.config.clone());
        blocking(move || {
            let policy = Box::new(PolicyInstance::configured(self.setup(&cluster), &config)?);
            let figures = self.version.figures.policy(&cluster, position);
            Ok(PolicySeat { holder: self.version.holder(), policy, figures })
        })
        .await
    }

    fn seat(&self, worker: usize, cluster: &ClusterName, config: &str) -> Result<Seat, LoadError> {
        let strategy = Box::new(StrategyInstance::configured(self.setup(cluster), config)?);
        Ok(Seat { holder: self.version.holder(), strategy, figures: self.version.figures.seat(worker, cluster) })
    }

    fn setup<'a>(&'a self, cluster: &'a ClusterName) -> InstanceSetup<'a> {
        InstanceSetup {
            engine: &self.engine,
            artifact: &self.version.artifact,
            shared: &self.shared,
            limits: &self.limits,
            cluster: Some(cluster),
        }
    }
}

/// Does what may take long on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(LoadError::Malformed(format!("the compiler failed over it: {error}"))),
    }
}
