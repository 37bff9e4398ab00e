//! What the workers counted: requests, connections, retries, queues.

use super::super::families::{Family, Kind, Value};
use super::{Labels, MICROSECONDS};
use crate::proxy::{ClusterReading, RESPONSE_TIME_BOUNDS_US, Reason, RetryReason, STATUS_CLASSES, Snapshot};

pub(super) fn clusters(traffic: &Snapshot) -> Vec<Family> {
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
        counter("leverframe_retry_budget_exhausted", "Requests that were not sent again: too many were.", |reading| {
            reading.retry_budget_exhausted
        }),
        counter("leverframe_circuit_refusals", "Picks that an endpoint's circuit refused.", |reading| {
            reading.circuit_refused
        }),
        counter("leverframe_queue_refusals", "Requests that did not get their turn.", |reading| reading.queue_refused),
    ]
}

/// What was sent again, and what waited for its turn.
pub(super) fn trouble(traffic: &Snapshot) -> Vec<Family> {
    let mut retries =
        Family::new(Kind::Counter, "leverframe_retries", "Attempts beyond the first of a request, by reason.");
    let mut queue = Family::new(
        Kind::Histogram,
        "leverframe_queue_time_seconds",
        "Time that requests waited for their turn, where their number is limited.",
    );
    for (cluster, reading) in &traffic.clusters {
        for reason in RetryReason::ALL {
            let count = reading.retries_for(*reason);
            retries.push(&[("cluster", cluster), ("reason", &reason.as_str())], Value::Count(count));
        }
        let sum = reading.queue_time_us;
        let value = Value::histogram(&RESPONSE_TIME_BOUNDS_US, &reading.queue_times, sum, MICROSECONDS);
        queue.push(&[("cluster", cluster)], value);
    }
    vec![retries, queue]
}

pub(super) fn listeners(traffic: &Snapshot) -> Vec<Family> {
    let mut open = Family::new(Kind::Gauge, "leverframe_connections", "Connections from clients that are open.");
    let mut accepted = Family::new(Kind::Counter, "leverframe_connections_accepted", "Connections taken from clients.");
    let mut received = Family::new(Kind::Counter, "leverframe_received_bytes", "Bytes received from clients.");
    let mut sent = Family::new(Kind::Counter, "leverframe_sent_bytes", "Bytes sent to clients.");
    let mut refused =
        Family::new(Kind::Counter, "leverframe_refused_requests", "Requests that no endpoint answered, by reason.");
    for (listener, reading) in &traffic.listeners {
        let labels: Labels<'_> = &[("listener", listener)];
        open.push(labels, Value::Level(reading.connections_open as f64));
        accepted.push(labels, Value::Count(reading.connections_accepted));
        received.push(labels, Value::Count(reading.bytes_received));
        sent.push(labels, Value::Count(reading.bytes_sent));
        for reason in Reason::ALL {
            let labels: Labels<'_> = &[("listener", listener), ("reason", &reason.as_str())];
            refused.push(labels, Value::Count(reading.refused_for(*reason)));
        }
    }
    vec![open, accepted, received, sent, refused]
}
