//! The score and the state, from one window. Pure.

use leverframe_sdk::{Circuit, HealthState, Observations, Verdict};

use crate::config::Config;

/// What this policy alone makes of an endpoint.
pub(crate) fn verdict(window: &Observations, config: &Config) -> Verdict {
    let errors = error_rate(window, config.minimum_requests);
    let mean_ms = f64::from(window.latency_mean_us) / 1_000.0;
    let (circuit_part, circuit) = match window.circuit {
        Circuit::Closed => (1.0, "closed"),
        Circuit::HalfOpen => (0.5, "half-open"),
        Circuit::Open => (0.0, "open"),
    };
    let parts = [
        (config.error_rate_weight, 1.0 - errors),
        (config.response_time_weight, speed(mean_ms, config)),
        (config.circuit_weight, circuit_part),
    ];
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let score: f64 = parts.iter().map(|(weight, part)| weight * part).sum::<f64>() / total;
    let state = match window.circuit {
        Circuit::Open => HealthState::Failed,
        Circuit::HalfOpen => HealthState::Recovering,
        Circuit::Closed if errors >= config.degraded_error_rate => HealthState::Degraded,
        Circuit::Closed => HealthState::Healthy,
    };
    let reason = format!("error rate {:.1} %, mean {mean_ms:.0} ms, circuit {circuit}", errors * 100.0);
    Verdict { state, score: score as f32, effective_weight: 1.0, reason }
}

/// The share of failed requests, from 0 to 1.
fn error_rate(window: &Observations, minimum_requests: u32) -> f64 {
    let failed = f64::from(window.requests_failed);
    let all = failed + f64::from(window.requests_ok);
    if all < f64::from(minimum_requests.max(1)) { 0.0 } else { failed / all }
}

/// What the response time is worth, from 0 to 1.
fn speed(mean_ms: f64, config: &Config) -> f64 {
    ((config.slow_ms - mean_ms) / (config.slow_ms - config.fast_ms)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::unseen;

    fn seen(ok: u32, failed: u32, mean_ms: u32, circuit: Circuit) -> Observations {
        Observations { requests_ok: ok, requests_failed: failed, latency_mean_us: mean_ms * 1_000, circuit, ..unseen() }
    }

    #[test]
    fn the_parts_add_up_as_the_formula_says() {
        let cases = [
            (seen(0, 0, 0, Circuit::Closed), 1.0, HealthState::Healthy),
            (seen(100, 0, 100, Circuit::Closed), 1.0, HealthState::Healthy),
            (seen(100, 0, 2_000, Circuit::Closed), 0.6, HealthState::Healthy),
            (seen(100, 0, 1_050, Circuit::Closed), 0.8, HealthState::Healthy),
            (seen(51, 49, 50, Circuit::Closed), 0.804, HealthState::Healthy),
            (seen(50, 50, 50, Circuit::Closed), 0.8, HealthState::Degraded),
            (seen(0, 9, 50, Circuit::Closed), 0.6, HealthState::Degraded),
            (seen(0, 9, 50, Circuit::HalfOpen), 0.5, HealthState::Recovering),
            (seen(9, 0, 50, Circuit::Open), 0.8, HealthState::Failed),
            (seen(0, 9, 5_000, Circuit::Open), 0.0, HealthState::Failed),
        ];
        for (window, score, state) in cases {
            let verdict = verdict(&window, &Config::default());
            assert!((verdict.score - score).abs() < 1e-6, "{window:?}: {}", verdict.score);
            assert_eq!(verdict.state, state, "{window:?}");
        }
    }

    #[test]
    fn the_weights_are_relative() {
        let config =
            Config { error_rate_weight: 3.0, response_time_weight: 0.0, circuit_weight: 1.0, ..Config::default() };
        let verdict = verdict(&seen(50, 50, 9_000, Circuit::Closed), &config);
        assert!((verdict.score - 0.625).abs() < 1e-6, "{}", verdict.score);
    }

    #[test]
    fn few_requests_say_nothing_about_errors() {
        let config = Config { minimum_requests: 10, ..Config::default() };
        assert_eq!(verdict(&seen(0, 9, 0, Circuit::Closed), &config).score, 1.0);
        assert_eq!(verdict(&seen(0, 10, 0, Circuit::Closed), &config).state, HealthState::Degraded);
        let config = Config { minimum_requests: 0, ..Config::default() };
        assert_eq!(verdict(&unseen(), &config).score, 1.0, "and none are no error");
    }

    #[test]
    fn more_errors_and_slower_answers_never_score_higher() {
        for circuit in [Circuit::Closed, Circuit::HalfOpen, Circuit::Open] {
            let by_errors = (0..=1_000).map(|failed| seen(1_000 - failed, failed, 300, circuit));
            let by_time = (0..=2_500).map(|mean_ms| seen(9, 1, mean_ms, circuit));
            let falls = |windows: Vec<Observations>| {
                windows.iter().map(|window| verdict(window, &Config::default()).score).is_sorted_by(|a, b| a >= b)
            };
            assert!(falls(by_errors.collect()) && falls(by_time.collect()));
        }
    }

    #[test]
    fn the_reason_has_the_figures() {
        let reason = verdict(&seen(7, 1, 340, Circuit::HalfOpen), &Config::default()).reason;
        assert_eq!(reason, "error rate 12.5 %, mean 340 ms, circuit half-open");
    }
}
