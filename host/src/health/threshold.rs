//! The policy that is built in: it judges where a policy failed. By the rules of the `threshold` plugin, and by its numbers:
//! failed probes or failed requests in a row take an endpoint out, good probes in a row (or time, where there are no
//! probes) bring it back. Cannot fail.
//!
//! It goes on from how things are: an endpoint that is in the traffic when it is first seen is not taken out for what had
//! failed until then, which the policies let pass; one that is out for it stays out until it recovers.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{EndpointId, HealthState, Observations, Peers, Verdict};

/// The numbers that it goes by: the table of the `threshold` plugin.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
struct Numbers {
    rise: u32,
    fall: u32,
    failed_requests: u32,
    retry_after_ms: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        // The plugin's: rise and fall are HAProxy's, the requests and the time those of Envoy's outlier detection.
        Self { rise: 2, fall: 3, failed_requests: 5, retry_after_ms: 30_000 }
    }
}

/// The built-in policy, and what it remembers of each endpoint that it has seen.
#[derive(Debug, Default)]
pub(super) struct Threshold {
    numbers: Numbers,
    standings: BTreeMap<EndpointId, Standing>,
}

/// What is remembered of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// In the traffic. So many of its failed requests and probes in a row do not count: they took it out before, or were
    /// there before it was first seen.
    In { requests: u32, probes: u32 },
    /// Out of the traffic, for this cause. So many of its good probes in a row were made before it was taken out.
    Out { cause: &'static str, earlier_probes: u32 },
}

impl Threshold {
    /// One that goes by the configuration of a `threshold` plugin; by the plugin's own numbers where it says nothing, or
    /// is another plugin's that only bears the name.
    pub(super) fn of(config: &str) -> Self {
        let numbers: Numbers = serde_json::from_str(config).unwrap_or_default();
        // The plugin refuses 0 for these two.
        let numbers = Numbers { rise: numbers.rise.max(1), fall: numbers.fall.max(1), ..numbers };
        Self { numbers, standings: BTreeMap::new() }
    }

    /// Starts again from how things are.
    pub(super) fn restart(&mut self) {
        self.standings.clear();
    }

    /// What it makes of an endpoint, combined with the verdict before.
    pub(super) fn judge(&mut self, id: EndpointId, window: &Observations, before: Verdict) -> Verdict {
        let known = self.standings.get(&id).copied().unwrap_or_else(|| Standing::found(window));
        let now = known.after(window, &self.numbers);
        self.standings.insert(id, now);
        worse_of(before, now.verdict(window, &self.numbers))
    }

    /// Forgets the endpoints that are gone.
    pub(super) fn forget_all_but(&mut self, peers: &Peers) {
        self.standings.retain(|id, _| peers.binary_search_by_key(id, |(peer, _)| *peer).is_ok());
    }
}

impl Standing {
    /// How an endpoint stands that was not seen before.
    fn found(window: &Observations) -> Self {
        match window.state {
            // Whatever took it out: its rows count in full.
            HealthState::Failed => Self::In { requests: 0, probes: 0 },
            _ => Self::In { requests: window.consecutive_requests_failed, probes: window.consecutive_probes_failed },
        }
    }

    /// How it stands after this was seen of it.
    fn after(self, window: &Observations, numbers: &Numbers) -> Self {
        match self {
            Self::In { requests, probes } => {
                // A row shorter than the forgiven one is another row.
                let requests = if window.consecutive_requests_failed < requests { 0 } else { requests };
                let probes = if window.consecutive_probes_failed < probes { 0 } else { probes };
                let failed = window.consecutive_requests_failed - requests;
                if window.consecutive_probes_failed - probes >= numbers.fall {
                    Self::Out { cause: "probes", earlier_probes: 0 }
                } else if numbers.failed_requests > 0 && failed >= numbers.failed_requests {
                    Self::Out { cause: "requests", earlier_probes: window.consecutive_probes_ok }
                } else {
                    Self::In { requests, probes }
                }
            }
            Self::Out { cause, earlier_probes } => {
                let earlier_probes = if window.consecutive_probes_ok < earlier_probes { 0 } else { earlier_probes };
                let probed_well = window.consecutive_probes_ok - earlier_probes >= numbers.rise;
                let waited = window.state == HealthState::Failed && window.state_age_ms >= numbers.retry_after_ms;
                match probed_well || is_unprobed(window) && waited {
                    true => Self::In { requests: window.consecutive_requests_failed, probes: 0 },
                    false => Self::Out { cause, earlier_probes },
                }
            }
        }
    }

    fn verdict(self, window: &Observations, numbers: &Numbers) -> Verdict {
        let Numbers { rise, fall, retry_after_ms, .. } = numbers;
        match self {
            Self::Out { cause, earlier_probes } => {
                let return_when = match is_unprobed(window) {
                    true => format!("back after {retry_after_ms} ms"),
                    false => {
                        let good = window.consecutive_probes_ok.saturating_sub(earlier_probes);
                        format!("{good} of {rise} good probes since")
                    }
                };
                let reason = format!("taken out for failed {cause} in a row; {return_when}").into();
                Verdict { state: HealthState::Failed, score: 0.0, reason, ..Verdict::default() }
            }
            Self::In { probes, .. } if window.consecutive_probes_failed > probes => {
                let failed = window.consecutive_probes_failed - probes;
                let score = (1.0 - f64::from(failed) / f64::from(*fall)) as f32;
                let reason = format!("{failed} of {fall} failed probes in a row").into();
                Verdict { state: HealthState::Degraded, score, reason, ..Verdict::default() }
            }
            Self::In { .. } => Verdict::default(),
        }
    }
}

