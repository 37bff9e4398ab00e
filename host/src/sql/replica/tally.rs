//! Owns one entry that is under way: what the nodes have said of it, what was decided, how far that is lasting, and who waits
//! for it. Plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::ack::Answer;
use super::log::{Entry, Outcome};
use crate::sql::dialect::Dialect;
use crate::sql::masked::{joined, masked_text};
use crate::sql::write::Returned;

/// Statements of an entry that operators are shown.
const SHOWN: usize = 20;

/// What the statements of an entry have answered with; none for each that answers no rows.
pub type Rows = Vec<Option<Returned>>;

/// How far an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The log may know what came of it, and was not asked yet.
    Unasked,
    /// Nodes are still to answer.
    Open,
    /// Decided, and not lasting yet.
    Decided(Outcome),
    /// As that, and on its way to the log.
    Settling(Outcome),
    /// A client may be told, and nodes may go by it.
    Lasting {
        outcome: Outcome,
        /// The log has it. If not, all nodes have applied it.
        is_settled: bool,
    },
}

impl Stage {
    /// What was decided.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Unasked | Self::Open => None,
            Self::Decided(outcome) | Self::Settling(outcome) | Self::Lasting { outcome, .. } => Some(outcome),
        }
    }
}

/// What is told of an entry to who waits for it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) rows: Option<Rows>,
    /// The nodes that have applied it by now.
    pub(super) nodes: Vec<String>,
}

/// Who waits.
#[derive(Debug, Default)]
pub(super) enum Waiter {
    /// Somebody who has not come yet.
    #[default]
    Expected,
    Here(oneshot::Sender<Told>),
    /// Was told, or nobody will come.
    Gone,
}

/// An entry under way.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) answers: BTreeMap<usize, Answer>,
    pub(super) stage: Stage,
    pub(super) waiter: Waiter,
    pub(super) rows: Option<Rows>,
}

impl Tally {
    /// One that nobody has answered yet; `waiter` as expected.
    pub(super) fn new(waiter: Waiter) -> Self {
        Self { entry: None, answers: BTreeMap::new(), stage: Stage::Unasked, waiter, rows: None }
    }

    /// Its statements, for operators: without the values in them.
    pub(super) fn text(&self, dialect: Dialect) -> String {
        let statements = self.entry.as_ref().map_or(&[][..], |entry| &entry.statements);
        // Those that are shown, and no more.
        let shown: Vec<String> =
            statements.iter().take(SHOWN).map(|statement| masked_text(dialect, &statement.sql)).collect();
        joined(shown.iter().map(String::as_str))
    }
}
