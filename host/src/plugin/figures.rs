//! The metrics that a plugin keeps of its own: counters, gauges and histograms by name, bounded in number.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most names that one plugin may use. Later ones are ignored.
const MAX_NAMES: usize = 64;
/// The longest name.
const MAX_NAME: usize = 64;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CustomMetric {
    /// Only rises.
    Counter(u64),
    /// Was set last to.
    Gauge(f64),
    /// How many values, and their sum.
    Histogram {
        /// How many.
        count: u64,
        /// Together.
        sum: f64,
    },
}

/// The metrics of one plugin, over all instances.
#[derive(Debug, Default)]
pub struct CustomMetrics(Mutex<BTreeMap<String, CustomMetric>>);

impl CustomMetrics {
    /// All of them by name.
    pub fn read(&self) -> BTreeMap<String, CustomMetric> {
        self.metrics().clone()
    }

    pub(super) fn counter(&self, name: &str, delta: u64) {
        self.change(name, CustomMetric::Counter(0), |metric| {
            if let CustomMetric::Counter(count) = metric {
                *count = count.saturating_add(delta);
            }
        });
    }

    pub(super) fn gauge(&self, name: &str, value: f64) {
        self.change(name, CustomMetric::Gauge(0.0), |metric| {
            if let CustomMetric::Gauge(held) = metric {
                *held = value;
            }
        });
    }

    pub(super) fn histogram(&self, name: &str, value: f64) {
        self.change(name, CustomMetric::Histogram { count: 0, sum: 0.0 }, |metric| {
            if let CustomMetric::Histogram { count, sum } = metric {
                *count += 1;
                *sum += value;
            }
        });
    }

    /// Changes a metric, made anew if there is room. One that is of another kind stays as it is.
    fn change(&self, name: &str, new: CustomMetric, change: impl FnOnce(&mut CustomMetric)) {
        let mut metrics = self.metrics();
        if let Some(metric) = metrics.get_mut(name) {
            change(metric);
        } else if metrics.len() < MAX_NAMES && is_name(name) {
            change(metrics.entry(name.to_owned()).or_insert(new));
        }
    }

    fn metrics(&self) -> MutexGuard<'_, BTreeMap<String, CustomMetric>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may stand in a Prometheus metric name.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(fits)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_keep_their_kind() {
        let metrics = CustomMetrics::default();
        metrics.counter("hits", 2);
        metrics.gauge("hits", 9.0);
        metrics.counter("no name", 1);
        for number in 0..100 {
            metrics.histogram(&format!("h{number}"), 1.5);
        }
        let read = metrics.read();
        assert_eq!(read.len(), MAX_NAMES);
        assert_eq!(read.get("hits"), Some(&CustomMetric::Counter(2)));
        assert_eq!(read.get("h0"), Some(&CustomMetric::Histogram { count: 1, sum: 1.5 }));
    }
}
