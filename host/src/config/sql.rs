//! SQL entries, as `settings`: types that cannot be wrong by themselves. Which rows lie where is told here in the words of
//! the file; `sql` makes a topology of it. What a password is, nothing prints.

use std::fmt;
use std::ops::Bound;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{ClusterName, SqlName};

/// One entry: a database to its clients, spread over the endpoints of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlEntry {
    /// Unique.
    pub name: SqlName,
    /// Whose endpoints are the nodes. There is such a cluster, and its addresses are of the kind that the backend takes.
    pub cluster: ClusterName,
    /// What the nodes are.
    pub backend: BackendSpec,
    /// Which rows are where.
    pub topology: TopologySpec,
    /// What one request may take.
    pub limits: SqlLimits,
}

/// What the nodes of an entry are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendSpec {
    /// SQLite files of this machine.
    Sqlite,
    /// HTTP nodes with SQLite behind them.
    Http,
    /// PostgreSQL.
    Postgres(DatabaseSpec),
    /// MySQL or MariaDB.
    MySql(DatabaseSpec),
}

impl BackendSpec {
    /// As it is written in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Http => "http",
            Self::Postgres(_) => "postgres",
            Self::MySql(_) => "mysql",
        }
    }
}

/// What a server of databases asks of who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSpec {
    /// The database.
    pub database: String,
    /// Who connects.
    pub user: String,
    /// Their password; none where the server asks for none.
    pub password: Option<Secret>,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text: for whoever sends it to where it belongs, and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Which rows are where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologySpec {
    /// Each node holds its own rows.
    Partitioned(PartitionedSpec),
    /// Every node holds all rows, and the scan of one table is divided among them.
    Split(SplitSpec),
    /// Every node holds all rows, and a write goes to all of them by way of one log.
    Replicated(ReplicatedSpec),
}

impl TopologySpec {
    /// As it is written in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Partitioned(_) => "partitioned",
            Self::Split(_) => "split",
            Self::Replicated(_) => "replicated",
        }
    }
}

/// How writes go to nodes that all hold everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicatedSpec {
    /// When a client is told that its write was done.
    pub acknowledge: Acknowledgement,
    /// The file of the log.
    pub log: PathBuf,
    /// Where it is decided which proxy writes to it; none for the lock of a file beside it.
    pub lease: Option<LeaseSpec>,
    /// The log may be so long: a node that would need more of it must be filled anew.
    pub log_bytes: u64,
    /// A read may be answered by a node that lacks so many entries of those that were acknowledged.
    pub max_lag: u64,
    /// How long a node may take for a statement of the log, at first.
    pub apply_timeout: Duration,
    /// Functions that write, besides those that are known to.
    pub writers: Vec<String>,
    /// Functions of the user's own that do the same on every node, given equal data.
    pub trusted: Vec<String>,
}

/// A lease in Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseSpec {
    /// Where that is: `redis://[user:password@]host:port/database`.
    pub url: String,
    /// What stands before the names of its keys.
    pub prefix: String,
    /// For how long it is had, unless it is extended.
    pub term: Duration,
}

impl fmt::Debug for LeaseSpec {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseSpec").field("prefix", &self.prefix).field("term", &self.term).finish_non_exhaustive()
    }
}

/// When a client is told that its write was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// When all nodes that are up have applied it.
    AllUp,
    /// When more than half of all nodes have.
    Majority,
    /// When one has.
    One,
}

impl Acknowledgement {
    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllUp => "all_up",
            Self::Majority => "majority",
            Self::One => "one",
        }
    }
}

/// The shards, and the tables on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionedSpec {
    /// The names of the shards, in an order that stays; at least one. Every shard that a table names is among them.
    pub shards: Vec<String>,
    /// The tables; at least one, and no two that the backend's dialect does not tell apart.
    pub tables: Vec<TableSpec>,
}

/// One table. A table that is not listed may not be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name; with the schema where that is not the usual one.
    pub name: String,
    /// How it is held.
    pub holding: HoldingSpec,
}

/// How a table is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldingSpec {
    /// Every shard has all rows.
    Reference,
    /// Each row is on one shard.
    Partitioned(PartitionSpec),
}

/// How the rows of a table are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSpec {
    /// The column that says where a row is.
    pub key: String,
    /// What its values are.
    pub kind: KeySpec,
    /// Which value is where.
    pub placement: PlacementSpec,
}

/// What the values of a key column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// Whole numbers of 64 bits.
    Integer,
    /// Text.
    Text(CollationSpec),
}

/// What is known of the collation of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollationSpec {
    /// Equal and ordered as the bytes are.
    Bytes,
    /// Equal as the bytes are, in an order of its own.
    Deterministic,
    /// Neither, or it is not known.
    Other,
}

/// Which value of a key is on which shard; shards by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementSpec {
    /// By ranges: none is empty, no two overlap. Gaps are allowed.
    Ranges(Vec<(RangeSpec, String)>),
    /// By ranges that each endpoint's label of this name holds.
    RangesLabel(String),
    /// By a hash of the key, modulo their number: the order counts.
    Hash(Vec<String>),
    /// By a list of values; none twice.
    List(Vec<(KeyValue, String)>),
}

