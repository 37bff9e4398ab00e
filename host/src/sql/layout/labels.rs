//! Owns what the labels of endpoints say of the keys that they hold.

use std::ops::Bound;
use std::sync::Arc;

use super::{LayoutError, Overlap};
use crate::cluster::{Member, Roster};
use crate::config::{KeySpec, PartitionSpec, PlacementSpec, RangeSpec};
use crate::sql::topology::{Cut, KeyRange, KeySet, Shard};

/// What is known of the ranges of a table.
#[derive(Debug)]
pub(super) struct Said {
    /// Those that somebody holds, with the names of the shards.
    pub(super) ranges: Vec<(RangeSpec, String)>,
    /// The shards that nobody holds, so that nobody says which keys are there.
    pub(super) away: Vec<String>,
}

/// Reads the labels, for a table whose ranges are there.
pub(super) fn read(
    table: &str,
    partition: &PartitionSpec,
    shards: &[String],
    roster: &Roster,
) -> Result<Option<Said>, LayoutError> {
    let PlacementSpec::RangesLabel(label) = &partition.placement else { return Ok(None) };
    let mut said = Said { ranges: Vec::new(), away: Vec::new() };
    for shard in shards {
        let mut ranges: Option<(Vec<RangeSpec>, &Arc<Member>)> = None;
        for member in holders(shard, roster) {
            let theirs = ranges_of(member, (table, label, partition.kind))?;
            match &ranges {
                None => ranges = Some((theirs, member)),
                Some((known, _)) if *known == theirs => {}
                Some((_, other)) => {
                    return Err(LayoutError::Contradiction {
                        one: other.endpoint().spec.name.clone(),
                        other: member.endpoint().spec.name.clone(),
                        label: label.clone(),
                    });
                }
            }
        }
        match ranges {
            Some((ranges, _)) => said.ranges.extend(ranges.into_iter().map(|range| (range, shard.clone()))),
            None => said.away.push(shard.clone()),
        }
    }
    apart(table, &said.ranges)?;
    Ok(Some(said))
}

/// Who holds a shard, well or not. What one that leaves says counts only while nobody stays, since rows may have moved; of
/// several, what the last to come says.
fn holders<'a>(shard: &str, roster: &'a Roster) -> Vec<&'a Arc<Member>> {
    let of_shard = roster.members().iter().filter(|member| member.endpoint().spec.shard() == shard);
    let (leaving, staying): (Vec<_>, Vec<_>) = of_shard.partition(|member| member.standing().leaving);
    if staying.is_empty() { leaving.last().copied().into_iter().collect() } else { staying }
}

fn ranges_of(member: &Member, (table, label, kind): (&str, &str, KeySpec)) -> Result<Vec<RangeSpec>, LayoutError> {
    let spec = &member.endpoint().spec;
    let (endpoint, label_name) = (spec.name.clone(), label.to_owned());
    let Some(text) = spec.labels.get(label) else {
        return Err(LayoutError::NoLabel { endpoint, label: label_name, table: table.to_owned() });
    };
    RangeSpec::parse_list(text, kind).map_err(|why| LayoutError::BadLabel { endpoint, label: label_name, why })
}

/// Refuses keys that two ranges hold.
fn apart(table: &str, ranges: &[(RangeSpec, String)]) -> Result<(), LayoutError> {
    let mut ranges: Vec<_> = ranges.iter().collect();
    // In order, any two that overlap have two neighbours between them that do.
    ranges.sort_by(|(one, _), (other, _)| one.from.cmp(&other.from));
    let mut neighbours = ranges.iter().zip(ranges.iter().skip(1));
    match neighbours.find(|((one, _), (other, _))| one.overlaps(other)) {
        None => Ok(()),
        Some(((one, shard), (other_range, other))) => Err(LayoutError::Overlap(Box::new(Overlap {
            table: table.to_owned(),
            range: one.clone(),
            shard: shard.clone(),
            other_range: other_range.clone(),
            other: other.clone(),
        }))),
    }
}

/// What no range holds, as ranges of a shard.
pub(super) fn gaps(ranges: &[KeyRange], shard: Shard) -> Vec<KeyRange> {
    let held = ranges.iter().map(|range| {
        let from = match &range.from {
            Bound::Unbounded => Cut::Lowest,
            Bound::Included(key) => Cut::before(key.clone()),
            Bound::Excluded(key) => Cut::after(key.clone()),
        };
        let to = match &range.to {
            Bound::Unbounded => Cut::Highest,
            Bound::Included(key) => Cut::after(key.clone()),
            Bound::Excluded(key) => Cut::before(key.clone()),
        };
        KeySet::between(from, to)
    });
    let missing = KeySet::union(held).complement();
    let gap = |(from, to): (&Cut, &Cut)| KeyRange {
        from: match from {
            Cut::Lowest | Cut::Highest => Bound::Unbounded,
            Cut::Before(key) => Bound::Included(key.clone()),
            Cut::After(key) => Bound::Excluded(key.clone()),
        },
        to: match to {
            Cut::Lowest | Cut::Highest => Bound::Unbounded,
            Cut::Before(key) => Bound::Excluded(key.clone()),
            Cut::After(key) => Bound::Included(key.clone()),
        },
        shard,
    };
    missing.spans().iter().map(|span| gap((&span.from, &span.to))).collect()
}
