//! What was seen of an endpoint, made by hand or by chance.

use crate::hash::mix;
use crate::{Circuit, HealthState, Observations};

/// The window of an endpoint that just joined and of which nothing was seen.
#[must_use]
pub const fn unseen() -> Observations {
    Observations {
        window_ms: 10_000,
        probes_ok: 0,
        probes_failed: 0,
        consecutive_probes_ok: 0,
        consecutive_probes_failed: 0,
        requests_ok: 0,
        requests_failed: 0,
        consecutive_requests_failed: 0,
        latency_mean_us: 0,
        latency_p99_us: 0,
        circuit: Circuit::Closed,
        state: HealthState::Healthy,
        age_ms: 0,
        state_age_ms: 0,
    }
}

/// Any window at all, the same for the same seed, for tests of what must hold for every one: figures of all sizes with
/// the ends of their ranges, and also those that contradict each other.
#[must_use]
pub fn any_window(seed: u64) -> Observations {
    let mut state = mix(seed);
    let mut number = || {
        state = mix(state);
        state
    };
    let circuit = match number() % 3 {
        0 => Circuit::Closed,
        1 => Circuit::HalfOpen,
        _ => Circuit::Open,
    };
    let health = match number() % 4 {
        0 => HealthState::Healthy,
        1 => HealthState::Degraded,
        2 => HealthState::Failed,
        _ => HealthState::Recovering,
    };
    let mut figure = || {
        let (size, value) = (number() % 6, number());
        match size {
            0 => 0,
            1 => u32::MAX,
            2 => (value % 10) as u32,
            3 => (value % 1_000) as u32,
            4 => (value % 1_000_000) as u32,
            _ => value as u32,
        }
    };
    Observations {
        window_ms: figure(),
        probes_ok: figure(),
        probes_failed: figure(),
        consecutive_probes_ok: figure(),
        consecutive_probes_failed: figure(),
        requests_ok: figure(),
        requests_failed: figure(),
        consecutive_requests_failed: figure(),
        latency_mean_us: figure(),
        latency_p99_us: figure(),
        circuit,
        state: health,
        age_ms: u64::from(figure()) * u64::from(figure()),
        state_age_ms: u64::from(figure()),
    }
}
