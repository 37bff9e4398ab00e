//! What passed through, second by second, for the last ten minutes: rates and percentiles, computed from the differences of
//! the counters that are kept anyway. `flow` is one second's figures, `quantile` how percentiles are read out of buckets,
//! `sampler` makes a point of two readings, and here the points are kept.

mod flow;
mod quantile;
mod sampler;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

pub use flow::{Flow, Point, SqlFlow};
pub use sampler::Sampler;

/// The points that are kept: ten minutes of them, one a second.
const KEPT: usize = 600;

/// The points that are kept, oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Arc<Point>>>);

impl History {
    /// Keeps a point, in place of the oldest where there are as many as are kept.
    pub fn keep(&self, point: Arc<Point>) {
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if points.len() == KEPT {
            points.pop_front();
        }
        points.push_back(point);
    }

    /// All of them.
    pub fn read(&self) -> Vec<Arc<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_points_are_kept() {
        let history = History::default();
        for at_ms in 0..KEPT as u64 + 5 {
            history.keep(Arc::new(Point { at_ms, ..Point::default() }));
        }
        let times: Vec<u64> = history.read().iter().map(|point| point.at_ms).collect();
        assert_eq!((times.len(), times[0], times[KEPT - 1]), (KEPT, 5, KEPT as u64 + 4));
    }
}
