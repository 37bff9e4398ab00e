//! How verdicts combine, for policies that stand in a list. Decides nothing about an endpoint.

use crate::{HealthState, Verdict};

impl Verdict {
    /// Nothing is wrong: what the first policy of a list gets as the verdict before it.
    #[must_use]
    pub const fn healthy() -> Self {
        Self { state: HealthState::Healthy, score: 1.0, effective_weight: 1.0, reason: String::new() }
    }

    /// What two policies together say: the worse state, with its reason, and the lower of each figure.
    ///
    /// From good to bad the states are healthy, degraded, recovering, failed. Of two equal states the one that leaves
    /// the endpoint less (score × effective weight) gives the reason, else `self`; an empty reason gives way to any
    /// other. The figures are brought into 0..=1, and what is no number is 0.
    #[must_use]
    pub fn worst_of(self, other: Self) -> Self {
        let (one, other) = (self.in_range(), other.in_range());
        let score = one.score.min(other.score);
        let effective_weight = one.effective_weight.min(other.effective_weight);
        let (leading, second) = if other.is_worse_than(&one) { (other, one) } else { (one, other) };
        let reason = if leading.reason.is_empty() { second.reason } else { leading.reason };
        Self { state: leading.state, score, effective_weight, reason }
    }

    fn in_range(self) -> Self {
        Self { score: part(self.score), effective_weight: part(self.effective_weight), ..self }
    }

    fn is_worse_than(&self, other: &Self) -> bool {
        let (own, others) = (severity(self.state), severity(other.state));
        own > others || own == others && self.score * self.effective_weight < other.score * other.effective_weight
    }
}

const fn part(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

const fn severity(state: HealthState) -> u8 {
    match state {
        HealthState::Healthy => 0,
        HealthState::Degraded => 1,
        HealthState::Recovering => 2,
        HealthState::Failed => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(state: HealthState, score: f32, effective_weight: f32, reason: &str) -> Verdict {
        Verdict { state, score, effective_weight, reason: reason.to_owned() }
    }

    #[test]
    fn the_worse_state_gives_the_reason_and_the_lower_figures_stay() {
        let failed = verdict(HealthState::Failed, 0.5, 1.0, "probes fail");
        let ramping = verdict(HealthState::Healthy, 1.0, 0.2, "warms up");
        let both = verdict(HealthState::Failed, 0.5, 0.2, "probes fail");
        assert_eq!(failed.clone().worst_of(ramping.clone()), both);
        assert_eq!(ramping.worst_of(failed), both);
    }

    #[test]
    fn the_states_have_an_order() {
        use HealthState::{Degraded, Failed, Healthy, Recovering};
        let ordered = [Healthy, Degraded, Recovering, Failed];
        for (index, better) in ordered.into_iter().enumerate() {
            for worse in ordered.into_iter().skip(index) {
                let one = verdict(better, 1.0, 1.0, "");
                let other = verdict(worse, 1.0, 1.0, "");
                assert_eq!(one.clone().worst_of(other.clone()).state, worse);
                assert_eq!(other.worst_of(one).state, worse);
            }
        }
    }

    #[test]
    fn of_equal_states_the_harder_one_speaks_and_silence_gives_way() {
        let sound = verdict(HealthState::Healthy, 1.0, 1.0, "3 probes in a row are good");
        let ramping = verdict(HealthState::Healthy, 1.0, 0.2, "warms up");
        assert_eq!(sound.clone().worst_of(ramping).reason, "warms up");
        assert_eq!(sound.clone().worst_of(verdict(HealthState::Healthy, 1.0, 1.0, "second")).reason, sound.reason);
        assert_eq!(Verdict::healthy().worst_of(sound.clone()), sound);
        assert_eq!(sound.clone().worst_of(Verdict::healthy()), sound);
        assert_eq!(sound.clone().worst_of(verdict(HealthState::Healthy, 0.5, 1.0, "")).reason, sound.reason);
    }

    #[test]
    fn odd_figures_are_brought_into_range() {
        let odd = verdict(HealthState::Healthy, f32::NAN, f32::INFINITY, "").worst_of(Verdict::healthy());
        assert_eq!((odd.score, odd.effective_weight), (0.0, 1.0));
        let odd = Verdict::healthy().worst_of(verdict(HealthState::Healthy, 2.0, -1.0, ""));
        assert_eq!((odd.score, odd.effective_weight), (1.0, 0.0));
    }
}