/// A value of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyValue {
    /// Of an integer column.
    Integer(i64),
    /// Of a text column.
    Text(String),
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A range of keys. Shown as it is written: `1..1000`, `1..=1000`, `1000..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSpec {
    /// The first key; none begins at the lowest.
    pub from: Option<KeyValue>,
    /// Where it ends; usually before the key that is named.
    pub to: Bound<KeyValue>,
}

/// Why a text is no range of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The dots are missing.
    #[error("`{0}` is no range: write `1..1000`, without the end, or `1..=1000`, with it; either end may be left out")]
    NoRange(String),
    /// More than one reading.
    #[error("`{0}` can be read as a range in several ways")]
    Unclear(String),
    /// An end is no whole number.
    #[error("`{0}` is no whole number of 64 bits, which the key is to be")]
    NoInteger(String),
    /// Blanks may or may not belong to the text.
    #[error("`{0}` has blanks at an end: leave them out, or if they belong to the keys, place these by a list")]
    Blanks(String),
    /// It ends before it begins.
    #[error("the range `{0}` holds no key")]
    Empty(String),
}

impl RangeSpec {
    /// Reads one range of keys of a kind.
    ///
    /// # Errors
    /// When it is none, when it can be read in several ways, and when it holds no key.
    pub fn parse(text: &str, kind: KeySpec) -> Result<Self, RangeError> {
        let (from, to) = text.split_once("..").ok_or_else(|| RangeError::NoRange(text.to_owned()))?;
        // `a...b`: does the third dot belong to the key?
        if to.contains("..") || to.starts_with('.') {
            return Err(RangeError::Unclear(text.to_owned()));
        }
        let (to, is_included) = to.strip_prefix('=').map_or((to, false), |to| (to, true));
        let value = |end: &str| match kind {
            _ if end.trim().is_empty() && (kind == KeySpec::Integer || end.is_empty()) => Ok(None),
            KeySpec::Integer => integer(end).map(|number| Some(KeyValue::Integer(number))),
            KeySpec::Text(_) if end.trim() != end => Err(RangeError::Blanks(end.to_owned())),
            KeySpec::Text(_) => Ok(Some(KeyValue::Text(end.to_owned()))),
        };
        let to = match (value(to)?, is_included) {
            (Some(to), true) => Bound::Included(to),
            (Some(to), false) => Bound::Excluded(to),
            (None, false) => Bound::Unbounded,
            (None, true) => return Err(RangeError::NoRange(text.to_owned())),
        };
        let range = Self { from: value(from)?, to };
        if is_below(range.from.as_ref(), &range.to) { Ok(range) } else { Err(RangeError::Empty(text.to_owned())) }
    }

    /// Reads a label: ranges with commas between them.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_list(text: &str, kind: KeySpec) -> Result<Vec<Self>, RangeError> {
        text.split(',').map(|range| Self::parse(range.trim(), kind)).collect()
    }

    /// Whether there is a key in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let first = self.from.as_ref().max(other.from.as_ref());
        is_below(first, &self.to) && is_below(first, &other.to)
    }
}

/// Whether there is a key from `from` on that `to` does not end before.
fn is_below(from: Option<&KeyValue>, to: &Bound<KeyValue>) -> bool {
    match (from, to) {
        (_, Bound::Unbounded) | (None, Bound::Included(_)) => true,
        (None, Bound::Excluded(KeyValue::Integer(to))) => *to > i64::MIN,
        (None, Bound::Excluded(KeyValue::Text(to))) => !to.is_empty(),
        (Some(from), Bound::Excluded(to)) => from < to,
        (Some(from), Bound::Included(to)) => from <= to,
    }
}

fn integer(text: &str) -> Result<i64, RangeError> {
    // As TOML writes large numbers.
    let digits = text.trim().replace('_', "");
    digits.parse().map_err(|_| RangeError::NoInteger(text.trim().to_owned()))
}

impl fmt::Display for RangeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = &self.from {
            from.fmt(f)?;
        }
        match &self.to {
            Bound::Unbounded => f.write_str(".."),
            Bound::Excluded(to) => write!(f, "..{to}"),
            Bound::Included(to) => write!(f, "..={to}"),
        }
    }
}

/// The scan that is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitSpec {
    /// The table.
    pub table: String,
    /// Its integer column.
    pub key: String,
    /// How many rows there are thought to be: the keys 1 to this are divided evenly. From 1 to `i64::MAX`.
    pub total_records: u64,
}

/// What one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlLimits {
    /// How long it may take when it does not say.
    pub timeout: Duration,
    /// The most that it may ask for; not less than `timeout`.
    pub max_timeout: Duration,
    /// Connections to one node.
    pub connections: usize,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// Bytes of its statement: they bound how deep it nests and what it takes to read it.
    pub statement_bytes: usize,
    /// Rows that may be gathered for a statement that the nodes cannot answer by parts.
    pub gather_rows: usize,
    /// Bytes of these rows.
    pub gather_bytes: usize,
    /// Bytes of an answer that is not streamed.
    pub answer_bytes: usize,
    /// Shards that one statement may ask; none is no limit.
    pub max_shards: Option<u16>,
    /// Refuses statements that would ask every shard.
    pub forbid_scatter: bool,
    /// Plans that are kept to be used again.
    pub cached_plans: usize,
}
