//! The rows of the pages: what came of the stream, joined by name, with rates, and in the order that was asked for. Pure.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::model::Model;
use super::said::{Endpoint, Tick};

/// By what the endpoints are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Column {
    #[default]
    Name,
    State,
    Rate,
    Errors,
    InFlight,
    Latency,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: Column,
    pub(super) reversed: bool,
}

impl Order {
    /// The next column.
    pub(super) fn next(self) -> Self {
        let by = match self.by {
            Column::Name => Column::State,
            Column::State => Column::Rate,
            Column::Rate => Column::Errors,
            Column::Errors => Column::InFlight,
            Column::InFlight => Column::Latency,
            Column::Latency => Column::Name,
        };
        Self { by, reversed: false }
    }
}

/// What endpoints and nodes did in a second, by cluster or entry, and by id or name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    endpoints: BTreeMap<(String, u64), (f64, f64)>,
    nodes: BTreeMap<(String, String), (f64, f64)>,
}

impl Rates {
    /// From two readings of the counters; nothing where there is none before.
    pub(super) fn between(before: &Tick, after: &Tick) -> Self {
        let seconds = after.at_ms.saturating_sub(before.at_ms) as f64 / 1000.0;
        if before.at_ms == 0 || seconds <= 0.0 {
            return Self::default();
        }
        let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
        let mut rates = Self::default();
        for (cluster, flow) in &after.clusters {
            let earlier = before.clusters.get(cluster).map(|flow| flow.endpoints.as_slice()).unwrap_or_default();
            let earlier: BTreeMap<u64, (u64, u64)> = earlier.iter().map(|row| (row.0, (row.1, row.2))).collect();
            for (id, requests, failures, ..) in &flow.endpoints {
                let Some((was, failed)) = earlier.get(id) else { continue };
                rates.endpoints.insert((cluster.clone(), *id), (rate(*was, *requests), rate(*failed, *failures)));
            }
        }
        for (entry, flow) in &after.sql {
            let earlier = before.sql.get(entry).map(|flow| flow.nodes.as_slice()).unwrap_or_default();
            let earlier: BTreeMap<&str, (u64, u64)> =
                earlier.iter().map(|row| (row.0.as_str(), (row.1, row.2))).collect();
            for (node, statements, failures, ..) in &flow.nodes {
                let Some((was, failed)) = earlier.get(node.as_str()) else { continue };
                let key = (entry.clone(), node.clone());
                rates.nodes.insert(key, (rate(*was, *statements), rate(*failed, *failures)));
            }
        }
        rates
    }
}

/// An endpoint, with its cluster.
#[derive(Clone, Debug)]
pub(super) struct EndpointRow<'m> {
    pub(super) cluster: &'m str,
    pub(super) endpoint: &'m Endpoint,
    /// Requests, and those that failed, in a second.
    pub(super) rates: (f64, f64),
    pub(super) in_flight: u64,
    pub(super) latency_ms: f64,
}

/// A node of an entry.
#[derive(Clone, Debug)]
pub(super) struct NodeRow<'m> {
    pub(super) entry: &'m str,
    pub(super) node: &'m str,
    /// A word; of nodes that are not replicated nothing.
    pub(super) state: &'m str,
    pub(super) position: Option<u64>,
    pub(super) lag: Option<u64>,
    /// Statements, and those that failed, in a second.
    pub(super) rates: (f64, f64),
    pub(super) average_ms: f64,
    pub(super) why: &'m str,
}

impl Model {
    /// The endpoints, in the order that was asked for.
    pub(super) fn endpoints(&self) -> Vec<EndpointRow<'_>> {
        let mut rows = Vec::new();
        for cluster in &self.overview.clusters {
            let figures =
                self.tick.clusters.get(&cluster.name).map(|flow| flow.endpoints.as_slice()).unwrap_or_default();
            let figures: BTreeMap<u64, _> = figures.iter().map(|row| (row.0, row)).collect();
            for endpoint in &cluster.endpoints {
                let of = figures.get(&endpoint.id);
                rows.push(EndpointRow {
                    cluster: &cluster.name,
                    endpoint,
                    rates: self.rates.endpoints.get(&(cluster.name.clone(), endpoint.id)).copied().unwrap_or_default(),
                    in_flight: of.map_or(0, |row| row.3),
                    latency_ms: of.map_or(0.0, |row| row.4 / 1000.0),
                });
            }
        }
        // Stable: what is equal stays in the order of the configuration.
        rows.sort_by(|one, other| {
            let ordered = by(self.order.by, one, other);
            if self.order.reversed { ordered.reverse() } else { ordered }
        });
        rows
    }

    /// The nodes of all entries.
    pub(super) fn nodes(&self) -> Vec<NodeRow<'_>> {
        let mut rows = Vec::new();
        for entry in &self.overview.sql {
            let figures = self.tick.sql.get(&entry.name).map(|flow| flow.nodes.as_slice()).unwrap_or_default();
            let replicated = entry.replication.as_ref().map(|of| of.nodes.as_slice()).unwrap_or_default();
            let names =
                replicated.iter().map(|node| node.name.as_str()).chain(figures.iter().map(|row| row.0.as_str()));
            let mut seen = Vec::new();
            for name in names {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
                let node = replicated.iter().find(|node| node.name == name);
                rows.push(NodeRow {
                    entry: &entry.name,
                    node: name,
                    state: node.map_or("", |node| match (&node.state, node.readable) {
                        (Some(state), _) => state,
                        (None, true) => "READABLE",
                        (None, false) => "NOT READABLE",
                    }),
                    position: node.and_then(|node| node.position),
                    lag: node.and_then(|node| node.lag),
                    rates: self.rates.nodes.get(&(entry.name.clone(), name.to_owned())).copied().unwrap_or_default(),
                    average_ms: figures.iter().find(|row| row.0 == name).map_or(0.0, |row| row.4),
                    why: node.and_then(|node| node.why.as_deref()).unwrap_or_default(),
                });
            }
        }
        rows
    }
}

/// What is worst, or most, comes first.
fn by(column: Column, one: &EndpointRow<'_>, other: &EndpointRow<'_>) -> Ordering {
    match column {
        Column::Name => Ordering::Equal,
        Column::State => severity(&other.endpoint.state).cmp(&severity(&one.endpoint.state)),
        Column::Rate => other.rates.0.total_cmp(&one.rates.0),
        Column::Errors => other.rates.1.total_cmp(&one.rates.1),
        Column::InFlight => other.in_flight.cmp(&one.in_flight),
        Column::Latency => other.latency_ms.total_cmp(&one.latency_ms),
    }
}

/// How much a state wants to be looked at.
pub(super) fn severity(state: &str) -> u8 {
    match state {
        "FAILED" | "INCONSISTENT" | "REBUILD NEEDED" | "DOWN" => 4,
        "DEGRADED" | "NOT READABLE" => 3,
        "RECOVERING" | "REBUILDING" => 2,
        "DRAINING" | "DISABLED" => 1,
        _ => 0,
    }
}
