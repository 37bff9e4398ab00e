//! The last lines that the guests of a plugin logged, for operators to look at. Bounded in lines; how long a line is and how
//! many may come in a second, the guest's side of the host has seen to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::ClusterName;

/// Lines that are kept: what fits on a few screens.
const KEPT: usize = 200;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it said.
    pub message: String,
    /// The cluster that the instance decides for; none for one that is tried out.
    pub cluster: Option<ClusterName>,
}

/// The last lines, oldest first.
#[derive(Debug, Default)]
pub struct LogLines(Mutex<VecDeque<Arc<LogLine>>>);

impl LogLines {
    /// Those of this moment.
    pub fn read(&self) -> Vec<Arc<LogLine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Keeps one more.
    pub(super) fn keep(&self, level: &'static str, message: &str, cluster: Option<&ClusterName>) {
        let (at, message, cluster) = (Timestamp::now(), message.to_owned(), cluster.cloned());
        let line = Arc::new(LogLine { at, level, message, cluster });
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let lines = LogLines::default();
        (0..KEPT + 3).for_each(|nth| lines.keep("info", &nth.to_string(), None));
        let read = lines.read();
        assert_eq!((read.len(), read[0].message.as_str(), read[KEPT - 1].message.as_str()), (KEPT, "3", "202"));
    }
}
