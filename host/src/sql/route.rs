//! Owns the way of a statement: from its predicates on partition keys and the values bound to it to the shards where
//! rows that matter may lie. Pure.
//!
//! It errs to one side only. A row that matters always lies in what comes out here; what is not understood asks more
//! shards, and where asking more is no way out (a row to insert, a key in no range) the statement is refused.

mod literal;
mod predicate;
mod reads;
mod scope;
mod writes;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use sqlparser::ast::Statement;

pub use literal::Parameters;
pub(super) use predicate::conjuncts;
pub use reads::{Reads, TableRead};

use super::topology::{OutOfRange, Shard, Topology};
use literal::Literals;
use reads::Finder;
use writes::Writes;

/// The shards to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Every shard of the topology.
    All,
    /// Some of them; never empty.
    Shards(BTreeSet<Shard>),
    /// None holds a row that matters: what any one answers is right.
    Nowhere,
}

impl Routing {
    /// The only shard.
    pub fn single(&self) -> Option<Shard> {
        match self {
            Self::Shards(shards) if shards.len() == 1 => shards.first().copied(),
            Self::All | Self::Shards(_) | Self::Nowhere => None,
        }
    }

    fn of(topology: &Topology, shards: BTreeSet<Shard>) -> Self {
        match shards.len() {
            0 => Self::Nowhere,
            // With one shard only, it is more telling to name it.
            count if count > 1 && count >= usize::from(topology.shards().get()) => Self::All,
            _ => Self::Shards(shards),
        }
    }
}

/// Where a statement goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It reads.
    Read(Reads),
    /// UPDATE or DELETE of a partitioned table.
    Change {
        /// The table as it is listed.
        table: String,
        /// Where its rows may match.
        routing: Routing,
        /// What it is joined with on the key has the same number in `reads`.
        group: usize,
        /// The other tables that it reads.
        reads: Reads,
    },
    /// INSERT of rows that are given.
    Insert {
        /// The table as it is listed.
        table: String,
        /// The shard of each row, in their order.
        rows: Vec<Shard>,
        /// What it reads besides.
        reads: Reads,
    },
    /// INSERT of what a query finds: its rows are routed as they come.
    InsertSelect {
        /// The table as it is listed.
        table: String,
        /// Which column of the query, from 0, is the key.
        key_at: usize,
        /// What the query reads.
        reads: Reads,
    },
    /// A write to a table that every shard holds whole: it goes to all.
    Copied {
        /// The table as it is listed.
        table: String,
        /// What it reads; not the same on every shard if anything.
        reads: Reads,
    },
}

/// Why a statement has no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A key that is asked for, or is to be written, lies nowhere.
    #[error("{table}: {out_of_range}")]
    OutOfRange {
        /// The table.
        table: String,
        /// The key.
        out_of_range: OutOfRange,
    },
    /// A table of which it is not known where its rows lie.
    #[error("table {0} is not in the topology")]
    UnknownTable(String),
    /// A row to write whose key is not certain.
    #[error("{table}: every row must give {key} as a plain value that is not NULL, with {key} in the list of columns")]
    NoKey {
        /// The table.
        table: String,
        /// Its key.
        key: String,
    },
    /// A row to write with a key that MySQL takes for none.
    #[error(
        "{table}: {key} = 0 may be replaced by the next number of an AUTO_INCREMENT, which belongs on another shard"
    )]
    ZeroKey {
        /// The table.
        table: String,
        /// Its key.
        key: String,
    },
    /// An UPDATE that might move rows.
    #[error("{table}: {key} says on which shard a row lies and cannot be changed; delete the row and insert it anew")]
    KeyChange {
        /// The table.
        table: String,
        /// Its key.
        key: String,
    },
    /// Something that cannot be routed.
    #[error("{0} cannot be routed")]
    Construct(&'static str),
}

/// Finds the way of a statement.
pub fn route(statement: &Statement, parameters: Parameters<'_>, topology: &Topology) -> Result<Route, Refusal> {
    let literals = Literals { dialect: topology.dialect(), parameters };
    let writes = Writes { topology, literals };
    match statement {
        Statement::Query(query) => {
            let mut finder = Finder::new(topology, literals);
            finder.look(query)?;
            Ok(Route::Read(Reads::of(topology, finder.finish()?)?))
        }
        Statement::Insert(insert) => writes.insert(insert),
        Statement::Update(update) => writes.update(update),
        Statement::Delete(delete) => writes.delete(delete),
        _ => Err(Refusal::Construct("a statement that is neither SELECT nor INSERT, UPDATE or DELETE")),
    }
}
