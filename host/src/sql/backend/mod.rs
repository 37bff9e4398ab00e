//! What a kind of database must be able to do for the SQL entry: one seam, one conformance suite, four implementations.
//! Decides nothing: which node, what text, how long is told.

pub mod http;
mod lease;
pub mod mysql;
mod pools;
pub mod postgres;
mod reach;
pub mod sqlite;

use std::fmt;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub(super) use reach::may_stain;

use super::dialect::Dialect;
use super::plan::Load;
use super::shape::ColumnShape;
use super::value::{Column, Row, Value};
use crate::model::{Address, TraceContext};

/// How many bytes one statement may have an engine for final statements write down for the time being: to sort, to group, or
/// to keep what was loaded. Far more than is gathered by default, and less than a disk has.
pub const ENGINE_BYTES: usize = 1 << 30;

/// The longest row, in bytes, and so the longest value: far above what rows are, and little enough that a few at a time fit.
pub const ROW_BYTES: usize = 64 << 20;

/// A statement and its parameters. The first `n` parameters are bound, where `n` is how many the text takes.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The text, in the backend's dialect; parameters are `?1` (SQLite), `$1` (PostgreSQL), `?` or `?1` (MySQL).
    pub sql: &'a str,
    /// The values.
    pub params: &'a [Value],
    /// When it must be done: passed down to the server as well as it can be told.
    pub due: Instant,
}

/// Rows on their way from a node. Dropped before its end, it cancels the statement on the server.
pub struct Rows<'a> {
    /// The columns, known before the first row.
    pub columns: Vec<Column>,
    /// The rows, some hundreds at a time; ends after the first error.
    pub batches: BoxStream<'a, Result<Vec<Row>, Fault>>,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begins one; it may write.
    Begin,
    /// Begins one that only reads: all that it asks, it sees as it was when it asked first.
    Snapshot,
    /// Ends it for good.
    Commit,
    /// Takes it back, with the tables that were loaded in it.
    Rollback,
}

/// Opens sessions.
pub trait Backend: Send + Sync {
    /// What its nodes speak.
    fn dialect(&self) -> Dialect;

    /// A session with a node, from its pool: waits for a free one until `due`.
    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>>;

    /// Whether its sessions can check each statement of a transaction by itself ([`Session::check_each`]).
    fn checks_each(&self) -> bool {
        false
    }

    /// An engine for final statements that is no node's; none where a node has to do.
    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        None
    }
}

/// One connection to a node. Dropped in the middle of a transaction, it takes it back; dropped in order, it goes back to
/// the pool.
pub trait Session: Send {
    /// Runs a statement that answers rows; one that writes only within a transaction. The future ends when the columns are
    /// known.
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>>;

    /// Runs a statement for its effect; answers how many rows it touched.
    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>>;

    /// A step of a transaction.
    fn transact(&mut self, step: Step, due: Instant) -> BoxFuture<'_, Result<(), Fault>>;

    /// Has what each statement of the transaction leaves checked when it has been done: none is let through that would be
    /// refused if the transaction ended there. Directly after its beginning, where [`Backend::checks_each`].
    fn check_each(&mut self) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Unsupported, "some constraints are checked at the end of the transaction only"))
    }

    /// Has the statements that follow take `moment` (microseconds since 1970, UTC) for the time, where the server can be told.
    /// The session is not handed on to others after that.
    fn pretend(&mut self, _moment: i64, _due: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    /// What is done from now on is this owner's, who has one session at a time: nothing that was begun on the node in one before,
    /// over a connection that broke or by a process that was stopped, is done any more from when this returns, nor stands in
    /// the way of the next, where the node would keep it beyond its connection, or have it done without a transaction. The
    /// session is not handed on to others after that.
    fn own<'a>(&'a mut self, _owner: &'a str, _due: Instant) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    /// What is asked from now on is part of a trace: a node that knows of traces is told so.
    fn within(&mut self, _context: TraceContext, _state: Option<&str>) {}

    /// Puts rows into a temporary table, which is made at the first call for it; `columns` are those that the nodes
    /// answered, whose types and collations it has where `load` does not say. Only within a transaction.
    fn load<'a>(
        &'a mut self,
        load: &'a Load,
        columns: &'a [Column],
        rows: Vec<Row>,
        due: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>>;

    /// The columns of a table as declared; none where there is no such table. A dot in its name stands between its schema and
    /// the table.
    fn shape<'a>(&'a mut self, table: &'a str, due: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>>;
}

/// Why a session did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No connection could be had: nothing was done.
    Connect,
    /// The pool had none free in time, or no node may be asked now: nothing was done, and no node is to blame.
    Busy,
    /// The connection broke: what was under way may have been done or not.
    Lost,
    /// It was not done in time.
    TimedOut,
    /// The server could not do it for a reason of its own, such as a full disk: nothing was done, its connection is sound.
    Failed,
    /// It needs more room than the engine of final statements may have.
    TooLarge,
    /// The server refused the statement; its connection is sound.
    Statement,
    /// Another transaction was in its way: a deadlock, or a lock that was held for too long. Nothing was done, and the same
    /// again may go well.
    Conflict,
    /// The server refused it for its kind of numbers: an integer or a sum leaves its range.
    Overflow,
    /// A column or parameter has a type that is not carried.
    Unsupported,
}

impl Fault {
    /// A failure and what to say of it.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// That the time was over before it was done.
    pub fn late() -> Self {
        Self::new(FaultKind::TimedOut, "not done in time")
    }

    /// The connection is not usable any more.
    fn lost(why: &str) -> Self {
        Self::new(FaultKind::Lost, why)
    }

    /// A row that is too long to be carried.
    fn long_row() -> Self {
        let why =
            format!("a row of more than {} MiB is not carried: ask for fewer or shorter columns", ROW_BYTES >> 20);
        Self::new(FaultKind::Unsupported, why)
    }

    /// Whether the node is the cause, so that its circuit counts it and a read may be tried elsewhere.
    pub fn is_nodes(&self) -> bool {
        matches!(self.kind, FaultKind::Connect | FaultKind::Lost | FaultKind::TimedOut | FaultKind::Failed)
    }
}
