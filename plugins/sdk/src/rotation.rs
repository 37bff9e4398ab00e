//! Taking turns: plain round robin, and round robin among those that are equally good. Pure; ends with the candidates
//! that it was given, whatever it remembers.

use crate::{Endpoint, EndpointId};

/// What a rotation keeps of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: EndpointId,
    /// Its weight: 1 to 65535.
    pub weight: u32,
}

/// Candidates in a circle. The position is the id that was chosen last, so it keeps its meaning when endpoints come and
/// go: the turn passes to the next id that is still there, and none is skipped or served twice.
///
/// Where some are excluded, the one among the rest comes first that was not chosen for the longest time. So turns are fair
/// among any part of the candidates that is asked for again and again, and whatever other parts are asked for in between.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    members: Vec<Member>,
    /// The index in `members` whose turn it is.
    start: usize,
    /// The id that was chosen last.
    last: Option<EndpointId>,
    /// How many turns there were when each member was chosen last, index by index; 0 for one that never was.
    chosen: Vec<u64>,
    turns: u64,
}

impl Rotation {
    /// Takes a new list of candidates, in the host's order (by id), and keeps the position.
    pub fn replace(&mut self, candidates: &[Endpoint]) {
        let chosen = |one: &Endpoint| self.members.iter().position(|member| member.id == one.id);
        let chosen = candidates.iter().map(|one| chosen(one).and_then(|at| self.chosen.get(at).copied()).unwrap_or(0));
        self.chosen = chosen.collect();
        self.members.clear();
        self.members.extend(candidates.iter().map(|one| Member { id: one.id, weight: one.weight }));
        self.seek();
    }

    /// Goes on after this id, at the first candidate with a higher one.
    pub fn resume_after(&mut self, last: Option<EndpointId>) {
        self.last = last;
        self.seek();
    }

    /// The id that was chosen last.
    #[must_use]
    pub const fn last(&self) -> Option<EndpointId> {
        self.last
    }

    /// The candidates, in the host's order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The next in turn that is not excluded; none when there is none.
    pub fn turn(&mut self, excluded: &[EndpointId]) -> Option<EndpointId> {
        let found = match excluded {
            [] => self.circle().next(),
            excluded => self.longest_waiting(excluded).first().copied(),
        };
        found.map(|(index, member)| self.settle(index, member.id))
    }

    /// The one of lowest cost that is not excluded; among equals, the next in turn. `cost` is given the index in the
    /// host's order, which is that of [`Cluster::loads`](crate::host::Cluster::loads). What is not a number is the
    /// highest cost.
    pub fn cheapest(
        &mut self,
        excluded: &[EndpointId],
        mut cost: impl FnMut(usize, Member) -> f64,
    ) -> Option<EndpointId> {
        let mut best: Option<(usize, EndpointId, f64)> = None;
        let mut look = |(index, member): (usize, Member)| {
            // `min` gives the number when the other is none.
            let cost = cost(index, member).min(f64::INFINITY);
            if best.is_none_or(|(_, _, lowest)| cost < lowest) {
                best = Some((index, member.id, cost));
            }
        };
        match excluded {
            [] => self.circle().for_each(&mut look),
            excluded => self.longest_waiting(excluded).into_iter().for_each(&mut look),
        }
        best.map(|(index, id, _)| self.settle(index, id))
    }

