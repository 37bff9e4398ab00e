//! The lookup table of Maglev (Eisenbud et al., "Maglev: a fast and reliable software network load balancer", NSDI
//! 2016, section 3.4), with turns in proportion to weights. Pure.

use leverframe_sdk::hash::{fnv1a, mix};
use leverframe_sdk::{Endpoint, EndpointId};

/// The size that the paper takes for small clusters: a prime, so that every step reaches every slot.
pub(crate) const SIZE: usize = 65_537;

/// A slot that nobody has taken yet, while the table is filled.
const FREE: u32 = u32::MAX;

/// The table. Depends on names and weights alone, so that all workers and all proxies agree on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// For each slot, an index of `ids`. Empty when there are no candidates.
    slots: Vec<u32>,
    ids: Vec<EndpointId>,
}

impl Table {
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        let mut sorted: Vec<&Endpoint> = candidates.iter().collect();
        sorted.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        self.ids = sorted.iter().map(|one| one.id).collect();
        self.slots = fill(&sorted);
    }

    /// The endpoint of a request: the one of its slot, or of the first slot after it that is not excluded.
    pub(crate) fn find(&self, number: u64, excluded: &[EndpointId]) -> Option<EndpointId> {
        let slot = remainder(mix(number), SIZE);
        let (before, after) = self.slots.split_at_checked(slot)?;
        let owner = |index: &u32| self.ids.get(*index as usize).copied();
        after.iter().chain(before).filter_map(owner).find(|id| !excluded.contains(id))
    }
}

/// An endpoint that takes slots in its own order: a start and a step that its name determines.
struct Seeker {
    next: usize,
    step: usize,
    weight: u32,
    /// Grows by the weight in each round; a turn costs the highest weight.
    credit: u32,
}

impl Seeker {
    fn new(endpoint: &Endpoint, heaviest: u32) -> Self {
        let name = fnv1a(endpoint.name.as_bytes());
        let start = mix(name);
        // Mixed once more, so that the step does not follow from the start.
        let step = mix(start);
        Self {
            next: remainder(start, SIZE),
            step: remainder(step, SIZE - 1) + 1,
            weight: endpoint.weight,
            // Everyone has a turn in the first round, so that even the lightest has a slot.
            credit: heaviest.saturating_sub(endpoint.weight),
        }
    }

    /// Whether this round has a turn for it.
    const fn has_turn(&mut self, heaviest: u32) -> bool {
        self.credit = self.credit.saturating_add(self.weight);
        if self.credit < heaviest {
            return false;
        }
        self.credit -= heaviest;
        true
    }

    /// Takes the next slot in its order that is free.
    fn take(&mut self, slots: &mut [u32], index: u32) {
        for _ in 0..SIZE {
            let at = self.next;
            self.next = if at + self.step < SIZE { at + self.step } else { at + self.step - SIZE };
            if let Some(slot) = slots.get_mut(at).filter(|slot| **slot == FREE) {
                *slot = index;
                return;
            }
        }
    }
}

fn fill(endpoints: &[&Endpoint]) -> Vec<u32> {
    let Some(heaviest) = endpoints.iter().map(|one| one.weight).max() else { return Vec::new() };
    let mut seekers: Vec<Seeker> = endpoints.iter().map(|one| Seeker::new(one, heaviest)).collect();
    let mut slots = vec![FREE; SIZE];
    let mut free = SIZE;
    while free > 0 {
        for (index, seeker) in (0..).zip(&mut seekers) {
            if free > 0 && seeker.has_turn(heaviest) {
                seeker.take(&mut slots, index);
                free -= 1;
            }
        }
    }
    slots
}

/// `number` modulo `size`, both of which fit 64 bits on every target.
const fn remainder(number: u64, size: usize) -> usize {
    (number % size as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{candidates, endpoint};

    fn table(candidates: &[Endpoint]) -> Table {
        let mut table = Table::default();
        table.replace(candidates);
        table
    }

    fn slots_of(table: &Table, id: EndpointId) -> usize {
        table.slots.iter().filter(|index| table.ids[**index as usize] == id).count()
    }

    fn ten() -> Vec<Endpoint> {
        (1..=10).map(|id| endpoint(id, &format!("node-{id}"), 1)).collect()
    }

    #[test]
    fn equals_have_equally_many_slots() {
        let table = table(&ten());
        let counts: Vec<_> = (1..=10).map(|id| slots_of(&table, id)).collect();
        assert_eq!(counts.iter().sum::<usize>(), SIZE);
        assert!(counts.iter().all(|count| (6_553..=6_554).contains(count)), "{counts:?}");
    }

    #[test]
    fn slots_follow_the_weights() {
        let table = table(&candidates(&[("a", 1), ("b", 3), ("c", 6)]));
        // Within a slot or two of 65,537 times 1/10, 3/10 and 6/10.
        for (id, share) in [(1, 6_554), (2, 19_661), (3, 39_322)] {
            assert!(slots_of(&table, id).abs_diff(share) <= 2, "{id}: {}", slots_of(&table, id));
        }
    }

    #[test]
    fn the_lightest_has_a_slot_beside_the_heaviest() {
        let table = table(&candidates(&[("a", 65_535), ("b", 1), ("c", 65_535)]));
        assert_eq!(slots_of(&table, 2), 1);
    }

    #[test]
    fn one_that_leaves_moves_few_of_the_others_keys() {
        let all = ten();
        let (before, after) = (table(&all), table(&all[..9]));
        let moved = (0..10_000).filter(|number| {
            let was = before.find(*number, &[]);
            was != Some(10) && after.find(*number, &[]) != was
        });
        // The paper's figure 12: some percent for a table that is a few thousand times the cluster.
        let moved = moved.count();
        assert!(moved < 300, "{moved} of 10000");
    }

    #[test]
    fn ids_and_their_order_do_not_matter() {
        let one = table(&[endpoint(1, "a", 2), endpoint(2, "b", 1)]);
        let other = table(&[endpoint(7, "b", 1), endpoint(9, "a", 2)]);
        assert_eq!(one.slots, other.slots);
    }

    #[test]
    fn the_excluded_are_walked_past() {
        let table = table(&ten());
        for number in 0..100 {
            let first = table.find(number, &[]).expect("there are candidates");
            let second = table.find(number, &[first]).expect("there are others");
            assert_ne!(first, second);
        }
        assert_eq!(table.find(7, &(1..=9).collect::<Vec<_>>()), Some(10));
        assert_eq!(table.find(7, &(1..=10).collect::<Vec<_>>()), None);
        assert_eq!(Table::default().find(7, &[]), None);
    }
}
