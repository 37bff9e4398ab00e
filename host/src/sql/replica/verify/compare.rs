//! Owns finding where the sums of a table's rows differ between nodes. Pure. Whether tables are equal is told by the sums of
//! all rows alone, which no order changes; chunks only tell where.

use std::collections::HashMap;

use super::digest::{Cut, Digest, Summed};

/// Rows between two keys that are not the same on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// After this key; none from the beginning.
    pub(super) after: Option<Vec<String>>,
    /// Up to this one, included; none to the end.
    pub(super) through: Option<Vec<String>>,
    /// What each node has there.
    pub(super) found: Vec<Digest>,
}

/// The ranges in which nodes differ; none where they hold the same.
pub(super) fn compare(mut nodes: Vec<Summed>) -> Vec<Range> {
    let wholes: Vec<Digest> = nodes.iter().map(Summed::whole).collect();
    if are_equal(&wholes) {
        return Vec::new();
    }
    let zeros = nodes.iter().map(|node| node.zeros).max().unwrap_or_default();
    nodes.iter_mut().for_each(|node| node.coarsen(zeros));
    let mut ranges = Vec::new();
    let mut before: (Vec<Option<usize>>, Option<&Cut>) = (vec![None; nodes.len()], None);
    let ends = nodes.iter().map(|node| node.chunks.len().saturating_sub(1)).collect();
    for (places, cut) in common(&nodes).into_iter().map(|(places, cut)| (places, Some(cut))).chain([(ends, None)]) {
        let between = |((node, after), through): ((&Summed, &Option<usize>), &usize)| node.between(*after, *through);
        let found: Vec<Digest> = nodes.iter().zip(&before.0).zip(&places).map(between).collect();
        if !are_equal(&found) {
            let key = |cut: Option<&Cut>| cut.map(|cut| cut.key.clone());
            ranges.push(Range { after: key(before.1), through: key(cut), found });
        }
        before = (places.into_iter().map(Some).collect(), cut);
    }
    ranges
}

fn are_equal(digests: &[Digest]) -> bool {
    digests.windows(2).all(|pair| pair.first() == pair.last())
}

/// The cuts that all nodes have, in the same order, with their places on each.
fn common(nodes: &[Summed]) -> Vec<(Vec<usize>, &Cut)> {
    let Some((first, others)) = nodes.split_first() else { return Vec::new() };
    let places = |node: &Summed| -> HashMap<u128, usize> {
        let cuts = node.chunks.iter().enumerate().filter_map(|(at, chunk)| Some((chunk.end.as_ref()?.hash, at)));
        cuts.collect()
    };
    let others: Vec<HashMap<u128, usize>> = others.iter().map(places).collect();
    let mut kept: Vec<(Vec<usize>, &Cut)> = Vec::new();
    for (at, chunk) in first.chunks.iter().enumerate() {
        let Some(cut) = &chunk.end else { continue };
        let found: Option<Vec<usize>> = others.iter().map(|places| places.get(&cut.hash).copied()).collect();
        let Some(found) = found else { continue };
        let places: Vec<usize> = std::iter::once(at).chain(found).collect();
        let is_later = |(before, _): &(Vec<usize>, &Cut)| before.iter().zip(&places).all(|(one, two)| one < two);
        if kept.last().is_none_or(is_later) {
            kept.push((places, cut));
        }
    }
    kept
}
