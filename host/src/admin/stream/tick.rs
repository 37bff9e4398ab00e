//! What is sent each second: the point of history, and the figures of each endpoint and node. Endpoints are rows without
//! names of members, since there may be a thousand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::admin::server::Shared;
use crate::cluster::{LiveCluster, Member};
use crate::model::{ClusterName, SqlName};
use crate::observe::{Flow, Point, Served, SqlFlow};
use crate::sql::figures::Reading;

/// Of one endpoint: id, requests, failures, in flight, latency in microseconds, health score.
type EndpointRow = (u32, u64, u64, u32, u32, f32);

/// Of one node: name, statements, failures, rows, average time in milliseconds.
type NodeRow<'t> = (&'t str, u64, u64, u64, f64);

#[derive(Serialize)]
pub(super) struct Tick<'t> {
    at_ms: u64,
    total: Flow,
    clusters: BTreeMap<&'t str, Cluster>,
    sql: BTreeMap<&'t str, Entry<'t>>,
    scale: BTreeMap<String, Scale>,
}

#[derive(Serialize)]
struct Cluster {
    #[serde(flatten)]
    flow: Flow,
    endpoints: Vec<EndpointRow>,
}

#[derive(Serialize)]
struct Entry<'t> {
    #[serde(flatten)]
    flow: SqlFlow,
    nodes: Vec<NodeRow<'t>>,
}

#[derive(Serialize)]
struct Scale {
    cooldown_s: f64,
}

impl<'t> Tick<'t> {
    /// Of the second that a point is of.
    pub(super) fn of(
        shared: &Shared,
        served: &Served,
        point: &'t Point,
        readings: &'t BTreeMap<SqlName, Reading>,
    ) -> Self {
        let now = Instant::now();
        let cluster = |(name, flow): &'t (ClusterName, Flow)| {
            let endpoints = served.clusters.get(name).map(|live| endpoints(live, now)).unwrap_or_default();
            (name.as_str(), Cluster { flow: *flow, endpoints })
        };
        let entry = |(name, flow): &'t (SqlName, SqlFlow)| {
            let nodes = readings.get(name).map(nodes).unwrap_or_default();
            (name.as_str(), Entry { flow: *flow, nodes })
        };
        let scalers = shared.scalers.borrow();
        let scale = scalers.iter().map(|(name, scaler)| {
            let left = scaler.status().cooldown_left.unwrap_or_default();
            (name.to_string(), Scale { cooldown_s: (left.as_secs_f64() * 10.0).round() / 10.0 })
        });
        Self {
            at_ms: point.at_ms,
            total: point.total,
            clusters: point.clusters.iter().map(cluster).collect(),
            sql: point.sql.iter().map(entry).collect(),
            scale: scale.collect(),
        }
    }
}

fn endpoints(live: &LiveCluster, now: Instant) -> Vec<EndpointRow> {
    let row = |member: &Arc<Member>| {
        let load = member.load(now);
        let (failures, score) = (member.figures().failures(), member.standing().verdict.score);
        (member.id().0, load.requests, failures, load.in_flight, load.latency_ewma_us, score as f32)
    };
    live.roster().members().iter().map(row).collect()
}

fn nodes(reading: &Reading) -> Vec<NodeRow<'_>> {
    let rows = reading.nodes.iter().map(|(name, node)| {
        let average_us = node.time_us.checked_div(node.statements).unwrap_or(0);
        (name.as_str(), node.statements, node.failures, node.rows, average_us as f64 / 1000.0)
    });
    rows.collect()
}
