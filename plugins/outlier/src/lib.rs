//! Outlier: ejects the endpoints that fail more or answer slower than the cluster as a whole.
//!
//! An endpoint is ejected for a while when its success rate is below the mean of the cluster by more than
//! `success_rate_factor` standard deviations, or when its mean response time is above `latency_factor` times the median
//! of the others'. Endpoints with too few requests, and those that are out, are neither judged nor compared with. The
//! rules and most defaults are those of Envoy's outlier detection.
//!
//! Configuration, all of it optional:
//!
//! - `minimum_requests`: requests in the window that an endpoint must have: 1 to 4,294,967,295; 100 by default.
//! - `success_rate_factor`: standard deviations: 0.1 to 100; 1.9 by default.
//! - `success_rate_slack`: how far below the mean a success rate may be in any case, as a share of the requests: 0.001
//!   to 1; 0.05 by default. Without it one failed request would be an outlier where the others have none.
//! - `success_rate_minimum_hosts`: endpoints with enough requests that it takes: from 2; 5 by default. Fewer than 5 can
//!   not deviate by 1.9: one of n deviates by √(n − 1) at most.
//! - `latency_factor`: times the median: 1.1 to 1000; 3 by default.
//! - `latency_minimum_hosts`: endpoints with enough requests that it takes: from 2; 3 by default.
//! - `max_ejected_share`: the share of all endpoints that may be out at once, rounded down, but one in any case: 0.001 to
//!   1; 0.1 by default.
//! - `base_ejection_ms`: milliseconds of the first ejection; the second in a row is twice as long, and so on: 1 to
//!   86,400,000; 30,000 by default. An ejection is never shorter than the window, and every such time without another
//!   takes one off the row.
//! - `max_ejection_ms`: milliseconds of the longest ejection: `base_ejection_ms` to 86,400,000; 300,000 by default.
//!
//! Counter: `ejections`. The score is 0 while an endpoint is out, else 1. Ejections go over to the next version.

mod config;
mod distribution;
mod ejection;
mod policy;

pub use config::Config;

use leverframe_sdk::host::Runtime;
use leverframe_sdk::{Endpoint, HealthPolicy, Observations, PolicyHost, Verdict};

use crate::policy::{Ejections, Judgement};

/// The policy.
#[derive(Clone, Debug)]
pub struct Outlier {
    ejections: Ejections,
}

impl HealthPolicy for Outlier {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { ejections: Ejections::new(config) })
    }

    fn judge(
        &mut self,
        host: &impl PolicyHost,
        endpoint: &Endpoint,
        window: &Observations,
        before: Verdict,
    ) -> Verdict {
        match self.ejections.judge(endpoint.id, window, host.peers()) {
            Judgement::Sound => before.worst_of(Verdict::healthy()),
            Judgement::StillOut(own) => before.worst_of(own),
            Judgement::Ejected(own) => {
                host.runtime().counter("ejections", 1);
                before.worst_of(own)
            }
        }
    }

    fn export_state(&self) -> Vec<u8> {
        self.ejections.export()
    }

    fn import_state(&mut self, _from_version: &str, bytes: &[u8]) -> Result<(), String> {
        self.ejections.import(bytes)
    }
}

leverframe_sdk::export!(policy: Outlier);

#[cfg(test)]
mod tests;
