//! What the plugins' work came to, what their instances take, and what they count themselves.

use std::sync::Arc;

use super::super::families::{Family, Kind, Value};
use super::{Labels, NANOSECONDS};
use crate::health::PolicyReading;
use crate::model::{CALL_TIME_BOUNDS_NS, CallReading};
use crate::plugin::{Call, CustomMetric, PluginEntry, Registry, Shared, Version, World};
use crate::routing::SeatReading;

/// A version and what one family tells of it.
type Of<T> = fn(&T) -> u64;

/// What the strategies' work came to, by the cluster in which they choose.
pub(super) fn strategies(registry: &Registry) -> Vec<Family> {
    let versions = versions(registry, Some(World::RoutingStrategy));
    let mut times = Family::new(
        Kind::Histogram,
        "leverframe_plugin_pick_time_seconds",
        "Time of one pick, sampled; the call into the plugin and back.",
    );
    let counters: [(&str, &'static str, Of<SeatReading>); 6] = [
        ("leverframe_plugin_picks", "Decisions asked of a plugin.", |reading| reading.picks),
        ("leverframe_plugin_fallbacks", "Decisions that the host took in a plugin's place.", |reading| {
            reading.fallbacks
        }),
        ("leverframe_plugin_rejections", "Requests that a plugin turned away.", |reading| reading.rejections),
        ("leverframe_plugin_traps", "Calls that trapped.", |reading| reading.traps),
        ("leverframe_plugin_deadlines", "Calls that ran out of time.", |reading| reading.deadlines),
        ("leverframe_plugin_bad_answers", "Answers that could not be used.", |reading| reading.bad_answers),
    ];
    let mut counters = counters.map(|(name, help, read)| (Family::new(Kind::Counter, name, help), read));
    for version in &versions {
        for (cluster, reading) in version.figures.seats_by_cluster() {
            let labels: Labels<'_> =
                &[("plugin", &version.plugin), ("revision", &version.revision), ("cluster", &cluster)];
            times.push(labels, histogram(&picked(&reading)));
            for (family, read) in &mut counters {
                family.push(labels, Value::Count(read(&reading)));
            }
        }
    }
    [times].into_iter().chain(counters.map(|(family, _)| family)).collect()
}

/// What the policies' work came to, by the cluster in which they judge.
pub(super) fn policies(registry: &Registry) -> Vec<Family> {
    let versions = versions(registry, Some(World::HealthPolicy));
    let mut times =
        Family::new(Kind::Histogram, "leverframe_policy_time_seconds", "Time of one judgement; the call and back.");
    let counters: [(&str, &'static str, Of<PolicyReading>); 5] = [
        ("leverframe_policy_judgements", "Judgements asked of a policy.", |reading| reading.judged),
        ("leverframe_policy_fallbacks", "Judgements that were made without it.", |reading| reading.fallbacks),
        ("leverframe_policy_traps", "Calls that trapped.", |reading| reading.traps),
        ("leverframe_policy_deadlines", "Calls that ran out of time.", |reading| reading.deadlines),
        ("leverframe_policy_bad_answers", "Answers that could not be used.", |reading| reading.bad_answers),
    ];
    let mut counters = counters.map(|(name, help, read)| (Family::new(Kind::Counter, name, help), read));
    for version in &versions {
        for (cluster, reading) in version.figures.policies_by_cluster() {
            let labels: Labels<'_> =
                &[("plugin", &version.plugin), ("revision", &version.revision), ("cluster", &cluster)];
            times.push(labels, histogram(&reading.times));
            for (family, read) in &mut counters {
                family.push(labels, Value::Count(read(&reading)));
            }
        }
    }
    counters.map(|(family, _)| family).into_iter().chain([times]).collect()
}

/// What the instances of each version take, and how long each kind of call does.
pub(super) fn work(registry: &Registry) -> Vec<Family> {
    let gauge = |name, help| Family::new(Kind::Gauge, name, help);
    let mut of_versions = [
        gauge("leverframe_plugin_instances", "Instances of a plugin."),
        gauge("leverframe_plugin_memory_bytes", "Linear memory that a plugin's instances hold."),
        gauge("leverframe_plugin_memory_peak_bytes", "The most that a plugin's instances have held at a time."),
        gauge("leverframe_plugin_compile_time_seconds", "Time that checking and compiling a plugin took."),
    ];
    let mut info = gauge("leverframe_plugin_info", "A version of a plugin that serves, or served before it.");
    let mut calls = Family::new(Kind::Counter, "leverframe_plugin_calls", "Calls into a plugin, by kind.");
    let mut times = Family::new(
        Kind::Histogram,
        "leverframe_plugin_call_time_seconds",
        "Time of one call into a plugin, by kind; picks and outcomes are sampled.",
    );
    for version in versions(registry, None) {
        let work = version.artifact.work().read();
        let labels: Labels<'_> = &[("plugin", &version.plugin), ("revision", &version.revision)];
        let values = [
            Value::Level(work.instances as f64),
            Value::Level(work.memory as f64),
            Value::Level(work.peak as f64),
            Value::Level(version.compile_time.as_secs_f64()),
        ];
        of_versions.iter_mut().zip(values).for_each(|(family, value)| family.push(labels, value));
        let world = version.artifact.world().name();
        let about: Labels<'_> = &[
            ("plugin", &version.plugin),
            ("revision", &version.revision),
            ("version", &version.about.version),
            ("world", &world),
        ];
        info.push(about, Value::Level(1.0));
        for (call, made, times_of) in by_call(&version, work.calls) {
            let labels: Labels<'_> = &[("plugin", &version.plugin), ("revision", &version.revision), ("call", &call)];
            calls.push(labels, Value::Count(made));
            times.push(labels, histogram(&times_of));
        }
    }
    of_versions.into_iter().chain([info, calls, times]).collect()
}

/// The kinds of calls that a version was ever called by.
fn by_call(version: &Version, calls: Vec<(Call, u64, CallReading)>) -> Vec<(&'static str, u64, CallReading)> {
    let picks = version.figures.read();
    let all = calls.into_iter().map(|(call, made, times)| (call.as_str(), made, times));
    all.chain([("pick", picks.picks, picked(&picks))]).filter(|(_, made, _)| *made > 0).collect()
}

fn picked(reading: &SeatReading) -> CallReading {
    CallReading { buckets: reading.timed_picks, sum_ns: reading.timed_ns }
}

fn histogram(times: &CallReading) -> Value {
    Value::histogram(&CALL_TIME_BOUNDS_NS, &times.buckets, times.sum_ns, NANOSECONDS)
}

/// What went wrong with each plugin, whichever of its versions it was.
pub(super) fn failures(registry: &Registry) -> Vec<Family> {
    let mut failures = Family::new(
        Kind::Counter,
        "leverframe_plugin_failures",
        "Calls into a plugin that failed, by reason, over all its versions.",
    );
    let mut in_place = Family::new(
        Kind::Counter,
        "leverframe_plugin_host_decisions",
        "Decisions and judgements that the host made in a plugin's place, over all its versions.",
    );
    let mut restarts = Family::new(
        Kind::Counter,
        "leverframe_plugin_restarts",
        "Instances of a plugin that replaced one that failed, over all its versions.",
    );
    for (plugin, of) in registry.failures() {
        for (reason, count) in [("trap", of.traps), ("deadline", of.deadlines), ("bad-answer", of.bad_answers)] {
            failures.push(&[("plugin", &plugin), ("reason", &reason)], Value::Count(count));
        }
        in_place.push(&[("plugin", &plugin)], Value::Count(of.fallbacks));
        restarts.push(&[("plugin", &plugin)], Value::Count(of.restarts));
    }
    vec![failures, in_place, restarts]
}

/// Files that were not taken, or were taken back.
pub(super) fn refused(registry: &Registry) -> Family {
    let mut refused = Family::new(
        Kind::Gauge,
        "leverframe_plugin_refused",
        "1 while the last file of a plugin is not what serves, since it was refused or taken back.",
    );
    for (plugin, entry) in registry.read().iter() {
        if entry.current.is_some() || entry.refused.is_some() {
            refused.push(&[("plugin", plugin)], Value::flag(entry.refused.is_some()));
        }
    }
    refused
}

/// The versions that serve, and those before them; of one world, if one is given.
fn versions(registry: &Registry, world: Option<World>) -> Vec<Arc<Version>> {
    let plugins = registry.read();
    let all = plugins.values().flat_map(PluginEntry::versions);
    all.filter(|version| world.is_none_or(|world| version.artifact.world() == world)).cloned().collect()
}

/// The metrics that guests keep. Their names are a label: whatever a guest calls its figures, and whoever else calls some
/// alike, the page stays one that can be read.
pub(super) fn custom(shared: &[Arc<Shared>]) -> Vec<Family> {
    let mut state =
        Family::new(Kind::Gauge, "leverframe_plugin_state_bytes", "Shared state that a plugin's guests keep.");
    let mut counts = Family::new(Kind::Counter, "leverframe_plugin_custom", "What a plugin itself counts, by name.");
    let mut levels =
        Family::new(Kind::Gauge, "leverframe_plugin_custom_level", "What a plugin itself has measured last, by name.");
    let mut values = Family::new(
        Kind::Summary,
        "leverframe_plugin_custom_values",
        "How many values a plugin itself has measured, and their sum, by name.",
    );
    for shared in shared {
        state.push(&[("plugin", &shared.plugin)], Value::Level(shared.state.used() as f64));
        for (name, metric) in shared.metrics.read() {
            let (family, value) = match metric {
                CustomMetric::Counter(count) => (&mut counts, Value::Count(count)),
                CustomMetric::Gauge(level) => (&mut levels, Value::Level(level)),
                CustomMetric::Histogram { count, sum } => (&mut values, Value::Summary { sum, count }),
            };
            family.push(&[("plugin", &shared.plugin), ("name", &name)], value);
        }
    }
    vec![state, counts, levels, values]
}
