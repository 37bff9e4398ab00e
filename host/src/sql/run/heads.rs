//! Owns waiting until every node has answered its first rows, and the comparison of their columns: nothing is merged before
//! all nodes are known to answer alike.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::time::{Instant as Clock, timeout_at};

use super::asking::{Feed, NAMING, Piece, Run, ask};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::error::{Error, Unlike};
use crate::sql::value::{Column, Row};

/// A node that has begun to answer, as a stream of its rows.
pub(super) struct Running {
    /// Its place among the plan's statements.
    pub(super) at: usize,
    /// Its columns.
    pub(super) columns: Vec<Column>,
    first: Vec<Row>,
    feed: Option<Feed>,
}

impl Stream for Running {
    type Item = Result<Vec<Row>, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        let Some(feed) = &mut self.feed else { return Poll::Ready(None) };
        match ready!(feed.poll_next_unpin(cx)) {
            Some(Ok(Piece::Rows(rows))) => Poll::Ready(Some(Ok(rows))),
            Some(Ok(Piece::End)) => {
                self.feed = None;
                Poll::Ready(None)
            }
            Some(Err(fault)) => {
                self.feed = None;
                Poll::Ready(Some(Err(fault)))
            }
            Some(Ok(Piece::Head(..))) | None => {
                self.feed = None;
                Poll::Ready(Some(Err(broken())))
            }
        }
    }
}

/// The end of a task that has panicked.
fn broken() -> Fault {
    Fault::new(FaultKind::Lost, "what runs its statement has failed")
}

/// Asks the nodes of these statements, which are to answer alike. In the order of the statements; those that failed are
/// missing, where that is allowed and one at least did not.
pub(super) async fn heads(run: &Arc<Run>, which: &[usize]) -> Result<Vec<Running>, Error> {
    let alone = which.len() == 1;
    if let ([at], true) = (which, alone) {
        let (_, head) = head(*at, ask(run, *at, true)).await;
        return head.map(|head| vec![head]).map_err(|_| run.failed_so_far());
    }
    let mut waiting: FuturesUnordered<_> = which.iter().map(|at| head(*at, ask(run, *at, false))).collect();
    let (mut running, mut has_failed) = (Vec::with_capacity(which.len()), false);
    while let Some((_, head)) = waiting.next().await {
        match head {
            Ok(head) => running.push(head),
            Err(_) => {
                has_failed = true;
                if !run.allow_partial {
                    break;
                }
            }
        }
    }
    if has_failed && (!run.allow_partial || running.is_empty()) {
        // Others may fail at the same moment: all are named.
        let soon = Clock::now() + NAMING;
        let others = async { while waiting.next().await.is_some() {} };
        let _ = timeout_at(soon.min(Clock::from_std(run.due)), others).await;
        return Err(run.failed_so_far());
    }
    if has_failed {
        run.report.change(|summary| summary.partial = true);
    }
    running.sort_by_key(|running| running.at);
    compare(run, &running)?;
    Ok(running)
}

async fn head(at: usize, mut feed: Feed) -> (usize, Result<Running, Fault>) {
    let head = match feed.next().await {
        Some(Ok(Piece::Head(columns, first))) => Ok(Running { at, columns, first, feed: Some(feed) }),
        Some(Ok(Piece::Rows(_) | Piece::End)) | None => Err(broken()),
        Some(Err(fault)) => Err(fault),
    };
    (at, head)
}

/// All must have the columns of the first.
fn compare(run: &Run, running: &[Running]) -> Result<(), Error> {
    let Some((first, others)) = running.split_first() else { return Ok(()) };
    match others.iter().find(|other| other.columns != first.columns) {
        None => Ok(()),
        Some(other) => {
            let (what, this, that) = difference(&first.columns, &other.columns);
            Err(Error::Unlike(Unlike { what, one: run.name(first.at), this, other: run.name(other.at), that }))
        }
    }
}

/// The first difference of two lists of columns.
fn difference(one: &[Column], other: &[Column]) -> (String, String, String) {
    if one.len() != other.len() {
        let count = |columns: &[Column]| format!("{} ({})", columns.len(), listed(columns));
        return ("the numbers of columns".into(), count(one), count(other));
    }
    let pairs = one.iter().zip(other).enumerate();
    match pairs.into_iter().find(|(_, (one, other))| one != other) {
        Some((at, (one, other))) => (format!("the columns at place {}", at + 1), shown(one), shown(other)),
        None => ("the columns".into(), listed(one), listed(other)),
    }
}

fn listed(columns: &[Column]) -> String {
    columns.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn shown(column: &Column) -> String {
    match column.declared.is_empty() {
        true => column.name.clone(),
        false => format!("{} {}", column.name, column.declared),
    }
}
