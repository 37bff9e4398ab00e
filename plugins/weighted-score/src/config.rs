//! The table in the configuration file, and what makes sense in it.

use serde::Deserialize;

/// The table in the configuration file; the crate's documentation has the ranges.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much the error rate counts.
    pub error_rate_weight: f64,
    /// How much the response time counts.
    pub response_time_weight: f64,
    /// How much the circuit counts.
    pub circuit_weight: f64,
    /// Up to this mean the response time is perfect.
    pub fast_ms: f64,
    /// From this mean on the response time is worth nothing.
    pub slow_ms: f64,
    /// From this error rate on the endpoint is degraded.
    pub degraded_error_rate: f64,
    /// With fewer requests in the window the error rate counts as 0.
    pub minimum_requests: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            error_rate_weight: 0.4,
            response_time_weight: 0.4,
            circuit_weight: 0.2,
            fast_ms: 100.0,
            slow_ms: 2_000.0,
            degraded_error_rate: 0.5,
            minimum_requests: 1,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), String> {
        let weights = [
            ("error_rate_weight", self.error_rate_weight),
            ("response_time_weight", self.response_time_weight),
            ("circuit_weight", self.circuit_weight),
        ];
        for (key, weight) in weights {
            if !(0.0..=1000.0).contains(&weight) {
                return Err(format!("{key} is {weight}; write a number from 0 to 1000"));
            }
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            return Err("all three weights are 0; make one of them larger".to_owned());
        }
        if !(self.fast_ms >= 0.0 && self.fast_ms < self.slow_ms && self.slow_ms.is_finite()) {
            let (fast, slow) = (self.fast_ms, self.slow_ms);
            return Err(format!("fast_ms is {fast} and slow_ms is {slow}; write 0 or more, and a larger slow_ms"));
        }
        if !(self.degraded_error_rate > 0.0 && self.degraded_error_rate <= 1.0) {
            let rate = self.degraded_error_rate;
            return Err(format!("degraded_error_rate is {rate}; write a share above 0 and up to 1, such as 0.5"));
        }
        Ok(())
    }
}
