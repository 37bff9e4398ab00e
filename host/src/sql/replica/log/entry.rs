//! Owns what the log holds: entries with their positions, and what came of them. Plain values.

use std::fmt;
use std::sync::Arc;

use crate::sql::value::Value;

/// The place of an entry in the log, counted from 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One write of a client: its statements are one transaction on each node.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// In order; at least one.
    pub statements: Vec<Statement>,
    /// What they change.
    pub kind: Kind,
    /// When it was written, in microseconds since 1970, UTC: what its statements take for now.
    pub moment: i64,
}

impl Entry {
    /// Bytes of its texts and values, for bounds: what it takes in memory and, about, on disk.
    pub fn bytes(&self) -> usize {
        self.statements
            .iter()
            .map(|one| one.sql.len() + one.params.iter().map(bytes).sum::<usize>() + PER_STATEMENT)
            .sum()
    }
}

/// What a statement takes besides its texts, about.
const PER_STATEMENT: usize = 64;

fn bytes(value: &Value) -> usize {
    match value {
        Value::Decimal(text) | Value::Text(text) => text.len() + size_of::<Value>(),
        Value::Blob(bytes) => bytes.len() + size_of::<Value>(),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Real(_) => size_of::<Value>(),
    }
}

/// What an entry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Rows.
    Change,
    /// The schema; it may be lasting at once, without a transaction.
    Schema,
}

/// A statement that does the same on every node.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
    /// Whether it answers with rows.
    pub returns: bool,
    /// How many rows it names by their keys, where it does: a node that touches more or fewer holds other rows.
    pub named: Option<u64>,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where.
    pub position: Position,
    /// The epoch of the writer that appended it.
    pub epoch: u64,
    /// What.
    pub entry: Arc<Entry>,
}

/// What came of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Applied {
        /// Rows that each of its statements changed.
        affected: Vec<u64>,
    },
    /// The databases refused it, and nothing changed.
    Refused {
        /// What kind of error that is, comparable between nodes.
        class: String,
        /// What a node said.
        message: String,
    },
}
