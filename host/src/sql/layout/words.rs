//! Owns how a layout is told to people: each table, each shard, and what it holds.

use std::num::NonZeroU16;

use super::labels::Said;
use crate::config::{PartitionSpec, PlacementSpec, RangeSpec};
use crate::sql::topology::Slice;

/// Where the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWords {
    /// The table.
    pub table: String,
    /// The column by which its rows are spread; none where every shard has all of them.
    pub key: Option<String>,
    /// In what way: `ranges`, `hash`, `list`, `reference` or `split`.
    pub way: &'static str,
    /// The shards, each with what it holds, as in `1..1000, 5000..`; in the order of the layout.
    pub shards: Vec<(String, String)>,
}

/// What a shard holds of a table, piece by piece.
type Told<'a> = Box<dyn Fn(&String) -> Vec<String> + 'a>;

impl TableWords {
    /// Of a table that every shard has whole.
    pub(super) fn reference(table: &str) -> Self {
        Self { table: table.to_owned(), key: None, way: "reference", shards: Vec::new() }
    }

    /// Of a table whose rows are partitioned.
    pub(super) fn partitioned(table: &str, partition: &PartitionSpec, said: Option<&Said>, names: &[String]) -> Self {
        let (way, what): (_, Told<'_>) = match (&partition.placement, said) {
            (_, Some(said)) => ("ranges", Box::new(|shard| ranges(&said.ranges, shard))),
            (PlacementSpec::Ranges(given), None) => ("ranges", Box::new(|shard| ranges(given, shard))),
            (PlacementSpec::RangesLabel(_), None) => ("ranges", Box::new(|_| Vec::new())),
            (PlacementSpec::Hash(shards), None) => ("hash", Box::new(|shard| buckets(shards, shard))),
            (PlacementSpec::List(values), None) => (
                "list",
                Box::new(|shard| {
                    values.iter().filter(|(_, of)| of == shard).map(|(value, _)| value.to_string()).collect()
                }),
            ),
        };
        let nothing = |shard: &String| match said {
            Some(said) if said.away.contains(shard) => "not known: it is away".to_owned(),
            _ => "nothing".to_owned(),
        };
        let told = |shard: &String| match what(shard) {
            held if held.is_empty() => (shard.clone(), nothing(shard)),
            held => (shard.clone(), held.join(", ")),
        };
        Self {
            table: table.to_owned(),
            key: Some(partition.key.clone()),
            way,
            shards: names.iter().map(told).collect(),
        }
    }

    /// Of a table whose scan is divided.
    pub(super) fn split(table: &str, key: &str, slices: &[Slice], nodes: &[String]) -> Self {
        let shards = nodes.iter().zip(slices).map(|(node, slice)| (node.clone(), part(*slice))).collect();
        Self { table: table.to_owned(), key: Some(key.to_owned()), way: "split", shards }
    }
}

fn ranges(given: &[(RangeSpec, String)], shard: &str) -> Vec<String> {
    given.iter().filter(|(_, of)| of == shard).map(|(range, _)| range.to_string()).collect()
}

/// Which remainders of the hash are a shard's.
fn buckets(shards: &[String], shard: &str) -> Vec<String> {
    let count = u16::try_from(shards.len()).ok().and_then(NonZeroU16::new).map_or(0, NonZeroU16::get);
    let own = (0..count).zip(shards).filter(|(_, of)| *of == shard);
    own.map(|(nth, _)| format!("remainder {nth} of {count}")).collect()
}

/// What a node reads, first and last key included, as in `1667-3332`; open at both ends of the whole.
fn part(slice: Slice) -> String {
    let null = if slice.takes_null { ", and rows without a key" } else { "" };
    match (slice.from, slice.below.map(|below| below.saturating_sub(1))) {
        (None, None) => "every row".to_owned(),
        (None, Some(last)) => format!("up to {last}{null}"),
        (Some(first), Some(last)) => format!("{first}-{last}{null}"),
        (Some(first), None) => format!("from {first} on{null}"),
    }
}
