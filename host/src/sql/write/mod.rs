//! Writes: from a statement that changes data or tables to what each shard is told, and telling them so that all do it
//! or none does.
//!
//! `class` says what a statement is, `insert`, `fill`, `change` and `schema` plan it without I/O, `execute` and `commit`
//! carry it out. A change of one shard is one statement there, as it came. A change of several is a transaction on each:
//! all carried out, then all committed, one after the other; whatever fails before the first commit takes everything
//! back, and what fails between commits is told exactly ([`crate::sql::error::Error::HalfCommitted`]). Nothing is sent
//! twice.
//!
//! What is not proven to do on the shards what it would do on one database is refused:
//!
//! - Of a partitioned table a row is on one shard, so what is computed for a row is computed once: `random()` and `now()`
//!   are allowed in values. They are not in predicates over several shards, and no function that is not known is.
//! - A table that every shard holds whole is written with values that are the same everywhere: no defaults, nothing
//!   that differs by shard or moment; all shards must have touched equally many rows, otherwise it is taken back.
//! - A shard that several nodes hold is not written to: the others would not have the rows.
//! - Unique constraints are the shards' own; a conflict that a statement names must be one on the key, and a table or
//!   index that is made must have the key in each of its unique constraints.

mod calls;
mod change;
mod class;
mod commit;
mod copied;
mod cut;
mod execute;
mod fill;
mod insert;
mod lasting;
mod question;
mod schema;
mod targets;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use super::backend::{Fault, FaultKind, Session};
use super::catalog::Catalog;
use super::dialect::Dialect;
use super::error::Error;
use super::parse::Parsed;
use super::plan::Refusal;
use super::route::Route;
use super::run::{Asker, NodeReport, NodeSession, Nodes, Wanted};
use super::topology::Shard;
use super::value::{Column, Row, Value};
use crate::model::Trace;
use class::calls;

pub use class::{Class, class};
pub use fill::Fill;
pub use lasting::Lasting;

/// A statement for one shard, with the values that are bound to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardStatement {
    /// Where it runs.
    pub shard: Shard,
    /// Its text, parameters numbered from 1 (MySQL: in their order).
    pub sql: String,
    /// Exactly as many as the text takes.
    pub params: Vec<Value>,
}

/// How the counts of the shards become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Each shard touched rows of its own.
    Sum,
    /// Each touched its copies of the same rows, which must be equally many.
    Same,
}

/// What is looked at before a change of tables is made lasting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// The tables whose columns must be alike on all shards.
    pub tables: Vec<String>,
    /// Whether there must be columns at all, or none; `None` where either is right.
    pub exist: Option<bool>,
}

/// A question to each shard that writes; where one answers a row, the write is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The question.
    pub sql: String,
    /// The values bound to it.
    pub params: Vec<Value>,
    /// What to refuse with.
    pub refusal: Refusal,
}

/// A write that is ready to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What the shards speak.
    pub dialect: Dialect,
    /// In the order of shards; several of one shard run one after the other.
    pub statements: Vec<ShardStatement>,
    /// What the counts mean.
    pub count: Count,
    /// Whether rows come back (RETURNING).
    pub returns: bool,
    /// What is asked first.
    pub questions: Vec<Question>,
    /// What to look at before committing.
    pub verify: Option<Verify>,
}

/// How a write is carried out.
#[derive(Clone, Debug)]
pub enum WritePlan {
    /// Everything is known.
    Change(Change),
    /// Rows that a query finds come first.
    Fill(Box<Fill>),
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Rows touched.
    pub affected: u64,
    /// What RETURNING answered.
    pub returned: Option<Returned>,
    /// What each node did.
    pub nodes: Vec<NodeReport>,
}

/// Rows that a write answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Returned {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows of all shards.
    pub rows: Vec<Row>,
}

