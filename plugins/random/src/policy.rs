//! A weighted draw over the candidates. Pure: the random number comes from outside.

use leverframe_sdk::{Endpoint, EndpointId, draw};

/// The candidates, each with the end of its stretch on a line as long as all weights together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Urn {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    id: EndpointId,
    weight: u64,
    end: u64,
}

impl Urn {
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.stretches.clear();
        let mut end = 0;
        for one in candidates {
            let weight = u64::from(one.weight);
            end += weight;
            self.stretches.push(Stretch { id: one.id, weight, end });
        }
    }

    /// The one that the number falls on.
    pub(crate) fn draw(&self, random: u64, excluded: &[EndpointId]) -> Option<EndpointId> {
        if excluded.is_empty() {
            let point = draw::below(random, self.stretches.last()?.end);
            let index = self.stretches.partition_point(|one| one.end <= point);
            return self.stretches.get(index).map(|one| one.id);
        }
        let available = || self.stretches.iter().filter(|one| !excluded.contains(&one.id));
        let mut point = draw::below(random, available().map(|one| one.weight).sum());
        for one in available() {
            match point.checked_sub(one.weight) {
                Some(rest) => point = rest,
                None => return Some(one.id),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::candidates;

    fn urn(weights: &[(&str, u32)]) -> Urn {
        let mut urn = Urn::default();
        urn.replace(&candidates(weights));
        urn
    }

    /// The random number that falls on the middle of this point of a line.
    fn at(point: u64, of: u64) -> u64 {
        (u64::MAX / of) * point + u64::MAX / of / 2
    }

    #[test]
    fn each_has_a_stretch_of_its_weight() {
        let urn = urn(&[("a", 1), ("b", 3), ("c", 1)]);
        let drawn: Vec<_> = (0..5).filter_map(|point| urn.draw(at(point, 5), &[])).collect();
        assert_eq!(drawn, [1, 2, 2, 2, 3]);
        assert_eq!([urn.draw(0, &[]), urn.draw(u64::MAX, &[])], [Some(1), Some(3)]);
    }

    #[test]
    fn the_excluded_have_no_stretch() {
        let urn = urn(&[("a", 1), ("b", 3), ("c", 1)]);
        let drawn: Vec<_> = (0..4).filter_map(|point| urn.draw(at(point, 4), &[1])).collect();
        assert_eq!(drawn, [2, 2, 2, 3]);
        assert_eq!(urn.draw(7, &[1, 2, 3]), None);
        assert_eq!(Urn::default().draw(7, &[]), None);
    }

    #[test]
    fn the_ends_of_the_range_are_both_reached() {
        let urn = urn(&[("a", 65_535), ("b", 1)]);
        assert_eq!([urn.draw(0, &[]), urn.draw(u64::MAX, &[])], [Some(1), Some(2)]);
    }
}
