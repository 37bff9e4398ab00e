//! What the log needs of a storage: one transaction at a time for all that changes it, and a reader beside it.

use std::collections::BTreeMap;
use std::fmt;

use super::{LogError, Outcome, Position, Record};

/// Tells a log from every other: random, made with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub String);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which log.
    pub identity: Identity,
    /// The epoch of this writer: greater than that of every writer before it, and than that of whoever wrote to another copy
    /// of the log before it.
    pub epoch: u64,
    /// Entries up to here were removed.
    pub trimmed: Position,
    /// The last entry; equal to `trimmed` where there is none.
    pub last: Position,
}

/// When a change must be able to survive a loss of power. It survives the death of the process in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flush {
    /// From the next change on that is flushed now.
    Later,
    /// At once.
    Now,
}

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeMark {
    /// The position up to which it had applied when last seen.
    pub watermark: Position,
    /// What else must outlive the process, such as why it was quarantined, in the form of whoever sets it.
    pub state: Option<String>,
}

/// Changes that become lasting together, or not at all.
#[derive(Debug)]
pub struct Changes {
    /// New records, whose positions follow the last one.
    pub records: Vec<Record>,
    /// The counters that there were are forgotten before these.
    pub forget: bool,
    /// The next id of tables; a counter only grows.
    pub counters: BTreeMap<String, i64>,
    /// What came of entries; those of entries that were removed are left out.
    pub outcomes: Vec<(Position, Outcome)>,
    /// What is known of nodes; none to forget one.
    pub marks: Vec<(String, Option<NodeMark>)>,
    /// Entries up to here are removed: some of them, if there are many.
    pub trim: Option<Position>,
    /// When they must survive a loss of power.
    pub flush: Flush,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            forget: false,
            counters: BTreeMap::new(),
            outcomes: Vec::new(),
            marks: Vec::new(),
            trim: None,
            flush: Flush::Later,
        }
    }
}

/// What the log counts, and where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries appended since it was opened.
    pub entries: u64,
    /// Transactions of this writer that were flushed, each with one fsync of the storage's journal.
    pub fsyncs: u64,
    /// Entries up to here were removed.
    pub trimmed: Position,
    /// The last entry.
    pub last: Position,
    /// Bytes in use. What was removed is free for new entries and not counted.
    pub bytes: u64,
}

/// Keeps a log. It is open for writing by one process at a time; opening it raises its epoch.
pub trait Storage: Send + 'static {
    /// Where the log stands.
    fn standing(&self) -> Standing;

    /// Makes changes in one transaction.
    ///
    /// # Errors
    /// Nothing was done, unless the error is in doubt.
    fn commit(&mut self, changes: &Changes) -> Result<(), LogError>;

    /// Bytes in use.
    ///
    /// # Errors
    /// Where the storage fails.
    fn bytes(&self) -> Result<u64, LogError>;

    /// A reader that does not wait for the writer.
    ///
    /// # Errors
    /// Where the storage fails.
    fn reader(&self) -> Result<Box<dyn Reader>, LogError>;
}

/// Reads what was committed, and checks it.
pub trait Reader: Send {
    /// The records after a position, in order without gaps: at most so many, and no more once they have so many bytes.
    ///
    /// # Errors
    /// [`LogError::Trimmed`] where the next one was removed, [`LogError::Corrupt`] where one is damaged.
    fn read(&mut self, after: Position, most: usize, bytes: usize) -> Result<Vec<Record>, LogError>;

    /// What came of the entries after a position up to another, as far as it was settled.
    ///
    /// # Errors
    /// Where the storage fails or a record is damaged.
    fn outcomes(&mut self, after: Position, through: Position) -> Result<BTreeMap<Position, Outcome>, LogError>;

    /// What is known of the nodes, by name.
    ///
    /// # Errors
    /// Where the storage fails.
    fn nodes(&mut self) -> Result<BTreeMap<String, NodeMark>, LogError>;

    /// The next id of tables, by name.
    ///
    /// # Errors
    /// Where the storage fails.
    fn counters(&mut self) -> Result<BTreeMap<String, i64>, LogError>;
}
