//! The expected wait: the moving average of the response time, for every request in flight and this one, over weight.

use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{EndpointId, Load};

/// The one where the request should be done first: `latency × (in flight + 1) / weight` is lowest; equals take turns.
///
/// An endpoint that has not answered yet counts as fast as the fastest known. It is tried soon, but as the requests
/// in flight still count, it is not buried under all traffic before its first answer.
pub(crate) fn choose(rotation: &mut Rotation, loads: &[Load], excluded: &[EndpointId]) -> Option<EndpointId> {
    let known = loads.iter().map(|load| load.latency_ewma_us).filter(|latency| *latency > 0);
    let fastest = known.min().unwrap_or(1);
    rotation.cheapest(excluded, |index, member| {
        let Some(load) = loads.get(index) else { return f64::INFINITY };
        let latency = if load.latency_ewma_us == 0 { fastest } else { load.latency_ewma_us };
        f64::from(latency) * (f64::from(load.in_flight) + 1.0) / f64::from(member.weight.max(1))
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

    fn loads(latency_and_in_flight: &[(u32, u32)]) -> Vec<Load> {
        let load = |(latency_ewma_us, in_flight): &(u32, u32)| Load {
            latency_ewma_us: *latency_ewma_us,
            in_flight: *in_flight,
            ..idle()
        };
        latency_and_in_flight.iter().map(load).collect()
    }

    #[test]
    fn latency_times_in_flight_over_weight_decides() {
        let mut even = rotation(&[("a", 1), ("b", 1)]);
        assert_eq!(choose(&mut even, &loads(&[(100, 1), (150, 0)]), &[]), Some(2), "200 against 150");
        assert_eq!(choose(&mut even, &loads(&[(100, 1), (150, 0)]), &[2]), Some(1));
        let mut heavy = rotation(&[("a", 2), ("b", 1)]);
        assert_eq!(choose(&mut heavy, &loads(&[(100, 1), (150, 0)]), &[]), Some(1), "100 against 150");
    }

    #[test]
    fn a_newcomer_is_tried_but_not_buried() {
        let mut rotation = rotation(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(choose(&mut rotation, &loads(&[(100, 1), (300, 0), (0, 0)]), &[]), Some(3));
        assert_eq!(choose(&mut rotation, &loads(&[(100, 1), (300, 0), (0, 5)]), &[]), Some(1));
    }

    #[test]
    fn a_cluster_that_nobody_knows_is_spread() {
        let mut rotation = rotation(&[("a", 1), ("b", 1), ("c", 1)]);
        let picks: Vec<_> = (0..4).filter_map(|_| choose(&mut rotation, &loads(&[(0, 0); 3]), &[])).collect();
        assert_eq!(picks, [1, 2, 3, 1]);
    }

    #[test]
    fn the_ends_of_the_range_compare() {
        let mut rotation = rotation(&[("a", 1), ("b", 65_535)]);
        let worst = (u32::MAX, u32::MAX);
        assert_eq!(choose(&mut rotation, &loads(&[worst, worst]), &[]), Some(2));
    }
}
