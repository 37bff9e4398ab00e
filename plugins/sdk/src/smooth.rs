//! Smooth weighted round robin, as nginx does it (`ngx_http_upstream_get_peer`): endpoints take turns in proportion to
//! their weights, and the turns of a heavy one are spread out instead of coming in a row. Pure.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, EndpointId};

/// The scheduler. Each pick adds to every endpoint its weight, takes the highest sum (the first of equals), and
/// subtracts the total from it.
///
/// Weights go up to 65535, and a sum stays within the total of all weights, so 64 bits cannot overflow.
#[derive(Clone, Debug, Default)]
pub struct SmoothWeighted {
    entries: Vec<Entry>,
    /// The names of the entries, index by index; apart, so that a pick does not walk over them.
    names: Vec<String>,
    /// Sums taken over from another instance, for endpoints that are not there yet.
    imported: Vec<Sum>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: EndpointId,
    weight: i64,
    current: i64,
}

/// The running sum of one endpoint: what is worth telling the next version. By name, because a name outlives an id.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// The name of the endpoint.
    pub name: String,
    /// Its running sum.
    pub current: i64,
}

impl SmoothWeighted {
    /// Takes a new list of candidates. Those that stay keep their running sum, so that a weight that changes step by
    /// step (slow start) does not start the sequence over each time; it is held within the new total, so that an old
    /// weight of thousands cannot starve anyone for thousands of picks.
    pub fn replace(&mut self, candidates: &[Endpoint]) {
        let total = candidates.iter().fold(0_i64, |total, one| total.saturating_add(i64::from(one.weight)));
        let imported = std::mem::take(&mut self.imported);
        let entries = candidates.iter().map(|one| {
            let kept = self.entries.iter().find(|entry| entry.id == one.id).map(|entry| entry.current);
            let told = || imported.iter().find(|sum| sum.name == one.name).map(|sum| sum.current);
            let current = kept.or_else(told).unwrap_or(0).clamp(-total, total);
            Entry { id: one.id, weight: i64::from(one.weight), current }
        });
        self.entries = entries.collect();
        self.names = candidates.iter().map(|one| one.name.clone()).collect();
    }

    /// The next in turn that is not excluded; none when there is none. The excluded neither gain nor lose.
    pub fn pick(&mut self, excluded: &[EndpointId]) -> Option<EndpointId> {
        let mut total = 0;
        let mut best: Option<&mut Entry> = None;
        for entry in self.entries.iter_mut().filter(|entry| !excluded.contains(&entry.id)) {
            total += entry.weight;
            entry.current += entry.weight;
            if best.as_ref().is_none_or(|best| entry.current > best.current) {
                best = Some(entry);
            }
        }
        let best = best?;
        best.current -= total;
        Some(best.id)
    }

    /// The running sums, for the next version.
    #[must_use]
    pub fn sums(&self) -> Vec<Sum> {
        let entries = self.entries.iter().zip(&self.names);
        entries.map(|(entry, name)| Sum { name: name.clone(), current: entry.current }).collect()
    }

    /// Goes on from the sums of another instance. They are used by the next [`replace`](Self::replace); those of
    /// endpoints that are not in it are forgotten.
    pub fn resume(&mut self, sums: Vec<Sum>) {
        self.imported = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{candidates, endpoint};

    fn of(weights: &[(&str, u32)]) -> SmoothWeighted {
        let mut smooth = SmoothWeighted::default();
        smooth.replace(&candidates(weights));
        smooth
    }

    fn picks(smooth: &mut SmoothWeighted, count: usize) -> Vec<EndpointId> {
        (0..count).filter_map(|_| smooth.pick(&[])).collect()
    }

    #[test]
    fn the_sequence_of_5_1_1_is_a_a_b_a_c_a_a() {
        // By hand, sums after each pick: (-2,1,1) (-4,2,2) (1,-4,3) (-1,-3,4) (4,-2,-2) (2,-1,-1) (0,0,0).
        let mut smooth = of(&[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!(picks(&mut smooth, 14), [1, 1, 2, 1, 3, 1, 1, 1, 1, 2, 1, 3, 1, 1]);
        assert!(smooth.sums().iter().all(|sum| sum.current == 0), "a round ends where it began");
    }

    #[test]
    fn the_excluded_neither_gain_nor_lose() {
        let mut smooth = of(&[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!(smooth.pick(&[1]), Some(2));
        assert_eq!(smooth.pick(&[1]), Some(3));
        assert_eq!(smooth.pick(&[1, 2, 3]), None);
        assert_eq!(picks(&mut smooth, 7), [1, 1, 2, 1, 3, 1, 1]);
    }

    #[test]
    fn a_change_keeps_the_sums_of_those_that_stay() {
        let mut smooth = of(&[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!(picks(&mut smooth, 2), [1, 1]);
        smooth.replace(&[endpoint(1, "a", 5), endpoint(3, "c", 1), endpoint(4, "d", 1)]);
        // From the sums (-4,2,0), by hand: (1,-4,1) (-1,-3,2) (-3,-2,3) (2,-1,-3).
        assert_eq!(picks(&mut smooth, 4), [3, 1, 1, 4]);
    }

    #[test]
    fn an_old_heavy_weight_does_not_starve_anyone() {
        let mut smooth = of(&[("a", 65_535), ("b", 65_535), ("c", 65_535)]);
        assert_eq!(picks(&mut smooth, 1), [1]);
        smooth.replace(&candidates(&[("a", 1), ("b", 1), ("c", 1)]));
        assert!(picks(&mut smooth, 12).contains(&1));
    }

    #[test]
    fn the_ends_of_the_range_keep_their_shares() {
        let mut smooth = of(&[("a", 65_535), ("b", 1)]);
        let picks = picks(&mut smooth, 2 * 65_536);
        assert_eq!(picks.iter().filter(|id| **id == 2).count(), 2);
    }

    #[test]
    fn another_instance_goes_on_where_this_one_stopped() {
        let mut old = of(&[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!(picks(&mut old, 4), [1, 1, 2, 1]);
        let mut new = SmoothWeighted::default();
        new.resume(old.sums());
        new.replace(&candidates(&[("a", 5), ("b", 1), ("c", 1)]));
        assert_eq!(picks(&mut new, 3), [3, 1, 1]);
    }

    #[test]
    fn sums_from_a_stranger_are_held_within_the_total() {
        let mut smooth = SmoothWeighted::default();
        smooth.resume(vec![
            Sum { name: "a".to_owned(), current: i64::MIN },
            Sum { name: "b".to_owned(), current: i64::MAX },
            Sum { name: "gone".to_owned(), current: 1 },
        ]);
        smooth.replace(&candidates(&[("a", 1), ("b", 1)]));
        assert_eq!(picks(&mut smooth, 4), [2, 2, 1, 2]);
    }
}
