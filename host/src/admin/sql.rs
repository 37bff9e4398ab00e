//! `GET /api/sql`: each SQL entry, what lies where behind it, who may be asked, and what it counted.

use axum::Json;
use axum::extract::State as Extracted;
use serde_json::{Map, Value, json};

use super::repair;
use super::server::Shared;
use crate::config::SqlEntry;
use crate::observe::ServedEntry;
use crate::sql::figures::{Reading, Times};
use crate::sql::layout::{Layout, TableWords};
use crate::sql::replica::{Filling, NodeStatus, Seat, Seen, Stage, State};

/// What a proxy promises that does not have the log.
const STANDBY_READS: &str = "each sees all that any node within reach was last seen to have, and its own position";

pub(super) async fn entries(Extracted(shared): Extracted<Shared>) -> Json<Value> {
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
        "topology": topology.as_str(),
        "shards": laid_out.map(shards),
        "tables": laid_out.map(|layout| layout.tables.iter().map(table).collect::<Vec<_>>()),
        // Why no statement can be answered now.
        "unready": why,
        // Where every node holds everything.
        "replication": served.entry.seat().map(|seat| replication(seat)),
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

fn replication(seat: &Seat) -> Value {
    let stage = seat.stage();
    let mut told = json!({ "log": stage.as_str(), "why": stage.why() });
    if let (Some(standby), Value::Object(told)) = (stage.standby(), &mut told) {
        let seen = |seen: Seen| {
            json!({
                "name": seen.name.as_str(),
                "position": seen.position.map(|position| position.0),
                "readable": seen.is_readable,
                "why": seen.why,
            })
        };
        told.insert("nodes".to_owned(), standby.nodes().into_iter().map(seen).collect());
        told.insert("reads".to_owned(), Value::from(STANDBY_READS));
    }
    if let (Stage::Open(sequencer), Value::Object(told)) = (&stage, &mut told) {
        let status = sequencer.status();
        let (entries, fsyncs) = status.appended;
        let nodes: Vec<Value> = status.nodes.iter().map(node).collect();
        let more = json!({
            "position": status.last.0,
            "acknowledged": status.acknowledged.0,
            "trimmed": status.trimmed.0,
            "log_bytes": status.bytes,
            "appended": entries,
            "fsyncs": fsyncs,
            "fenced_by_epoch": status.fenced,
            "nodes": nodes,
            // The comparison of all nodes that goes on, or the last one.
            "verify": sequencer.check().as_ref().map(repair::check),
        });
        if let Value::Object(more) = more {
            told.extend(more);
        }
    }
    told
}

fn node(node: &NodeStatus) -> Value {
    let (left, rate) = match node.state {
        State::Recovering { left, rate } => (Some(left), Some(rate)),
        _ => (None, None),
    };
    let (at, statement) = match &node.state {
        State::Inconsistent { position, statement, .. } => (Some(position.0), Some(statement.as_str())),
        _ => (None, None),
    };
    let filling = match &node.state {
        State::Rebuilding { progress: Filling { from, tables, rows, bytes } } => {
            Some(json!({ "from": from, "tables": tables, "rows": rows, "bytes": bytes }))
        }
        _ => None,
    };
    json!({
        "name": node.name,
        "state": node.state.name(),
        "why": node.state.why(),
        "position": node.position.0,
        "lag": node.lag,
        "readable": node.is_readable,
        "flapping": node.is_flapping,
        "left": left,
        "rate": rate,
        // Where it has differed from the others.
        "differed_at": at,
        "statement": statement,
        // How far filling it anew is.
        "filling": filling,
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
