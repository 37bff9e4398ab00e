//! What the stream says, and what its sister paths answer: statements that ended, work that is under way, history.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::admin::events::time;
use crate::admin::server::Shared;
use crate::observe::Point;
use crate::sql::recent::Ended;

/// What passed, second by second.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// Seconds from one point to the next.
    pub(super) step_s: u32,
    /// Oldest first.
    #[serde(serialize_with = "points")]
    #[schema(value_type = Vec<Point>)]
    pub(super) points: Vec<Arc<Point>>,
}

fn points<S: Serializer>(points: &[Arc<Point>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(points.iter().map(|point| &**point))
}

/// Statements that ended, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Queries {
    pub(super) queries: Vec<Query>,
}

/// The work that is under way.
#[derive(Serialize, ToSchema)]
pub(super) struct Works {
    work: Vec<Work>,
}

/// A statement that ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Query {
    /// Its number.
    id: u64,
    /// When it ended.
    at: Option<String>,
    /// The entry that was asked.
    entry: String,
    /// What was asked, with `?` in place of each value, cut where it is long; empty where it could not be read.
    statement: String,
    /// How many shards took part: `single`, `partial`, `full`; `write` for a write.
    class: Option<&'static str>,
    /// Who did the work: `pass-through`, `merge`, `gather`, `write`.
    tier: Option<&'static str>,
    /// The status of the response.
    status: u16,
    /// How long it took.
    ms: f64,
    /// Rows that the client got, or that were written.
    rows: u64,
    /// What the nodes did.
    nodes: Vec<QueryNode>,
    /// Why it failed, in a word.
    error: Option<&'static str>,
}

/// What a node did for a statement.
#[derive(Serialize, ToSchema)]
struct QueryNode {
    name: String,
    ms: f64,
    rows: u64,
}

impl Query {
    pub(super) fn of(ended: &Ended) -> Self {
        let node = |node: &crate::sql::recent::EndedNode| QueryNode {
            name: node.name.clone(),
            ms: node.took.as_micros() as f64 / 1000.0,
            rows: node.rows,
        };
        let (class, tier) = ended.course.unzip();
        Self {
            id: ended.id,
            at: time(ended.at),
            entry: ended.entry.to_string(),
            statement: ended.statement.as_deref().unwrap_or_default().to_owned(),
            class,
            tier,
            status: ended.status,
            ms: ended.took.as_micros() as f64 / 1000.0,
            rows: ended.rows,
            nodes: ended.nodes.iter().map(node).collect(),
            error: ended.error,
        }
    }
}

/// Some work that is under way.
#[derive(Serialize, ToSchema)]
struct Work {
    /// Its number.
    id: u64,
    /// What kind of work: `compile`, `rebuild`, `verify`, `scale`.
    kind: &'static str,
    /// What is worked on.
    subject: String,
    /// What is done, in `unit`.
    done: u64,
    /// How much there is to do, where that is known.
    total: Option<u64>,
    /// What is counted.
    unit: &'static str,
    /// When it began.
    since: Option<String>,
}

impl Works {
    /// All of it, oldest first.
    pub(super) fn now(shared: &Shared) -> Self {
        let work = shared.works.read().into_iter().map(|(id, progress)| Work {
            id,
            kind: progress.kind.as_str(),
            subject: progress.subject.clone(),
            done: progress.done(),
            total: progress.total(),
            unit: progress.unit,
            since: time(progress.since),
        });
        Self { work: work.collect() }
    }
}
