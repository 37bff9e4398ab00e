//! Owns what is known of the tables behind one entry: which are partitioned, by which key and where, which every node
//! holds whole, and how names are compared. No I/O; a topology that was built cannot contradict itself.

mod key;
mod keys;
mod placement;
mod split;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use sqlparser::ast::{Ident, ObjectName};

pub use key::{Collation, Key, KeyKind, Standing};
pub use keys::{Cut, KeySet, Span};
pub use placement::{KeyRange, OutOfRange, Placement, PlacementError, Shard, hash};
pub use split::{BadTotal, Slice, Split};

use super::dialect::Dialect;

/// A table that is spread over shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The column by which it is spread.
    pub key: String,
    /// What its values are.
    pub kind: KeyKind,
    /// Where they lie.
    pub placement: Placement,
}

/// How a table is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Each row on one shard.
    Partitioned(Partition),
    /// Every row on every shard.
    Reference,
}

/// Why tables do not make a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// A name is given twice.
    #[error("table {0} is given twice (the dialect does not tell the names apart)")]
    Twice(String),
    /// A placement names a shard that is not there.
    #[error("table {table} is placed on {shard}, but there are {shards} shards, counted from 0")]
    NoSuchShard {
        /// The table.
        table: String,
        /// The shard.
        shard: Shard,
        /// How many there are.
        shards: u16,
    },
}

/// What lies where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    dialect: Dialect,
    shards: NonZeroU16,
    tables: BTreeMap<String, Holding>,
    /// What each node reads of the table whose scan is divided; none where each holds its own rows.
    slices: Option<Vec<Slice>>,
}

impl Topology {
    /// Each node holds its own rows. A table that is not listed may not be asked for.
    pub fn partitioned(
        dialect: Dialect,
        shards: NonZeroU16,
        given: impl IntoIterator<Item = (String, Holding)>,
    ) -> Result<Self, Vec<TopologyError>> {
        let (mut tables, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, holding) in given {
            if let Holding::Partitioned(partition) = &holding {
                let missing = partition.placement.shards().iter().filter(|shard| shard.0 >= shards.get());
                errors.extend(missing.map(|shard| TopologyError::NoSuchShard {
                    table: name.clone(),
                    shard: *shard,
                    shards: shards.get(),
                }));
            }
            if tables.insert(listed(dialect, &name), holding).is_some() {
                errors.push(TopologyError::Twice(name));
            }
        }
        if errors.is_empty() { Ok(Self { dialect, shards, tables, slices: None }) } else { Err(errors) }
    }

    /// Every node holds every table whole; the scan of one is divided among so many nodes. Made anew as nodes come
    /// and go.
    pub fn split(dialect: Dialect, split: &Split, nodes: NonZeroU16) -> Result<Self, PlacementError> {
        let placement = split.placement(nodes)?;
        let partition = Partition { key: split.key().to_owned(), kind: KeyKind::Integer, placement };
        let tables = BTreeMap::from([(listed(dialect, split.table()), Holding::Partitioned(partition))]);
        Ok(Self { dialect, shards: nodes, tables, slices: Some(split.over(nodes)) })
    }

    /// The dialect of every node.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many shards there are.
    pub fn shards(&self) -> NonZeroU16 {
        self.shards
    }

    /// Whether every node holds every row, and only a scan is divided.
    pub fn is_split(&self) -> bool {
        self.slices.is_some()
    }

    /// What each node reads of the table whose scan is divided, by its shard; none where each holds its own rows.
    pub fn slices(&self) -> Option<&[Slice]> {
        self.slices.as_deref()
    }

    /// How the table of this name is held; nothing when it is not known.
    pub fn holding(&self, name: &ObjectName) -> Option<&Holding> {
        let listed = self.tables.get(&self.listed_name(name)?);
        listed.or(self.is_split().then_some(&Holding::Reference))
    }

    /// The partitioned table that is listed under this name.
    pub fn partition(&self, listed: &str) -> Option<&Partition> {
        match self.tables.get(listed)? {
            Holding::Partitioned(partition) => Some(partition),
            Holding::Reference => None,
        }
    }

    /// The name under which a table is listed, if it is: a plain one, without a schema. MySQL tells upper from lower case in
    /// the names of tables, or does not, as its server is set up; here it does.
    pub fn listed_name(&self, name: &ObjectName) -> Option<String> {
        let [only] = name.0.as_slice() else { return None };
        let ident = only.as_ident()?;
        match self.dialect {
            Dialect::MySql => Some(ident.value.clone()),
            Dialect::Sqlite | Dialect::Postgres => Some(self.folded(ident)),
        }
    }

    /// A column's or an alias's name in the form in which they are compared: PostgreSQL lowers what is not quoted, the
    /// others do not tell upper from lower case.
    pub fn folded(&self, name: &Ident) -> String {
        match (self.dialect, name.quote_style) {
            (Dialect::Postgres, Some(_)) => name.value.clone(),
            _ => name.value.to_ascii_lowercase(),
        }
    }

    /// Whether a name in a statement means the column `column`.
    pub fn is_column(&self, name: &Ident, column: &str) -> bool {
        match self.dialect {
            Dialect::Postgres => self.folded(name) == column,
            Dialect::Sqlite | Dialect::MySql => name.value.eq_ignore_ascii_case(column),
        }
    }
}

/// A name of the configuration in the form in which names are compared.
fn listed(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::MySql => name.to_owned(),
        Dialect::Sqlite => name.to_ascii_lowercase(),
    }
}
