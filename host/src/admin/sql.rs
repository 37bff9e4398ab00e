//! `GET /api/sql`: each SQL entry, what lies where behind it, and what it counted. How replicated nodes stand is `replication`'s.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::replication::{self, Replication};
use super::server::Shared;
use crate::config::SqlEntry;
use crate::observe::ServedEntry;
use crate::sql::figures::{Reading, Times};
use crate::sql::layout::{Layout, ShardNodes, TableWords};

/// All SQL entries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlEntries)]
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
}

/// A database that stands for many. Scripts read its text: what is long comes last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlEntry)]
pub(crate) struct Entry {
    pub(crate) backend: &'static str,
    pub(crate) cache: PlanCache,
    pub(crate) cluster: String,
    pub(crate) figures: Figures,
    pub(crate) name: String,
    pub(crate) tables: Option<Vec<Table>>,
    pub(crate) topology: &'static str,
    /// Why no statement can be answered now.
    pub(crate) unready: Option<String>,
    /// Where every node holds everything.
    pub(crate) replication: Option<Replication>,
    pub(crate) shards: Option<Vec<Shard>>,
}

/// What the cache of plans came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanCache {
    pub(crate) plan_hits: u64,
    pub(crate) plan_misses: u64,
    pub(crate) plans: u64,
    pub(crate) text_hits: u64,
    pub(crate) text_misses: u64,
}

/// Nodes that hold the same rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shard {
    pub(crate) name: String,
    pub(crate) nodes: Vec<ShardNode>,
}

/// A node of a shard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShardNode {
    pub(crate) address: String,
    pub(crate) name: String,
}

/// Which rows of a table are where.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlTable)]
pub(crate) struct Table {
    /// The column by which its rows are spread; null where every shard has all of them.
    pub(crate) key: Option<String>,
    pub(crate) name: String,
    /// `ranges`, `hash`, `list`, `reference` or `split`.
    pub(crate) placement: &'static str,
    pub(crate) shards: Vec<TableShard>,
}

/// What a shard holds of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableShard {
    pub(crate) holds: String,
    pub(crate) shard: String,
}

/// What an entry counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SqlFigures)]
pub(crate) struct Figures {
    pub(crate) answered: Vec<Answered>,
    pub(crate) explained: u64,
    /// By reason.
    pub(crate) failed: BTreeMap<&'static str, u64>,
    pub(crate) nodes: Vec<NodeFigures>,
    pub(crate) partial: u64,
    pub(crate) steps: Vec<StepTimes>,
    pub(crate) under_way: u64,
}

/// Statements that were answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answered {
    pub(crate) average_ms: f64,
    pub(crate) class: &'static str,
    pub(crate) statements: u64,
    pub(crate) tier: &'static str,
}

/// What a step of answering took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepTimes {
    pub(crate) average_ms: f64,
    pub(crate) step: &'static str,
    pub(crate) times: u64,
}

/// What a node did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeFigures {
    pub(crate) average_ms: f64,
    pub(crate) failures: u64,
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) statements: u64,
}

/// All SQL entries with what lies where.
#[utoipa::path(get, path = "/api/sql", tag = "sql", responses((status = 200, body = Entries)))]
pub(super) async fn entries(State(shared): State<Shared>) -> Json<Entries> {
    Json(read(&shared))
}

/// All SQL entries as they are now.
pub(crate) fn read(shared: &Shared) -> Entries {
    Entries { entries: shared.served().sql.values().map(entry).collect() }
}

/// The entry of a name.
pub(super) fn find(shared: &Shared, name: &str) -> Result<ServedEntry, Problem> {
    let served = shared.served();
    served.sql.get(name).cloned().ok_or_else(|| {
        let all: Vec<&str> = served.sql.keys().map(|entry| entry.as_str()).collect();
        Problem::not_found(format!("no SQL entry is named `{name}`; there are: {}", all.join(", ")))
    })
}

fn entry(served: &ServedEntry) -> Entry {
    let SqlEntry { name, cluster, backend, topology, .. } = &*served.spec;
    let nodes = served.entry.nodes();
    let (laid_out, unready) = match &nodes {
        Ok(nodes) => (Some(nodes.layout()), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let cached = served.entry.plan_figures();
    Entry {
        backend: backend.as_str(),
        cache: PlanCache {
            plan_hits: cached.plan_hits,
            plan_misses: cached.plan_misses,
            plans: cached.plans,
            text_hits: cached.text_hits,
            text_misses: cached.text_misses,
        },
        cluster: cluster.to_string(),
        figures: figures(&served.figures.read()),
        name: name.to_string(),
        tables: laid_out.map(|layout| layout.tables.iter().map(table).collect()),
        topology: topology.as_str(),
        unready,
        replication: served.entry.seat().map(|seat| replication::read(seat)),
        shards: laid_out.map(shards),
    }
}

fn shards(layout: &Layout) -> Vec<Shard> {
    let shard = |shard: &ShardNodes| {
        let nodes = shard.members.iter().map(|member| {
            let spec = &member.endpoint().spec;
            ShardNode { address: spec.address.to_string(), name: spec.name.to_string() }
        });
        Shard { name: shard.name.to_string(), nodes: nodes.collect() }
    };
    layout.shards.iter().map(shard).collect()
}

fn table(table: &TableWords) -> Table {
    let held = |(shard, holds): &(String, String)| TableShard { holds: holds.clone(), shard: shard.clone() };
    Table {
        key: table.key.clone(),
        name: table.table.clone(),
        placement: table.way,
        shards: table.shards.iter().map(held).collect(),
    }
}

fn figures(reading: &Reading) -> Figures {
    let answered = reading.answered.iter().map(|((tier, class), times)| Answered {
        average_ms: average(times),
        class,
        statements: times.count(),
        tier,
    });
    let steps = reading.steps.iter();
    let steps =
        steps.map(|(step, times)| StepTimes { average_ms: average(times), step: step.as_str(), times: times.count() });
    let nodes = reading.nodes.iter().map(|(name, node)| NodeFigures {
        average_ms: node.time_us as f64 / 1000.0 / node.statements.max(1) as f64,
        failures: node.failures,
        name: name.clone(),
        rows: node.rows,
        statements: node.statements,
    });
    Figures {
        answered: answered.collect(),
        explained: reading.explained,
        failed: reading.failed.clone(),
        nodes: nodes.collect(),
        partial: reading.partial,
        steps: steps.collect(),
        under_way: reading.under_way,
    }
}

/// In milliseconds.
fn average(times: &Times) -> f64 {
    times.sum_us as f64 / 1000.0 / times.count().max(1) as f64
}
