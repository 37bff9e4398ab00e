//! Owns making one stream of rows of those of the nodes, where no database is needed for it: as they are, one after the
//! other, or in order. Rows that are not needed any more are not waited for: their nodes are stopped.

use std::sync::Arc;

use futures_util::future::FutureExt;
use futures_util::stream::{BoxStream, SelectAll, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant as Clock;

use super::asking::Run;
use super::flow::{Flow, Gone, Outlet};
use super::heads::{Running, heads};
use super::ladder::{Ladder, Unordered};
use super::report::{NodeStatus, Step};
use super::window::Cut;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::error::Error;
use crate::sql::plan::{MergeKey, Window};
use crate::sql::value::{Column, Row};

/// Rows that are sent on at a time.
const BATCH: usize = 500;

/// Rows on their way to the client.
pub(super) type Batches = BoxStream<'static, Result<Vec<Row>, Error>>;

type Out = Outlet<Result<Vec<Row>, Error>>;

/// Asks the only node, and hands its rows on as they are.
pub(super) async fn through(run: Arc<Run>) -> Result<(Vec<Column>, Batches), Error> {
    let began = Clock::now();
    let only = heads(&run, &[0]).await?.pop().ok_or_else(no_nodes)?;
    run.report.took(Step::Nodes, began.elapsed());
    let columns = only.columns.clone();
    Ok((columns, only.map(move |rows| rows.map_err(|_| run.failed_so_far())).boxed()))
}

/// Plans ask somebody.
pub(super) fn no_nodes() -> Error {
    Error::Internal("a plan that asks no node".into())
}

/// The rows of all nodes, as they come.
pub(super) fn concat(run: Arc<Run>, nodes: Vec<Running>, window: Window, permit: OwnedSemaphorePermit) -> Batches {
    let block = async move |out: Out| {
        let began = Clock::now();
        let end = concatenated(&run, nodes, Cut::of(window), &out).await;
        drop(permit);
        run.report.took(Step::Merge, began.elapsed());
        tell(&out, end).await;
    };
    Flow::here(block).boxed()
}

/// How an answer that is put together ends before its time.
enum Stop {
    Error(Error),
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

async fn tell(out: &Out, end: Result<(), Stop>) {
    if let Err(Stop::Error(error)) = end {
        let _ = out.send(Err(error)).await;
    }
}

async fn concatenated(run: &Run, nodes: Vec<Running>, mut cut: Cut, out: &Out) -> Result<(), Stop> {
    let mut all: SelectAll<Running> = nodes.into_iter().collect();
    while !cut.is_over() {
        let Some(rows) = all.next().await else { break };
        match rows {
            Ok(rows) => {
                let rows = cut.keeps(rows);
                if !rows.is_empty() {
                    out.send(Ok(rows)).await?;
                }
            }
            Err(_) => left_out(run).await?,
        }
    }
    Ok(())
}

/// A node has failed in the middle: the answer goes on without it, where that is allowed.
async fn left_out(run: &Run) -> Result<(), Stop> {
    if run.allow_partial {
        run.report.change(|summary| summary.partial = true);
        return Ok(());
    }
    Err(Stop::Error(run.failure().await))
}

/// How the rows of a merge lie.
pub(super) struct Order {
    pub(super) keys: Vec<MergeKey>,
    /// How many columns the answer has; those behind them are cut off.
    pub(super) visible: usize,
    pub(super) window: Window,
}

/// The rows of all nodes, each in order, in order.
pub(super) fn merge(run: Arc<Run>, nodes: Vec<Running>, order: Order, permit: OwnedSemaphorePermit) -> Batches {
    let block = async move |out: Out| {
        let began = Clock::now();
        let ladder = Ladder::new(order.keys, order.visible, nodes.len());
        let cut = Cut::of(order.window);
        let nodes = nodes.into_iter().map(|rows| Source { rows, ready: Vec::new().into_iter() }).collect();
        let merging = Merging { run: &run, nodes, ladder, cut, visible: order.visible, done: Vec::new() };
        let end = merging.merge(&out).await;
        drop(permit);
        run.report.took(Step::Merge, began.elapsed());
        tell(&out, end).await;
    };
    Flow::here(block).boxed()
}

/// A node in a merge.
struct Source {
    rows: Running,
    ready: std::vec::IntoIter<Row>,
}

struct Merging<'a> {
    run: &'a Run,
    nodes: Vec<Source>,
    ladder: Ladder,
    cut: Cut,
    visible: usize,
    done: Vec<Row>,
}

impl Merging<'_> {
    async fn merge(mut self, out: &Out) -> Result<(), Stop> {
        for source in 0..self.nodes.len() {
            self.refill(source, out).await?;
        }
        while !self.cut.is_over()
            && let Some(source) = self.ladder.first()
        {
            let next = self.nodes.get_mut(source).and_then(|source| source.ready.next());
            let is_empty = next.is_none();
            let row = self.ladder.advance(next).map_err(|unordered| self.unordered(unordered))?;
            if let Some(mut row) = row
                && self.cut.keeps_one()
            {
                row.truncate(self.visible);
                self.done.push(row);
            }
            if self.done.len() >= BATCH {
                self.flush(out).await?;
            }
            if is_empty && !self.cut.is_over() {
                self.refill(source, out).await?;
            }
        }
        self.flush(out).await
    }

    /// Gets the next rows of a node, if it has more, and puts the first of them on the ladder. What is done is sent on
    /// rather than kept waiting.
    async fn refill(&mut self, at: usize, out: &Out) -> Result<(), Stop> {
        loop {
            let Some(source) = self.nodes.get_mut(at) else { return Ok(()) };
            let next = match source.rows.next().now_or_never() {
                Some(next) => next,
                None if self.done.is_empty() => source.rows.next().await,
                None => {
                    self.flush(out).await?;
                    continue;
                }
            };
            match next {
                None => return Ok(()),
                Some(Err(_)) => return left_out(self.run).await,
                Some(Ok(rows)) => {
                    source.ready = rows.into_iter();
                    if let Some(row) = source.ready.next() {
                        return self.ladder.enter(at, row).map_err(|unordered| self.unordered(unordered));
                    }
                }
            }
        }
    }

    async fn flush(&mut self, out: &Out) -> Result<(), Stop> {
        if !self.done.is_empty() {
            out.send(Ok(std::mem::take(&mut self.done))).await?;
        }
        Ok(())
    }

    /// The node sorts in another way than this merge: its rows are not what they should be.
    fn unordered(&self, Unordered(source): Unordered) -> Stop {
        let at = self.nodes.get(source).map_or(0, |source| source.rows.at);
        let fault = Fault::new(FaultKind::Unsupported, "its rows are not in the order that they are merged by");
        let name = self.run.report.change(|summary| {
            let node = summary.nodes.get_mut(at)?;
            node.status = NodeStatus::Failed(fault.clone());
            Some(node.name.clone())
        });
        Stop::Error(Error::Nodes(vec![(name.unwrap_or_default(), fault)]))
    }
}
