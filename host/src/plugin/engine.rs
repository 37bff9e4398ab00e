//! The engine: one for the process. It compiles components, lends them pooled memory, and ticks so that calls can have
//! deadlines.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::artifact::causes;
use super::error::EngineError;
use crate::config::PluginLimits;

/// How often the engine ticks. Deadlines are counted in ticks; a finer one costs more wake-ups than it saves.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Instances that can live at once: one for each worker, cluster and version being swapped. Each reserves address space,
/// not memory.
const INSTANCES: u32 = 1_000;

/// Core modules in one component: its own, and the adapters that the toolchain adds.
const CORE_INSTANCES: u32 = 8;

/// Compiles and runs components.
pub struct PluginEngine {
    engine: Engine,
    started: Instant,
    /// Dropped with the engine, which ends the ticking.
    _ticker: mpsc::Sender<()>,
}

impl PluginEngine {
    /// An engine that keeps compiled code in a folder, if one is given. A folder that cannot be used is reported and
    /// done without.
    ///
    /// # Errors
    /// When the kernel does not give what it needs.
    pub fn new(cache: Option<&Path>) -> Result<Self, EngineError> {
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling()))
            .concurrency_support(false)
            .epoch_interruption(true)
            .wasm_component_model(true)
            // Addresses in a component without names tell nobody anything; what a guest says when it panics does.
            .wasm_backtrace_max_frames(None);
        match cache.map(open_cache).transpose() {
            Ok(cache) => {
                config.cache(cache);
            }
            Err(error) => tracing::warn!(%error, "compiled plugins are not kept between runs"),
        }
        let engine = Engine::new(&config).map_err(|error| EngineError(causes(&error)))?;
        let ticker = tick(engine.clone()).map_err(|error| EngineError(error.to_string()))?;
        Ok(Self { engine, started: Instant::now(), _ticker: ticker })
    }

    pub(super) fn inner(&self) -> &Engine {
        &self.engine
    }

    /// The zero of the clock that guests read.
    pub(super) fn started(&self) -> Instant {
        self.started
    }
}

fn pooling() -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_tables_per_component(CORE_INSTANCES)
        .max_memories_per_component(2)
        .max_memory_size(PluginLimits::MOST_MEMORY)
        .table_elements(PluginLimits::MOST_TABLE_ELEMENTS)
        // Instances are few and long-lived; after a swap their memory goes back at once.
        .max_unused_warm_slots(0)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    pooling
}

/// Opens a cache in a folder of its own: wasmtime takes the folder of a cache to be its, and clears away from time to time
/// whatever else it finds in it.
fn open_cache(folder: &Path) -> wasmtime::Result<Cache> {
    let folder = &folder.join("compiled");
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config)
}

/// Ticks until the sender is dropped.
fn tick(engine: Engine) -> std::io::Result<mpsc::Sender<()>> {
    let (sender, end) = mpsc::channel::<()>();
    std::thread::Builder::new().name("plugin-ticks".into()).spawn(move || {
        while let Err(mpsc::RecvTimeoutError::Timeout) = end.recv_timeout(TICK) {
            engine.increment_epoch();
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::*;

    #[test]
    fn what_else_is_in_the_folder_of_the_cache_is_not_the_caches() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine"), "").unwrap();
        let engine = PluginEngine::new(Some(folder.path())).unwrap();
        Component::new(engine.inner(), wat::parse_str("(component)").unwrap()).unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["compiled", "mine"]);
    }
}
