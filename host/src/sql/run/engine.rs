//! Owns the final SQL: the rows of the nodes go into tables of one engine, within bounds; questions are asked that must
//! have no row; then the final statement runs there, and its rows are the answer.
//!
//! The engine is the backend's own where it has one. Otherwise it is a session with one of the nodes, in a transaction that
//! is taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{SelectAll, Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant as Clock;

use super::asking::{Piece, Run};
use super::budget::Budget;
use super::flow::{Flow, Outlet};
use super::heads::{Running, heads};
use super::last::Batches;
use super::nodes::{NodeSession, Wanted};
use super::report::Step as Timed;
use crate::sql::backend::{Bound, ENGINE_BYTES, Fault, FaultKind, Session, Step};
use crate::sql::error::{Cap, Error};
use crate::sql::plan::{FinalStage, Guard, Load, Refusal};
use crate::sql::topology::Shard;
use crate::sql::value::{Column, Row};

/// Bytes that are loaded at a time. Each time costs the engine about what a thousand rows of numbers cost.
const CHUNK: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// For good.
    Error(Error),
    /// The values met are not what a merge is exact for; the error where gathering is no way out.
    Inexact(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Where the final statement runs.
enum Engine {
    Own(Box<dyn Session>),
    Node(Box<NodeSession>),
}

impl Engine {
    async fn open(run: &Run) -> Result<Self, Stop> {
        let mut engine = match run.nodes.backend().engine() {
            Some(engine) => match run.in_time(engine).await.and_then(|engine| engine) {
                Ok(session) => Self::Own(session),
                Err(fault) => return Err(Error::of_nodes(vec![(OWN.into(), fault)]).into()),
            },
            None => Self::Node(Box::new(any_node(run).await?)),
        };
        let begun = run.in_time(engine.session().transact(Step::Begin, run.due)).await.and_then(|begun| begun);
        match begun {
            Ok(()) => Ok(engine),
            Err(fault) => Err(engine.failed(fault).into()),
        }
    }

    fn session(&mut self) -> &mut dyn Session {
        match self {
            Self::Own(session) => session.as_mut(),
            Self::Node(session) => session.session(),
        }
    }

    fn failed(self, fault: Fault) -> Error {
        match self {
            Self::Own(_) if fault.kind == FaultKind::TooLarge => Error::Cap(Cap::EngineBytes(ENGINE_BYTES)),
            Self::Own(_) => Error::of_nodes(vec![(OWN.into(), fault)]),
            Self::Node(session) => {
                let name = session.name().to_owned();
                session.finish(Err(&fault));
                Error::of_nodes(vec![(name, fault)])
            }
        }
    }

    /// Takes everything back. That this fails says nothing of the answer; the session is not used again then. Where time
    /// is over, dropping the session does it, and its node, which may have waited for another, is not blamed.
    async fn end(mut self, run: &Run) {
        if run.is_late() {
            return;
        }
        let done = run.in_time(self.session().transact(Step::Rollback, run.due)).await.and_then(|done| done);
        if let Self::Node(session) = self {
            session.finish(done.as_ref().copied());
        }
    }
}

/// What the backend's own engine is called in errors.
const OWN: &str = "the final stage";

/// Which statements are asked at a time: all, where each node has connections for all of its own and one for the engine;
/// otherwise those of one table after those of another, so that a statement never waits for itself.
pub(super) fn rounds(run: &Run, connections: usize) -> (Vec<Vec<usize>>, usize) {
    let mut loads: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut shards: BTreeMap<_, usize> = BTreeMap::new();
    for (at, node) in run.plan.nodes.iter().enumerate() {
        loads.entry(node.load).or_default().push(at);
        *shards.entry(node.shard).or_default() += 1;
    }
    let engine = usize::from(run.nodes.backend().engine().is_none());
    // What any shard may answer comes on top of what each has to.
    let anywhere = shards.remove(&Shard::ANY).unwrap_or(0);
    let all = shards.values().copied().max().unwrap_or(usize::from(anywhere == 0)) + anywhere + engine;
    match all <= connections {
        true => (vec![(0..run.plan.nodes.len()).collect()], all),
        false => (loads.into_values().collect(), 1 + engine),
    }
}

/// A session with one of the nodes: with another where one does not take it. Nothing was done there yet.
async fn any_node(run: &Run) -> Result<NodeSession, Error> {
    let (mut excluded, mut first) = (Vec::new(), None);
    loop {
        let wanted = Wanted { excluded: &excluded, ..Wanted::any(Shard::ANY, &run.asker) };
        let unopened = match run.nodes.session(wanted, run.due).await {
            Ok(session) => return Ok(session),
            Err(unopened) => unopened,
        };
        let endpoint = unopened.endpoint;
        let first = first.get_or_insert(unopened);
        match endpoint {
            Some(endpoint) if !run.is_late() => excluded.push(endpoint),
            // That nobody is left to ask says less than why the first one failed.
            _ => return Err(Error::of_nodes(vec![first.clone().into()])),
        }
    }
}

/// Gathers the rows, and begins the final statement.
pub(super) async fn gather(
    run: Arc<Run>,
    rounds: Vec<Vec<usize>>,
    budget: Budget,
    permit: OwnedSemaphorePermit,
) -> Result<(Vec<Column>, Batches), Stop> {
    let plan = Arc::clone(&run.plan);
    let FinalStage::Sql { loads, guards, .. } = &plan.last else {
        return Err(Error::Internal("a plan without a final statement".into()).into());
    };
    let mut engine = Engine::open(&run).await?;
    let mut loading = Loading { run: &run, loads, budget };
    for round in rounds {
        match loading.round(&mut engine, &round).await {
            Ok(()) => {}
            Err(Failed::Error(error)) => {
                engine.end(&run).await;
                return Err(error.into());
            }
            Err(Failed::Engine(fault)) => return Err(engine.failed(fault).into()),
        }
    }
    for guard in guards {
        match finds(&run, &mut engine, guard).await {
            Ok(false) => {}
            Ok(true) => {
                engine.end(&run).await;
                let why = "the values met are not what a merge is exact for";
                return Err(Stop::Inexact(Refusal::new(guard.construct.clone(), why).into()));
            }
            Err(fault) => return Err(stopped(engine, fault)),
        }
    }
    finish(run, engine, permit).await
}

/// A number that leaves its range is no error of the statement yet: gathered, it may not.
fn stopped(engine: Engine, fault: Fault) -> Stop {
    match fault.kind {
        FaultKind::Overflow => Stop::Inexact(engine.failed(fault)),
        _ => Stop::Error(engine.failed(fault)),
    }
}

/// Why rows could not be loaded.
enum Failed {
    Error(Error),
    Engine(Fault),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

struct Loading<'a> {
    run: &'a Arc<Run>,
    loads: &'a [Load],
    budget: Budget,
}

/// What is read for one table and not loaded yet.
#[derive(Default)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Loading<'_> {
    async fn round(&mut self, engine: &mut Engine, round: &[usize]) -> Result<(), Failed> {
        let began = Clock::now();
        let (mut tables, mut nodes) = (BTreeMap::<usize, Table>::new(), SelectAll::new());
        for (index, running) in self.heads(round).await? {
            let table = tables.entry(index).or_default();
            for running in running {
                table.columns.clone_from(&running.columns);
                nodes.push(Labelled { index, running });
            }
        }
        self.run.report.took(Timed::Nodes, began.elapsed());
        let began = Clock::now();
        while let Some((index, rows)) = nodes.next().await {
            let Ok(rows) = rows else {
                if self.run.allow_partial {
                    self.run.report.change(|summary| summary.partial = true);
                    continue;
                }
                return Err(Failed::Error(self.run.failure().await));
            };
            let bytes = self.budget.spend(&rows).map_err(Error::Cap)?;
            let Some(table) = tables.get_mut(&index) else { continue };
            table.rows.extend(rows);
            table.bytes += bytes;
            if table.bytes >= CHUNK {
                self.load(engine, index, table).await?;
            }
        }
        for (index, table) in &mut tables {
            // A table without rows is made all the same.
            self.load(engine, *index, table).await?;
        }
        self.run.report.took(Timed::Merge, began.elapsed());
        Ok(())
    }

    /// The first rows of the nodes, by table: those of one table must be alike.
    async fn heads(&self, round: &[usize]) -> Result<Vec<(usize, Vec<Running>)>, Error> {
        let mut loads: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in round {
            let load = self.run.plan.nodes.get(*at).map_or(0, |node| node.load);
            loads.entry(load).or_default().push(*at);
        }
        let waiting = loads.into_iter().map(async |(index, which)| Ok((index, heads(self.run, &which).await?)));
        futures_util::future::try_join_all(waiting).await
    }

    async fn load(&self, engine: &mut Engine, index: usize, table: &mut Table) -> Result<(), Failed> {
        let load = self.loads.get(index).ok_or_else(|| Error::Internal("a plan without the table to load".into()))?;
        if load.columns.len() != table.columns.len() {
            let found = format!("{} columns for the {} of {}", table.columns.len(), load.columns.len(), load.name);
            return Err(Failed::Error(Error::Internal(format!("the nodes answered {found}"))));
        }
        table.bytes = 0;
        let rows = std::mem::take(&mut table.rows);
        let loading = engine.session().load(load, &table.columns, rows, self.run.due);
        self.run.in_time(loading).await.and_then(|loaded| loaded).map_err(Failed::Engine)
    }
}

