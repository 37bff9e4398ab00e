//! `GET /api/sql`: each SQL entry, what lies where behind it, who may be asked, and what it counted.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::server::Shared;
use crate::config::{SqlEntry, TopologySpec};
use crate::observe::ServedEntry;
use crate::sql::figures::{Reading, Times};
use crate::sql::layout::{Layout, TableWords};

pub(super) async fn entries(State(shared): State<Shared>) -> Json<Value> {
    let served = shared.served();
    Json(json!({ "entries": served.sql.values().map(entry).collect::<Vec<_>>() }))
}

fn entry(served: &ServedEntry) -> Value {
    let SqlEntry { name, cluster, backend, topology, .. } = &*served.spec;
    let nodes = served.entry.nodes();
    let (laid_out, why) = match &nodes {
        Ok(nodes) => (Some(nodes.layout()), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let cached = served.entry.plan_figures();
    json!({
        "name": name.as_str(),
        "cluster": cluster.as_str(),
        "backend": backend.as_str(),
        "topology": match topology {
            TopologySpec::Partitioned(_) => "partitioned",
            TopologySpec::Split(_) => "split",
        },
        "shards": laid_out.map(shards),
        "tables": laid_out.map(|layout| layout.tables.iter().map(table).collect::<Vec<_>>()),
        // Why no statement can be answered now.
        "unready": why,
        "figures": figures(&served.figures.read()),
        "cache": {
            "text_hits": cached.text_hits,
            "text_misses": cached.text_misses,
            "plan_hits": cached.plan_hits,
            "plan_misses": cached.plan_misses,
            "plans": cached.plans,
        },
    })
}

fn shards(layout: &Layout) -> Vec<Value> {
    let shard = |shard: &crate::sql::layout::ShardNodes| {
        let nodes = shard.members.iter().map(|member| {
            let spec = &member.endpoint().spec;
            json!({ "name": spec.name.as_str(), "address": spec.address.to_string() })
        });
        json!({ "name": shard.name, "nodes": nodes.collect::<Vec<_>>() })
    };
    layout.shards.iter().map(shard).collect()
}

fn table(table: &TableWords) -> Value {
    let shards = table.shards.iter().map(|(shard, holds)| json!({ "shard": shard, "holds": holds }));
    json!({
        "name": table.table,
        "key": table.key,
        "placement": table.way,
        "shards": shards.collect::<Vec<_>>(),
    })
}

fn figures(reading: &Reading) -> Value {
    let answered = reading.answered.iter().map(|((tier, class), times)| {
        json!({ "tier": tier, "class": class, "statements": times.count(), "average_ms": average(times) })
    });
    let steps = reading
        .steps
        .iter()
        .map(|(step, times)| json!({ "step": step.as_str(), "times": times.count(), "average_ms": average(times) }));
    let nodes = reading.nodes.iter().map(|(name, node)| {
        let average = node.time_us as f64 / 1000.0 / node.statements.max(1) as f64;
        json!({
            "name": name,
            "statements": node.statements,
            "failures": node.failures,
            "rows": node.rows,
            "average_ms": average,
        })
    });
    let failed: Map<_, _> =
        reading.failed.iter().map(|(reason, count)| ((*reason).to_owned(), Value::from(*count))).collect();
    json!({
        "under_way": reading.under_way,
        "answered": answered.collect::<Vec<_>>(),
        "failed": failed,
        "partial": reading.partial,
        "explained": reading.explained,
        "steps": steps.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

/// In milliseconds.
fn average(times: &Times) -> f64 {
    times.sum_us as f64 / 1000.0 / times.count().max(1) as f64
}
