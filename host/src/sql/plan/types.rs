//! Owns the words of a plan: statements for the nodes, a final stage, or a refusal that names the construct.

use crate::sql::topology::Shard;

/// How much of the work the nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// One shard answers the statement itself.
    PassThrough,
    /// Shards answer parts that are put together.
    Merge,
    /// Rows are collected, the statement runs in one place.
    Gather,
}

/// How many of the shards take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One.
    Single,
    /// Some.
    Partial,
    /// All.
    Full,
}

/// A statement for one node; bound to the parameters of the whole statement (it may use only some).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatement {
    /// Where it runs.
    pub shard: Shard,
    /// Which of the final stage's tables takes its rows; 0 where there is one stream.
    pub load: usize,
    /// Its text.
    pub sql: String,
}

/// One key of a k-way merge. Order: numbers, text by bytes, blobs by bytes; NULL as told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeKey {
    /// Where it stands, counted from the first column, or from the first hidden one.
    pub column: KeyColumn,
    /// Largest first.
    pub descending: bool,
    /// NULL before all others.
    pub nulls_first: bool,
}

/// Where a sort key stands in a row. Hidden columns stand behind all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyColumn {
    /// A column of the answer.
    Visible(usize),
    /// A column that is cut off after the merge.
    Hidden(usize),
}

/// How many rows the answer has at most, and how many are left out before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// At most so many; `None` for all.
    pub limit: Option<u64>,
    /// So many are left out first.
    pub offset: u64,
}

/// A column of a table that the final stage loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadColumn {
    /// Its name.
    pub name: String,
    /// The type to declare; empty for the one that the nodes answer (SQLite: none, so that values are stored as they are).
    pub declared: String,
    /// The collation to declare; empty for that of the type.
    pub collation: String,
}

/// A table that the final stage loads rows of nodes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<LoadColumn>,
}

/// A question asked before the final statement; where it has a row, the merge would not be exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The question.
    pub sql: String,
    /// What to refuse with when gathering is no way out.
    pub construct: String,
}

/// What becomes of the rows of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalStage {
    /// The rows of the one node are the answer.
    PassThrough,
    /// The rows of all nodes, in any order, then the window.
    Concat(Window),
    /// Nodes answer in order; a k-way merge, then the window, then `hidden` columns are cut off at the end of each row.
    Merge {
        /// The keys.
        keys: Vec<MergeKey>,
        /// How many columns are cut off.
        hidden: usize,
        /// Rows left out and kept.
        window: Window,
    },
    /// Rows are loaded into an engine of the dialect, and a statement runs there, bound to all parameters.
    Sql {
        /// The tables.
        loads: Vec<Load>,
        /// The guards.
        guards: Vec<Guard>,
        /// The statement.
        sql: String,
    },
}

/// How a statement is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many shards take part.
    pub class: Class,
    /// Who does the work.
    pub tier: Tier,
    /// Why it is gathered; empty otherwise.
    pub why: String,
    /// What the nodes are asked.
    pub nodes: Vec<NodeStatement>,
    /// What becomes of their rows.
    pub last: FinalStage,
}

/// The statement cannot be answered rightly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{construct}: {why}")]
pub struct Refusal {
    /// What in the statement.
    pub construct: String,
    /// Why not.
    pub why: String,
}

impl Refusal {
    pub(in crate::sql) fn new(construct: impl Into<String>, why: impl Into<String>) -> Self {
        Self { construct: construct.into(), why: why.into() }
    }
}

/// Why a merge is not possible.
#[derive(Clone, Debug)]
pub(in crate::sql) enum Blocked {
    /// Gathering is.
    Gather(String),
    /// Nothing is.
    Refuse(Refusal),
}

impl Blocked {
    pub(in crate::sql) fn gather(why: impl Into<String>) -> Self {
        Self::Gather(why.into())
    }
}
