//! The comparison: the health score alone.

use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{EndpointId, Load};

/// The one with the best health score; equals take turns. A score that is not a number is the worst.
pub(crate) fn choose(rotation: &mut Rotation, loads: &[Load], excluded: &[EndpointId]) -> Option<EndpointId> {
    rotation.cheapest(excluded, |index, _| loads.get(index).map_or(f64::INFINITY, |load| -f64::from(load.health_score)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{candidates, idle};

    fn rotation() -> Rotation {
        let mut rotation = Rotation::default();
        rotation.replace(&candidates(&[("a", 1), ("b", 65_535), ("c", 1)]));
        rotation
    }

    fn scores(scores: [f32; 3]) -> Vec<Load> {
        scores.iter().map(|score| Load { health_score: *score, ..idle() }).collect()
    }

    #[test]
    fn the_best_score_wins_and_equals_take_turns() {
        let mut rotation = rotation();
        let loads = scores([0.9, 0.2, 0.9]);
        let picks: Vec<_> = (0..3).filter_map(|_| choose(&mut rotation, &loads, &[])).collect();
        assert_eq!(picks, [1, 3, 1]);
        assert_eq!(choose(&mut rotation, &loads, &[1, 3]), Some(2));
    }

    #[test]
    fn no_number_is_the_worst_score() {
        assert_eq!(choose(&mut rotation(), &scores([f32::NAN, 0.0, f32::NAN]), &[]), Some(2));
    }
}
