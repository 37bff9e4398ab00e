//! Who may be chosen, and with what weight. Pure: standings in, choice out. In a panic, when too few are ready to bear
//! the load, the cluster's panic rule decides; what an operator took out and open circuits stay out whatever it says.

use super::standing::Standing;
use crate::model::{EndpointId, PanicChoice, PanicRule, Weight};

/// Steps from no weight to the full one. Each is a change for the strategies, and some build large tables anew.
const STEPS: u32 = 20;

/// The largest weight, as in the catalog.
const MAX_WEIGHT: u32 = u16::MAX as u32;

/// Who may be chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// For each standing, whether it may be.
    pub(super) chosen: Vec<bool>,
    /// How many are ready, of how many in service that are known to have been sound once.
    pub(super) ready: (usize, usize),
    /// Whether the panic rule decided.
    pub(super) panics: bool,
}

/// Who may be chosen under a panic rule, when those of `last_good`, ordered by id, were ready before it held. Who never
/// passed a check bears no load yet: however many join, that is no emergency, and they serve only where nobody else can.
pub(super) fn choose(standings: &[(EndpointId, &Standing)], rule: PanicRule, last_good: &[EndpointId]) -> Chosen {
    let count = |wanted: fn(&Standing) -> bool| standings.iter().filter(|(_, standing)| wanted(standing)).count();
    let ready = count(Standing::is_ready);
    let proven = count(|standing| standing.is_in_service() && standing.checked);
    let too_few = ready == 0 || ready * 100 < usize::from(rule.below_percent) * proven;
    // Where operators took everybody out, that is their will and no emergency.
    let panics = too_few && count(Standing::is_in_service) > 0;
    let unproven_may = count(|standing| standing.is_admissible() && standing.checked) == 0;
    let admissible = |standing: &Standing| standing.is_admissible() && (standing.checked || unproven_may);
    // Before anybody was ready, as at a start, and after all of them are gone, nobody is known to be better than another.
    let was_good = |id: &EndpointId| last_good.binary_search(id).is_ok();
    let known_good = standings.iter().any(|(id, standing)| standing.is_in_service() && was_good(id));
    let may = |(id, standing): &(EndpointId, &Standing)| match rule.choose {
        _ if !panics => standing.is_ready(),
        PanicChoice::None => false,
        PanicChoice::All => admissible(standing),
        PanicChoice::LastGood if !known_good => admissible(standing),
        // Who is ready now is at least as good.
        PanicChoice::LastGood => standing.is_ready() || (standing.is_admissible() && was_good(id)),
    };
    Chosen { chosen: standings.iter().map(may).collect(), ready: (ready, proven), panics }
}

/// The weights of members, with those made smaller that have only a part of theirs. Without one the weights are as given;
/// with one all are larger by the same factor, as long as the largest fits.
pub(super) fn weights(members: &[(Weight, &Standing)]) -> Vec<u32> {
    if members.iter().all(|(_, standing)| steps(standing) == STEPS) {
        return members.iter().map(|(weight, _)| weight.get().into()).collect();
    }
    let largest = members.iter().map(|(weight, _)| u32::from(weight.get()) * STEPS).max().unwrap_or(STEPS);
    let scaled = |(weight, standing): &(Weight, &Standing)| {
        let weight = u64::from(weight.get()) * u64::from(steps(standing));
        let fitting = if largest > MAX_WEIGHT { weight * u64::from(MAX_WEIGHT) / u64::from(largest) } else { weight };
        u32::try_from(fitting).unwrap_or(MAX_WEIGHT).clamp(1, MAX_WEIGHT)
    };
    members.iter().map(scaled).collect()
}

