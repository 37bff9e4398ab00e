//! `GET /api/clusters`: each cluster, who chooses in it, and its endpoints with their figures.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::events::time;
use super::server::Shared;
use crate::cluster::Member;
use crate::config::{PolicySpec, StrategySpec};
use crate::discovery::{Sighting, SourceKind};
use crate::health::{CheckReading, LastCheck};

pub(super) async fn clusters(State(shared): State<Shared>) -> Json<Value> {
    let assignments = shared.supervisor.assignments();
    let now = Instant::now();
    let served = shared.served();
    let sightings = shared.directory.sightings();
    let clusters = served.clusters.iter().map(|(name, live)| {
        let roster = live.roster();
        let readings = served.keepers.get(name).map(|keeper| keeper.readings()).unwrap_or_default();
        let readings: BTreeMap<_, _> = readings.iter().map(|reading| (&reading.endpoint, reading)).collect();
        let checked = |member: &Member| readings.get(&member.endpoint().spec.name).copied();
        let policies = served.config.clusters.get(name).map(|cluster| cluster.health.policies.iter().map(policy));
        json!({
            "name": name.as_str(),
            "strategy": assignments.get(name).map(strategy),
            "policies": policies.map(Iterator::collect::<Vec<_>>),
            "ready": roster.ready().len(),
            "panic": roster.panics(),
            "endpoints": roster.members().iter().map(|member| endpoint(member, checked(member), now)).collect::<Vec<_>>(),
            "sources": sightings.get(name).map(|seen| seen.iter().map(source).collect::<Vec<_>>()),
        })
    });
    Json(json!({ "clusters": clusters.collect::<Vec<_>>() }))
}

/// A strategy as the API shows it.
pub(super) fn strategy(spec: &StrategySpec) -> Value {
    let config: Value = serde_json::from_str(&spec.config).unwrap_or_default();
    json!({ "plugin": spec.plugin.as_str(), "config": config })
}

pub(super) fn policy(spec: &PolicySpec) -> Value {
    let config: Value = serde_json::from_str(&spec.config).unwrap_or_default();
    json!({ "plugin": spec.plugin.as_str(), "config": config })
}

/// Where endpoints come from, and how fresh it is.
fn source((kind, sighting): &(SourceKind, Sighting)) -> Value {
    let seen = sighting.seen.as_ref();
    let skipped = seen.map(|seen| seen.skipped.iter().map(|left| json!({ "what": left.what, "why": left.why })));
    let lost =
        sighting.lost.as_ref().map(|lost| json!({ "since": time(lost.since.time), "why": lost.why.to_string() }));
    json!({
        "kind": kind.as_str(),
        "endpoints": seen.map(|seen| seen.endpoints.len()),
        "skipped": skipped.map(Iterator::collect::<Vec<_>>).unwrap_or_default(),
        "confirmed": sighting.confirmed.map(|confirmed| time(confirmed.time)),
        "age_ms": sighting.confirmed.map(|confirmed| confirmed.instant.elapsed().as_millis() as u64),
        "lost": lost,
    })
}

fn last_check(last: &LastCheck) -> Value {
    let error = last.result.as_ref().err().map(ToString::to_string);
    json!({ "at": time(last.at), "ok": last.result.is_ok(), "error": error })
}

/// An endpoint as the API shows it.
pub(super) fn endpoint(member: &Member, checked: Option<&CheckReading>, now: Instant) -> Value {
    let (spec, load, standing) = (&member.endpoint().spec, member.load(now), member.standing());
    json!({
        "id": member.id().0,
        "name": spec.name.as_str(),
        "address": spec.address.to_string(),
        "weight": member.given_weight().get(),
        "labels": spec.labels,
        "state": standing.state().as_str(),
        "reported": standing.reported.as_str(),
        "reason": &*standing.verdict.reason,
        "circuit": standing.circuit.as_str(),
        "effective_weight": standing.verdict.effective_weight,
        "in_flight": load.in_flight,
        "requests": load.requests,
        "failures": member.figures().failures(),
        "latency_ewma_us": load.latency_ewma_us,
        "error_ratio": load.error_ratio,
        "health_score": standing.verdict.score,
        "last_check": checked.and_then(|reading| reading.last.as_ref()).map(last_check),
    })
}
