//! Tries a component out before it is let near traffic: a made-up cluster, a made-up request, one decision that must keep
//! the rules. The same trial, many times over, tells what a pick costs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::mpsc;

use super::artifact::Artifact;
use super::engine::PluginEngine;
use super::error::LoadError;
use super::figures::CustomMetrics;
use super::host::Shared;
use super::instance::{About, Instance, InstanceSetup};
use super::shared_state::SharedState;
use crate::cluster::LiveCluster;
use crate::config::PluginLimits;
use crate::model::{
    Address, Attempt, ClusterName, EndpointName, EndpointSpec, Labels, PluginName, RequestHead, Weight,
};
use crate::routing::{Decision, Seat, SeatFigures, SeatHolder, SeatReading, Selector};

/// Endpoints of the made-up cluster.
const ENDPOINTS: u16 = 3;
/// Picks that are timed together; the fastest such round counts, which leaves out what the machine did beside.
const PICKS_IN_ROUND: u32 = 2_000;
const ROUNDS: u32 = 10;

/// What a trial found.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    /// Who the plugin says it is.
    pub about: About,
    /// What the trial's picks came to.
    pub reading: SeatReading,
    /// What one pick costs, the host's checks included.
    pub time_per_pick: Duration,
}

/// Instantiates, and for each configuration asks for one decision. Without a configuration it is tried with an empty one,
/// which it may refuse. State that a trial writes is thrown away.
pub(super) fn trial(
    engine: &PluginEngine,
    artifact: &Artifact,
    limits: &PluginLimits,
    configs: &[String],
) -> Result<About, LoadError> {
    if configs.is_empty() {
        return match Trial::start(engine, artifact, limits, "{}") {
            Ok(trial) => trial.finish(),
            Err(LoadError::Configuration(_)) => unconfigured(engine, artifact, limits),
            Err(error) => Err(error),
        };
    }
    let trials = configs.iter().map(|config| Trial::start(engine, artifact, limits, config)?.finish());
    trials.reduce(Result::and).unwrap_or_else(|| unconfigured(engine, artifact, limits))
}

fn unconfigured(engine: &PluginEngine, artifact: &Artifact, limits: &PluginLimits) -> Result<About, LoadError> {
    let shared = Arc::new(scratch(limits)?);
    Instance::start(InstanceSetup { engine, artifact, shared: &shared, limits })?.describe()
}

fn scratch(limits: &PluginLimits) -> Result<Shared, LoadError> {
    let plugin = PluginName::new("trial").map_err(|error| LoadError::Shape(error.to_string()))?;
    Ok(Shared { plugin, state: SharedState::new(limits.state_bytes), metrics: CustomMetrics::default() })
}

/// A trial that also takes the time.
pub fn probe(
    engine: &PluginEngine,
    artifact: &Artifact,
    limits: &PluginLimits,
    config: &str,
) -> Result<ProbeReport, LoadError> {
    let mut trial = Trial::start(engine, artifact, limits, config)?;
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PICKS_IN_ROUND {
            trial.pick()?;
        }
        fastest = fastest.min(start.elapsed() / PICKS_IN_ROUND);
    }
    Ok(ProbeReport { about: trial.about, reading: trial.figures.read(), time_per_pick: fastest })
}

struct Trial {
    about: About,
    selector: Selector,
    figures: Arc<SeatFigures>,
    request: Arc<RequestHead>,
    lost: mpsc::UnboundedReceiver<crate::routing::SeatLost>,
}

impl Trial {
    fn start(
        engine: &PluginEngine,
        artifact: &Artifact,
        limits: &PluginLimits,
        config: &str,
    ) -> Result<Self, LoadError> {
        let shared = Arc::new(scratch(limits)?);
        let mut instance = Instance::start(InstanceSetup { engine, artifact, shared: &shared, limits })?;
        let about = instance.describe()?;
        instance.configure(config)?;
        let (tell, lost) = mpsc::unbounded_channel();
        let mut selector = Selector::new(0, Arc::new(cluster()), tell);
        let holder = SeatHolder { plugin: shared.plugin.clone(), revision: 0, version: about.version.clone() };
        let figures = Arc::new(SeatFigures::default());
        selector.install(Seat { holder, strategy: Box::new(instance), figures: Arc::clone(&figures) })?;
        Ok(Self { about, selector, figures, request: Arc::new(request()), lost })
    }

    fn finish(mut self) -> Result<About, LoadError> {
        self.pick()?;
        Ok(self.about)
    }

    fn pick(&mut self) -> Result<Decision, LoadError> {
        let decision = self.selector.pick(&self.request, Attempt::default());
        match self.lost.try_recv() {
            Ok(lost) => Err(LoadError::Faulty { call: "pick", fault: lost.fault }),
            Err(_) => Ok(decision),
        }
    }
}

fn cluster() -> LiveCluster {
    let spec = |number: u16| {
        Some(EndpointSpec {
            name: EndpointName::new(&format!("trial-{number}")).ok()?,
            address: Address::parse(&format!("192.0.2.{number}:80")).ok()?,
            weight: Weight::new(number)?,
            labels: Labels::from([("zone".to_owned(), "trial".to_owned())]),
        })
    };
    let cluster = ClusterName::new("trial").map(LiveCluster::new);
    let cluster = cluster.unwrap_or_else(|_| unreachable!("a literal that is a name"));
    cluster.update(&(1..=ENDPOINTS).filter_map(spec).collect::<Vec<_>>(), Instant::now());
    cluster
}

fn request() -> RequestHead {
    let headers = [("host", "trial.example"), ("user-agent", "leverframe"), ("accept", "*/*"), ("cookie", "a=b")];
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    RequestHead {
        method: Method::GET,
        uri: Uri::from_static("/trial/42?q=1"),
        headers: headers.into_iter().map(header).collect::<HeaderMap>(),
        host: Some("trial.example".to_owned()),
        client: IpAddr::from([192, 0, 2, 200]),
        statement: None,
    }
}
