//! Gathers the metrics: reads what the workers and plugins have counted and gives each figure its name. Names follow the
//! conventions of Prometheus: `leverframe_`, base units, and labels whose values are bounded by the configuration.

use std::sync::Arc;
use std::time::Instant;

use super::families::{Family, Kind, Value};
use super::served::Served;
use crate::plugin::{CustomMetric, Registry, Shared, Version};
use crate::proxy::{ClusterReading, RESPONSE_TIME_BOUNDS_US, Reason, STATUS_CLASSES, Snapshot};
use crate::routing::{PICK_TIME_BOUNDS_NS, SeatReading};

const MICROSECONDS: f64 = 1e6;
const NANOSECONDS: f64 = 1e9;

/// What is read.
pub struct Sources<'a> {
    /// What is being served.
    pub served: &'a Served,
    /// What the workers counted, together.
    pub traffic: &'a Snapshot,
    /// The plugins.
    pub plugins: &'a Registry,
    /// What the guests of each plugin count of their own.
    pub shared: &'a [Arc<Shared>],
}

/// All metrics of this moment.
pub fn collect(sources: &Sources<'_>) -> Vec<Family> {
    let mut families = cluster_families(sources.traffic);
    families.extend(listener_families(sources.traffic));
    families.extend(endpoint_families(sources.served));
    families.extend(plugin_families(sources.plugins));
    families.extend(custom_families(sources.shared));
    families.push(build_family());
    families
}

fn build_family() -> Family {
    let mut build = Family::new(Kind::Gauge, "leverframe_build_info", "The version that is running.");
    build.push(&[("version", &env!("CARGO_PKG_VERSION"))], Value::Level(1.0));
    build
}

fn cluster_families(traffic: &Snapshot) -> Vec<Family> {
    let mut responses =
        Family::new(Kind::Counter, "leverframe_responses", "Responses sent to clients, by class of status.");
    let mut times = Family::new(
        Kind::Histogram,
        "leverframe_response_time_seconds",
        "Time from the head of a request to the head of its response.",
    );
    for (cluster, reading) in &traffic.clusters {
        for (class, count) in STATUS_CLASSES.iter().zip(reading.responses) {
            responses.push(&[("cluster", cluster), ("status", class)], Value::Count(count));
        }
        let sum = reading.response_time_us;
        let value = Value::histogram(&RESPONSE_TIME_BOUNDS_US, &reading.response_times, sum, MICROSECONDS);
        times.push(&[("cluster", cluster)], value);
    }
    let counter = |name: &str, help: &'static str, read: fn(&ClusterReading) -> u64| {
        let mut family = Family::new(Kind::Counter, name, help);
        for (cluster, reading) in &traffic.clusters {
            family.push(&[("cluster", cluster)], Value::Count(read(reading)));
        }
        family
    };
    vec![
        responses,
        times,
        counter("leverframe_upstream_connections_opened", "Connections made to endpoints.", |reading| {
            reading.connections_opened
        }),
        counter("leverframe_upstream_connections_reused", "Requests sent on a connection that was kept.", |reading| {
            reading.connections_reused
        }),
        counter("leverframe_upstream_connections_failed", "Connections that could not be made.", |reading| {
            reading.connections_failed
        }),
        counter("leverframe_retries", "Attempts beyond the first of a request.", |reading| reading.retries),
    ]
}

fn listener_families(traffic: &Snapshot) -> Vec<Family> {
    let mut open = Family::new(Kind::Gauge, "leverframe_connections", "Connections from clients that are open.");
    let mut accepted = Family::new(Kind::Counter, "leverframe_connections_accepted", "Connections taken from clients.");
    let mut received = Family::new(Kind::Counter, "leverframe_received_bytes", "Bytes received from clients.");
    let mut sent = Family::new(Kind::Counter, "leverframe_sent_bytes", "Bytes sent to clients.");
    let mut refused =
        Family::new(Kind::Counter, "leverframe_refused_requests", "Requests that no endpoint answered, by reason.");
    for (listener, reading) in &traffic.listeners {
        let labels: &[(&'static str, &dyn ToString)] = &[("listener", listener)];
        open.push(labels, Value::Level(reading.connections_open as f64));
        accepted.push(labels, Value::Count(reading.connections_accepted));
        received.push(labels, Value::Count(reading.bytes_received));
        sent.push(labels, Value::Count(reading.bytes_sent));
        for reason in Reason::ALL {
            let labels: &[(&'static str, &dyn ToString)] = &[("listener", listener), ("reason", &reason.as_str())];
            refused.push(labels, Value::Count(reading.refused_for(*reason)));
        }
    }
    vec![open, accepted, received, sent, refused]
}

fn endpoint_families(served: &Served) -> Vec<Family> {
    let mut requests = Family::new(Kind::Counter, "leverframe_endpoint_requests", "Requests sent to an endpoint.");
    let mut failures = Family::new(Kind::Counter, "leverframe_endpoint_failures", "Requests that an endpoint failed.");
    let mut in_flight = Family::new(Kind::Gauge, "leverframe_endpoint_in_flight", "Requests under way at an endpoint.");
    let mut latency = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_latency_ewma_seconds",
        "Moving average of an endpoint's response time.",
    );
    let now = Instant::now();
    for (cluster, live) in &served.clusters {
        for member in live.roster().members() {
            let load = member.load(now);
            let labels: &[(&'static str, &dyn ToString)] =
                &[("cluster", cluster), ("endpoint", &member.endpoint().spec.name)];
            requests.push(labels, Value::Count(load.requests));
            failures.push(labels, Value::Count(member.figures().failures()));
            in_flight.push(labels, Value::Level(load.in_flight.into()));
            latency.push(labels, Value::Level(f64::from(load.latency_ewma_us) / MICROSECONDS));
        }
    }
    vec![requests, failures, in_flight, latency]
}

fn plugin_families(registry: &Registry) -> Vec<Family> {
    let plugins = registry.read();
    let versions: Vec<&Arc<Version>> =
        plugins.values().flat_map(|entry| [entry.current.as_ref(), entry.previous.as_ref()]).flatten().collect();
    let counter = |name: &str, help: &'static str, read: fn(&SeatReading) -> u64| {
        let mut family = Family::new(Kind::Counter, name, help);
        for version in &versions {
            let labels: &[(&'static str, &dyn ToString)] =
                &[("plugin", &version.plugin), ("revision", &version.revision)];
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

/// The metrics that guests keep: one family for each name and kind, told apart by the plugin's name in the metric's.
fn custom_families(shared: &[Arc<Shared>]) -> Vec<Family> {
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
