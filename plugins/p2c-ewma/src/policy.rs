//! The power of two choices (Mitzenmacher, 1996): draw two, take the better. Pure: the random number and the figures
//! come from outside.

use leverframe_sdk::{Endpoint, EndpointId, Load, draw};

/// What is kept of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: EndpointId,
    weight: u32,
}

/// What was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawn {
    /// Nobody is available.
    None,
    /// Only one is available.
    One(Member),
    /// Two different ones.
    Two(Member, Member),
}

/// The candidates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    members: Vec<Member>,
}

impl Pool {
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.members.clear();
        self.members.extend(candidates.iter().map(|one| Member { id: one.id, weight: one.weight }));
    }

    /// Draws two different ones that are not excluded, each pair as likely as the other. `random` is asked only when
    /// there is something to draw.
    pub(crate) fn draw(&self, excluded: &[EndpointId], random: impl FnOnce() -> u64) -> Drawn {
        let available = || self.members.iter().copied().filter(|member| !excluded.contains(&member.id));
        let count = available().count() as u64;
        if count < 2 {
            return available().next().map_or(Drawn::None, Drawn::One);
        }
        let random = random();
        // Both halves of the number are drawn from on their own. The second draw is among the others.
        let first = draw::below(random << 32, count);
        let second = draw::below(random & 0xffff_ffff_0000_0000, count - 1);
        let second = if second < first { second } else { second + 1 };
        let at = |place: u64| available().zip(0_u64..).find(|(_, index)| *index == place).map(|(member, _)| member);
        match (at(first), at(second)) {
            (Some(first), Some(second)) => Drawn::Two(first, second),
            _ => Drawn::None,
        }
    }
}

/// The better of two: `peak response time × (in flight + 1) / weight` is lower; the first of equals, as the order is
/// random. One that has not answered yet counts as fast as the other, so only the requests in flight decide.
pub(crate) fn better(first: (Member, Load), second: (Member, Load)) -> EndpointId {
    let latency = |own: Load, other: Load| match (own.latency_ewma_us, other.latency_ewma_us) {
        (0, 0) => 1,
        (0, other) => other,
        (own, _) => own,
    };
    let cost = |(member, load): (Member, Load), other: Load| {
        f64::from(latency(load, other)) * (f64::from(load.in_flight) + 1.0) / f64::from(member.weight.max(1))
    };
    if cost(second, first.1) < cost(first, second.1) { second.0.id } else { first.0.id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::hash::mix;
    use leverframe_sdk::testing::{candidates, idle};
    use std::collections::BTreeMap;

    fn pool(count: usize) -> Pool {
        let mut pool = Pool::default();
        pool.replace(&candidates(&vec![("x", 1); count]));
        pool
    }

    fn load(latency_ewma_us: u32, in_flight: u32) -> Load {
        Load { latency_ewma_us, in_flight, ..idle() }
    }

    fn member(id: EndpointId, weight: u32) -> Member {
        Member { id, weight }
    }

    #[test]
    fn every_ordered_pair_of_different_ones_is_as_likely() {
        let pool = pool(4);
        let mut seen = BTreeMap::new();
        for seed in 0..12_000 {
            match pool.draw(&[], || mix(seed)) {
                Drawn::Two(first, second) => *seen.entry((first.id, second.id)).or_insert(0) += 1,
                drawn => panic!("{drawn:?}"),
            }
        }
        assert_eq!(seen.len(), 12);
        assert!(seen.iter().all(|((first, second), count)| first != second && (850..1150).contains(count)), "{seen:?}");
    }

    #[test]
    fn the_excluded_are_not_drawn_and_no_chance_is_needed_for_one() {
        let pool = pool(3);
        assert!((0..100).all(|seed| match pool.draw(&[2], || mix(seed)) {
            Drawn::Two(first, second) => first.id != 2 && second.id != 2,
            _ => false,
        }));
        let unused = || panic!("there is nothing to draw");
        assert_eq!(pool.draw(&[1, 2], unused), Drawn::One(member(3, 1)));
        assert_eq!(pool.draw(&[1, 2, 3], || panic!("there is nothing to draw")), Drawn::None);
    }

    #[test]
    fn both_ends_of_the_random_range_stay_inside() {
        for count in 2..6 {
            let pool = pool(count);
            for random in [0, u64::MAX, 0xffff_ffff, 0xffff_ffff_0000_0000] {
                assert!(matches!(pool.draw(&[], || random), Drawn::Two(first, second) if first != second));
            }
        }
    }

    #[test]
    fn the_lower_expected_wait_wins() {
        let (a, b) = (member(1, 1), member(2, 1));
        assert_eq!(better((a, load(100, 1)), (b, load(150, 0))), 2, "200 against 150");
        assert_eq!(better((member(1, 2), load(100, 1)), (b, load(150, 0))), 1, "100 against 150");
        assert_eq!(better((a, load(100, 0)), (b, load(100, 0))), 1, "the first of equals");
        assert_eq!(better((a, load(0, 1)), (b, load(900, 0))), 2, "a newcomer counts as fast as the other");
        assert_eq!(better((a, load(0, 1)), (b, load(0, 0))), 2);
        let worst = load(u32::MAX, u32::MAX);
        assert_eq!(better((a, worst), (member(2, 65_535), worst)), 2);
    }
}
