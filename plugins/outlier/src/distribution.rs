//! Whether one endpoint is unlike the others. Pure; who is compared with whom is decided elsewhere.

use leverframe_sdk::Observations;

use crate::config::Config;

/// The figures of one endpoint that had enough requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    success_rate: f64,
    mean_us: f64,
}

impl Sample {
    /// The figures of a window; none when it had too few requests.
    pub(crate) fn of(window: &Observations, minimum_requests: u32) -> Option<Self> {
        let ok = f64::from(window.requests_ok);
        let all = ok + f64::from(window.requests_failed);
        let enough = all >= f64::from(minimum_requests.max(1));
        enough.then(|| Self { success_rate: ok / all, mean_us: f64::from(window.latency_mean_us) })
    }
}

/// In what an endpoint is unlike the others: its own figure, and the limit that it is beyond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deviation {
    /// Rates from 0 to 1.
    SuccessRate { own: f64, limit: f64 },
    /// Microseconds.
    Latency { own: f64, limit: f64 },
}

/// Compares an endpoint with the others; the success rate comes first.
pub(crate) fn deviation(own: Sample, others: &[Sample], config: &Config) -> Option<Deviation> {
    let hosts = others.len() + 1;
    let enough = |minimum: u32| hosts >= minimum as usize;
    let by_success = || {
        let limit = success_limit(own, others, config);
        let Sample { success_rate, .. } = own;
        (success_rate < limit).then_some(Deviation::SuccessRate { own: success_rate, limit })
    };
    let by_latency = || {
        let limit = config.latency_factor * median(others.iter().map(|other| other.mean_us).collect())?;
        (limit > 0.0 && own.mean_us > limit).then_some(Deviation::Latency { own: own.mean_us, limit })
    };
    let success = enough(config.success_rate_minimum_hosts).then(by_success).flatten();
    success.or_else(|| enough(config.latency_minimum_hosts).then(by_latency).flatten())
}

/// The success rate below which an endpoint is an outlier: mean − factor × standard deviation (of the population, as in
/// Envoy), and by the slack below the mean at least, because where all others are perfect one error is a deviation.
fn success_limit(own: Sample, others: &[Sample], config: &Config) -> f64 {
    let rates = || others.iter().chain([&own]).map(|sample| sample.success_rate);
    let count = (others.len() + 1) as f64;
    let mean = rates().sum::<f64>() / count;
    let variance = rates().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    mean - (config.success_rate_factor * variance.sqrt()).max(config.success_rate_slack)
}

/// The middle one, or the mean of the middle two; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if even { below.iter().copied().max_by(f64::total_cmp) } else { None };
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(success_rate: f64, mean_us: f64) -> Sample {
        Sample { success_rate, mean_us }
    }

    fn find(own: Sample, others: &[Sample]) -> Option<Deviation> {
        deviation(own, others, &Config::default())
    }

    #[test]
    fn the_middle_of_odd_and_even_counts() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7.0]), Some(7.0));
        assert_eq!(median(vec![9.0, 1.0]), Some(5.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn a_success_rate_far_below_the_mean_stands_out() {
        let perfect = [sample(1.0, 10.0); 4];
        let Some(Deviation::SuccessRate { own, limit }) = find(sample(0.5, 10.0), &perfect) else {
            panic!("it stands out");
        };
        // Mean 0.9, standard deviation 0.2.
        assert!(own == 0.5 && (limit - 0.52).abs() < 1e-9, "{limit}");
        assert_eq!(find(sample(0.5, 10.0), &perfect[..3]), None, "four endpoints are too few");
        assert_eq!(find(sample(0.99, 10.0), &perfect), None, "within the slack");
        assert_eq!(find(sample(0.0, 10.0), &[sample(0.0, 10.0); 9]), None, "all are as bad");
        let spread = [0.2, 0.4, 0.6, 0.8, 1.0].map(|rate| sample(rate, 10.0));
        assert_eq!(find(sample(0.3, 10.0), &spread), None, "they differ anyway");
    }

    #[test]
    fn equal_rates_never_stand_out_by_rounding() {
        let config = Config { success_rate_slack: 0.001, success_rate_factor: 0.1, ..Config::default() };
        for count in 1..200_u32 {
            let equal = sample(f64::from(count) / 201.0, 10.0);
            assert_eq!(deviation(equal, &vec![equal; count as usize], &config), None);
        }
    }

    #[test]
    fn a_response_time_far_above_the_median_stands_out() {
        let others = [sample(1.0, 1_000.0), sample(1.0, 3_000.0)];
        assert_eq!(find(sample(1.0, 6_000.0), &others), None, "exactly the limit");
        let found = find(sample(1.0, 6_001.0), &others);
        assert_eq!(found, Some(Deviation::Latency { own: 6_001.0, limit: 6_000.0 }));
        assert_eq!(find(sample(1.0, 6_001.0), &others[..1]), None, "two endpoints are too few");
        assert_eq!(find(sample(1.0, 6_001.0), &[sample(1.0, 0.0); 3]), None, "there is no measure");
    }
}
