//! How the nodes of a replicated database stand, as `GET /api/sql` shows it: the log, who has what of it, and what a comparison
//! of all of them found. Shows; what is done about it is `repair`'s.

use serde::Serialize;
use utoipa::ToSchema;

use crate::sql::replica::{
    self, Check, Difference, Digest, NodeStatus, Running, Seat, Seen, Sequencer, Standby, State, TableReport,
    VerifyReport,
};

/// What a proxy promises that does not have the log.
const STANDBY_READS: &str = "each sees all that any node within reach was last seen to have, and its own position";

/// Databases that all hold everything.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replication {
    /// Whether this proxy has the log.
    pub(crate) log: &'static str,
    /// Why it does not.
    pub(crate) why: Option<String>,
    #[serde(flatten)]
    pub(crate) told: Told,
}

/// What a proxy can tell: one that has the log, one that waits for it, or one that is between the two.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ReplicationDetails)]
pub(crate) enum Told {
    Log(Box<Log>),
    Standby(Waiting),
    Nothing {},
}

/// The log, and who has what of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplicationLog)]
pub(crate) struct Log {
    pub(crate) acknowledged: u64,
    pub(crate) appended: u64,
    /// The epoch of a later writer, by which this one was kept out.
    pub(crate) fenced_by_epoch: Option<u64>,
    pub(crate) fsyncs: u64,
    pub(crate) log_bytes: u64,
    pub(crate) nodes: Vec<ReplicaNode>,
    pub(crate) position: u64,
    pub(crate) trimmed: u64,
    /// The comparison of all nodes that goes on, or the last one.
    pub(crate) verify: Option<Comparison>,
}

/// What is seen of the nodes without the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReplicationStandby)]
pub(crate) struct Waiting {
    pub(crate) nodes: Vec<SeenNode>,
    pub(crate) reads: &'static str,
}

/// A node as it is seen without the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeenNode {
    pub(crate) name: String,
    pub(crate) position: Option<u64>,
    pub(crate) readable: bool,
    pub(crate) why: String,
}

/// A node of a replicated database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplicaNode {
    /// Where it has differed from the others.
    pub(crate) differed_at: Option<u64>,
    /// How far filling it anew is.
    pub(crate) filling: Option<Filling>,
    pub(crate) flapping: bool,
    pub(crate) lag: u64,
    /// While it catches up: entries left.
    pub(crate) left: Option<u64>,
    pub(crate) name: String,
    pub(crate) position: u64,
    /// While it catches up: entries per second.
    pub(crate) rate: Option<f64>,
    pub(crate) readable: bool,
    /// UP, DOWN, RECOVERING, INCONSISTENT, REBUILD NEEDED or REBUILDING.
    pub(crate) state: &'static str,
    /// The statement by which it has differed.
    pub(crate) statement: Option<String>,
    pub(crate) why: String,
}

/// How far filling a node anew is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Filling {
    pub(crate) bytes: u64,
    pub(crate) from: String,
    pub(crate) rows: u64,
    pub(crate) tables: u64,
}

/// A comparison of all nodes that are up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum Comparison {
    /// It goes on.
    Running { done: usize, position: Option<u64>, rows: u64, table: Option<String>, tables: usize },
    /// It could not be done.
    Failed { why: String },
    /// It is over.
    Done {
        equal: bool,
        held_ms: f64,
        left_out: Vec<LeftOut>,
        nodes: Vec<String>,
        position: u64,
        tables: Vec<ComparedTable>,
        took_ms: f64,
    },
}

/// A node that was not compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeftOut {
    pub(crate) node: String,
    pub(crate) why: String,
}

/// A table that was compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedTable {
    pub(crate) differences: Vec<Differs>,
    pub(crate) equal: bool,
    /// Differences that are not listed.
    pub(crate) more: usize,
    pub(crate) name: String,
    pub(crate) nodes: Vec<NodeDigest>,
}

/// Where nodes differ.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = Difference)]
pub(crate) enum Differs {
    /// Not all have the table.
    Missing,
    /// The table has not the same columns everywhere.
    Columns { nodes: Vec<NodeColumns> },
    /// Rows between two keys.
    Rows { after: Option<Vec<String>>, nodes: Vec<NodeDigest>, through: Option<Vec<String>> },
}

/// The columns of a table on a node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeColumns {
    pub(crate) columns: String,
    pub(crate) node: String,
}

/// What a node has; no rows and no hash where it has no such table. Scripts read its text, in this order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeDigest {
    pub(crate) hash: Option<String>,
    pub(crate) node: String,
    pub(crate) rows: Option<u64>,
}

