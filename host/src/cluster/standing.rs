//! How an endpoint stands: what its policies, its circuit and its operators say of it, in one value, so that what is shown
//! and what is chosen from never disagree.

use std::time::Instant;

use crate::model::{AdminState, CircuitState, EndpointState, HealthState, Reported, Verdict, Weight};

/// How an endpoint stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What the cluster's policies say.
    pub verdict: Verdict,
    /// Since when that verdict has had its state.
    pub since: Instant,
    /// Its circuit.
    pub circuit: CircuitState,
    /// What an operator asked for.
    pub admin: AdminState,
    /// The weight that an operator gave it, in place of its source's.
    pub weight: Option<Weight>,
    /// What its source says of it.
    pub reported: Reported,
    /// No source names it any more: it finishes what it has.
    pub leaving: bool,
    /// It has passed a check, or need not.
    pub checked: bool,
}

/// What the control side found out about an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What the cluster's policies say.
    pub verdict: Verdict,
    /// Its circuit.
    pub circuit: CircuitState,
    /// It has passed a check.
    pub checked: bool,
}

impl Standing {
    /// Of an endpoint that nobody said anything of.
    pub(super) fn new(checked: bool, now: Instant) -> Self {
        Self {
            verdict: Verdict::default(),
            since: now,
            circuit: CircuitState::Closed,
            admin: AdminState::Enabled,
            weight: None,
            reported: Reported::Up,
            leaving: false,
            checked,
        }
    }

    /// After it was judged. Who has passed a check once need not pass a first one again.
    pub(super) fn judged(&self, judged: &Judged, now: Instant) -> Self {
        let since = if judged.verdict.state == self.verdict.state { self.since } else { now };
        let checked = self.checked || judged.checked;
        Self { verdict: judged.verdict.clone(), since, circuit: judged.circuit, checked, ..self.clone() }
    }

    /// What operators are shown: what was done on purpose goes before what happened; of what happened, the worst.
    pub fn state(&self) -> EndpointState {
        match (self.admin, self.reported) {
            (AdminState::Disabled, _) => return EndpointState::Disabled,
            (AdminState::Draining, _) | (_, Reported::Stopping) => return EndpointState::Draining,
            _ if self.leaving => return EndpointState::Draining,
            (AdminState::Enabled, Reported::Down) => return EndpointState::Failed,
            (AdminState::Enabled, Reported::Up) => {}
        }
        let first_check = if self.checked { HealthState::Healthy } else { HealthState::Recovering };
        match self.verdict.state.max(circuit_health(self.circuit)).max(first_check) {
            HealthState::Healthy => EndpointState::Healthy,
            HealthState::Degraded => EndpointState::Degraded,
            HealthState::Recovering => EndpointState::Recovering,
            HealthState::Failed => EndpointState::Failed,
        }
    }

    /// Whether it may be chosen without a panic.
    pub fn is_ready(&self) -> bool {
        self.is_admissible()
            && self.checked
            && self.reported == Reported::Up
            && self.verdict.state != HealthState::Failed
    }

    /// Whether it waits for its first check, and nothing speaks against it.
    pub fn is_untried(&self) -> bool {
        let is_unsuspected = self.reported == Reported::Up && self.verdict.state != HealthState::Failed;
        self.is_admissible() && !self.checked && is_unsuspected
    }

    /// Whether it is meant to serve, well or not: nobody took it out.
    pub fn is_in_service(&self) -> bool {
        self.admin == AdminState::Enabled && !self.leaving && self.reported != Reported::Stopping
    }

    /// Whether a panic may let it in.
    pub(super) fn is_admissible(&self) -> bool {
        self.is_in_service() && self.circuit != CircuitState::Open
    }

    /// Whether two differ at most in what neither choice nor state depends on: score, reason, and effective weight, which
    /// the member's weight stands for.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        let visible = |of: &Self| (of.verdict.state, of.circuit, of.admin, of.reported, of.leaving, of.checked);
        visible(self) == visible(other)
    }

    /// Why the state is not what it was.
    pub(super) fn cause_since(&self, before: &Self) -> String {
        if self.admin != before.admin {
            return BY_OPERATOR.to_owned();
        }
        if self.leaving != before.leaving {
            return if self.leaving { LEFT_CATALOG } else { CAME_BACK }.to_owned();
        }
        if self.reported != before.reported {
            let says = match self.reported {
                Reported::Up => "it serves again",
                Reported::Stopping => "it was told to stop",
                Reported::Down => "it is down",
            };
            return format!("its source says that {says}");
        }
        if self.circuit != before.circuit && circuit_health(self.circuit) >= self.verdict.state {
            return format!("its circuit is {}", self.circuit.as_str());
        }
        if self.checked && !before.checked && self.verdict.state == before.verdict.state {
            return "it passed its first check".to_owned();
        }
        match &*self.verdict.reason {
            "" => format!("its policies found nothing wrong, its circuit is {}", self.circuit.as_str()),
            reason => reason.to_owned(),
        }
    }
}

/// The cause of what an operator did.
pub(super) const BY_OPERATOR: &str = "an operator asked for it";
/// The cause of a leave.
pub(super) const LEFT_CATALOG: &str = "no source names it any more";
/// The cause of a return.
pub(super) const CAME_BACK: &str = "a source names it again";

fn circuit_health(circuit: CircuitState) -> HealthState {
    match circuit {
        CircuitState::Closed => HealthState::Healthy,
        CircuitState::HalfOpen => HealthState::Recovering,
        CircuitState::Open => HealthState::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: HealthState, circuit: CircuitState) -> Standing {
        let verdict = Verdict { state, ..Verdict::default() };
        Standing { verdict, circuit, ..Standing::new(true, Instant::now()) }
    }

    #[test]
    fn the_worse_of_verdict_and_circuit_is_shown() {
        use CircuitState::{Closed, HalfOpen, Open};
        use HealthState::{Degraded, Failed, Healthy, Recovering};
        for (verdict, circuit, shown) in [
            (Healthy, Closed, EndpointState::Healthy),
            (Degraded, Closed, EndpointState::Degraded),
            (Degraded, HalfOpen, EndpointState::Recovering),
            (Failed, HalfOpen, EndpointState::Failed),
            (Recovering, Closed, EndpointState::Recovering),
            (Healthy, Open, EndpointState::Failed),
        ] {
            let standing = standing(verdict, circuit);
            assert_eq!(standing.state(), shown);
            assert_eq!(standing.is_ready(), shown != EndpointState::Failed);
        }
    }

    #[test]
    fn what_was_done_on_purpose_is_shown_first() {
        let failed = standing(HealthState::Failed, CircuitState::Open);
        let leaving = Standing { leaving: true, ..failed.clone() };
        let disabled = Standing { admin: AdminState::Disabled, ..leaving.clone() };
        let draining = Standing { admin: AdminState::Draining, ..failed };
        assert_eq!(
            [&leaving, &disabled, &draining].map(Standing::state),
            [EndpointState::Draining, EndpointState::Disabled, EndpointState::Draining]
        );
    }

    #[test]
    fn without_its_first_check_it_is_not_ready_and_not_shown_as_sound() {
        let unchecked = Standing::new(false, Instant::now());
        assert!(!unchecked.is_ready());
        assert_eq!(unchecked.state(), EndpointState::Recovering);
    }
}
