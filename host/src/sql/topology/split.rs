//! Owns the division of one scan among nodes that all hold every row.
//!
//! The ranges say who reads what, not where rows lie: together they hold every row whatever its key is, also one
//! above the total that was stated, one below 1, and one without a key. That a node need not be asked is concluded
//! from whole numbers only, as the column is one of integers.

use std::num::NonZeroU16;

use super::key::Key;
use super::keys::{Cut, Span};
use super::placement::{Placement, PlacementError, Shard};

/// One scan that is divided by key range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    table: String,
    key: String,
    total_records: i64,
}

/// A total that cannot be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("total_records is {0}; it must be between 1 and {max}", max = i64::MAX)]
pub struct BadTotal(pub u64);

/// What one node reads: `from <= key AND key < below`, each where it is given, and the rows without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its first key; none: from the lowest.
    pub from: Option<i64>,
    /// The first key of the next one; none: to the highest.
    pub below: Option<i64>,
    /// Whether it reads `key IS NULL`, too.
    pub takes_null: bool,
}

impl Split {
    /// The scan of `table` along the integer column `key`, whose values are thought to lie in 1..=`total_records`.
    pub fn new(table: &str, key: &str, total_records: u64) -> Result<Self, BadTotal> {
        match i64::try_from(total_records) {
            Ok(total @ 1..) => Ok(Self { table: table.to_owned(), key: key.to_owned(), total_records: total }),
            _ => Err(BadTotal(total_records)),
        }
    }

    /// The table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Its column.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What each of so many nodes reads: `total / nodes` keys each, the last takes the rest.
    pub fn over(&self, nodes: NonZeroU16) -> Vec<Slice> {
        let nodes = i64::from(nodes.get());
        // More nodes than records: one each, and nothing for most of them.
        let each = (self.total_records / nodes).max(1);
        // At most `total_records + 1`, or the number of nodes: what saturates here is an empty slice at the very end.
        let first = |node: i64| each.saturating_mul(node).saturating_add(1);
        (0..nodes)
            .map(|node| Slice {
                from: (node > 0).then(|| first(node)),
                below: (node + 1 < nodes).then(|| first(node + 1)),
                takes_null: node + 1 == nodes,
            })
            .collect()
    }

    /// The same as a placement, for finding out who need not be asked.
    pub(super) fn placement(&self, nodes: NonZeroU16) -> Result<Placement, PlacementError> {
        let cut = |key: Option<i64>, open: Cut| key.map_or(open, |key| Cut::before(Key::Int(key)));
        let spans = self.over(nodes).into_iter().zip(0..).map(|(slice, node)| {
            let span = Span { from: cut(slice.from, Cut::Lowest), to: cut(slice.below, Cut::Highest) };
            (span, Shard(node))
        });
        Placement::sliced(spans.collect())
    }
}
