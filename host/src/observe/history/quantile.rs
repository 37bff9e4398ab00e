//! Percentiles of a histogram. Within a bucket the values are taken to lie evenly: for the rank `r = q * n` of `n` values,
//! in a bucket from `low` to `high` with `c` values and `b` values below it, the percentile is
//! `low + (high - low) * (r - b) / c`, as Prometheus's `histogram_quantile` has it. In the last bucket, which has no upper
//! bound, it is its lower one: what is known is that it was no less.

/// The percentile `q`, from 0 to 1, of values counted by upper bounds; `counts` has one more bucket, for what is larger than
/// all of them. None where there are no values.
pub(super) fn quantile(bounds: &[u64], counts: &[u64], q: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    let rank = q * all as f64;
    let (mut low, mut below) = (0.0, 0.0);
    let uppers = bounds.iter().map(|bound| Some(*bound as f64)).chain([None]);
    for (upper, count) in uppers.zip(counts).filter(|_| all > 0) {
        let within = *count as f64;
        match upper {
            None => return Some(low),
            Some(high) if within > 0.0 && below + within >= rank => {
                return Some(low + (high - low) * ((rank - below) / within).clamp(0.0, 1.0));
            }
            Some(high) => low = high,
        }
        below += within;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [u64; 3] = [100, 200, 400];

    #[test]
    fn a_percentile_is_interpolated_within_its_bucket() {
        // 10 values below 100, 10 from 100 to 200, 20 from 200 to 400.
        let counts = [10, 10, 20, 0];
        for (q, wanted) in [(0.125, 50.0), (0.25, 100.0), (0.5, 200.0), (0.75, 300.0), (1.0, 400.0), (0.0, 0.0)] {
            assert_eq!(quantile(&BOUNDS, &counts, q), Some(wanted), "{q}");
        }
    }

    #[test]
    fn empty_buckets_are_passed_over() {
        assert_eq!(quantile(&BOUNDS, &[0, 0, 4, 0], 0.5), Some(300.0));
        assert_eq!(quantile(&BOUNDS, &[4, 0, 4, 0], 0.99), Some(200.0 + 200.0 * (7.92 - 4.0) / 4.0));
    }

    #[test]
    fn what_is_larger_than_every_bound_is_no_less_than_the_last() {
        assert_eq!(quantile(&BOUNDS, &[1, 0, 0, 99], 0.5), Some(400.0));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(quantile(&BOUNDS, &[0; 4], 0.5), None);
    }
}
