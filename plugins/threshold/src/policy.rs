//! How an endpoint stands, and how what was seen of it changes that. Pure: a standing goes in, a standing comes out.

use leverframe_sdk::{HealthState, Observations, Verdict};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What is remembered of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Standing {
    /// In the traffic. So many of its failed requests in a row took it out before and do not count again.
    In { forgiven: u32 },
    /// Out of the traffic. So many of its good probes in a row were made before it was taken out.
    Out { cause: Cause, earlier_probes: u32 },
}

/// What took it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Probes,
    Requests,
}

impl Default for Standing {
    fn default() -> Self {
        Self::In { forgiven: 0 }
    }
}

impl Standing {
    /// How it stands after this was seen of it.
    pub(crate) fn after(self, window: &Observations, config: &Config) -> Self {
        match self {
            Self::In { forgiven } => {
                // A row shorter than the forgiven one is another row.
                let forgiven = if window.consecutive_requests_failed < forgiven { 0 } else { forgiven };
                let requests = window.consecutive_requests_failed - forgiven;
                if window.consecutive_probes_failed >= config.fall {
                    Self::Out { cause: Cause::Probes, earlier_probes: 0 }
                } else if config.failed_requests > 0 && requests >= config.failed_requests {
                    Self::Out { cause: Cause::Requests, earlier_probes: window.consecutive_probes_ok }
                } else {
                    Self::In { forgiven }
                }
            }
            Self::Out { cause, earlier_probes } => {
                let earlier_probes = if window.consecutive_probes_ok < earlier_probes { 0 } else { earlier_probes };
                let probed_well = window.consecutive_probes_ok - earlier_probes >= config.rise;
                let waited = window.state == HealthState::Failed && window.state_age_ms >= config.retry_after_ms;
                if probed_well || is_unprobed(window) && waited {
                    Self::In { forgiven: window.consecutive_requests_failed }
                } else {
                    Self::Out { cause, earlier_probes }
                }
            }
        }
    }

    /// Whether it is different from that of an unknown endpoint.
    pub(crate) fn matters(&self) -> bool {
        *self != Self::default()
    }

    /// What it means.
    pub(crate) fn verdict(self, window: &Observations, config: &Config) -> Verdict {
        let failed_probes = window.consecutive_probes_failed;
        match self {
            Self::Out { cause, earlier_probes } => {
                let cause = match cause {
                    Cause::Probes => "probes",
                    Cause::Requests => "requests",
                };
                let return_when = if is_unprobed(window) {
                    format!("back after {} ms", config.retry_after_ms)
                } else {
                    let good = window.consecutive_probes_ok.saturating_sub(earlier_probes);
                    format!("{good} of {} good probes since", config.rise)
                };
                let reason = format!("taken out for failed {cause} in a row; {return_when}");
                Verdict { state: HealthState::Failed, score: 0.0, effective_weight: 1.0, reason }
            }
            Self::In { .. } if failed_probes > 0 => {
                let left = 1.0 - f64::from(failed_probes) / f64::from(config.fall);
                let reason = format!("{failed_probes} of {} failed probes in a row", config.fall);
                Verdict { state: HealthState::Degraded, score: left as f32, effective_weight: 1.0, reason }
            }
            Self::In { .. } => Verdict::healthy(),
        }
    }
}

/// Whether the cluster has no active checks: not one probe was ever seen.
const fn is_unprobed(window: &Observations) -> bool {
    window.probes_ok == 0
        && window.probes_failed == 0
        && window.consecutive_probes_ok == 0
        && window.consecutive_probes_failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::unseen;

    fn seen(good: u32, failed: u32, requests_failed: u32) -> Observations {
        Observations {
            consecutive_probes_ok: good,
            consecutive_probes_failed: failed,
            consecutive_requests_failed: requests_failed,
            ..unseen()
        }
    }

    #[test]
    fn both_rules_at_once_are_forgiven_at_once() {
        let config = Config::default();
        let out = Standing::default().after(&seen(0, 3, 7), &config);
        assert_eq!(out, Standing::Out { cause: Cause::Probes, earlier_probes: 0 });
        let back = out.after(&seen(2, 0, 7), &config);
        assert_eq!(back, Standing::In { forgiven: 7 });
        assert_eq!(back.after(&seen(3, 0, 7), &config), back);
        assert_eq!(back.after(&seen(3, 0, 0), &config), Standing::default());
    }

    #[test]
    fn a_broken_row_of_probes_starts_again() {
        let config = Config::default();
        let out = Standing::Out { cause: Cause::Requests, earlier_probes: 10 };
        let broken = out.after(&seen(0, 1, 5), &config);
        assert_eq!(broken, Standing::Out { cause: Cause::Requests, earlier_probes: 0 });
        assert_eq!(broken.after(&seen(2, 0, 5), &config), Standing::In { forgiven: 5 });
    }

    #[test]
    fn requests_can_be_left_out() {
        let config = Config { failed_requests: 0, ..Config::default() };
        let standing = Standing::default().after(&seen(0, 0, u32::MAX), &config);
        assert_eq!(standing, Standing::default());
    }

    #[test]
    fn the_reasons_are_for_operators() {
        let config = Config::default();
        let reason = |standing: Standing, window| standing.verdict(&window, &config).reason;
        assert_eq!(reason(Standing::default(), seen(0, 2, 0)), "2 of 3 failed probes in a row");
        let out = |cause| Standing::Out { cause, earlier_probes: 4 };
        assert_eq!(
            reason(out(Cause::Requests), seen(5, 0, 5)),
            "taken out for failed requests in a row; 1 of 2 good probes since"
        );
        assert_eq!(reason(out(Cause::Probes), unseen()), "taken out for failed probes in a row; back after 30000 ms");
        assert_eq!(reason(Standing::default(), seen(9, 0, 0)), "");
    }
}
