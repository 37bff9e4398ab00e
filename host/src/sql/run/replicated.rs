//! Owns statements on their way through an entry whose nodes all hold everything: one that is caught up answers a read, and
//! another where it fails; a write goes to the log.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::asker::Asker;
use super::asking::Run;
use super::course::{course, unasked};
use super::entry::{Answer, Asked, Rows};
use super::last::through;
use super::report::{Course, Explanation, NodePlan, NodeReport, NodeStatus};
use super::site::Site;
use super::spans;
use crate::config::{SqlEntry, TopologySpec};
use crate::sql::error::Error;
use crate::sql::plan::{Class, FinalStage, NodeStatement, Plan, Tier};
use crate::sql::replica::log::{Kind, Position};
use crate::sql::replica::{Around, Done, Effect, Freshness, One, Reader, Seat, Sequencer, others};
use crate::sql::topology::Shard;

/// What was written by way of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Its place in the log.
    pub position: Position,
    /// What came of each statement.
    pub effects: Vec<Effect>,
    /// Whether the client has sent several, even if it is a list of one.
    pub is_list: bool,
    /// The nodes that have it by now.
    pub nodes: Vec<NodeReport>,
}

/// A database whose nodes all hold everything.
pub(super) struct Replicated {
    spec: Arc<SqlEntry>,
    site: Arc<Site>,
    seat: Arc<Seat>,
    max_lag: u64,
}

impl Replicated {
    pub(super) fn new(spec: Arc<SqlEntry>, site: Arc<Site>, seat: Arc<Seat>) -> Self {
        let max_lag = match &spec.topology {
            TopologySpec::Replicated(replicated) => replicated.max_lag,
            TopologySpec::Partitioned(_) | TopologySpec::Split(_) => 0,
        };
        Self { spec, site, seat, max_lag }
    }

    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Answers one statement, or several as one transaction.
    pub(super) async fn answer(
        &self,
        asked: &Asked,
        many: Option<Vec<One>>,
        position: Option<Position>,
    ) -> Result<Answer, Error> {
        let is_list = many.is_some();
        let span = spans::planning(asked.trace.as_ref());
        let is_read = match many {
            Some(_) => Ok(false),
            None => self.seat.only_reads(&asked.parsed).map_err(Error::from),
        };
        spans::planned_replicated(span, is_read.as_ref().copied(), &asked.nodes);
        let is_read = is_read?;
        let statements = match many {
            Some(many) => many,
            None if is_read => return self.read(asked, position).await,
            None => vec![One { parsed: Arc::clone(&asked.parsed), params: Arc::clone(&asked.params) }],
        };
        let sequencer = self.seat.sequencer(asked.due).await?;
        let nodes = || self.site.world().map(|world| Arc::clone(&world.nodes));
        let limits = &self.spec.limits;
        let (most_rows, most_bytes) = (limits.gather_rows, limits.gather_bytes);
        let around = Around { nodes: &nodes, due: asked.due, most_rows, most_bytes };
        if asked.explain {
            return Box::pin(explained(&sequencer, &statements, around)).await.map(Answer::Explained);
        }
        let span = spans::logging(asked.trace.as_ref(), &statements, asked.nodes.backend().dialect());
        let done = Box::pin(sequencer.write(&statements, around)).await;
        spans::logged(span, &done);
        Ok(Answer::Logged(logged(done?, is_list, asked)))
    }

    async fn read(&self, asked: &Asked, position: Option<Position>) -> Result<Answer, Error> {
        let wanted = Freshness { least: position.unwrap_or_default(), max_lag: self.max_lag };
        let ready = self.seat.readers(wanted, asked.due).await?;
        let node = NodeStatement { shard: Shard(0), load: 0, sql: asked.parsed.text.clone() };
        let (class, tier, last) = (Class::Single, Tier::PassThrough, FinalStage::PassThrough);
        let plan = Arc::new(Plan { class, tier, why: String::new(), nodes: vec![node], last });
        if asked.explain {
            return Ok(Answer::Explained(explained_read(&plan, asked, &ready)));
        }
        let report = unasked(&plan, asked);
        let run = Arc::new(Run {
            nodes: Arc::clone(&asked.nodes),
            asker: Asker::client(asked.head.clone(), Arc::clone(&asked.parsed), None).within(asked.trace.clone()),
            plan,
            params: Arc::clone(&asked.params),
            due: asked.due,
            // One connection is all that it has.
            room: Arc::new(Semaphore::new(0)),
            // Each has all there is, so that the last one will do.
            attempts: u32::try_from(ready.len()).unwrap_or(u32::MAX).max(2),
            barred: others(&asked.nodes, &ready),
            allow_partial: false,
            report: Arc::clone(&report),
        });
        let (columns, batches) = through(Arc::clone(&run)).await?;
        // What it had before it was asked: what it has answered is of then, or later.
        let node = run.name(0);
        let position = ready.iter().find(|reader| reader.name.as_str() == node).map(|reader| reader.position);
        report.change(|summary| summary.position = position);
        Ok(Answer::Rows(Rows { columns, batches, due: asked.due, report }))
    }
}

fn logged(done: Done, is_list: bool, asked: &Asked) -> Logged {
    let Done { position, effects, nodes, logged } = done;
    let rows = effects.iter().filter_map(|effect| effect.affected).sum();
    let sql = logged.join("; ");
    let report = |name: String| NodeReport {
        name,
        sql: sql.clone(),
        rows,
        elapsed: asked.began.elapsed(),
        status: NodeStatus::Done,
    };
    Logged { position, effects, is_list, nodes: nodes.into_iter().map(report).collect() }
}

fn explained_read(plan: &Plan, asked: &Asked, ready: &[Reader]) -> Explanation {
    let names: Vec<&str> = ready.iter().map(|reader| reader.name.as_str()).collect();
    let node = NodePlan { name: names.join(", "), shard: "any node".into(), sql: asked.parsed.text.clone() };
    Explanation { course: course(plan), nodes: vec![node], last: None }
}

async fn explained(sequencer: &Sequencer, statements: &[One], around: Around<'_>) -> Result<Explanation, Error> {
    let prepared = sequencer.explain(statements, around).await?;
    let node = |statement: &crate::sql::replica::log::Statement| NodePlan {
        name: "every node".into(),
        shard: "the log".into(),
        sql: statement.sql.clone(),
    };
    let mut merge: Vec<String> =
        prepared.found_by.iter().map(|query| format!("one node finds the rows: {query}")).collect();
    merge.push(match (prepared.entry.statements.len(), prepared.entry.kind) {
        (0, _) => "nothing is logged: no row is touched".to_owned(),
        (_, Kind::Schema) => "one entry of the log, which changes tables".to_owned(),
        (1, Kind::Change) => "one entry of the log: a transaction on every node".to_owned(),
        (many, Kind::Change) => format!("one entry of the log: {many} statements, a transaction on every node"),
    });
    let course = Course { class: "full", tier: "write", why: String::new(), merge };
    let nodes: Vec<NodePlan> = prepared.entry.statements.iter().map(node).collect();
    Ok(Explanation { course, nodes, last: None })
}
