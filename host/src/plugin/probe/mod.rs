//! Tries a component out before it is let near traffic: a made-up cluster, a made-up request or observation, one decision
//! that must keep the rules. The same trial, many times over, tells what a decision costs. State that a trial writes is
//! thrown away.

mod policy;
mod strategy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::artifact::Artifact;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::figures::CustomMetrics;
use super::host::Shared;
use super::imports::World;
use super::instance::{About, InstanceSetup, PolicyInstance, StrategyInstance};
use super::lines::LogLines;
use super::shared_state::SharedState;
use crate::cluster::LiveCluster;
use crate::config::PluginLimits;
use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, Events, Labels, PluginName, SeatHolder, Weight};

/// Endpoints of the made-up cluster.
const ENDPOINTS: u16 = 3;
/// Runs that are timed together; the fastest such round counts, which leaves out what the machine did beside.
const RUNS_IN_ROUND: u32 = 2_000;
const ROUNDS: u32 = 10;

/// What a trial found.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    /// Who the plugin says it is.
    pub about: About,
    /// The decisions that it was asked for: picks or judgements.
    pub decisions: u64,
    /// Those that it left to the host.
    pub fallbacks: u64,
    /// What one decision costs, the host's checks included.
    pub time_per_decision: Duration,
}

/// A component at work in the made-up cluster.
trait Trial {
    /// Who the plugin says it is.
    fn about(&self) -> &About;

    /// Asks for a decision, or for one about each endpoint. Tells how many there were.
    fn run(&mut self) -> Result<u32, LoadError>;

    /// All decisions up to now, and those that were left to the host.
    fn counts(&self) -> (u64, u64);
}

/// Instantiates, and for each configuration asks for one decision. Without a configuration it is tried with an empty one,
/// which it may refuse.
pub(super) fn trial(
    engine: &PluginEngine,
    artifact: &Artifact,
    limits: &PluginLimits,
    configs: &[String],
) -> Result<About, LoadError> {
    let shared = Arc::new(scratch(limits)?);
    let setup = InstanceSetup { engine, artifact, shared: &shared, limits, cluster: None };
    if configs.is_empty() {
        return match tried(setup, "{}") {
            Err(LoadError::Configuration(_)) => unconfigured(setup),
            tried => tried,
        };
    }
    let trials = configs.iter().map(|config| tried(setup, config));
    trials.reduce(Result::and).unwrap_or_else(|| unconfigured(setup))
}

/// A trial that also takes the time.
pub fn probe(
    engine: &PluginEngine,
    artifact: &Artifact,
    limits: &PluginLimits,
    config: &str,
) -> Result<ProbeReport, LoadError> {
    let shared = Arc::new(scratch(limits)?);
    let mut trial = start(InstanceSetup { engine, artifact, shared: &shared, limits, cluster: None }, config)?;
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let mut decisions = 0;
        let start = Instant::now();
        for _ in 0..RUNS_IN_ROUND {
            decisions += trial.run()?;
        }
        fastest = fastest.min(start.elapsed() / decisions.max(1));
    }
    let (decisions, fallbacks) = trial.counts();
    Ok(ProbeReport { about: trial.about().clone(), decisions, fallbacks, time_per_decision: fastest })
}

fn start(setup: InstanceSetup<'_>, config: &str) -> Result<Box<dyn Trial>, LoadError> {
    Ok(match setup.artifact.world() {
        World::RoutingStrategy => Box::new(strategy::StrategyTrial::start(setup, config)?),
        World::HealthPolicy => Box::new(policy::PolicyTrial::start(setup, config)?),
    })
}

fn tried(setup: InstanceSetup<'_>, config: &str) -> Result<About, LoadError> {
    let mut trial = start(setup, config)?;
    trial.run()?;
    Ok(trial.about().clone())
}

fn unconfigured(setup: InstanceSetup<'_>) -> Result<About, LoadError> {
    match setup.artifact.world() {
        World::RoutingStrategy => StrategyInstance::start(setup)?.describe(),
        World::HealthPolicy => PolicyInstance::start(setup)?.describe(),
    }
}

fn scratch(limits: &PluginLimits) -> Result<Shared, LoadError> {
    let plugin = PluginName::new("trial").map_err(|error| LoadError::Shape(error.to_string()))?;
    let (state, metrics) = (SharedState::new(limits.state_bytes), CustomMetrics::default());
    Ok(Shared { plugin, state, metrics, lines: LogLines::default() })
}

fn holder(setup: InstanceSetup<'_>, about: &About) -> SeatHolder {
    SeatHolder { plugin: setup.shared.plugin.clone(), revision: 0, version: about.version.clone() }
}

fn cluster() -> LiveCluster {
    let spec = |number: u16| {
        Some(EndpointSpec {
            weight: Weight::new(number)?,
            labels: Labels::from([("zone".to_owned(), "trial".to_owned())]),
            ..EndpointSpec::new(
                EndpointName::new(&format!("trial-{number}")).ok()?,
                Address::parse(&format!("192.0.2.{number}:80")).ok()?,
            )
        })
    };
    let cluster = ClusterName::new("trial").map(|name| LiveCluster::new(name, Events::nowhere()));
    let cluster = cluster.unwrap_or_else(|_| unreachable!("a literal that is a name"));
    cluster.update(&(1..=ENDPOINTS).filter_map(spec).collect::<Vec<_>>(), Instant::now());
    cluster
}
