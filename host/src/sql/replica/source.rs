//! Owns asking one node that has everything up to the turn: what must be known before a write is the same for all nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use tokio::time::Instant as Clock;

use super::log::{Position, Statement};
use super::replicas::{Freshness, Reader};
use super::sequence::Sequencer;
use crate::model::{EndpointId, EndpointName};
use crate::sql::backend::{Bound, Fault, Session, Step};
use crate::sql::error::{Cap, Error};
use crate::sql::run::{Asker, NodeSession, Nodes, Wanted};
use crate::sql::topology::Shard;
use crate::sql::value::{Column, Row, Value};

/// Before nodes are looked at again that may be asked soon.
const PAUSE: Duration = Duration::from_millis(20);

/// The nodes that may be asked now.
pub type NodesNow<'a> = &'a (dyn Fn() -> Result<Arc<Nodes>, Error> + Sync);

/// Under what a write is made.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The nodes.
    pub nodes: NodesNow<'a>,
    /// When it must be done.
    pub due: Instant,
    /// Rows that may be found for it.
    pub most_rows: usize,
    /// Bytes of these rows.
    pub most_bytes: usize,
}

/// A question to a node, and what is done before it in a transaction that is taken back.
pub(super) struct Question<'a> {
    pub(super) sql: &'a str,
    pub(super) params: &'a [Value],
    pub(super) before: &'a [Statement],
    pub(super) moment: i64,
}

/// What it answers.
pub(super) type Found = (Vec<Column>, Vec<Row>);

/// The members that are none of these nodes.
pub(in crate::sql) fn others(nodes: &Nodes, wanted: &[Reader]) -> Vec<EndpointId> {
    let members = nodes.layout().shards.iter().flat_map(|shard| &shard.members);
    let is_other = |name: &EndpointName| !wanted.iter().any(|reader| reader.name == *name);
    members.filter(|member| is_other(&member.endpoint().spec.name)).map(|member| member.id()).collect()
}

impl Sequencer {
    /// Asks a node that has everything up to a position; one after the other, where some fail.
    pub(super) async fn ask(
        &self,
        last: Position,
        question: &Question<'_>,
        around: Around<'_>,
    ) -> Result<Found, Error> {
        let mut failed: Vec<(String, Fault)> = Vec::new();
        loop {
            let mut session = self.session(last, &mut failed, around).await?;
            match carried_out(&mut session, question, around).await {
                Ok(found) => {
                    session.finish(Ok(()));
                    return Ok(found);
                }
                Err(Stop::Error(error)) => {
                    session.finish(Ok(()));
                    return Err(error);
                }
                Err(Stop::Fault(fault)) => {
                    let name = session.name().to_owned();
                    session.finish(Err(&fault));
                    let is_nodes = fault.is_nodes();
                    failed.push((name, fault));
                    if !is_nodes {
                        return Err(Error::of_nodes(failed));
                    }
                }
            }
        }
    }

    /// A session with a node that has everything up to a position, and has not failed yet.
    async fn session(
        &self,
        last: Position,
        failed: &mut Vec<(String, Fault)>,
        around: Around<'_>,
    ) -> Result<NodeSession, Error> {
        loop {
            let wanted = Freshness { least: last, max_lag: 0 };
            let ready = self.readers(wanted, around.due).await?;
            let has_failed = |reader: &Reader| failed.iter().any(|(known, _)| known == reader.name.as_str());
            let ready: Vec<Reader> = ready.into_iter().filter(|reader| !has_failed(reader)).collect();
            let nodes = (around.nodes)()?;
            let (barred, asker) = (others(&nodes, &ready), Asker::host());
            let wanted = Wanted { excluded: &barred, ..Wanted::any(Shard(0), &asker) };
            match nodes.session(wanted, around.due).await {
                Ok(session) => return Ok(session),
                Err(unopened) if unopened.endpoint.is_some() => failed.push(unopened.into()),
                Err(_) if !failed.is_empty() => return Err(Error::of_nodes(std::mem::take(failed))),
                // It has everything, but is not said to be healthy yet.
                Err(_) if Clock::now() + PAUSE < Clock::from_std(around.due) => tokio::time::sleep(PAUSE).await,
                Err(unopened) => return Err(Error::of_nodes(vec![unopened.into()])),
            }
        }
    }
}

enum Stop {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn carried_out(node: &mut NodeSession, question: &Question<'_>, around: Around<'_>) -> Result<Found, Stop> {
    let session = node.session();
    let due = around.due;
    session.pretend(question.moment, due).await?;
    if question.before.is_empty() {
        return rows(session, question, around).await;
    }
    session.transact(Step::Begin, due).await?;
    for Statement { sql, params, returns, .. } in question.before {
        let bound = Bound { sql, params, due };
        match returns {
            true => drop(session.query(bound).await?.batches.try_fold((), async |(), _| Ok(())).await?),
            false => drop(session.execute(bound).await?),
        }
    }
    let found = rows(session, question, around).await?;
    session.transact(Step::Rollback, due).await?;
    Ok(found)
}

async fn rows(session: &mut dyn Session, question: &Question<'_>, around: Around<'_>) -> Result<Found, Stop> {
    let bound = Bound { sql: question.sql, params: question.params, due: around.due };
    let mut answer = session.query(bound).await?;
    let columns = std::mem::take(&mut answer.columns);
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    while let Some(batch) = answer.batches.try_next().await? {
        bytes = bytes.saturating_add(batch.iter().flatten().map(Value::bytes).sum());
        found.extend(batch);
        if found.len() > around.most_rows {
            return Err(Stop::Error(Error::Cap(Cap::GatherRows(around.most_rows))));
        }
        if bytes > around.most_bytes {
            return Err(Stop::Error(Error::Cap(Cap::GatherBytes(around.most_bytes))));
        }
    }
    Ok((columns, found))
}
