//! Where an endpoint is on its ramp. The clock is the endpoint's own age, which is the same for every version.

use leverframe_sdk::host::Peers;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What is remembered of an endpoint. Nothing is remembered of one that gets all of its weight and is older than the
/// window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Phase {
    /// It is out, or on trial, as its state says.
    Out,
    /// Its circuit keeps it out, or has it on trial, whatever its state.
    Tripped,
    /// It gets more and more, from this age on.
    Ramp { from_age_ms: u64 },
    /// It came with the whole cluster and gets everything at once.
    Spared,
}

/// What there is to see of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    /// Whether it is failed or recovering.
    pub(crate) out: bool,
    /// Whether its circuit is open or half-open: a few trials are no recovery yet.
    pub(crate) tripped: bool,
    pub(crate) age_ms: u64,
    /// Since its present state began.
    pub(crate) state_age_ms: u64,
}

impl Phase {
    /// The phase after this sight. The peers are asked only where a ramp begins.
    pub(crate) fn after(known: Option<Self>, sight: &Sight, config: &Config, peers: &impl Peers) -> Option<Self> {
        let begin = |from_age_ms| {
            let anyone_warm = peers.all().iter().any(|(_, window)| window.age_ms >= config.window_ms);
            if anyone_warm { Self::Ramp { from_age_ms } } else { Self::Spared }
        };
        let phase = match known {
            _ if sight.out => return Some(Self::Out),
            _ if sight.tripped => return Some(Self::Tripped),
            // The age of a circuit is not told: it is closed since just now.
            Some(Self::Tripped) => begin(sight.age_ms),
            Some(Self::Out) => begin(sight.age_ms.saturating_sub(sight.state_age_ms)),
            Some(phase) => phase,
            None if sight.age_ms < config.window_ms => begin(0),
            None => return None,
        };
        let is_over = match phase {
            Self::Out | Self::Tripped => false,
            Self::Ramp { from_age_ms } => sight.age_ms.saturating_sub(from_age_ms) >= config.window_ms,
            Self::Spared => sight.age_ms >= config.window_ms,
        };
        Some(phase).filter(|_| !is_over)
    }

    /// The share of its weight that an endpoint of this age gets.
    pub(crate) fn share(phase: Option<Self>, age_ms: u64, config: &Config) -> f64 {
        match phase {
            None | Some(Self::Spared) => 1.0,
            Some(Self::Out | Self::Tripped) => config.min_weight,
            Some(Self::Ramp { from_age_ms }) => {
                let time = age_ms.saturating_sub(from_age_ms) as f64 / config.window_ms as f64;
                time.powf(1.0 / config.aggression).clamp(config.min_weight, 1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::Observations;
    use leverframe_sdk::testing::{FakeHost, unseen};

    fn aged(ages: &[u64]) -> FakeHost {
        let mut host = FakeHost::default();
        host.peers = (1..).zip(ages).map(|(id, age)| (id, Observations { age_ms: *age, ..unseen() })).collect();
        host
    }

    fn seen(out: bool, age_ms: u64, state_age_ms: u64) -> Sight {
        Sight { out, tripped: false, age_ms, state_age_ms }
    }

    #[test]
    fn the_formula_is_that_of_envoy() {
        let at = |aggression, age_ms| {
            let config = Config { aggression, ..Config::default() };
            Phase::share(Some(Phase::Ramp { from_age_ms: 1_000 }), age_ms, &config)
        };
        assert_eq!([at(1.0, 1_000), at(1.0, 16_000), at(1.0, 31_000)], [0.1, 0.5, 1.0]);
        assert_eq!([at(2.0, 8_500), at(0.5, 16_000)], [0.5, 0.25]);
        assert_eq!([at(0.01, 900), at(100.0, u64::MAX)], [0.1, 1.0]);
    }

    #[test]
    fn a_ramp_begins_where_someone_is_warm() {
        let config = Config::default();
        let after = |known, sight, ages: &[u64]| Phase::after(known, &sight, &config, &aged(ages));
        let from_start = Some(Phase::Ramp { from_age_ms: 0 });
        assert_eq!(after(None, seen(false, 10, 10), &[10, 30_000]), from_start);
        assert_eq!(after(None, seen(false, 10, 10), &[10, 29_999]), Some(Phase::Spared));
        assert_eq!(after(None, seen(false, 30_000, 10), &[30_000]), None, "nobody saw it out");
        let back = Some(Phase::Ramp { from_age_ms: 89_000 });
        assert_eq!(after(Some(Phase::Out), seen(false, 90_000, 1_000), &[90_000, 90_000]), back);
        assert_eq!(after(back, seen(false, 118_999, 1), &[]), back);
        assert_eq!(after(back, seen(false, 119_000, 1), &[]), None);
        assert_eq!(after(back, seen(true, 100_000, 1), &[]), Some(Phase::Out));
        assert_eq!(after(Some(Phase::Spared), seen(false, 29_999, 1), &[90_000]), Some(Phase::Spared));
        assert_eq!(after(Some(Phase::Spared), seen(false, 30_000, 1), &[90_000]), None);
    }

    #[test]
    fn a_ramp_begins_when_both_the_state_and_the_circuit_are_back() {
        let config = Config::default();
        let after = |known, out, tripped, age_ms| {
            let sight = Sight { out, tripped, age_ms, state_age_ms: 1_000 };
            Phase::after(known, &sight, &config, &aged(&[90_000]))
        };
        let ramp = |from_age_ms| Some(Phase::Ramp { from_age_ms });
        assert_eq!(after(None, false, true, 90_000), Some(Phase::Tripped));
        assert_eq!(after(Some(Phase::Tripped), true, true, 90_000), Some(Phase::Out));
        assert_eq!(after(Some(Phase::Out), false, true, 90_000), Some(Phase::Tripped));
        assert_eq!(after(Some(Phase::Tripped), false, false, 90_000), ramp(90_000), "the circuit was the last");
        assert_eq!(after(Some(Phase::Tripped), true, false, 90_000), Some(Phase::Out));
        assert_eq!(after(Some(Phase::Out), false, false, 90_000), ramp(89_000), "the state was the last");
    }
}