/// The part of its weight that an endpoint has. One that a panic lets in has all of it: its verdict is not believed.
fn steps(standing: &Standing) -> u32 {
    if !standing.is_ready() {
        return STEPS;
    }
    ((standing.verdict.effective_weight * STEPS as f32).round() as u32).min(STEPS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use PanicChoice::{All, LastGood, None};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::model::{AdminState, CircuitState, HealthState, Verdict};

    fn ok() -> Standing {
        Standing::new(true, Instant::now())
    }

    fn failed() -> Standing {
        Standing { verdict: Verdict { state: HealthState::Failed, ..Verdict::default() }, ..ok() }
    }

    fn part(effective_weight: f32) -> Standing {
        Standing { verdict: Verdict { effective_weight, ..Verdict::default() }, ..ok() }
    }

    fn taken_out() -> [Standing; 4] {
        [
            Standing { circuit: CircuitState::Open, ..ok() },
            Standing { admin: AdminState::Disabled, ..ok() },
            Standing { admin: AdminState::Draining, ..ok() },
            Standing { leaving: true, ..ok() },
        ]
    }

    fn chosen(standings: &[Standing], rule: (u8, PanicChoice), last_good: &[u32]) -> (Vec<usize>, bool) {
        let numbered: Vec<_> = (0..).map(EndpointId).zip(standings).collect();
        let last_good: Vec<_> =
            last_good.iter().copied().map(EndpointId).collect::<BTreeSet<_>>().into_iter().collect();
        let rule = PanicRule { below_percent: rule.0, choose: rule.1 };
        let chosen = choose(&numbered, rule, &last_good);
        let at = chosen.chosen.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(at, _)| at).collect();
        (at, chosen.panics)
    }

    #[test]
    fn without_a_panic_only_the_ready_are_chosen() {
        assert_eq!(chosen(&[ok(), failed(), ok()], (0, All), &[]), (vec![0, 2], false));
    }

    #[test]
    fn below_the_share_the_rule_decides() {
        let standings = [ok(), failed(), failed(), failed()];
        assert_eq!(chosen(&standings, (25, All), &[]), (vec![0], false), "a quarter is not below a quarter");
        assert_eq!(chosen(&standings, (26, All), &[]), (vec![0, 1, 2, 3], true));
        assert_eq!(chosen(&standings, (26, None), &[]), (vec![], true));
        assert_eq!(chosen(&standings, (26, LastGood), &[1, 9]), (vec![0, 1], true));
    }

    #[test]
    fn with_nobody_ready_it_holds_whatever_the_share() {
        let both = [failed(), failed()];
        assert_eq!(chosen(&both, (0, All), &[]), (vec![0, 1], true));
        assert_eq!(chosen(&both, (0, LastGood), &[]), (vec![0, 1], true), "at a start");
        assert_eq!(chosen(&both, (0, LastGood), &[1]), (vec![1], true));
        assert_eq!(chosen(&both, (0, LastGood), &[7]), (vec![0, 1], true), "those are gone");
    }

    #[test]
    fn who_never_passed_a_check_makes_no_panic_and_serves_only_where_nobody_else_can() {
        let unchecked = Standing { checked: false, ..failed() };
        let of = |first: [Standing; 2]| [&first[..], &vec![unchecked.clone(); 6]].concat();
        for rule in [All, LastGood] {
            assert_eq!(chosen(&of([ok(), ok()]), (30, rule), &[0, 1]), (vec![0, 1], false), "growing is no emergency");
            assert_eq!(chosen(&of([ok(), failed()]), (60, rule), &[0, 1]), (vec![0, 1], true), "in a real one");
            let (start, panics) = chosen(&of([unchecked.clone(), unchecked.clone()]), (30, rule), &[]);
            assert_eq!((start.len(), panics), (8, true), "a cold start serves");
        }
        let broken = Standing { circuit: CircuitState::Open, ..ok() };
        let (nobody_else, _) = chosen(&of([broken.clone(), broken]), (30, All), &[0, 1]);
        assert_eq!(nobody_else, [2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_panic_lets_nobody_in_whom_a_circuit_or_an_operator_keeps_out() {
        let mut standings = taken_out().to_vec();
        for rule in [All, None, LastGood] {
            let (chosen, panics) = chosen(&standings, (100, rule), &[0, 1, 2, 3]);
            assert_eq!((chosen, panics), (vec![], true));
        }
        standings.push(failed());
        assert_eq!(chosen(&standings, (100, All), &[]), (vec![4], true));
        assert_eq!(chosen(&standings, (100, LastGood), &[0, 4]), (vec![4], true));
        assert_eq!(chosen(&taken_out()[1..], (100, All), &[]), (vec![], false), "nobody is meant to serve");
        assert_eq!(chosen(&[], (100, All), &[]), (vec![], false));
    }

    proptest! {
        #[test]
        fn whatever_the_rule_only_the_admissible_are_chosen_and_without_a_panic_just_the_ready(
            bits in proptest::collection::vec(any::<u8>(), 0..12),
            below_percent in 0u8..=100,
            rule in 0usize..3,
            last_good in proptest::collection::vec(0u32..12, 0..12),
        ) {
            let standings: Vec<_> = bits.iter().map(|bits| Standing {
                checked: bits & 1 != 0,
                leaving: bits & 6 == 6,
                verdict: if bits & 8 == 0 { ok() } else { failed() }.verdict,
                circuit: [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open][usize::from(bits >> 4) % 3],
                admin: [AdminState::Enabled, AdminState::Draining, AdminState::Disabled][usize::from(bits >> 6) % 3],
                ..ok()
            }).collect();
            let (chosen, panics) = chosen(&standings, (below_percent, [All, None, LastGood][rule]), &last_good);
            prop_assert!(chosen.iter().all(|at| standings[*at].is_admissible()));
            if !panics {
                let ready = (0..standings.len()).filter(|at| standings[*at].is_ready()).collect::<Vec<_>>();
                prop_assert_eq!(chosen, ready);
            }
        }
    }

    #[test]
    fn a_part_of_a_weight_shows_and_the_proportions_stay() {
        let of = |members: &[(u16, f32)]| {
            let members: Vec<_> = members.iter().map(|(w, p)| (Weight::new(*w).unwrap(), part(*p))).collect();
            weights(&members.iter().map(|(weight, standing)| (*weight, standing)).collect::<Vec<_>>())
        };
        assert_eq!(of(&[(1, 1.0), (3, 1.0)]), [1, 3]);
        assert_eq!(of(&[(1, 0.1), (3, 1.0)]), [2, 60]);
        assert_eq!(of(&[(1, 0.0), (1, 1.0)]), [1, 20], "nobody has none");
        assert_eq!(of(&[(65535, 0.5), (65535, 1.0), (1, 1.0)]), [32767, 65535, 1]);
        assert_eq!(of(&[(1, 0.99), (1, 1.0)]), [1, 1], "less than a step is none");
    }

    #[test]
    fn who_is_let_in_by_a_panic_has_all_its_weight() {
        let failed = Standing { verdict: Verdict { effective_weight: 0.0, ..failed().verdict }, ..ok() };
        assert_eq!(weights(&[(Weight::ONE, &failed), (Weight::ONE, &ok())]), [1, 1]);
    }
}
