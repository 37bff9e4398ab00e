//! Where versions are compiled and instances made: off the request path, on threads that may block.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::artifact::Artifact;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::host::Shared;
use super::instance::{Instance, InstanceSetup};
use super::probe;
use super::version::{Compiled, Version};
use crate::config::PluginLimits;
use crate::model::ClusterName;
use crate::routing::Seat;

/// Checks, compiles and tries out.
pub(super) async fn compile(
    engine: &Arc<PluginEngine>,
    bytes: Cow<'static, [u8]>,
    limits: PluginLimits,
    configs: Vec<String>,
) -> Result<Compiled, LoadError> {
    let engine = Arc::clone(engine);
    blocking(move || {
        let start = Instant::now();
        let artifact = Artifact::compile(&engine, &bytes, &limits)?;
        let time = start.elapsed();
        let about = probe::trial(&engine, &artifact, &limits, &configs)?;
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
    /// A configured instance for each of some workers.
    pub(super) async fn seats(
        self,
        workers: Range<usize>,
        cluster: &ClusterName,
        config: &str,
    ) -> Result<Vec<Seat>, LoadError> {
        let (cluster, config) = (cluster.clone(), config.to_owned());
        blocking(move || workers.map(|worker| self.seat(worker, &cluster, &config)).collect()).await
    }

    fn seat(&self, worker: usize, cluster: &ClusterName, config: &str) -> Result<Seat, LoadError> {
        let setup = InstanceSetup {
            engine: &self.engine,
            artifact: &self.version.artifact,
            shared: &self.shared,
            limits: &self.limits,
        };
        let strategy = Box::new(Instance::configured(setup, config)?);
        Ok(Seat { holder: self.version.holder(), strategy, figures: self.version.figures.seat(worker, cluster) })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(LoadError::Malformed(format!("the compiler failed over it: {error}"))),
    }
}
