//! Owns one statement on one node: choosing the node, opening the session, sending its rows on, and trying again where
//! nothing was sent on yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant as Clock, timeout_at};

use super::asker::Asker;
use super::flow::{Flow, Outlet};
use super::nodes::{NodeSession, Nodes, Wanted};
use super::report::{NodeReport, NodeStatus, Report};
use crate::model::EndpointId;
use crate::sql::backend::{Bound, Fault, FaultKind};
use crate::sql::error::Error;
use crate::sql::plan::Plan;
use crate::sql::topology::Shard;
use crate::sql::value::{Column, Row, Value};

/// How long an answer that fails waits for other nodes to fail too, so that the error names them all.
pub(in crate::sql) const NAMING: Duration = Duration::from_millis(100);

/// One statement of a client while it is carried out.
pub(super) struct Run {
    pub(super) nodes: Arc<Nodes>,
    pub(super) plan: Arc<Plan>,
    pub(super) params: Arc<Vec<Value>>,
    pub(super) asker: Asker,
    pub(super) due: Instant,
    /// Of whose permits it has one for each connection that it may hold at a node.
    pub(super) room: Arc<Semaphore>,
    /// How often a statement is tried on nodes, the first time included.
    pub(super) attempts: u32,
    /// Nodes that may not be asked.
    pub(super) barred: Vec<EndpointId>,
    pub(super) allow_partial: bool,
    pub(super) report: Arc<Report>,
}

impl Run {
    /// What a future yields, unless it is not done in time.
    pub(super) async fn in_time<T>(&self, what: impl Future<Output = T>) -> Result<T, Fault> {
        timeout_at(Clock::from_std(self.due), what).await.map_err(|_| Fault::late())
    }

    /// Whether the time is over.
    pub(super) fn is_late(&self) -> bool {
        Clock::now() >= Clock::from_std(self.due)
    }

    /// The name of the node that runs a statement.
    pub(super) fn name(&self, at: usize) -> String {
        self.report.change(|summary| summary.nodes.get(at).map(|node| node.name.clone())).unwrap_or_default()
    }

    /// The error of the nodes that failed, a little while after the first of them did.
    pub(super) async fn failure(&self) -> Error {
        let soon = Clock::now() + NAMING;
        tokio::time::sleep_until(soon.min(Clock::from_std(self.due))).await;
        self.failed_so_far()
    }

    /// The error of the nodes that have failed.
    pub(super) fn failed_so_far(&self) -> Error {
        let failed = self.report.change(|summary| {
            let failed = summary.nodes.iter().filter_map(|node| match &node.status {
                NodeStatus::Failed(fault) => Some((node.name.clone(), fault.clone())),
                NodeStatus::Done | NodeStatus::Stopped | NodeStatus::Late => None,
            });
            failed.collect::<Vec<_>>()
        });
        match failed.is_empty() {
            // Nodes are stopped when the time is over and their rows were not taken.
            true if self.is_late() => Error::Deadline { late: Vec::new() },
            true => Error::Internal("a node's rows ended before their time".into()),
            false => Error::of_nodes(failed),
        }
    }

    fn note(&self, at: usize, note: impl FnOnce(&mut NodeReport)) {
        self.report.change(|summary| summary.nodes.get_mut(at).map(note));
    }
}

/// What comes from a node.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// The columns, with the first rows if there are any. The first of all.
    Head(Vec<Column>, Vec<Row>),
    /// More rows.
    Rows(Vec<Row>),
    /// There are no more; the last of all.
    End,
}

/// The pieces of one node; a fault is the last.
pub(super) type Feed = Flow<Result<Piece, Fault>>;

type Out = Outlet<Result<Piece, Fault>>;

/// Asks one node; in a task of its own, or in whatever polls the answer.
pub(super) fn ask(run: &Arc<Run>, at: usize, alone: bool) -> Feed {
    let run = Arc::clone(run);
    match alone {
        true => Flow::here(|out| asking(run, at, out)),
        false => Flow::task(|out| asking(run, at, out)),
    }
}

