//! The table in the configuration file, and what makes sense in it.

use serde::Deserialize;

/// The longest ramp: a day.
const LONGEST_MS: u64 = 86_400_000;

/// The table in the configuration file; the crate's documentation has the ranges.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long the ramp takes.
    pub window_ms: u64,
    /// The share of its weight that an endpoint begins with.
    pub min_weight: f64,
    /// How fast the ramp rises at its start.
    pub aggression: f64,
}

impl Default for Config {
    fn default() -> Self {
        // `min_weight_percent` and `aggression` are Envoy's; Envoy has no default window.
        Self { window_ms: 30_000, min_weight: 0.1, aggression: 1.0 }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { window_ms, min_weight, aggression } = *self;
        if !(1..=LONGEST_MS).contains(&window_ms) {
            return Err(format!("window_ms is {window_ms}; write milliseconds from 1 to {LONGEST_MS}"));
        }
        if !(min_weight > 0.0 && min_weight <= 1.0) {
            return Err(format!("min_weight is {min_weight}; write a share above 0 and up to 1, such as 0.1"));
        }
        if !(0.01..=100.0).contains(&aggression) {
            return Err(format!("aggression is {aggression}; write a number from 0.01 to 100, such as 1"));
        }
        Ok(())
    }
}
