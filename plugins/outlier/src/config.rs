//! The table in the configuration file, and what makes sense in it.

use serde::Deserialize;

/// The longest ejection: a day.
const LONGEST_MS: u64 = 86_400_000;

/// The table in the configuration file; the crate's documentation has the ranges.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// An endpoint with fewer requests in the window is neither judged nor compared with.
    pub minimum_requests: u32,
    /// How many standard deviations below the mean a success rate may be.
    pub success_rate_factor: f64,
    /// How far below the mean a success rate may be in any case.
    pub success_rate_slack: f64,
    /// With fewer endpoints that have enough requests, success rates are not compared.
    pub success_rate_minimum_hosts: u32,
    /// How many times the median of the others a response time may be.
    pub latency_factor: f64,
    /// With fewer endpoints that have enough requests, response times are not compared.
    pub latency_minimum_hosts: u32,
    /// The share of the cluster that may be ejected at once.
    pub max_ejected_share: f64,
    /// How long the first ejection is, and by how much each further one in a row is longer.
    pub base_ejection_ms: u64,
    /// How long an ejection is at most.
    pub max_ejection_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        // Envoy's, for requests, factor, hosts, share and times. Below 5 endpoints not even one that fails every request
        // deviates from the others by the factor: the largest possible deviation of one in n is √(n − 1), and √3 < 1.9.
        // A median of others means something from 2 others on.
        Self {
            minimum_requests: 100,
            success_rate_factor: 1.9,
            success_rate_slack: 0.05,
            success_rate_minimum_hosts: 5,
            latency_factor: 3.0,
            latency_minimum_hosts: 3,
            max_ejected_share: 0.1,
            base_ejection_ms: 30_000,
            max_ejection_ms: 300_000,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.minimum_requests == 0 {
            return Err("minimum_requests is 0; write how many requests are enough to judge by, such as 100".to_owned());
        }
        let hosts = [
            ("success_rate_minimum_hosts", self.success_rate_minimum_hosts, 5),
            ("latency_minimum_hosts", self.latency_minimum_hosts, 3),
        ];
        for (key, value, usual) in hosts {
            if value < 2 {
                return Err(format!("{key} is {value}; write 2 or more endpoints, such as {usual}"));
            }
        }
        let shares = [
            ("success_rate_slack", self.success_rate_slack, 0.001, 1.0),
            ("success_rate_factor", self.success_rate_factor, 0.1, 100.0),
            ("latency_factor", self.latency_factor, 1.1, 1000.0),
            ("max_ejected_share", self.max_ejected_share, 0.001, 1.0),
        ];
        for (key, value, least, most) in shares {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} is {value}; write a number from {least} to {most}"));
            }
        }
        let (base, longest) = (self.base_ejection_ms, self.max_ejection_ms);
        if base == 0 || base > longest || longest > LONGEST_MS {
            return Err(format!(
                "base_ejection_ms is {base} and max_ejection_ms is {longest}; write milliseconds from 1 to {LONGEST_MS}, \
                 and a max_ejection_ms that is not below base_ejection_ms"
            ));
        }
        Ok(())
    }
}
