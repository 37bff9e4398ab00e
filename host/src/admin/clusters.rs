//! `GET /api/clusters`: each cluster, who chooses and judges in it, and its endpoints with their figures.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::events::time;
use super::hidden;
use super::server::Shared;
use crate::cluster::{LiveCluster, Member};
use crate::config::{PolicySpec, StrategySpec};
use crate::discovery::{Sighting, SourceKind};
use crate::health::{CheckReading, LastCheck};
use crate::model::ClusterName;
use crate::observe::Served;

/// All clusters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Clusters {
    pub(crate) clusters: Vec<Cluster>,
}

/// Endpoints that can stand in for each other, and who decides about them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cluster {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) name: String,
    /// Whether so many endpoints are out that health is not asked any more.
    pub(crate) panic: bool,
    /// Who judges, in this order; null for a moment while the cluster is new.
    pub(crate) policies: Option<Vec<Plugged>>,
    /// How many endpoints take part in the traffic.
    pub(crate) ready: usize,
    /// Where the endpoints come from, besides the file.
    pub(crate) sources: Option<Vec<Source>>,
    /// Who chooses; null for a moment while the cluster is new.
    pub(crate) strategy: Option<Plugged>,
}

/// A plugin that is put to use.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Plugged {
    /// Its configuration; `(secret)` stands for what is one.
    #[schema(value_type = Object)]
    pub(crate) config: Value,
    /// Its name.
    pub(crate) plugin: String,
}

/// One endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Endpoint {
    pub(crate) address: String,
    /// `closed`, `open` or `half-open`.
    pub(crate) circuit: &'static str,
    /// What part of its weight it gets, from 0 to 1.
    pub(crate) effective_weight: f32,
    /// What part of its requests failed lately, from 0 to 1.
    pub(crate) error_ratio: f32,
    pub(crate) failures: u64,
    /// From 0 (dead) to 1 (sound).
    pub(crate) health_score: f32,
    /// Stays as long as it is in the cluster.
    pub(crate) id: u32,
    pub(crate) in_flight: u32,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) last_check: Option<Checked>,
    pub(crate) latency_ewma_us: u32,
    pub(crate) name: String,
    /// Why it stands as it does; empty when there is nothing to say.
    pub(crate) reason: String,
    /// What the source says of it.
    pub(crate) reported: &'static str,
    pub(crate) requests: u64,
    /// HEALTHY, DEGRADED, FAILED, RECOVERING or DRAINING.
    pub(crate) state: &'static str,
    pub(crate) weight: u16,
}

/// The last active check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checked {
    pub(crate) at: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) ok: bool,
}

/// Where endpoints come from, and how fresh that is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Source {
    pub(crate) age_ms: Option<u64>,
    pub(crate) confirmed: Option<String>,
    pub(crate) endpoints: Option<usize>,
    pub(crate) kind: &'static str,
    /// Since when it does not answer.
    pub(crate) lost: Option<SourceLost>,
    pub(crate) skipped: Vec<Skipped>,
}

/// A source that does not answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceLost {
    pub(crate) since: Option<String>,
    pub(crate) why: String,
}

/// Something in a source that is no endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Skipped {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// All clusters with their endpoints.
#[utoipa::path(get, path = "/api/clusters", tag = "clusters", responses((status = 200, body = Clusters)))]
pub(super) async fn clusters(State(shared): State<Shared>) -> Json<Clusters> {
    Json(read(&shared))
}

/// All clusters as they are now.
pub(crate) fn read(shared: &Shared) -> Clusters {
    let (served, now) = (shared.served(), Instant::now());
    let (assignments, sightings) = (shared.supervisor.assignments(), shared.directory.sightings());
    let one = |(name, live): (&ClusterName, &std::sync::Arc<LiveCluster>)| Cluster {
        strategy: assignments.get(name).map(strategy),
        sources: sightings.get(name).map(|seen| seen.iter().map(source).collect()),
        ..cluster(&served, live, now)
    };
    Clusters { clusters: served.clusters.iter().map(one).collect() }
}

/// A cluster without what others say of it.
fn cluster(served: &Served, live: &LiveCluster, now: Instant) -> Cluster {
    let (name, roster) = (live.name(), live.roster());
    let readings = served.keepers.get(name).map(|keeper| keeper.readings()).unwrap_or_default();
    let readings: BTreeMap<_, _> = readings.iter().map(|reading| (&reading.endpoint, reading)).collect();
    let checked = |member: &Member| readings.get(&member.endpoint().spec.name).copied();
    let policies = served.config.clusters.get(name).map(|cluster| cluster.health.policies.iter().map(policy).collect());
    Cluster {
        endpoints: roster.members().iter().map(|member| endpoint(member, checked(member), now)).collect(),
        name: name.to_string(),
        panic: roster.panics(),
        policies,
        ready: roster.ready().len(),
        sources: None,
        strategy: None,
    }
}

/// A strategy as the API shows it.
pub(super) fn strategy(spec: &StrategySpec) -> Plugged {
    plugged(spec.plugin.as_str(), &spec.config)
}

pub(super) fn policy(spec: &PolicySpec) -> Plugged {
    plugged(spec.plugin.as_str(), &spec.config)
}

fn plugged(plugin: &str, config: &str) -> Plugged {
    Plugged { config: hidden::shown(config), plugin: plugin.to_owned() }
}

fn source((kind, sighting): &(SourceKind, Sighting)) -> Source {
    let seen = sighting.seen.as_ref();
    let skipped = |seen: &crate::discovery::Seen| {
        let left = seen.skipped.iter();
        left.map(|left| Skipped { what: left.what.to_string(), why: left.why.to_string() }).collect()
    };
    let lost = sighting.lost.as_ref();
    Source {
        age_ms: sighting.confirmed.map(|confirmed| confirmed.instant.elapsed().as_millis() as u64),
        confirmed: sighting.confirmed.and_then(|confirmed| time(confirmed.time)),
        endpoints: seen.map(|seen| seen.endpoints.len()),
        kind: kind.as_str(),
        lost: lost.map(|lost| SourceLost { since: time(lost.since.time), why: lost.why.to_string() }),
        skipped: seen.map(skipped).unwrap_or_default(),
    }
}

fn last_check(last: &LastCheck) -> Checked {
    let error = last.result.as_ref().err().map(ToString::to_string);
    Checked { at: time(last.at), error, ok: last.result.is_ok() }
}

/// An endpoint as the API shows it.
pub(super) fn endpoint(member: &Member, checked: Option<&CheckReading>, now: Instant) -> Endpoint {
    let (spec, load, standing) = (&member.endpoint().spec, member.load(now), member.standing());
    Endpoint {
        address: spec.address.to_string(),
        circuit: standing.circuit.as_str(),
        effective_weight: standing.verdict.effective_weight,
        error_ratio: load.error_ratio,
        failures: member.figures().failures(),
        health_score: standing.verdict.score,
        id: member.id().0,
        in_flight: load.in_flight,
        labels: spec.labels.clone(),
        last_check: checked.and_then(|reading| reading.last.as_ref()).map(last_check),
        latency_ewma_us: load.latency_ewma_us,
        name: spec.name.to_string(),
        reason: standing.verdict.reason.to_string(),
        reported: standing.reported.as_str(),
        requests: load.requests,
        state: standing.state().as_str(),
        weight: member.given_weight().get(),
    }
}
