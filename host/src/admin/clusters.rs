//! `GET /api/clusters`: each cluster, who chooses in it, and its endpoints with their figures.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::server::Shared;
use crate::cluster::Member;
use crate::config::StrategySpec;

pub(super) async fn clusters(State(shared): State<Shared>) -> Json<Value> {
    let assignments = shared.supervisor.assignments().await;
    let now = Instant::now();
    let served = shared.served();
    let clusters = served.clusters.iter().map(|(name, live)| {
        let endpoints: Vec<_> = live.roster().members().iter().map(|member| endpoint(member, now)).collect();
        json!({
            "name": name.as_str(),
            "strategy": assignments.get(name).map(strategy),
            "endpoints": endpoints,
        })
    });
    Json(json!({ "clusters": clusters.collect::<Vec<_>>() }))
}

/// A strategy as the API shows it.
pub(super) fn strategy(spec: &StrategySpec) -> Value {
    let config: Value = serde_json::from_str(&spec.config).unwrap_or_default();
    json!({ "plugin": spec.plugin.as_str(), "config": config })
}

fn endpoint(member: &Member, now: Instant) -> Value {
    let (spec, load) = (&member.endpoint().spec, member.load(now));
    json!({
        "id": member.id().0,
        "name": spec.name.as_str(),
        "address": spec.address.to_string(),
        "weight": spec.weight.get(),
        "labels": spec.labels,
        "in_flight": load.in_flight,
        "requests": load.requests,
        "failures": member.figures().failures(),
        "latency_ewma_us": load.latency_ewma_us,
        "error_ratio": load.error_ratio,
        "health_score": load.health_score,
    })
}
