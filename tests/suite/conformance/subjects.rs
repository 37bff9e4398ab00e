//! Who is held to the laws: every strategy that is built in, under each of its configurations, natively and as a
//! component. The list is that of the binary; a built-in whose native counterpart is not named here fails every test.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use leverframe::config::PluginLimits;
use leverframe::model::PluginName;
use leverframe::plugin::{
    Artifact, CustomMetrics, InstanceSetup, LogLines, PluginEngine, Shared, SharedState, StrategyInstance, World,
    builtins,
};
use leverframe::routing::Strategy;
use leverframe_sdk::RoutingStrategy;

use super::native::Native;

/// How a strategy is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Native,
    Wasm,
}

impl Form {
    pub(crate) const BOTH: [Self; 2] = [Self::Native, Self::Wasm];
}

/// A built-in strategy under one configuration.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: PluginName,
    config: &'static str,
    native: NativeStart,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.config)
    }
}

type NativeStart = fn(&str, Arc<Shared>) -> Result<Box<dyn Strategy>, String>;

/// What the first configuration of each strategy is, and which others decide by another way.
struct Counterpart {
    native: NativeStart,
    configs: &'static [&'static str],
}

const ONLY: &[&str] = &["{}"];

fn counterparts() -> BTreeMap<&'static str, Counterpart> {
    BTreeMap::from([
        (
            "consistent-hash",
            natively::<consistent_hash::ConsistentHash>(&[
                "{}",
                r#"{"key": {"header": "x-user"}}"#,
                r#"{"key": {"query": "user"}, "slots": 7, "virtual_nodes": 3}"#,
                r#"{"hash": "mixed"}"#,
            ]),
        ),
        ("least-connections", natively::<least_connections::LeastConnections>(ONLY)),
        ("least-response-time", natively::<least_response_time::LeastResponseTime>(ONLY)),
        ("maglev", natively::<maglev::Maglev>(&["{}", r#"{"key": "path"}"#])),
        ("p2c-ewma", natively::<p2c_ewma::P2cEwma>(ONLY)),
        ("random", natively::<random::Random>(ONLY)),
        ("response-time", natively::<response_time::ResponseTime>(ONLY)),
        ("round-robin", natively::<round_robin::RoundRobin>(ONLY)),
        (
            "sticky-session",
            natively::<sticky_session::StickySession>(&[
                "{}",
                r#"{"mode": "signed", "secret": "0123456789abcdef", "cookie": {"name": "sid", "max_age": 60}}"#,
            ]),
        ),
        ("weighted-round-robin", natively::<weighted_round_robin::WeightedRoundRobin>(ONLY)),
    ])
}

fn natively<S: RoutingStrategy + Send + 'static>(configs: &'static [&'static str]) -> Counterpart {
    Counterpart { native: |config, shared| Ok(Box::new(Native::<S>::configured(config, shared)?)), configs }
}

/// Every built-in strategy under each of its configurations.
pub(crate) fn subjects() -> Vec<Subject> {
    let counterparts = counterparts();
    let built_in = built_in(World::RoutingStrategy);
    let named: Vec<&str> = built_in.iter().map(PluginName::as_str).collect();
    assert!(counterparts.keys().eq(&named), "built in: {named:?}; in this suite: {:?}", counterparts.keys());
    let all = built_in.iter().flat_map(|name| {
        let Counterpart { native, configs } = &counterparts[name.as_str()];
        configs.iter().map(|config| Subject { name: name.clone(), config, native: *native })
    });
    all.collect()
}

/// A built-in strategy under a configuration of the caller's.
pub(crate) fn subject(name: &str, config: &'static str) -> Subject {
    let one = subjects().into_iter().find(|subject| subject.name.as_str() == name);
    Subject { config, ..one.unwrap_or_else(|| panic!("`{name}` is not built in")) }
}

impl Subject {
    /// A configured instance.
    pub(crate) fn start(&self, form: Form) -> Box<dyn Strategy> {
        let shared = shared(&self.name);
        match form {
            Form::Native => (self.native)(self.config, shared).unwrap_or_else(|error| panic!("{self}: {error}")),
            Form::Wasm => {
                let instance = with_setup(&self.name, |setup| StrategyInstance::configured(setup, self.config));
                Box::new(instance.unwrap_or_else(|error| panic!("{self}: {error}")))
            }
        }
    }
}

/// The names of the built-in plugins of one world, sorted.
pub(crate) fn built_in(world: World) -> Vec<PluginName> {
    let of_the_world = COMPILED.artifacts.iter().filter(|(_, artifact)| artifact.world() == world);
    of_the_world.map(|(name, _)| name.clone()).collect()
}

/// What the instances of a plugin share: nothing so far.
pub(crate) fn shared(plugin: &PluginName) -> Arc<Shared> {
    let state = SharedState::new(PluginLimits::default().state_bytes);
    Arc::new(Shared { plugin: plugin.clone(), state, metrics: CustomMetrics::default(), lines: LogLines::default() })
}

/// The limits that a configuration has where it says nothing, but for time: what is decided here does not depend on how
/// busy the machine is.
pub(crate) fn limits() -> PluginLimits {
    let patient = Duration::from_secs(60);
    PluginLimits { pick_deadline: patient, call_deadline: patient, ..PluginLimits::default() }
}

/// Makes something of a built-in plugin's component.
pub(crate) fn with_setup<T>(plugin: &PluginName, make: impl FnOnce(InstanceSetup<'_>) -> T) -> T {
    let Compiled { engine, artifacts } = &*COMPILED;
    let (shared, limits) = (shared(plugin), limits());
    make(InstanceSetup { engine, artifact: &artifacts[plugin], shared: &shared, limits: &limits, cluster: None })
}

/// An engine for all tests that need no other: each reserves terabytes of addresses.
pub(crate) fn engine() -> Arc<PluginEngine> {
    Arc::clone(&COMPILED.engine)
}

struct Compiled {
    engine: Arc<PluginEngine>,
    artifacts: BTreeMap<PluginName, Artifact>,
}

/// Compiled code cannot change, so all tests share it: compiling takes longer than everything else here.
static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let engine = Arc::new(PluginEngine::new(None).expect("the kernel lends an engine what it needs"));
    let compile = |(name, bytes): (PluginName, &[u8])| {
        let artifact = Artifact::compile(&engine, bytes, &limits());
        let artifact = artifact.unwrap_or_else(|error| panic!("{name} does not compile: {error}"));
        (name, artifact)
    };
    let artifacts = builtins().map(compile).collect();
    Compiled { engine, artifacts }
});
