//! The statements that have ended last: what was asked, without the values in it, how it was answered, and what each node
//! did for it. Told once for each statement, when it is over, and made of what is known then anyway.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use super::run::NodeReport;
use crate::model::SqlName;

/// The statements that are kept.
pub const KEPT: usize = 100;

/// The nodes of a statement that are kept; an entry seldom has more.
const MOST_NODES: usize = 64;

/// A statement that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its number: 1 for the first of this process.
    pub id: u64,
    /// When it ended.
    pub at: SystemTime,
    /// The entry that was asked.
    pub entry: SqlName,
    /// What was asked, with `?` in place of each value; none where it could not be read.
    pub statement: Option<Arc<str>>,
    /// How many shards took part, and who did the work; none where that was not found out.
    pub course: Option<(&'static str, &'static str)>,
    /// The status of the response.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// Rows that the client got, or that were written.
    pub rows: u64,
    /// What the nodes did.
    pub nodes: Vec<EndedNode>,
    /// Why it failed, in a word; none where it did not.
    pub error: Option<&'static str>,
}

/// What is asked by a statement under way, once that is known.
#[derive(Debug, Default)]
pub struct Subject(OnceLock<Arc<str>>);

impl Subject {
    /// It is this, as it may be shown.
    pub(super) fn is(&self, statement: Arc<str>) {
        // The first word counts.
        let _ = self.0.set(statement);
    }

    /// What it is, if that is known.
    pub(super) fn get(&self) -> Option<Arc<str>> {
        self.0.get().cloned()
    }
}

/// What a node did for a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedNode {
    /// Which.
    pub name: String,
    /// How long its part took.
    pub took: Duration,
    /// Rows that came from it, or that it wrote.
    pub rows: u64,
}

impl EndedNode {
    /// The parts of nodes.
    pub(super) fn of(nodes: impl IntoIterator<Item = NodeReport>) -> Vec<Self> {
        let node = |node: NodeReport| Self { name: node.name, took: node.elapsed, rows: node.rows };
        nodes.into_iter().take(MOST_NODES).map(node).collect()
    }
}

/// Keeps the statements that have ended last.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    ended: VecDeque<Arc<Ended>>,
}

impl Recent {
    /// The newest with a number above this one, oldest first, at most so many.
    pub fn after(&self, id: u64, most: usize) -> Vec<Arc<Ended>> {
        let kept = self.kept();
        let newer = kept.ended.iter().rev().take_while(|ended| ended.id > id).take(most);
        let mut newer: Vec<_> = newer.cloned().collect();
        newer.reverse();
        newer
    }

    /// Keeps one, and numbers it.
    pub(super) fn keep(&self, ended: Ended) {
        let mut kept = self.kept();
        kept.last_id += 1;
        let id = kept.last_id;
        // Dropped when nobody waits for the lock any more.
        let _oldest = if kept.ended.len() == KEPT { kept.ended.pop_front() } else { None };
        kept.ended.push_back(Arc::new(Ended { id, ..ended }));
        drop(kept);
    }

    /// A poisoned lock is taken all the same: every operation leaves what it guards whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_are_kept_and_numbered() {
        let recent = Recent::default();
        for _ in 0..KEPT + 7 {
            recent.keep(Ended {
                id: 0,
                at: SystemTime::now(),
                entry: SqlName::new("shop").unwrap(),
                statement: None,
                course: None,
                status: 200,
                took: Duration::ZERO,
                rows: 0,
                nodes: Vec::new(),
                error: None,
            });
        }
        let ids = |after, most| recent.after(after, most).iter().map(|ended| ended.id).collect::<Vec<_>>();
        assert_eq!(ids(0, KEPT + 1), (8..=107).collect::<Vec<_>>());
        assert_eq!(ids(0, 2), [106, 107]);
        assert_eq!(ids(106, KEPT), [107]);
    }
}