    /// All members with their index, from the one whose turn it is, once around.
    fn circle(&self) -> impl Iterator<Item = (usize, Member)> + '_ {
        let (first, rest) = self.members.split_at_checked(self.start).unwrap_or((&self.members, &[]));
        let rest = rest.iter().copied().enumerate().map(|(offset, member)| (self.start + offset, member));
        rest.chain(first.iter().copied().enumerate())
    }

    /// Those that are not excluded, from the one that was not chosen for the longest time; those that never were in the order
    /// of the circle.
    fn longest_waiting(&self, excluded: &[EndpointId]) -> Vec<(usize, Member)> {
        let mut left: Vec<_> = self.circle().filter(|(_, member)| !excluded.contains(&member.id)).collect();
        left.sort_by_key(|(index, _)| self.chosen.get(*index));
        left
    }

    fn settle(&mut self, index: usize, id: EndpointId) -> EndpointId {
        self.turns += 1;
        if let Some(chosen) = self.chosen.get_mut(index) {
            *chosen = self.turns;
        }
        self.start = if index + 1 < self.members.len() { index + 1 } else { 0 };
        self.last = Some(id);
        id
    }

    fn seek(&mut self) {
        let next = self.last.and_then(|last| self.members.iter().position(|member| member.id > last));
        self.start = next.unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::endpoint;

    fn of(ids: &[EndpointId]) -> Vec<Endpoint> {
        ids.iter().map(|id| endpoint(*id, &format!("e{id}"), 1)).collect()
    }

    fn rotation(ids: &[EndpointId]) -> Rotation {
        let mut rotation = Rotation::default();
        rotation.replace(&of(ids));
        rotation
    }

    fn turns(rotation: &mut Rotation, count: usize) -> Vec<EndpointId> {
        (0..count).filter_map(|_| rotation.turn(&[])).collect()
    }

    #[test]
    fn goes_around() {
        assert_eq!(turns(&mut rotation(&[1, 2, 3]), 7), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn passes_over_the_excluded() {
        let mut rotation = rotation(&[1, 2, 3]);
        assert_eq!(rotation.turn(&[1, 2]), Some(3));
        assert_eq!(rotation.turn(&[1]), Some(2));
        assert_eq!(rotation.turn(&[1, 2, 3]), None);
        assert_eq!(rotation.turn(&[]), Some(3), "a turn that nobody took changes nothing");
    }

    #[test]
    fn is_fair_among_parts_that_are_asked_for_by_turns() {
        let mut rotation = rotation(&[1, 2, 3, 4]);
        let mut picks = Vec::new();
        for _ in 0..4 {
            picks.extend(rotation.turn(&[3, 4]));
            picks.extend(rotation.turn(&[1, 2]));
            picks.extend(rotation.cheapest(&[1, 2], |_, _| 1.0));
        }
        let count = |id| picks.iter().filter(|pick| **pick == id).count();
        assert_eq!([1, 2, 3, 4].map(count), [2, 2, 4, 4], "{picks:?}");
    }

    #[test]
    fn keeps_its_place_when_candidates_come_and_go() {
        let mut rotation = rotation(&[1, 2, 3, 4]);
        assert_eq!(turns(&mut rotation, 2), [1, 2]);
        rotation.replace(&of(&[1, 3, 4]));
        assert_eq!(turns(&mut rotation, 1), [3], "the chosen one left");
        rotation.replace(&of(&[1, 2, 5]));
        assert_eq!(turns(&mut rotation, 2), [5, 1], "the next one left too");
        rotation.replace(&of(&[1]));
        assert_eq!(turns(&mut rotation, 2), [1, 1]);
        rotation.replace(&[]);
        assert_eq!(rotation.turn(&[]), None);
    }

    #[test]
    fn the_cheapest_wins_and_equals_take_turns() {
        let mut rotation = rotation(&[1, 2, 3]);
        let costs = [2.0, 1.0, 1.0];
        let picks: Vec<_> = (0..4).filter_map(|_| rotation.cheapest(&[], |index, _| costs[index])).collect();
        assert_eq!(picks, [2, 3, 2, 3]);
        assert_eq!(rotation.cheapest(&[2, 3], |index, _| costs[index]), Some(1));
        assert_eq!(rotation.cheapest(&[1, 2, 3], |index, _| costs[index]), None);
    }

    #[test]
    fn a_cost_that_is_no_number_loses_but_is_still_a_candidate() {
        let mut rotation = rotation(&[1, 2]);
        assert_eq!(rotation.cheapest(&[], |index, _| if index == 0 { f64::NAN } else { 9.0 }), Some(2));
        assert_eq!(rotation.cheapest(&[], |_, _| f64::NAN), Some(1));
    }
}
