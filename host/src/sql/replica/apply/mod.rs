//! One task per node that applies the log to it: in order, each entry in one transaction with the node's watermark. A node
//! that was away has a task that is behind; there is no other way for a write to reach a node.
//!
//! `link` is a session whose every step has an end; `entry` applies one entry, `schema` one that is lasting at once, `batch`
//! many at once; `fault` says whose failure a failure is. What was under way when a connection
//! broke is never guessed: the next session reads the watermark.

mod batch;
mod entry;
mod fault;
mod life;
mod link;
mod schema;

pub(super) use link::Link;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant as Clock;

use super::log::Position;
use super::mark::Marks;
use super::shared::Shared;
use crate::model::{Address, Backoff};
use crate::sql::backend::Backend;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Opening a session and finding out where its node stands; each step of it.
    pub connect: Duration,
    /// One statement of an entry, at first: where a node takes longer, it gets twice as long the next time.
    pub apply: Duration,
    /// How often a node that has nothing to do is asked whether it is there.
    pub check: Duration,
    /// How often the log is told how far the nodes are, and what nobody needs is removed from it.
    pub keep: Duration,
    /// A node with so many entries left asks the log what came of them, and applies many that are settled in one transaction.
    pub behind: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            apply: Duration::from_secs(10),
            check: Duration::from_secs(5),
            keep: Duration::from_millis(250),
            behind: 32,
        }
    }
}

/// However long a node has taken before, it gets no more than this for a statement.
const LONGEST: Duration = Duration::from_secs(3600);

/// Applies the log to one node.
pub(super) struct Applier {
    pub(super) node: usize,
    pub(super) address: Address,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) shared: Arc<Shared>,
    pub(super) marks: Marks,
    pub(super) timing: Timing,
    pub(super) chance: fastrand::Rng,
    /// What was sent to be made lasting, and nobody knows whether it is.
    pub(super) doubt: entry::Done,
    /// Entries that do not work together with others, as far as was seen.
    pub(super) apart: Option<RangeInclusive<Position>>,
    /// How long a statement may take now.
    pub(super) patience: Duration,
}

/// Why a session with a node has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The node failed.
    Node(String),
    /// It failed by taking too long for a statement.
    Slow(String),
    /// The log could not be read.
    Log(String),
    /// The node gets nothing any more until it is filled anew.
    Halted,
    /// There is a later writer.
    Fenced(u64),
}

impl Applier {
    /// Tells others whether the node may still be written to from here.
    fn attend(&self, is_attended: bool) {
        self.shared.with(|board, _| {
            if let Some(slot) = board.slots.get_mut(self.node) {
                slot.is_attended = is_attended;
            }
            board.out.changed = true;
        });
    }

    /// Runs until it is dropped, or fenced.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            if !self.shared.with(|board, _| board.is_in_service(self.node)) {
                // It will hold something else.
                self.doubt.clear();
            }
            // One that is taken out is not even asked until it is filled anew.
            self.shared.until(|board, _| board.is_in_service(self.node).then_some(())).await;
            let began = Clock::now();
            self.attend(true);
            let end = Box::pin(self.live()).await;
            self.attend(false);
            let why = match end {
                End::Fenced(epoch) => return self.shared.fenced(self.node, epoch),
                End::Halted => continue,
                End::Slow(why) => {
                    self.patience = (self.patience * 2).min(LONGEST);
                    why
                }
                End::Node(why) | End::Log(why) => why,
            };
            self.shared.with(|board, now| board.stand(self.node, |standing| standing.failed(&why, now)));
            tokio::time::sleep(backoff.pause(began.elapsed(), self.chance.f64())).await;
        }
    }
}