/// Why a statement went no further.
enum Stop {
    Fault(Fault),
    /// Nobody takes the rows any more.
    Gone,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn asking(run: Arc<Run>, at: usize, out: Out) {
    let started = Clock::now();
    let mut tries = Tries { excluded: run.barred.clone(), ..Tries::default() };
    let end = loop {
        match attempt(&run, at, &out, &mut tries).await {
            Err(Stop::Fault(fault)) if tries.again(&run, &fault) => {}
            end => break end,
        }
    };
    let (status, last) = match end {
        Ok(()) => (NodeStatus::Done, Some(Ok(Piece::End))),
        Err(Stop::Fault(fault)) => {
            let fault = tries.telling(fault);
            (NodeStatus::Failed(fault.clone()), Some(Err(fault)))
        }
        Err(Stop::Gone) if run.is_late() => (NodeStatus::Late, None),
        Err(Stop::Gone) => (NodeStatus::Stopped, None),
    };
    run.note(at, |node| {
        node.elapsed = started.elapsed();
        node.status = status;
    });
    if let Some(last) = last {
        let _ = out.send(last).await;
    }
}

/// What was tried for one statement.
#[derive(Default)]
struct Tries {
    count: u32,
    excluded: Vec<EndpointId>,
    asked: Option<EndpointId>,
    sent: bool,
    /// When the first rows came.
    answered: Option<Instant>,
    first: Option<Fault>,
}

impl Tries {
    /// Whether a read that failed is tried once more, on another node or, where the connection was the trouble and there
    /// is no other, on the same.
    fn again(&mut self, run: &Run, fault: &Fault) -> bool {
        self.count += 1;
        let elsewhere = fault.is_nodes() || fault.kind == FaultKind::Busy;
        if self.sent || !elsewhere || self.count >= run.attempts || run.is_late() {
            return false;
        }
        match self.asked.take() {
            Some(endpoint) => {
                self.excluded.push(endpoint);
                self.first.get_or_insert_with(|| fault.clone());
                true
            }
            // Nobody was left to ask.
            None => std::mem::replace(&mut self.excluded, run.barred.clone()).len() > run.barred.len(),
        }
    }

    /// The fault to tell of: that nobody is left to ask says less than why the last one failed.
    fn telling(&mut self, fault: Fault) -> Fault {
        match self.asked {
            Some(_) => fault,
            None => self.first.take().unwrap_or(fault),
        }
    }
}

async fn attempt(run: &Run, at: usize, out: &Out, tries: &mut Tries) -> Result<(), Stop> {
    (tries.asked, tries.answered) = (None, None);
    let shard = run.plan.nodes.get(at).map_or(Shard(0), |node| node.shard);
    let wanted = Wanted { shard, excluded: &tries.excluded, asker: &run.asker, attempt: tries.count };
    let opened = match run.plan.nodes.len() {
        // It holds nothing while it waits for the only one.
        0 | 1 => run.nodes.session(wanted, run.due).await,
        _ => run.nodes.session_within(&run.room, wanted, run.due).await,
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(unopened) => {
            tries.asked = unopened.endpoint;
            if unopened.endpoint.is_some() {
                run.note(at, |node| node.name = unopened.name);
            }
            return Err(Stop::Fault(unopened.fault));
        }
    };
    tries.asked = Some(session.endpoint());
    run.note(at, |node| {
        if node.name != session.name() {
            node.name = session.name().to_owned();
        }
    });
    let end = carry(run, at, &mut session, out, tries).await;
    session.answered(tries.answered);
    match &end {
        Ok(()) => session.finish(Ok(())),
        Err(Stop::Fault(fault)) => session.finish(Err(fault)),
        Err(Stop::Gone) => {}
    }
    end
}

/// Runs the statement and sends its rows on. The columns wait for the first rows: until then, it can be tried anew.
async fn carry(run: &Run, at: usize, session: &mut NodeSession, out: &Out, tries: &mut Tries) -> Result<(), Stop> {
    let sql = run.plan.nodes.get(at).map_or("", |node| node.sql.as_str());
    let bound = Bound { sql, params: &run.params, due: run.due };
    session.asks(sql);
    let mut rows = run.in_time(session.session().query(bound)).await??;
    let columns = std::mem::take(&mut rows.columns);
    let first = run.in_time(rows.batches.next()).await?.transpose()?;
    tries.answered = Some(Clock::now().into_std());
    let is_end = first.is_none();
    let first = first.unwrap_or_default();
    count(run, at, &first);
    let mut answered = first.len();
    tries.sent = true;
    send(run, out, Piece::Head(columns, first)).await?;
    if !is_end {
        while let Some(batch) = run.in_time(rows.batches.next()).await?.transpose()? {
            count(run, at, &batch);
            answered += batch.len();
            if !batch.is_empty() {
                send(run, out, Piece::Rows(batch)).await?;
            }
        }
    }
    drop(rows);
    session.answers(answered);
    Ok(())
}

fn count(run: &Run, at: usize, batch: &[Row]) {
    run.note(at, |node| node.rows += batch.len() as u64);
}

/// Waits for room no longer than the whole may take: that nobody took the rows is not the node's fault.
async fn send(run: &Run, out: &Out, piece: Piece) -> Result<(), Stop> {
    if run.is_late() {
        return Err(Stop::Gone);
    }
    match run.in_time(out.send(Ok(piece))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stop::Gone),
    }
}