/// Whether the cluster has no active checks: not one probe was ever seen.
fn is_unprobed(window: &Observations) -> bool {
    let probes = [window.probes_ok, window.probes_failed];
    let in_a_row = [window.consecutive_probes_ok, window.consecutive_probes_failed];
    probes.iter().chain(&in_a_row).all(|count| *count == 0)
}

/// Both together, as the SDK combines two verdicts: the worse state with its reason, and the lower of each figure. Of two
/// equal states the one that leaves the endpoint less gives the reason.
fn worse_of(before: Verdict, own: Verdict) -> Verdict {
    let score = before.score.min(own.score);
    let effective_weight = before.effective_weight.min(own.effective_weight);
    let left = |verdict: &Verdict| verdict.score * verdict.effective_weight;
    let own_is_worse = own.state > before.state || own.state == before.state && left(&own) < left(&before);
    let (leading, second) = if own_is_worse { (own, before) } else { (before, own) };
    let reason = if leading.reason.is_empty() { second.reason } else { leading.reason };
    Verdict { state: leading.state, score, effective_weight, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: EndpointId = EndpointId(1);

    /// One that has seen an endpoint of which nothing bad was known.
    fn threshold(config: &str) -> Threshold {
        let mut threshold = Threshold::of(config);
        assert_eq!(state(&mut threshold, Observations::default()), HealthState::Healthy);
        threshold
    }

    /// The state after one more look.
    fn state(threshold: &mut Threshold, window: Observations) -> HealthState {
        threshold.judge(ID, &window, Verdict::default()).state
    }

    fn probed(ok: u32, failed: u32) -> Observations {
        Observations { consecutive_probes_ok: ok, consecutive_probes_failed: failed, ..Observations::default() }
    }

    fn seen(failed: u32, state: HealthState, state_age_ms: u64) -> Observations {
        Observations { consecutive_requests_failed: failed, state, state_age_ms, ..Observations::default() }
    }

    #[test]
    fn probes_take_an_endpoint_out_and_bring_it_back() {
        use HealthState::{Degraded, Failed, Healthy};
        let mut threshold = threshold("{}");
        let rows = [probed(9, 0), probed(0, 1), probed(0, 2), probed(0, 3), probed(1, 0), probed(2, 0)];
        let states = rows.map(|window| state(&mut threshold, window));
        assert_eq!(states, [Healthy, Degraded, Degraded, Failed, Failed, Healthy]);
    }

    #[test]
    fn without_probes_time_brings_it_back_and_the_row_is_forgiven() {
        let mut threshold = threshold("");
        assert_eq!(state(&mut threshold, seen(4, HealthState::Healthy, 0)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Healthy, 0)), HealthState::Failed);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, 29_999)), HealthState::Failed);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, 30_000)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(9, HealthState::Healthy, 0)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(10, HealthState::Healthy, 0)), HealthState::Failed);
    }

    #[test]
    fn it_goes_by_the_numbers_of_a_threshold_plugin() {
        use HealthState::{Failed, Healthy};
        let mut lenient = threshold(r#"{"rise": 1, "fall": 20, "failed_requests": 0}"#);
        assert_eq!(state(&mut lenient, seen(u32::MAX, Healthy, 0)), Healthy);
        let states = [probed(0, 20), probed(1, 0)].map(|window| state(&mut lenient, window));
        assert_eq!(states, [Failed, Healthy]);
        let mut strict = threshold(r#"{"failed_requests": 1, "retry_after_ms": 7}"#);
        assert_eq!(state(&mut strict, seen(1, Healthy, 0)), Failed);
        assert_eq!([6, 7].map(|age| state(&mut strict, seen(1, Failed, age))), [Failed, Healthy]);
    }

    #[test]
    fn rows_from_before_it_took_over_do_not_count() {
        use HealthState::{Degraded, Failed, Healthy};
        let mut requests = Threshold::default();
        let states = [7, 11, 12].map(|failed| state(&mut requests, seen(failed, Healthy, 0)));
        assert_eq!(states, [Healthy, Healthy, Failed]);
        let mut probes = Threshold::default();
        let states = [4, 4, 5, 7].map(|failed| state(&mut probes, probed(0, failed)));
        assert_eq!(states, [Healthy, Healthy, Degraded, Failed]);
        probes.restart();
        assert_eq!(state(&mut probes, probed(0, 7)), Healthy);
    }

    #[test]
    fn who_is_out_when_it_takes_over_stays_out() {
        let mut threshold = Threshold::default();
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, 29_999)), HealthState::Failed);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, 30_000)), HealthState::Healthy);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut threshold = threshold("{}");
        threshold.forget_all_but(&[(ID, Observations::default())]);
        assert_eq!(threshold.standings.len(), 1);
        threshold.forget_all_but(&[]);
        assert!(threshold.standings.is_empty());
    }

    #[test]
    fn a_verdict_before_is_never_improved() {
        let before = Verdict { state: HealthState::Failed, score: 0.5, effective_weight: 0.2, reason: "before".into() };
        let mut threshold = threshold("{}");
        assert_eq!(threshold.judge(ID, &Observations::default(), before.clone()), before);
        let warming = Verdict { effective_weight: 0.2, reason: "warms up".into(), ..Verdict::default() };
        let both = threshold.judge(ID, &probed(0, 3), warming);
        assert_eq!((both.state, both.score, both.effective_weight), (HealthState::Failed, 0.0, 0.2));
        assert!(both.reason.starts_with("taken out for failed probes"), "{}", both.reason);
    }
}
