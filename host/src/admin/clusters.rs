//! `GET /api/clusters`: each cluster, who chooses in it, and its endpoints with their figures.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::server::Shared;
use crate::cluster::Member;
use crate::config::{PolicySpec, StrategySpec};

pub(super) async fn clusters(State(shared): State<Shared>) -> Json<Value> {
    let assignments = shared.supervisor.assignments();
    let now = Instant::now();
    let served = shared.served();
    let clusters = served.clusters.iter().map(|(name, live)| {
        let roster = live.roster();
        let policies = served.config.clusters.get(name).map(|cluster| cluster.health.policies.iter().map(policy));
        json!({
            "name": name.as_str(),
            "strategy": assignments.get(name).map(strategy),
            "policies": policies.map(Iterator::collect::<Vec<_>>),
            "ready": roster.ready().len(),
            "panic": roster.panics(),
            "endpoints": roster.members().iter().map(|member| endpoint(member, now)).collect::<Vec<_>>(),
        })
    });
    Json(json!({ "clusters": clusters.collect::<Vec<_>>() }))
}

/// A strategy as the API shows it.
pub(super) fn strategy(spec: &StrategySpec) -> Value {
    let config: Value = serde_json::from_str(&spec.config).unwrap_or_default();
    json!({ "plugin": spec.plugin.as_str(), "config": config })
}

fn policy(spec: &PolicySpec) -> Value {
    let config: Value = serde_json::from_str(&spec.config).unwrap_or_default();
    json!({ "plugin": spec.plugin.as_str(), "config": config })
}

/// An endpoint as the API shows it.
pub(super) fn endpoint(member: &Member, now: Instant) -> Value {
    let (spec, load, standing) = (&member.endpoint().spec, member.load(now), member.standing());
    json!({
        "id": member.id().0,
        "name": spec.name.as_str(),
        "address": spec.address.to_string(),
        "weight": spec.weight.get(),
        "labels": spec.labels,
        "state": standing.state().as_str(),
        "reason": &*standing.verdict.reason,
        "circuit": standing.circuit.as_str(),
        "effective_weight": standing.verdict.effective_weight,
        "in_flight": load.in_flight,
        "requests": load.requests,
        "failures": member.figures().failures(),
        "latency_ewma_us": load.latency_ewma_us,
        "error_ratio": load.error_ratio,
        "health_score": standing.verdict.score,
    })
}
