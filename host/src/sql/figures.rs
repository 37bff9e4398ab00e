//! What an entry counts: its statements by how they were answered or why they were not, the time that they took, and what
//! each node did for them. Written once for each statement, when it is over; read by the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::run::{NodeReport, NodeStatus, Step, Summary};

/// Upper bounds of the histograms in microseconds; a last bucket takes the rest.
pub const TIME_BOUNDS_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// Nodes that are counted by name; far more than an entry has, and not without end where names come and go.
const MOST_NODES: usize = 1000;

/// What an entry counts.
#[derive(Debug, Default)]
pub struct Figures {
    under_way: AtomicU64,
    counts: Mutex<Reading>,
}

/// Statements, or steps of them, by the time that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// By `TIME_BOUNDS_US`.
    pub buckets: [u64; TIME_BOUNDS_US.len() + 1],
    /// Microseconds together.
    pub sum_us: u64,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let us = micros(took);
        if let Some(bucket) = self.buckets.get_mut(TIME_BOUNDS_US.partition_point(|bound| *bound < us)) {
            *bucket += 1;
        }
        self.sum_us += us;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What a node did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeReading {
    /// Statements that it was asked.
    pub statements: u64,
    /// Those that failed.
    pub failures: u64,
    /// Rows that came from it.
    pub rows: u64,
    /// Microseconds that they took together.
    pub time_us: u64,
    /// By the time that they took, in `TIME_BOUNDS_US`.
    pub times: [u64; TIME_BOUNDS_US.len() + 1],
}

/// The figures of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Statements under way.
    pub under_way: u64,
    /// Statements that were answered, by tier and class.
    pub answered: BTreeMap<(&'static str, &'static str), Times>,
    /// Those of them whose rows are not complete, which their clients allowed.
    pub partial: u64,
    /// Statements that only were explained.
    pub explained: u64,
    /// Statements that failed, by reason.
    pub failed: BTreeMap<&'static str, u64>,
    /// What each node did.
    pub nodes: BTreeMap<String, NodeReading>,
    /// What each step of answering took.
    pub steps: BTreeMap<Step, Times>,
}

impl Figures {
    /// What was counted so far.
    pub fn read(&self) -> Reading {
        Reading { under_way: self.under_way.load(Relaxed), ..self.counts().clone() }
    }

    fn counts(&self) -> MutexGuard<'_, Reading> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn nodes(&mut self, nodes: &[NodeReport]) {
        for node in nodes {
            if !self.nodes.contains_key(&node.name) {
                if self.nodes.len() >= MOST_NODES {
                    continue;
                }
                self.nodes.insert(node.name.clone(), NodeReading::default());
            }
            let Some(counts) = self.nodes.get_mut(&node.name) else { continue };
            counts.statements += 1;
            counts.failures += u64::from(matches!(node.status, NodeStatus::Failed(_)));
            counts.rows += node.rows;
            let us = micros(node.elapsed);
            counts.time_us += us;
            if let Some(bucket) = counts.times.get_mut(TIME_BOUNDS_US.partition_point(|bound| *bound < us)) {
                *bucket += 1;
            }
        }
    }
}

/// A statement under way, whose end is counted. Dropped before it has one, its client left, or answering it broke down.
#[derive(Debug)]
pub struct Outcome {
    figures: Arc<Figures>,
    began: Instant,
    told: bool,
}

impl Outcome {
    /// A statement comes.
    pub fn begin(figures: Arc<Figures>, began: Instant) -> Self {
        figures.under_way.fetch_add(1, Relaxed);
        Self { figures, began, told: false }
    }

    /// When it came.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// It was answered to the end.
    pub fn done(mut self, summary: &Summary) {
        self.told = true;
        let mut counts = self.figures.counts();
        counts.answered.entry((summary.course.tier, summary.course.class)).or_default().add(self.began.elapsed());
        counts.partial += u64::from(summary.partial);
        for (step, took) in &summary.steps {
            counts.steps.entry(*step).or_default().add(*took);
        }
        counts.nodes(&summary.nodes);
    }

    /// It wrote.
    pub fn wrote(mut self, nodes: &[NodeReport]) {
        self.told = true;
        let mut counts = self.figures.counts();
        counts.answered.entry(("write", "write")).or_default().add(self.began.elapsed());
        counts.nodes(nodes);
    }

    /// It was only explained.
    pub fn explained(mut self) {
        self.told = true;
        self.figures.counts().explained += 1;
    }

    /// What nodes did for it although it was not answered.
    pub fn saw(&self, summary: &Summary) {
        self.figures.counts().nodes(&summary.nodes);
    }

    /// It failed.
    pub fn failed(mut self, reason: &'static str) {
        self.told = true;
        *self.figures.counts().failed.entry(reason).or_default() += 1;
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.figures.under_way.fetch_sub(1, Relaxed);
        if !self.told {
            let reason = if std::thread::panicking() { "internal" } else { "client-gone" };
            *self.figures.counts().failed.entry(reason).or_default() += 1;
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_an_end_was_left_by_its_client_or_broke_down() {
        let figures = Arc::new(Figures::default());
        drop(Outcome::begin(Arc::clone(&figures), Instant::now()));
        let breaking = Arc::clone(&figures);
        let broken = std::thread::spawn(move || {
            let _outcome = Outcome::begin(breaking, Instant::now());
            panic!("a fault of this program");
        });
        assert!(broken.join().is_err());
        let read = figures.read();
        assert_eq!((read.under_way, read.failed), (0, BTreeMap::from([("client-gone", 1), ("internal", 1)])));
    }
}
