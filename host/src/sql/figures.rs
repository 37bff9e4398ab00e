//! What an entry counts: its statements by how they were answered or why they were not, the time that they took, and what
//! each node did for them. Written once for each statement, when it is over; read by the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::recent::{Ended, EndedNode, Recent, Subject};
use super::run::{NodeReport, NodeStatus, Step, Summary};
use crate::model::SqlName;

/// Upper bounds of the histograms in microseconds; a last bucket takes the rest.
pub const TIME_BOUNDS_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// Nodes that are counted by name; far more than an entry has, and not without end where names come and go. Then the one that
/// was asked the longest ago makes room.
const MOST_NODES: usize = 1000;

/// What an entry counts.
#[derive(Debug, Default)]
pub struct Figures {
    under_way: AtomicU64,
    counts: Mutex<Reading>,
    /// Who is to hear of each statement, and of which entry it is.
    told: Option<(SqlName, Arc<Recent>)>,
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
    /// When it was asked last, in statements of its entry.
    pub asked_at: u64,
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
    /// Statements that nodes were asked for.
    pub asked: u64,
}

impl Figures {
    /// Of an entry of this name, whose statements are told when they have ended.
    pub fn telling(entry: SqlName, recent: Arc<Recent>) -> Self {
        Self { told: Some((entry, recent)), ..Self::default() }
    }

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
        self.asked += 1;
        for node in nodes {
            if !self.nodes.contains_key(&node.name) {
                self.make_room();
                self.nodes.insert(node.name.clone(), NodeReading::default());
            }
            let Some(counts) = self.nodes.get_mut(&node.name) else { continue };
            counts.asked_at = self.asked;
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

    fn make_room(&mut self) {
        if self.nodes.len() < MOST_NODES {
            return;
        }
        let longest_ago = self.nodes.iter().min_by_key(|(_, node)| node.asked_at).map(|(name, _)| name.clone());
        longest_ago.and_then(|name| self.nodes.remove(&name));
    }
}

/// A client that left before it had its answer, as servers have come to say.
const GONE: u16 = 499;

/// A statement under way, whose end is counted and told. Dropped before it has one, its client left, or answering it broke
/// down.
#[derive(Debug)]
pub struct Outcome {
    figures: Arc<Figures>,
    subject: Arc<Subject>,
    began: Instant,
    /// What is known of how it was answered.
    known: Known,
    has_ended: bool,
}

/// What is told of how a statement was answered.
#[derive(Debug, Default)]
struct Known {
    /// Class and tier.
    course: Option<(&'static str, &'static str)>,
    rows: u64,
    nodes: Vec<EndedNode>,
}

impl Outcome {
    /// A statement comes.
    pub fn begin(figures: Arc<Figures>, began: Instant) -> Self {
        figures.under_way.fetch_add(1, Relaxed);
        Self { figures, subject: Arc::default(), began, known: Known::default(), has_ended: false }
    }

    /// When it came.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Who is to hear what it asks.
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// It was answered to the end, with so many rows.
    pub fn done(mut self, summary: Summary, rows: u64) {
        let took = self.began.elapsed();
        let course = (summary.course.class, summary.course.tier);
        let mut counts = self.figures.counts();
        counts.answered.entry((course.1, course.0)).or_default().add(took);
        counts.partial += u64::from(summary.partial);
        for (step, took) in &summary.steps {
            counts.steps.entry(*step).or_default().add(*took);
        }
        counts.nodes(&summary.nodes);
        drop(counts);
        self.known = Known { course: Some(course), rows, nodes: EndedNode::of(summary.nodes) };
        self.end(StatusCode::OK.as_u16(), None, took);
    }

    /// It wrote, so many rows.
    pub fn wrote(mut self, nodes: Vec<NodeReport>, rows: u64) {
        let took = self.began.elapsed();
        let mut counts = self.figures.counts();
        counts.answered.entry(("write", "write")).or_default().add(took);
        counts.nodes(&nodes);
        drop(counts);
        self.known = Known { course: Some(("write", "write")), rows, nodes: EndedNode::of(nodes) };
        self.end(StatusCode::OK.as_u16(), None, took);
    }

    /// It was only explained; nothing was asked of any node, and nothing is told.
    pub fn explained(mut self) {
        self.has_ended = true;
        self.figures.counts().explained += 1;
    }

    /// What nodes did for it although it was not answered.
    pub fn saw(&mut self, summary: Summary) {
        self.figures.counts().nodes(&summary.nodes);
        let course = Some((summary.course.class, summary.course.tier));
        self.known = Known { course, rows: 0, nodes: EndedNode::of(summary.nodes) };
    }

    /// It failed.
    pub fn failed(mut self, reason: &'static str, status: StatusCode) {
        *self.figures.counts().failed.entry(reason).or_default() += 1;
        let took = self.began.elapsed();
        self.end(status.as_u16(), Some(reason), took);
    }

    /// Tells of its end.
    fn end(&mut self, status: u16, error: Option<&'static str>, took: Duration) {
        self.has_ended = true;
        let Some((entry, recent)) = &self.figures.told else { return };
        let statement = self.subject.get();
        // A request that holds no statement is none.
        let is_none = statement.is_none() && (400..500).contains(&status) && status != GONE;
        if !is_none {
            let Known { course, rows, nodes } = std::mem::take(&mut self.known);
            let (at, entry) = (SystemTime::now(), entry.clone());
            recent.keep(Ended { id: 0, at, entry, statement, course, status, took, rows, nodes, error });
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.figures.under_way.fetch_sub(1, Relaxed);
        if !self.has_ended {
            let broke_down = std::thread::panicking();
            let (reason, status) = if broke_down { ("internal", 500) } else { ("client-gone", GONE) };
            *self.figures.counts().failed.entry(reason).or_default() += 1;
            let took = self.began.elapsed();
            self.end(status, Some(reason), took);
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

    #[test]
    fn a_new_node_takes_the_place_of_the_one_that_was_asked_the_longest_ago() {
        let node = |number: usize| NodeReport {
            name: format!("n{number}"),
            sql: String::new(),
            rows: 1,
            elapsed: Duration::ZERO,
            status: NodeStatus::Done,
        };
        let mut reading = Reading::default();
        (0..MOST_NODES).for_each(|number| reading.nodes(&[node(number)]));
        reading.nodes(&[node(0)]);
        reading.nodes(&[node(MOST_NODES)]);
        let has = |number: usize| reading.nodes.contains_key(&node(number).name);
        assert_eq!(
            (reading.nodes.len(), has(0), has(1), has(2), has(MOST_NODES)),
            (MOST_NODES, true, false, true, true)
        );
    }
}
