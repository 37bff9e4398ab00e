//! The table in the configuration file, and what makes sense in it.

use leverframe_sdk::Endpoint;
use serde::Deserialize;

/// The table in the configuration file; the crate's documentation has the ranges.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Good probes in a row that bring an endpoint back.
    pub rise: u32,
    /// Failed probes in a row that take an endpoint out.
    pub fall: u32,
    /// Failed requests in a row that take an endpoint out; 0 for never.
    pub failed_requests: u32,
    /// How long an endpoint that is not probed stays out.
    pub retry_after_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        // Rise and fall are those of HAProxy. Five requests are what Envoy takes for `consecutive_5xx`, and 30 seconds
        // what it takes for the first ejection.
        Self { rise: 2, fall: 3, failed_requests: 5, retry_after_ms: 30_000 }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.rise == 0 {
            return Err("rise is 0; write how many good probes in a row bring an endpoint back, such as 2".to_owned());
        }
        if self.fall == 0 {
            return Err("fall is 0; write how many failed probes in a row take an endpoint out, such as 3".to_owned());
        }
        Ok(())
    }

    /// What holds for one endpoint: its labels go first. A label that is no number of its range says nothing.
    pub(crate) fn of(&self, endpoint: &Endpoint) -> Self {
        let label = |key: &str| {
            let labels = endpoint.labels.iter();
            labels
                .filter_map(|(name, value)| Some((name.strip_prefix("threshold.")?, value)))
                .find(|(name, _)| *name == key)
        };
        let number = |key: &str| label(key).and_then(|(_, value)| value.parse::<u32>().ok());
        Self {
            rise: number("rise").filter(|rise| *rise > 0).unwrap_or(self.rise),
            fall: number("fall").filter(|fall| *fall > 0).unwrap_or(self.fall),
            failed_requests: number("failed_requests").unwrap_or(self.failed_requests),
            retry_after_ms: number("retry_after_ms").map_or(self.retry_after_ms, u64::from),
        }
    }
}
