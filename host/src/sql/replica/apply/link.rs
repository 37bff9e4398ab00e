//! Owns a session with a node whose every step has an end: a node that does not answer at all is a failure like any other.

use std::time::Duration;

use futures_util::StreamExt as _;

use crate::model::Address;
use crate::sql::backend::{Backend, Bound, Fault, FaultKind, Session, Step};
use crate::sql::replica::log::{Identity, Position, Statement};
use crate::sql::replica::mark::{Mark, Marks, Move};
use crate::sql::replica::patience::{bounded, due};
use crate::sql::value::Row;
use crate::sql::write::Returned;

/// Rows that a statement may answer, which are kept for a client.
const MOST_ROWS: usize = 10_000;

/// A session with one node.
pub(in crate::sql::replica) struct Link {
    session: Box<dyn Session>,
    /// How long a step may take.
    within: Duration,
}

/// What a statement has done.
pub(super) struct Effect {
    pub(super) affected: u64,
    pub(super) returned: Option<Returned>,
}

impl Link {
    pub(in crate::sql::replica) async fn open(
        backend: &dyn Backend,
        node: &Address,
        within: Duration,
    ) -> Result<Self, Fault> {
        let due = due(within);
        let session = bounded(due, backend.session(node, due)).await?;
        Ok(Self { session, within })
    }

    /// What the node says of itself, once nobody else changes it any more who applies this log.
    pub(super) async fn found(&mut self, marks: &Marks) -> Result<Option<Mark>, Fault> {
        let found = match self.mark(marks).await {
            // There is no table yet. It is not made where there is one: that could wait for what another has left open.
            Err(fault) if fault.kind == FaultKind::Statement => {
                self.ensure(marks).await?;
                None
            }
            found => found?,
        };
        // Whoever comes later than this one goes on.
        if found.as_ref().is_some_and(|mark| !marks.may_write(mark)) {
            return Ok(found);
        }
        self.own(marks.log()).await?;
        self.mark(marks).await
    }

    /// It is that of the one who applies a log: nothing is done any more by another such session, nor left in its way.
    async fn own(&mut self, log: &Identity) -> Result<(), Fault> {
        let due = due(self.within);
        bounded(due, self.session.own(&log.0, due)).await
    }

    /// From now on a step may take so long.
    pub(super) fn allow(&mut self, within: Duration) {
        self.within = within;
    }

    pub(super) async fn begin(&mut self) -> Result<(), Fault> {
        self.transact(Step::Begin).await
    }

    /// Begins a transaction of several entries: each is refused where it would be by itself.
    pub(super) async fn begin_several(&mut self) -> Result<(), Fault> {
        self.begin().await?;
        self.session.check_each()
    }

    pub(super) async fn commit(&mut self) -> Result<(), Fault> {
        self.transact(Step::Commit).await
    }

    /// Takes a transaction back. Where that fails the session is of no use.
    pub(super) async fn take_back(&mut self) -> Result<(), Fault> {
        let failed = |fault: Fault| Fault::new(FaultKind::Lost, format!("a transaction was not taken back: {fault}"));
        self.transact(Step::Rollback).await.map_err(failed)
    }

    async fn transact(&mut self, step: Step) -> Result<(), Fault> {
        let due = due(self.within);
        bounded(due, self.session.transact(step, due)).await
    }

    /// Has the statements that follow take another moment for now.
    pub(super) async fn pretend(&mut self, moment: i64) -> Result<(), Fault> {
        let due = due(self.within);
        bounded(due, self.session.pretend(moment, due)).await
    }

    pub(super) async fn run(&mut self, statement: &Statement) -> Result<Effect, Fault> {
        let due = due(self.within);
        let bound = Bound { sql: &statement.sql, params: &statement.params, due };
        if !statement.returns {
            let affected = bounded(due, self.session.execute(bound)).await?;
            return Ok(Effect { affected, returned: None });
        }
        let reading = async {
            let mut answer = self.session.query(bound).await?;
            let (mut rows, mut affected) = (Vec::new(), 0);
            while let Some(batch) = answer.batches.next().await {
                let batch = batch?;
                affected += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                if rows.len() <= MOST_ROWS {
                    rows.extend(batch);
                }
            }
            if rows.len() > MOST_ROWS {
                // The same on every node, which all have the same rows.
                let why = format!(
                    "it answers {affected} rows, more than {MOST_ROWS}: leave RETURNING out, or write in parts"
                );
                return Err(Fault::new(FaultKind::Statement, why));
            }
            Ok(Effect { affected, returned: Some(Returned { columns: answer.columns.clone(), rows }) })
        };
        bounded(due, reading).await
    }

    /// The rows of a small answer.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Fault> {
        let due = due(self.within);
        let bound = Bound { sql, params: &[], due };
        bounded(due, crate::sql::replica::mark::rows(self.session.as_mut(), bound)).await
    }

    async fn ensure(&mut self, marks: &Marks) -> Result<(), Fault> {
        let due = due(self.within);
        bounded(due, marks.ensure(self.session.as_mut(), due)).await
    }

    pub(in crate::sql::replica) async fn mark(&mut self, marks: &Marks) -> Result<Option<Mark>, Fault> {
        let due = due(self.within);
        bounded(due, marks.read(self.session.as_mut(), due)).await
    }

    pub(super) async fn adopt(&mut self, marks: &Marks) -> Result<(), Fault> {
        self.begin().await?;
        let due = due(self.within);
        bounded(due, marks.adopt(self.session.as_mut(), (Position(0), &[]), due)).await?;
        self.commit().await
    }

    /// In a transaction: with its beginning goes what a process before this one may have left open on the node, which would
    /// hold it up until the node takes that back by itself.
    pub(super) async fn raise(&mut self, marks: &Marks) -> Result<bool, Fault> {
        self.begin().await?;
        let due = due(self.within);
        let is_raised = bounded(due, marks.raise(self.session.as_mut(), due)).await?;
        match is_raised {
            true => self.commit().await?,
            false => self.take_back().await?,
        }
        Ok(is_raised)
    }

    pub(super) async fn advance(&mut self, marks: &Marks, step: &Move) -> Result<bool, Fault> {
        let due = due(self.within);
        bounded(due, marks.advance(self.session.as_mut(), step, due)).await
    }

    pub(super) async fn begin_schema(
        &mut self,
        marks: &Marks,
        mark: &Mark,
        pending: &crate::sql::replica::mark::Pending,
    ) -> Result<bool, Fault> {
        let due = due(self.within);
        bounded(due, marks.begin(self.session.as_mut(), mark, pending, due)).await
    }
}
