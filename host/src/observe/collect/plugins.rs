//! What the plugins' work came to, and what they count themselves.

use std::sync::Arc;

use super::super::families::{Family, Kind, Value};
use super::{Labels, NANOSECONDS};
use crate::health::PolicyReading;
use crate::plugin::{CustomMetric, Registry, Shared, Version, World};
use crate::routing::{PICK_TIME_BOUNDS_NS, SeatReading};

/// What the strategies' work came to.
pub(super) fn strategies(registry: &Registry) -> Vec<Family> {
    let versions = versions(registry, World::RoutingStrategy);
    let counter = |name: &str, help: &'static str, read: fn(&SeatReading) -> u64| {
        let mut family = Family::new(Kind::Counter, name, help);
        for version in &versions {
            let labels: Labels<'_> = &[("plugin", &version.plugin), ("revision", &version.revision)];
            family.push(labels, Value::Count(read(&version.figures.read())));
        }
        family
    };
    let mut times = Family::new(
        Kind::Histogram,
        "leverframe_plugin_pick_time_seconds",
        "Time of one pick, sampled; the call into the plugin and back.",
    );
    for version in &versions {
        let reading = version.figures.read();
        let value = Value::histogram(&PICK_TIME_BOUNDS_NS, &reading.timed_picks, reading.timed_ns, NANOSECONDS);
        times.push(&[("plugin", &version.plugin), ("revision", &version.revision)], value);
    }
    vec![
        times,
        counter("leverframe_plugin_picks", "Decisions asked of a plugin.", |reading| reading.picks),
        counter("leverframe_plugin_fallbacks", "Decisions that the host took in a plugin's place.", |reading| {
            reading.fallbacks
        }),
        counter("leverframe_plugin_rejections", "Requests that a plugin turned away.", |reading| reading.rejections),
        counter("leverframe_plugin_traps", "Calls that trapped.", |reading| reading.traps),
        counter("leverframe_plugin_deadlines", "Calls that ran out of time.", |reading| reading.deadlines),
        counter("leverframe_plugin_bad_answers", "Answers that could not be used.", |reading| reading.bad_answers),
    ]
}

/// What the policies' work came to.
pub(super) fn policies(registry: &Registry) -> Vec<Family> {
    let versions = versions(registry, World::HealthPolicy);
    let mut times =
        Family::new(Kind::Histogram, "leverframe_policy_time_seconds", "Time of one judgement; the call and back.");
    for version in &versions {
        let reading = version.figures.read_policies();
        let sum = reading.judged_ns as f64 / NANOSECONDS;
        let value = Value::Histogram { buckets: Vec::new(), sum, count: reading.judged };
        times.push(&[("plugin", &version.plugin), ("revision", &version.revision)], value);
    }
    let counter = |name: &str, help: &'static str, read: fn(&PolicyReading) -> u64| {
        let mut family = Family::new(Kind::Counter, name, help);
        for version in &versions {
            let labels: Labels<'_> = &[("plugin", &version.plugin), ("revision", &version.revision)];
            family.push(labels, Value::Count(read(&version.figures.read_policies())));
        }
        family
    };
    vec![
        counter("leverframe_policy_judgements", "Judgements asked of a policy.", |reading| reading.judged),
        counter("leverframe_policy_fallbacks", "Judgements that were made without it.", |reading| reading.fallbacks),
        counter("leverframe_policy_traps", "Calls that trapped.", |reading| reading.traps),
        counter("leverframe_policy_deadlines", "Calls that ran out of time.", |reading| reading.deadlines),
        counter("leverframe_policy_bad_answers", "Answers that could not be used.", |reading| reading.bad_answers),
        times,
    ]
}

/// The versions that serve, and those before them, of one world.
fn versions(registry: &Registry, world: World) -> Vec<Arc<Version>> {
    let plugins = registry.read();
    let all = plugins.values().flat_map(|entry| [entry.current.as_ref(), entry.previous.as_ref()]).flatten();
    all.filter(|version| version.artifact.world() == world).cloned().collect()
}

/// The metrics that guests keep: one family for each name and kind, told apart by the plugin's name in the metric's.
pub(super) fn custom(shared: &[Arc<Shared>]) -> Vec<Family> {
    let mut state =
        Family::new(Kind::Gauge, "leverframe_plugin_state_bytes", "Shared state that a plugin's guests keep.");
    let mut families = Vec::new();
    for shared in shared {
        let plugin = shared.plugin.as_str();
        state.push(&[("plugin", &plugin)], Value::Level(shared.state.used() as f64));
        let prefix: String = plugin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        for (name, metric) in shared.metrics.read() {
            let (kind, value) = match metric {
                CustomMetric::Counter(count) => (Kind::Counter, Value::Count(count)),
                CustomMetric::Gauge(level) => (Kind::Gauge, Value::Level(level)),
                CustomMetric::Histogram { count, sum } => {
                    (Kind::Histogram, Value::Histogram { buckets: Vec::new(), sum, count })
                }
            };
            let name = format!("leverframe_plugin_{prefix}_{name}");
            let mut family = Family::new(kind, &name, "Kept by the plugin itself.");
            family.push(&[], value);
            families.push(family);
        }
    }
    families.push(state);
    families
}