/// The rows of a node, and the table that they go into.
struct Labelled {
    index: usize,
    running: Running,
}

impl Stream for Labelled {
    type Item = (usize, Result<Vec<Row>, Fault>);

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let index = self.index;
        self.running.poll_next_unpin(cx).map(|rows| rows.map(|rows| (index, rows)))
    }
}

/// Whether a guard finds a row.
async fn finds(run: &Run, engine: &mut Engine, guard: &Guard) -> Result<bool, Fault> {
    let bound = Bound { sql: &guard.sql, params: &run.params, due: run.due };
    let mut rows = run.in_time(engine.session().query(bound)).await??;
    loop {
        match run.in_time(rows.batches.next()).await?.transpose()? {
            None => return Ok(false),
            Some(rows) if rows.is_empty() => {}
            Some(_) => return Ok(true),
        }
    }
}

/// Begins the final statement, whose first rows are waited for: until then, an overflow can be answered by gathering.
async fn finish(run: Arc<Run>, engine: Engine, permit: OwnedSemaphorePermit) -> Result<(Vec<Column>, Batches), Stop> {
    let began = Clock::now();
    let block = async move |out: Outlet<Result<Piece, (Fault, Error)>>| {
        let mut engine = engine;
        let end = answer(&run, &mut engine, &out).await;
        let last = match end {
            Ok(true) => {
                engine.end(&run).await;
                Ok(Piece::End)
            }
            Ok(false) => return,
            Err(fault) => Err((fault.clone(), engine.failed(fault))),
        };
        drop(permit);
        run.report.took(Timed::Last, began.elapsed());
        let _ = out.send(last).await;
    };
    let mut flow = Flow::here(block);
    let (columns, first) = match flow.next().await {
        Some(Ok(Piece::Head(columns, first))) => (columns, first),
        Some(Err((fault, error))) if fault.kind == FaultKind::Overflow => return Err(Stop::Inexact(error)),
        Some(Err((_, error))) => return Err(Stop::Error(error)),
        Some(Ok(Piece::Rows(_) | Piece::End)) | None => return Err(Stop::Error(broken())),
    };
    let first = (!first.is_empty()).then_some(Ok(first));
    let rest = futures_util::stream::unfold(Some(flow), async |flow| {
        let mut flow = flow?;
        match flow.next().await {
            Some(Ok(Piece::Rows(rows))) => Some((Ok(rows), Some(flow))),
            Some(Ok(Piece::End)) => None,
            Some(Err((_, error))) => Some((Err(error), None)),
            Some(Ok(Piece::Head(..))) | None => Some((Err(broken()), None)),
        }
    });
    Ok((columns, futures_util::stream::iter(first).chain(rest).boxed()))
}

fn broken() -> Error {
    Error::Internal("the final statement ended before its time".into())
}

/// Sends the rows of the final statement; false where nobody takes them any more.
async fn answer(run: &Run, engine: &mut Engine, out: &Outlet<Result<Piece, (Fault, Error)>>) -> Result<bool, Fault> {
    let FinalStage::Sql { sql, .. } = &run.plan.last else { return Ok(false) };
    let bound = Bound { sql, params: &run.params, due: run.due };
    let mut rows = run.in_time(engine.session().query(bound)).await??;
    let columns = std::mem::take(&mut rows.columns);
    let first = run.in_time(rows.batches.next()).await?.transpose()?;
    // A stream that has ended is not asked again.
    let is_over = first.is_none();
    if out.send(Ok(Piece::Head(columns, first.unwrap_or_default()))).await.is_err() {
        return Ok(false);
    }
    if is_over {
        return Ok(true);
    }
    while let Some(batch) = run.in_time(rows.batches.next()).await?.transpose()? {
        if !batch.is_empty() && out.send(Ok(Piece::Rows(batch))).await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
