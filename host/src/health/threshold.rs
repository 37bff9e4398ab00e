//! The policy that is built in: it judges where a policy failed. By the rules and numbers of the `threshold` plugin: failed
//! probes or failed requests in a row take an endpoint out, good probes in a row (or time, where there are no probes)
//! bring it back. Has no configuration and cannot fail.

use std::collections::BTreeMap;

use crate::model::{EndpointId, HealthState, Observations, Peers, Verdict};

/// Good probes in a row that bring an endpoint back.
const RISE: u32 = 2;
/// Failed probes in a row that take it out. Both are HAProxy's numbers.
const FALL: u32 = 3;
/// Failed requests in a row that take it out: Envoy's `consecutive_5xx`.
const FAILED_REQUESTS: u32 = 5;
/// Milliseconds after which an endpoint without probes comes back: Envoy's first ejection.
const RETRY_AFTER_MS: u64 = 30_000;

/// What is remembered of each endpoint; of one that is not in here nothing bad is known.
#[derive(Debug, Default)]
pub(super) struct Threshold {
    standings: BTreeMap<EndpointId, Standing>,
}

/// What is remembered of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// In the traffic. So many of its failed requests in a row took it out before and do not count again.
    In { forgiven: u32 },
    /// Out of the traffic, for this cause. So many of its good probes in a row were made before it was taken out.
    Out { cause: &'static str, earlier_probes: u32 },
}

impl Threshold {
    /// What it makes of an endpoint, combined with the verdict before.
    pub(super) fn judge(&mut self, id: EndpointId, window: &Observations, before: Verdict) -> Verdict {
        let nothing = Standing::In { forgiven: 0 };
        let now = self.standings.get(&id).copied().unwrap_or(nothing).after(window);
        match now == nothing {
            true => self.standings.remove(&id),
            false => self.standings.insert(id, now),
        };
        worse_of(before, now.verdict(window))
    }

    /// Forgets the endpoints that are gone.
    pub(super) fn forget_all_but(&mut self, peers: &Peers) {
        self.standings.retain(|id, _| peers.binary_search_by_key(id, |(peer, _)| *peer).is_ok());
    }
}

impl Standing {
    /// How it stands after this was seen of it.
    fn after(self, window: &Observations) -> Self {
        match self {
            Self::In { forgiven } => {
                // A row shorter than the forgiven one is another row.
                let forgiven = if window.consecutive_requests_failed < forgiven { 0 } else { forgiven };
                if window.consecutive_probes_failed >= FALL {
                    Self::Out { cause: "probes", earlier_probes: 0 }
                } else if window.consecutive_requests_failed - forgiven >= FAILED_REQUESTS {
                    Self::Out { cause: "requests", earlier_probes: window.consecutive_probes_ok }
                } else {
                    Self::In { forgiven }
                }
            }
            Self::Out { cause, earlier_probes } => {
                let earlier_probes = if window.consecutive_probes_ok < earlier_probes { 0 } else { earlier_probes };
                let probed_well = window.consecutive_probes_ok - earlier_probes >= RISE;
                let waited = window.state == HealthState::Failed && window.state_age_ms >= RETRY_AFTER_MS;
                match probed_well || is_unprobed(window) && waited {
                    true => Self::In { forgiven: window.consecutive_requests_failed },
                    false => Self::Out { cause, earlier_probes },
                }
            }
        }
    }

    fn verdict(self, window: &Observations) -> Verdict {
        let failed = window.consecutive_probes_failed;
        match self {
            Self::Out { cause, earlier_probes } => {
                let return_when = match is_unprobed(window) {
                    true => format!("back after {RETRY_AFTER_MS} ms"),
                    false => {
                        let good = window.consecutive_probes_ok.saturating_sub(earlier_probes);
                        format!("{good} of {RISE} good probes since")
                    }
                };
                let reason = format!("taken out for failed {cause} in a row; {return_when}").into();
                Verdict { state: HealthState::Failed, score: 0.0, reason, ..Verdict::default() }
            }
            Self::In { .. } if failed > 0 => {
                let score = (1.0 - f64::from(failed) / f64::from(FALL)) as f32;
                let reason = format!("{failed} of {FALL} failed probes in a row").into();
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

    /// The state after one more look.
    fn state(threshold: &mut Threshold, window: Observations) -> HealthState {
        threshold.judge(ID, &window, Verdict::default()).state
    }

    #[test]
    fn probes_take_an_endpoint_out_and_bring_it_back() {
        use HealthState::{Degraded, Failed, Healthy};
        let probed = |ok, failed| Observations {
            consecutive_probes_ok: ok,
            consecutive_probes_failed: failed,
            ..Observations::default()
        };
        let mut threshold = Threshold::default();
        let rows = [probed(9, 0), probed(0, 1), probed(0, 2), probed(0, 3), probed(1, 0), probed(2, 0)];
        let states = rows.map(|window| state(&mut threshold, window));
        assert_eq!(states, [Healthy, Degraded, Degraded, Failed, Failed, Healthy]);
    }

    #[test]
    fn without_probes_time_brings_it_back_and_the_row_is_forgiven() {
        let seen = |failed, state, state_age_ms| Observations {
            consecutive_requests_failed: failed,
            state,
            state_age_ms,
            ..Observations::default()
        };
        let mut threshold = Threshold::default();
        assert_eq!(state(&mut threshold, seen(4, HealthState::Healthy, 0)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Healthy, 0)), HealthState::Failed);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, RETRY_AFTER_MS - 1)), HealthState::Failed);
        assert_eq!(state(&mut threshold, seen(5, HealthState::Failed, RETRY_AFTER_MS)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(9, HealthState::Healthy, 0)), HealthState::Healthy);
        assert_eq!(state(&mut threshold, seen(10, HealthState::Healthy, 0)), HealthState::Failed);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut threshold = Threshold::default();
        state(&mut threshold, Observations { consecutive_probes_failed: 3, ..Observations::default() });
        threshold.forget_all_but(&[(ID, Observations::default())]);
        assert_eq!(threshold.standings.len(), 1);
        threshold.forget_all_but(&[]);
        assert!(threshold.standings.is_empty());
    }

    #[test]
    fn a_verdict_before_is_never_improved() {
        let before = Verdict { state: HealthState::Failed, score: 0.5, effective_weight: 0.2, reason: "before".into() };
        let mut threshold = Threshold::default();
        assert_eq!(threshold.judge(ID, &Observations::default(), before.clone()), before);
        let warming = Verdict { effective_weight: 0.2, reason: "warms up".into(), ..Verdict::default() };
        let failing = Observations { consecutive_probes_failed: 3, ..Observations::default() };
        let both = threshold.judge(ID, &failing, warming);
        assert_eq!((both.state, both.score, both.effective_weight), (HealthState::Failed, 0.0, 0.2));
        assert!(both.reason.starts_with("taken out for failed probes"), "{}", both.reason);
    }
}