/// Plans INSERT, UPDATE and DELETE; `route` is what [`super::route::route`] found out about the same statement.
pub fn plan(parsed: &Parsed, route: &Route, params: &[Value], catalog: &Catalog<'_>) -> Result<WritePlan, Refusal> {
    if params.len() != parsed.parameters {
        let why = format!("the statement takes {}, {} given", parsed.parameters, params.len());
        return Err(Refusal::new("parameters", why));
    }
    let task = Task { parsed, params, catalog };
    match route {
        Route::Change { table, .. }
        | Route::Insert { table, .. }
        | Route::InsertSelect { table, .. }
        | Route::Copied { table, .. } => targets::look(&task, table)?,
        Route::Read(_) => {}
    }
    let is_alone = catalog.shards().len() <= 1;
    if !is_alone && let Some(name) = calls(&parsed.statement, |name| parsed.dialect().rules().is_counter(name)) {
        return Err(Refusal::new(format!("{name}()"), "each shard counts by itself"));
    }
    let planned = match route {
        Route::Read(_) => Err(Refusal::new("a statement that reads", "no write")),
        Route::Change { table, routing, group, reads } => {
            let shards = task.shards(routing);
            change::change(&task, table, &shards, (*group, reads)).map(WritePlan::Change)
        }
        Route::Insert { table, rows, reads } => insert::insert(&task, table, rows, reads).map(WritePlan::Change),
        Route::InsertSelect { .. } if is_alone => change::alone(&task).map(WritePlan::Change),
        Route::InsertSelect { table, key_at, .. } => {
            fill::fill(&task, table, Some(*key_at)).map(Box::new).map(WritePlan::Fill)
        }
        Route::Copied { table, reads } => copied::copied(&task, table, reads),
    };
    match (planned?, route) {
        (
            WritePlan::Change(change),
            Route::Change { table, .. } | Route::Insert { table, .. } | Route::Copied { table, .. },
        ) => Ok(WritePlan::Change(change.asking_first(table))),
        (planned, _) => Ok(planned),
    }
}

impl Change {
    /// With the question whether what is written to `table` can be taken back, where it may have to be.
    fn asking_first(mut self, table: &str) -> Self {
        if self.dialect == Dialect::MySql && self.statements.len() > 1 {
            self.questions.push(Question::lasting(table));
        }
        self
    }
}

/// Plans CREATE, ALTER and DROP of tables and indexes, and TRUNCATE.
pub fn schema(parsed: &Parsed, catalog: &Catalog<'_>) -> Result<Change, Refusal> {
    schema::schema(parsed, catalog)
}

/// Carries a change out on all its shards or on none. Dropped before the first commit, it takes everything back; from
/// then on it is carried through by itself. `most` bounds the bytes of the rows that come back.
pub async fn execute(
    change: &Change,
    (nodes, trace): (&Nodes, Option<Arc<Trace>>),
    due: Instant,
    most: usize,
) -> Result<Written, Error> {
    execute::execute(change, &Parties { nodes, change, asker: Asker::host().within(trace) }, due, most).await
}

/// The nodes, as one change asks them.
struct Parties<'a> {
    nodes: &'a Nodes,
    change: &'a Change,
    asker: Asker,
}

/// Opens the sessions that a write needs.
pub trait Shards {
    /// One of them.
    type Held: Held + 'static;

    /// A session with the node that holds a shard; the name of the node that failed otherwise.
    fn open(&self, shard: Shard, due: Instant) -> impl Future<Output = Result<Self::Held, (String, Fault)>> + Send;

    /// Where the making lasting of changes is counted.
    fn lasting(&self) -> &Lasting;
}

/// A session that a write has to itself. Dropped in the middle of a transaction, it takes it back.
pub trait Held: Send {
    /// The node's name.
    fn node(&self) -> &str;

    /// The session.
    fn session(&mut self) -> &mut dyn Session;

    /// Gives it back and says how it went.
    fn finish(self, result: Result<(), &Fault>);
}

impl Shards for Parties<'_> {
    type Held = NodeSession;

    async fn open(&self, shard: Shard, due: Instant) -> Result<NodeSession, (String, Fault)> {
        let holders = self.nodes.layout().shards.get(usize::from(shard.0)).map_or(0, |nodes| nodes.holders);
        if holders > 1 {
            let why = format!("{holders} nodes hold it, and a write would reach one of them only");
            return Err((self.nodes.shard_name(shard), Fault::new(FaultKind::Unsupported, why)));
        }
        let mut session = self.nodes.session(Wanted::any(shard, &self.asker), due).await?;
        if let Some(statement) = self.change.statements.iter().find(|statement| statement.shard == shard) {
            session.asks(&statement.sql);
        }
        Ok(session)
    }

    fn lasting(&self) -> &Lasting {
        self.nodes.lasting()
    }
}

impl Held for NodeSession {
    fn node(&self) -> &str {
        self.name()
    }

    fn session(&mut self) -> &mut dyn Session {
        self.session()
    }

    fn finish(self, result: Result<(), &Fault>) {
        self.finish(result);
    }
}

/// What planning looks at.
pub(super) struct Task<'a> {
    parsed: &'a Parsed,
    params: &'a [Value],
    catalog: &'a Catalog<'a>,
}

impl fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("text", &self.parsed.text).finish_non_exhaustive()
    }
}
