//! What was found when nodes were compared. Plain values.

use std::time::Duration;

use super::digest::Digest;
use crate::sql::replica::log::Position;

/// A comparison, at whatever stage it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// It goes on.
    Running(Running),
    /// It is over.
    Done(Report),
    /// It could not be done.
    Failed {
        /// Why.
        why: String,
    },
}

/// How far a comparison is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// Where all nodes stood; none as long as that is not so.
    pub position: Option<Position>,
    /// Tables that were compared.
    pub done: usize,
    /// Tables that there are.
    pub tables: usize,
    /// The table that is read.
    pub table: Option<String>,
    /// Rows that were read, of all nodes.
    pub rows: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Where all nodes stood.
    pub position: Position,
    /// The nodes that were compared.
    pub nodes: Vec<String>,
    /// Those that were not, and why.
    pub left_out: Vec<(String, String)>,
    /// The tables.
    pub tables: Vec<TableReport>,
    /// How long writes were held up.
    pub held: Duration,
    /// How long all of it took.
    pub took: Duration,
}

impl Report {
    /// Whether the nodes hold the same.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.differences.is_empty())
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableReport {
    /// Its name.
    pub name: String,
    /// What each node has, by the order of the nodes; none where it has no such table.
    pub found: Vec<Option<Digest>>,
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// Differences that are not listed as there are too many.
    pub more: usize,
}

/// How nodes differ in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Some do not have it.
    Missing,
    /// Its columns are not the same: what each node has.
    Columns(Vec<String>),
    /// Its rows are not.
    Rows {
        /// After this key; none from the beginning.
        after: Option<Vec<String>>,
        /// Up to this one, included; none to the end.
        through: Option<Vec<String>>,
        /// What each node has there.
        found: Vec<Digest>,
    },
}
