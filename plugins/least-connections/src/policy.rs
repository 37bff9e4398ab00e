//! The comparison: requests in flight over weight.

use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{EndpointId, Load};

/// The one with the fewest requests in flight for its weight; equals take turns, so that an idle cluster is spread.
///
/// The quotients are exact enough to be compared: equal fractions of 32-bit numbers divide to equal doubles, and
/// different ones to different doubles.
pub(crate) fn choose(rotation: &mut Rotation, loads: &[Load], excluded: &[EndpointId]) -> Option<EndpointId> {
    rotation.cheapest(excluded, |index, member| {
        loads.get(index).map_or(f64::INFINITY, |load| f64::from(load.in_flight) / f64::from(member.weight.max(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{candidates, idle};

    fn rotation(weights: &[(&str, u32)]) -> Rotation {
        let mut rotation = Rotation::default();
        rotation.replace(&candidates(weights));
        rotation
    }

    fn busy(in_flight: &[u32]) -> Vec<Load> {
        in_flight.iter().map(|in_flight| Load { in_flight: *in_flight, ..idle() }).collect()
    }

    #[test]
    fn the_fewest_for_the_weight_wins() {
        let mut rotation = rotation(&[("a", 1), ("b", 4), ("c", 1)]);
        assert_eq!(choose(&mut rotation, &busy(&[2, 7, 3]), &[]), Some(2), "7/4 is less than 2/1");
        assert_eq!(choose(&mut rotation, &busy(&[1, 7, 3]), &[]), Some(1));
        assert_eq!(choose(&mut rotation, &busy(&[1, 7, 3]), &[1, 2]), Some(3));
    }

    #[test]
    fn equals_take_turns() {
        let mut rotation = rotation(&[("a", 1), ("b", 2), ("c", 1)]);
        let loads = busy(&[1, 2, 1]);
        let picks: Vec<_> = (0..4).filter_map(|_| choose(&mut rotation, &loads, &[])).collect();
        assert_eq!(picks, [1, 2, 3, 1]);
    }

    #[test]
    fn the_ends_of_the_range_compare() {
        let mut rotation = rotation(&[("a", 1), ("b", 65_535)]);
        assert_eq!(choose(&mut rotation, &busy(&[u32::MAX, u32::MAX]), &[]), Some(2));
        assert_eq!(choose(&mut rotation, &busy(&[1, u32::MAX]), &[]), Some(1));
    }

    #[test]
    fn missing_figures_do_not_stop_the_choice() {
        assert_eq!(choose(&mut rotation(&[("a", 1), ("b", 1)]), &[], &[]), Some(1));
    }
}
