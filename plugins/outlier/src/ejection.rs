//! One ejection: how long it is, and how it weighs on the next. The clock is the endpoint's own age, which is the same
//! for every version. Pure.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::distribution::Deviation;

/// The last ejection of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ejection {
    /// The age at which it ends, or ended.
    until_age_ms: u64,
    /// How many there were in a row, this one included.
    times: u32,
    cause: Cause,
}

/// What it was ejected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Cause {
    SuccessRate,
    Latency,
}

impl Ejection {
    /// Begins one at this age, after the last one if there was any.
    ///
    /// It lasts for the base time, times the ejections in a row; never shorter than the window, or the endpoint would be
    /// ejected again for the same requests.
    pub(crate) fn begin(
        last: Option<Self>,
        age_ms: u64,
        window_ms: u32,
        deviation: &Deviation,
        config: &Config,
    ) -> Self {
        let times = last.map_or(0, |last| last.weight(age_ms, config)).saturating_add(1);
        let length = config.base_ejection_ms.saturating_mul(u64::from(times)).min(config.max_ejection_ms);
        let until_age_ms = age_ms.saturating_add(length.max(u64::from(window_ms)));
        let cause = match deviation {
            Deviation::SuccessRate { .. } => Cause::SuccessRate,
            Deviation::Latency { .. } => Cause::Latency,
        };
        Self { until_age_ms, times, cause }
    }

    /// Whether the endpoint is out at this age.
    pub(crate) const fn is_on(&self, age_ms: u64) -> bool {
        age_ms < self.until_age_ms
    }

    /// As if it ended at this age.
    pub(crate) const fn cut_short(self, age_ms: u64) -> Self {
        Self { until_age_ms: age_ms, ..self }
    }

    /// How many ejections in a row it still counts as: one less for every base time without another.
    pub(crate) fn weight(&self, age_ms: u64, config: &Config) -> u32 {
        let sound_ms = age_ms.saturating_sub(self.until_age_ms);
        let forgotten = sound_ms / config.base_ejection_ms.max(1);
        self.times.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    /// One line for the operator, while it is on.
    pub(crate) fn reason(&self, age_ms: u64) -> String {
        let cause = match self.cause {
            Cause::SuccessRate => "success rate",
            Cause::Latency => "response time",
        };
        let left_s = self.until_age_ms.saturating_sub(age_ms).div_ceil(1_000);
        format!("ejected for its {cause}, for {left_s} s more, {} in a row", self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Deviation = Deviation::Latency { own: 2.0, limit: 1.0 };

    fn begin(last: Option<Ejection>, age_ms: u64) -> Ejection {
        Ejection::begin(last, age_ms, 10_000, &SLOW, &Config::default())
    }

    fn length(ejection: Ejection, age_ms: u64) -> u64 {
        ejection.until_age_ms - age_ms
    }

    #[test]
    fn each_in_a_row_is_longer_up_to_the_cap() {
        let (mut age_ms, mut last, mut lengths) = (0, None, Vec::new());
        for _ in 0..12 {
            let ejection = begin(last, age_ms);
            lengths.push(length(ejection, age_ms) / 1_000);
            (age_ms, last) = (ejection.until_age_ms, Some(ejection));
        }
        assert_eq!(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    }

    #[test]
    fn sound_time_is_counted_off() {
        let config = Config::default();
        let third = Ejection { until_age_ms: 100_000, times: 3, cause: Cause::Latency };
        let weights = [100_000, 129_999, 130_000, 160_000, 190_000, u64::MAX].map(|age| third.weight(age, &config));
        assert_eq!(weights, [3, 3, 2, 1, 0, 0]);
        assert_eq!(length(begin(Some(third), 161_000), 161_000), 60_000);
    }

    #[test]
    fn it_is_never_shorter_than_the_window() {
        let config = Config { base_ejection_ms: 1, max_ejection_ms: 1, ..Config::default() };
        let ejection = Ejection::begin(None, 5, 10_000, &SLOW, &config);
        assert!(ejection.is_on(10_004) && !ejection.is_on(10_005));
        assert!(!ejection.cut_short(7).is_on(7));
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        let last = Ejection { until_age_ms: u64::MAX, times: u32::MAX, cause: Cause::SuccessRate };
        let ejection = begin(Some(last), u64::MAX);
        assert_eq!(ejection.until_age_ms, u64::MAX);
        assert_eq!(last.reason(u64::MAX - 1), "ejected for its success rate, for 1 s more, 4294967295 in a row");
    }
}
