//! What the nodes' side needs of the statement log: a seam, so that it can be tried against a log that dies anywhere.

use std::collections::BTreeMap;

use super::log::{Entry, Figures, Flush, Identity, Log, LogError, NodeMark, Outcome, Position, Record};
use futures_util::future::BoxFuture;

/// What is to be kept of nodes and outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What is known of nodes, by name. Kept before the outcomes.
    pub nodes: Vec<(String, NodeMark)>,
    /// What came of entries.
    pub outcomes: Vec<(Position, Outcome)>,
}

/// An entry on its way into the log.
pub type Durable = BoxFuture<'static, Result<Position, LogError>>;

/// The statement log.
pub trait Journal: Send + Sync + 'static {
    /// Which log it is.
    fn identity(&self) -> Identity;

    /// The epoch of its writer.
    fn epoch(&self) -> u64;

    /// How much there is of it.
    fn figures(&self) -> Figures;

    /// The last entry that is durable.
    fn durable(&self) -> Position;

    /// Waits until there is one after a position.
    fn more(&self, after: Position) -> BoxFuture<'_, Result<(), LogError>>;

    /// Takes an entry; its place is decided when this returns, and known when it is durable.
    fn submit<'a>(&'a self, entry: Entry, ids: &'a [(String, i64)]) -> BoxFuture<'a, Result<Durable, LogError>>;

    /// Durable records after a position, at most so many.
    fn read(&self, after: Position, most: usize) -> BoxFuture<'_, Result<Vec<Record>, LogError>>;

    /// What was settled of the entries after a position up to another.
    fn outcomes(
        &self,
        after: Position,
        through: Position,
    ) -> BoxFuture<'_, Result<BTreeMap<Position, Outcome>, LogError>>;

    /// What was noted of the nodes.
    fn nodes(&self) -> BoxFuture<'_, Result<BTreeMap<String, NodeMark>, LogError>>;

    /// Notes; lasting when it returns, if `flush` says so.
    fn note(&self, notes: Notes, flush: Flush) -> BoxFuture<'_, Result<(), LogError>>;

    /// Forgets where the numbers of tables go on.
    fn forget_counters(&self) -> BoxFuture<'_, Result<(), LogError>>;

    /// Removes the entries up to a position.
    fn trim(&self, through: Position) -> BoxFuture<'_, Result<(), LogError>>;
}

/// The epoch of the writer of an entry; none where it is not there.
pub(super) async fn written(journal: &dyn Journal, position: Position) -> Result<Option<u64>, LogError> {
    let Some(before) = position.0.checked_sub(1) else { return Ok(None) };
    match journal.read(Position(before), 1).await {
        Ok(records) => Ok(records.first().map(|record| record.epoch)),
        Err(LogError::Trimmed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Journal for Log {
    fn identity(&self) -> Identity {
        Self::identity(self).clone()
    }

    fn epoch(&self) -> u64 {
        Self::epoch(self)
    }

    fn figures(&self) -> Figures {
        Self::figures(self)
    }

    fn durable(&self) -> Position {
        Self::durable(self)
    }

    fn more(&self, after: Position) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            let more = self.watch().wait_for(|durable| *durable > after).await.map(drop);
            more.map_err(|_| LogError::Ended)
        })
    }

    fn submit<'a>(&'a self, entry: Entry, ids: &'a [(String, i64)]) -> BoxFuture<'a, Result<Durable, LogError>> {
        Box::pin(async move {
            let appending = Self::submit(self, entry, ids).await?;
            Ok(Box::pin(appending.durable()) as Durable)
        })
    }

    fn read(&self, after: Position, most: usize) -> BoxFuture<'_, Result<Vec<Record>, LogError>> {
        Box::pin(Self::read(self, after, most))
    }

    fn outcomes(
        &self,
        after: Position,
        through: Position,
    ) -> BoxFuture<'_, Result<BTreeMap<Position, Outcome>, LogError>> {
        Box::pin(Self::outcomes(self, after, through))
    }

    fn nodes(&self) -> BoxFuture<'_, Result<BTreeMap<String, NodeMark>, LogError>> {
        Box::pin(Self::nodes(self))
    }

    fn note(&self, notes: Notes, flush: Flush) -> BoxFuture<'_, Result<(), LogError>> {
        let marks = notes.nodes.into_iter().map(|(name, mark)| (name, Some(mark))).collect();
        Box::pin(Self::note(self, marks, notes.outcomes, flush))
    }

    fn forget_counters(&self) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(Self::forget_counters(self))
    }

    fn trim(&self, through: Position) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(Self::trim(self, through))
    }
}
