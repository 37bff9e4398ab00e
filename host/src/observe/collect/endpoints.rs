//! What is known of the endpoints: their load, how they stand, what changed, and their checks.

use std::time::Instant;

use super::super::events::{EventLog, Transitions};
use super::super::families::{Family, Kind, Value};
use super::super::served::Served;
use super::{Labels, MICROSECONDS};
use crate::health::CHECK_TIME_BOUNDS_US;

pub(super) fn load(served: &Served) -> Vec<Family> {
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
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", &member.endpoint().spec.name)];
            requests.push(labels, Value::Count(load.requests));
            failures.push(labels, Value::Count(member.figures().failures()));
            in_flight.push(labels, Value::Level(load.in_flight.into()));
            latency.push(labels, Value::Level(f64::from(load.latency_ewma_us) / MICROSECONDS));
        }
    }
    vec![requests, failures, in_flight, latency]
}

/// How each stands, and how many of a cluster may be chosen.
pub(super) fn health(served: &Served) -> Vec<Family> {
    let mut state = Family::new(Kind::Gauge, "leverframe_endpoint_state", "1 for the state that an endpoint is in.");
    let mut circuit =
        Family::new(Kind::Gauge, "leverframe_circuit_state", "1 for the state that an endpoint's circuit is in.");
    let mut weight = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_weight",
        "The weight that an endpoint has been given, by its source or an operator.",
    );
    let mut score = Family::new(
        Kind::Gauge,
        "leverframe_endpoint_health_score",
        "What an endpoint's health policies think of it: 0 dead, 1 sound.",
    );
    let mut ready = Family::new(Kind::Gauge, "leverframe_cluster_ready", "Endpoints that may be chosen.");
    let mut panic =
        Family::new(Kind::Gauge, "leverframe_cluster_panic", "1 while the panic rule chooses who is ready.");
    for (cluster, live) in &served.clusters {
        let roster = live.roster();
        for member in roster.members() {
            let (name, standing) = (&member.endpoint().spec.name, member.standing());
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", name), ("state", &standing.state())];
            state.push(labels, Value::Level(1.0));
            let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", name), ("state", &standing.circuit.as_str())];
            circuit.push(labels, Value::Level(1.0));
            let given = member.given_weight().get();
            weight.push(&[("cluster", cluster), ("endpoint", name)], Value::Level(given.into()));
            score.push(&[("cluster", cluster), ("endpoint", name)], Value::Level(standing.verdict.score.into()));
        }
        ready.push(&[("cluster", cluster)], Value::Level(roster.ready().len() as f64));
        panic.push(&[("cluster", cluster)], Value::flag(roster.panics()));
    }
    vec![state, circuit, weight, score, ready, panic]
}

/// How often each was taken out, and how often its circuit changed.
pub(super) fn transitions(events: &EventLog) -> Vec<Family> {
    let mut ejections =
        Family::new(Kind::Counter, "leverframe_endpoint_ejections", "Times that an endpoint was taken out as failed.");
    let mut circuits = Family::new(
        Kind::Counter,
        "leverframe_circuit_transitions",
        "Changes of an endpoint's circuit, by its new state.",
    );
    for ((cluster, endpoint), counts) in events.transitions() {
        let Transitions { ejections: count, opened, half_opened, closed } = counts;
        ejections.push(&[("cluster", &cluster), ("endpoint", &endpoint)], Value::Count(count));
        for (state, count) in [("open", opened), ("half-open", half_opened), ("closed", closed)] {
            let labels: Labels<'_> = &[("cluster", &cluster), ("endpoint", &endpoint), ("state", &state)];
            circuits.push(labels, Value::Count(count));
        }
    }
    vec![ejections, circuits]
}

/// What came of the checks.
pub(super) fn checks(served: &Served) -> Vec<Family> {
    let mut checks = Family::new(Kind::Counter, "leverframe_checks", "Checks of an endpoint, by result.");
    let mut times = Family::new(Kind::Histogram, "leverframe_check_time_seconds", "Time that the checks took.");
    for (cluster, keeper) in &served.keepers {
        for reading in keeper.readings() {
            for (result, count) in [("ok", reading.ok), ("failed", reading.failed)] {
                let labels: Labels<'_> = &[("cluster", cluster), ("endpoint", &reading.endpoint), ("result", &result)];
                checks.push(labels, Value::Count(count));
            }
            let value = Value::histogram(&CHECK_TIME_BOUNDS_US, &reading.times, reading.time_us, MICROSECONDS);
            times.push(&[("cluster", cluster), ("endpoint", &reading.endpoint)], value);
        }
    }
    vec![checks, times]
}
