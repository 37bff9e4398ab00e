//! What a law needs of a server: where it is, how its dialect says the few things that laws ask for, and how it is hurt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use leverframe::model::Address;
use leverframe::sql::backend::{Backend, Bound, Fault, Rows, Session};
use leverframe::sql::value::{Row, Value};

/// How long opening a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A database server of one kind, of one test.
pub(super) trait Server: Send + Sync {
    /// How its dialect says things.
    fn words(&self) -> Words;

    /// A backend for it, with so many connections to a node at most.
    fn backend(&self, connections: usize) -> Arc<dyn Backend>;

    /// The node that laws talk to.
    fn node(&self) -> Address;

    /// How many statements of clients run there at the moment; none where only its connections can tell.
    fn running(&self) -> BoxFuture<'_, Option<usize>>;

    /// Breaks all connections, so that none can be used again; until it is mended, there may be no new one either.
    fn sever(&self) -> BoxFuture<'_, ()>;

    /// Has the server back.
    fn mend(&self) -> BoxFuture<'_, ()>;
}

/// How a dialect says what laws ask for.
pub(super) struct Words {
    /// Types of columns that keep an integer, a double, a text with exact comparison, and bytes.
    pub(super) integer: &'static str,
    pub(super) real: &'static str,
    pub(super) text: &'static str,
    pub(super) blob: &'static str,
    /// Types that only this dialect has, each with a value.
    pub(super) others: Vec<(&'static str, Value)>,
    /// The parameter of a number, counted from 1.
    pub(super) parameter: fn(usize) -> String,
    /// Answers the numbers from 1 to `n`, in order, in a column `n`, one after the other as they are taken.
    pub(super) numbers: fn(u64) -> String,
    /// Takes very long before its first row.
    pub(super) slow: &'static str,
    /// What the shape of a table `s (id <integer>, name <text>)` has as types and collations.
    pub(super) shape: [(&'static str, &'static str); 2],
    /// The schema that a table is in where none is said.
    pub(super) schema: &'static str,
}

/// A moment that laws that have nothing to do with deadlines do not reach.
pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(super) fn in_millis(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

pub(super) async fn session(backend: &Arc<dyn Backend>, server: &dyn Server) -> Box<dyn Session> {
    backend.session(&server.node(), soon()).await.expect("a session")
}

pub(super) fn bound(sql: &str) -> Bound<'_> {
    Bound { sql, params: &[], due: soon() }
}

/// Runs a statement for its effect.
pub(super) async fn execute(session: &mut dyn Session, sql: &str) -> u64 {
    session.execute(bound(sql)).await.unwrap_or_else(|fault| panic!("{sql}: {fault}"))
}

/// All rows of a statement.
pub(super) async fn all(session: &mut dyn Session, sql: &str) -> Vec<Row> {
    let rows = session.query(bound(sql)).await.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
    collected(rows).await.unwrap_or_else(|fault| panic!("{sql}: {fault}"))
}

/// All rows, or what ended them.
pub(super) async fn collected(mut rows: Rows<'_>) -> Result<Vec<Row>, Fault> {
    let mut all = Vec::new();
    while let Some(batch) = rows.batches.next().await {
        all.extend(batch?);
    }
    Ok(all)
}

/// What a statement fails with, before its rows or among them.
pub(super) async fn failure(session: &mut dyn Session, bound: Bound<'_>) -> Fault {
    match session.query(bound).await {
        Ok(rows) => collected(rows).await.expect_err("it fails"),
        Err(fault) => fault,
    }
}

/// The one number that a statement answers.
pub(super) async fn number(session: &mut dyn Session, sql: &str) -> i64 {
    match all(session, sql).await.as_slice() {
        [row] => match row.as_slice() {
            [Value::Integer(number)] => *number,
            other => panic!("{sql}: {other:?}"),
        },
        other => panic!("{sql}: {other:?}"),
    }
}