/// How it stands now.
pub(super) fn read(seat: &Seat) -> Replication {
    let stage = seat.stage();
    let told = match (&stage, stage.standby()) {
        (replica::Stage::Open(sequencer), _) => Told::Log(Box::new(log(sequencer))),
        (_, Some(standby)) => Told::Standby(waiting(standby)),
        (_, None) => Told::Nothing {},
    };
    Replication { log: stage.as_str(), why: stage.why(), told }
}

fn waiting(standby: &Standby) -> Waiting {
    let seen = |seen: Seen| SeenNode {
        name: seen.name.to_string(),
        position: seen.position.map(|position| position.0),
        readable: seen.is_readable,
        why: seen.why,
    };
    Waiting { nodes: standby.nodes().into_iter().map(seen).collect(), reads: STANDBY_READS }
}

fn log(sequencer: &Sequencer) -> Log {
    let status = sequencer.status();
    let (appended, fsyncs) = status.appended;
    Log {
        acknowledged: status.acknowledged.0,
        appended,
        fenced_by_epoch: status.fenced,
        fsyncs,
        log_bytes: status.bytes,
        nodes: status.nodes.iter().map(node).collect(),
        position: status.last.0,
        trimmed: status.trimmed.0,
        verify: sequencer.check().as_ref().map(comparison),
    }
}

fn node(node: &NodeStatus) -> ReplicaNode {
    let (left, rate) = match node.state {
        State::Recovering { left, rate } => (Some(left), Some(rate)),
        _ => (None, None),
    };
    let (differed_at, statement) = match &node.state {
        State::Inconsistent { position, statement, .. } => (Some(position.0), Some(statement.clone())),
        _ => (None, None),
    };
    let filling = match &node.state {
        State::Rebuilding { progress } => Some(Filling {
            bytes: progress.bytes,
            from: progress.from.clone(),
            rows: progress.rows,
            tables: progress.tables,
        }),
        _ => None,
    };
    ReplicaNode {
        differed_at,
        filling,
        flapping: node.is_flapping,
        lag: node.lag,
        left,
        name: node.name.clone(),
        position: node.position.0,
        rate,
        readable: node.is_readable,
        state: node.state.name(),
        statement,
        why: node.state.why(),
    }
}

fn comparison(check: &Check) -> Comparison {
    match check {
        Check::Running(Running { position, done, tables, table, rows }) => Comparison::Running {
            done: *done,
            position: position.map(|position| position.0),
            rows: *rows,
            table: table.clone(),
            tables: *tables,
        },
        Check::Failed { why } => Comparison::Failed { why: why.clone() },
        Check::Done(report) => {
            let left_out = report.left_out.iter();
            Comparison::Done {
                equal: report.is_equal(),
                held_ms: report.held.as_secs_f64() * 1000.0,
                left_out: left_out.map(|(node, why)| LeftOut { node: node.clone(), why: why.clone() }).collect(),
                nodes: report.nodes.clone(),
                position: report.position.0,
                tables: report.tables.iter().map(|one| table(report, one)).collect(),
                took_ms: report.took.as_secs_f64() * 1000.0,
            }
        }
    }
}

fn table(report: &VerifyReport, table: &TableReport) -> ComparedTable {
    let found = report.nodes.iter().zip(&table.found).map(|(node, found)| digest(node, found.as_ref()));
    ComparedTable {
        differences: table.differences.iter().map(|difference| differs(report, difference)).collect(),
        equal: table.differences.is_empty(),
        more: table.more,
        name: table.name.clone(),
        nodes: found.collect(),
    }
}

fn differs(report: &VerifyReport, difference: &Difference) -> Differs {
    match difference {
        Difference::Missing => Differs::Missing,
        Difference::Columns(found) => {
            let found = report.nodes.iter().zip(found);
            let columns =
                |(node, columns): (&String, &String)| NodeColumns { columns: columns.clone(), node: node.clone() };
            Differs::Columns { nodes: found.map(columns).collect() }
        }
        Difference::Rows { after, through, found } => {
            let found = report.nodes.iter().zip(found).map(|(node, found)| digest(node, Some(found)));
            Differs::Rows { after: after.clone(), nodes: found.collect(), through: through.clone() }
        }
    }
}

fn digest(node: &str, found: Option<&Digest>) -> NodeDigest {
    NodeDigest {
        hash: found.map(|found| format!("{:032x}", found.sum)),
        node: node.to_owned(),
        rows: found.map(|found| found.rows),
    }
}
