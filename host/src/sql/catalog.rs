//! Owns what the planner may ask about tables: how they are held (the topology) and what their columns are (read from a node).

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{Ident, ObjectName};

use super::{
    dialect::Dialect,
    shape::ColumnShape,
    topology::{Holding, Partition, Shard, Topology},
};

/// How a table is spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Each shard holds its own rows, told apart by this column.
    Partitioned {
        /// The key column.
        key: String,
    },
    /// Every shard holds all rows.
    Reference,
}

/// The tables behind one entry.
#[derive(Clone, Debug)]
pub struct Catalog<'a> {
    /// Where they lie.
    pub topology: &'a Topology,
    /// The columns of each, by its name in lower case.
    pub shapes: &'a BTreeMap<String, Vec<ColumnShape>>,
}

impl Catalog<'_> {
    /// The shards, in order.
    pub fn shards(&self) -> BTreeSet<Shard> {
        (0..self.topology.shards().get()).map(Shard).collect()
    }

    /// How a table is spread, given its folded name; `None` where it is not known.
    pub fn role(&self, table: &str) -> Option<Role> {
        match self.topology.holding(&self.object(table))? {
            Holding::Partitioned(partition) => Some(Role::Partitioned { key: partition.key.clone() }),
            Holding::Reference => Some(Role::Reference),
        }
    }

    /// How a partitioned table is spread, given its folded name.
    pub(super) fn partition(&self, table: &str) -> Option<&Partition> {
        match self.topology.holding(&self.object(table))? {
            Holding::Partitioned(partition) => Some(partition),
            Holding::Reference => None,
        }
    }

    /// A folded name as a statement would have to write it.
    fn object(&self, folded: &str) -> ObjectName {
        let name = match self.topology.dialect() {
            Dialect::Postgres => Ident::with_quote('"', folded),
            Dialect::Sqlite | Dialect::MySql => Ident::new(folded),
        };
        ObjectName::from(vec![name])
    }

    /// The columns of a table.
    pub fn columns(&self, table: &str) -> Option<&'_ [ColumnShape]> {
        self.shapes.get(&table.to_ascii_lowercase()).map(Vec::as_slice)
    }
}
