//! `GET /api/plugins`: every plugin with its versions, what their work came to, and what was refused and why.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::server::Shared;
use crate::health::PolicyReading;
use crate::model::PluginName;
use crate::plugin::{PluginEntry, Refusal, Version, World};
use crate::routing::{PICK_TIME_BOUNDS_NS, SeatReading};

pub(super) async fn plugins(State(shared): State<Shared>) -> Json<Value> {
    let (assignments, policies) = (shared.supervisor.assignments(), shared.supervisor.policies());
    let used_by = |name: &PluginName| {
        let chooses = assignments.iter().filter(|(_, spec)| spec.plugin == *name).map(|(cluster, _)| cluster);
        let judges = policies.iter().filter(|(_, specs)| specs.iter().any(|spec| spec.plugin == *name));
        chooses.chain(judges.map(|(cluster, _)| cluster)).map(ToString::to_string).collect::<Vec<_>>()
    };
    let plugins = shared.supervisor.registry().read();
    let plugins: Vec<_> = plugins.iter().map(|(name, entry)| plugin(name, entry, used_by(name))).collect();
    Json(json!({ "plugins": plugins }))
}

fn plugin(name: &PluginName, entry: &PluginEntry, clusters: Vec<String>) -> Value {
    let current = entry.current.as_deref().map(|current| version(current, "serving"));
    let previous = entry.previous.as_deref().map(|previous| version(previous, "replaced"));
    let state = match (&entry.current, &entry.refused) {
        (_, Some(_)) => "refused",
        (Some(_), None) => "loaded",
        (None, None) => "available",
    };
    json!({
        "name": name.as_str(),
        "state": state,
        "clusters": clusters,
        "versions": current.into_iter().chain(previous).collect::<Vec<_>>(),
        "refused": entry.refused.as_ref().map(refusal),
        "note": entry.note,
    })
}

fn version(version: &Version, state: &str) -> Value {
    let last_error = version.last_error().map(|(at, reason)| json!({ "at": at.to_string(), "reason": reason }));
    let world = version.artifact.world();
    let mut about = json!({
        "revision": version.revision,
        "version": version.about.version,
        "summary": version.about.summary,
        "hash": version.artifact.hash().to_string(),
        "world": world.name(),
        "origin": version.origin.to_string(),
        "size_bytes": version.artifact.size(),
        "loaded_at": version.loaded_at.to_string(),
        "compile_ms": version.compile_time.as_millis() as u64,
        "state": state,
        "last_error": last_error,
    });
    let figures = match world {
        World::RoutingStrategy => chosen(&version.figures.read()),
        World::HealthPolicy => judged(&version.figures.read_policies()),
    };
    if let (Some(about), Value::Object(figures)) = (about.as_object_mut(), figures) {
        about.extend(figures);
    }
    about
}

/// What a strategy's work came to.
fn chosen(reading: &SeatReading) -> Value {
    json!({
        "picks": reading.picks,
        "fallbacks": reading.fallbacks,
        "rejections": reading.rejections,
        "traps": reading.traps,
        "deadlines": reading.deadlines,
        "bad_answers": reading.bad_answers,
        "pick_time": pick_time(reading),
    })
}

/// What a policy's work came to.
fn judged(reading: &PolicyReading) -> Value {
    json!({
        "judgements": reading.judged,
        "fallbacks": reading.fallbacks,
        "traps": reading.traps,
        "deadlines": reading.deadlines,
        "bad_answers": reading.bad_answers,
        "mean_judge_ns": reading.judged_ns.checked_div(reading.judged),
    })
}

fn pick_time(reading: &SeatReading) -> Value {
    let bounds = PICK_TIME_BOUNDS_NS.iter().map(|bound| json!(bound)).chain([Value::Null]);
    let buckets = bounds.zip(reading.timed_picks).map(|(le, count)| json!({ "le_ns": le, "count": count }));
    let count: u64 = reading.timed_picks.iter().sum();
    let mean = reading.timed_ns.checked_div(count);
    json!({ "sampled": count, "mean_ns": mean, "buckets": buckets.collect::<Vec<_>>() })
}

fn refusal(refusal: &Refusal) -> Value {
    json!({
        "at": refusal.at.to_string(),
        "hash": refusal.hash.map(|hash| hash.to_string()),
        "origin": refusal.origin.to_string(),
        "reason": refusal.reason,
    })
}
