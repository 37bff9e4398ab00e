//! Sums over requests, and how `/worker/stats` shows them. Pure.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// What became of some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::demo) struct Tally {
    /// Those that went well.
    pub(super) succeeded: u64,
    /// The others.
    pub(super) failed: u64,
    /// The time that all of them took, in microseconds.
    pub(super) micros: u64,
}

impl Tally {
    /// Of one request.
    pub(super) fn of(succeeded: bool, took: Duration) -> Self {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Self { succeeded: succeeded.into(), failed: (!succeeded).into(), micros }
    }

    pub(super) fn total(&self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }

    /// In milliseconds, to the microsecond.
    fn average(&self) -> f64 {
        match self.total() {
            0 => 0.0,
            // Sums of 53 bits and more, where this would lose something, take centuries.
            total => (self.micros as f64 / total as f64).round() / 1000.0,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.failed = self.failed.saturating_add(other.failed);
        self.micros = self.micros.saturating_add(other.micros);
    }
}

/// The four figures, each as a list: that of all workers, then that of each by its id.
pub(in crate::demo) fn report(workers: &BTreeMap<String, Tally>) -> Value {
    let mut all = Tally::default();
    workers.values().for_each(|worker| all += *worker);
    let list = |figure: fn(&Tally) -> Value| -> Value {
        let entry = |id: &str, tally: &Tally| Value::Object(Map::from_iter([(id.to_owned(), figure(tally))]));
        std::iter::once(entry("total", &all)).chain(workers.iter().map(|(id, tally)| entry(id, tally))).collect()
    };
    json!({
        "SuccessfulRequests": list(|tally| tally.succeeded.into()),
        "FailedRequests": list(|tally| tally.failed.into()),
        "TotalRequests": list(|tally| tally.total().into()),
        "AverageResponseTime": list(|tally| tally.average().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_a_list_of_the_total_and_of_each_worker() {
        let busy = Tally { succeeded: 2, failed: 1, micros: 10_000 };
        let workers = BTreeMap::from([("web-1".to_owned(), busy), ("idle".to_owned(), Tally::default())]);
        assert_eq!(
            report(&workers),
            json!({
                "SuccessfulRequests": [{ "total": 2 }, { "idle": 0 }, { "web-1": 2 }],
                "FailedRequests": [{ "total": 1 }, { "idle": 0 }, { "web-1": 1 }],
                "TotalRequests": [{ "total": 3 }, { "idle": 0 }, { "web-1": 3 }],
                "AverageResponseTime": [{ "total": 3.333 }, { "idle": 0.0 }, { "web-1": 3.333 }],
            })
        );
    }
}
