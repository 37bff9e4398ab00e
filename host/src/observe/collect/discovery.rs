//! What is known of the sources of endpoints: whether each is in sight, what it saw, and how fresh that is.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::families::{Family, Kind, Value};
use super::Labels;
use crate::discovery::{Sighting, SourceKind};
use crate::model::ClusterName;

/// The sources of each cluster.
pub type Sightings = BTreeMap<ClusterName, Vec<(SourceKind, Sighting)>>;

pub(super) fn sources(sightings: &Sightings) -> Vec<Family> {
    let mut up = Family::new(Kind::Gauge, "leverframe_discovery_up", "1 while a source of endpoints is in sight.");
    let mut endpoints = Family::new(Kind::Gauge, "leverframe_discovery_endpoints", "Endpoints that a source saw last.");
    let mut skipped = Family::new(
        Kind::Gauge,
        "leverframe_discovery_skipped",
        "What a source saw last that looks like an endpoint and cannot be one.",
    );
    let mut age =
        Family::new(Kind::Gauge, "leverframe_discovery_age_seconds", "Time since a source last said what it sees.");
    let now = Instant::now();
    for (cluster, sources) in sightings {
        for (kind, sighting) in sources {
            let labels: Labels<'_> = &[("cluster", cluster), ("source", &kind.as_str())];
            up.push(labels, Value::flag(sighting.seen.is_some() && sighting.lost.is_none()));
            if let Some(seen) = &sighting.seen {
                endpoints.push(labels, Value::Level(seen.endpoints.len() as f64));
                skipped.push(labels, Value::Level(seen.skipped.len() as f64));
            }
            if let Some(confirmed) = &sighting.confirmed {
                let since = now.saturating_duration_since(confirmed.instant);
                age.push(labels, Value::Level(since.as_secs_f64()));
            }
        }
    }
    vec![up, endpoints, skipped, age]
}
