//! Owns what is told of how a statement was answered: for the client, and for `explain`. Filled while rows flow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::sql::backend::Fault;
use crate::sql::replica::log::Position;

/// How a statement is answered, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// How many shards take part: `single`, `partial` or `full`.
    pub class: &'static str,
    /// Who does the work: `pass-through`, `merge`, `gather` or `write`.
    pub tier: &'static str,
    /// Why it is gathered; empty otherwise.
    pub why: String,
    /// What becomes of the rows of the nodes, step by step.
    pub merge: Vec<String>,
}

/// What became of a node's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It is under way, or was stopped because nobody needs its rows any more.
    Stopped,
    /// It was stopped when the time was over, since its rows were not taken until then.
    Late,
    /// It is done.
    Done,
    /// It failed.
    Failed(Fault),
}

impl NodeStatus {
    /// In one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped | Self::Late => "stopped",
            Self::Done => "ok",
            Self::Failed(_) => "failed",
        }
    }

    /// Why its rows are missing; none where they are not, or nobody needed them.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Stopped | Self::Done => None,
            Self::Late => Some("the time was over before all of its rows were taken"),
            Self::Failed(fault) => Some(&fault.message),
        }
    }
}

/// One statement of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The node; where none could be asked, the shard.
    pub name: String,
    /// What it was asked.
    pub sql: String,
    /// The rows that came from it; for a write, those that it touched.
    pub rows: u64,
    /// How long it took, waiting for a connection included.
    pub elapsed: Duration,
    /// What became of it.
    pub status: NodeStatus,
}

/// What is known of an answer; complete when its rows have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How it was answered.
    pub course: Course,
    /// The nodes.
    pub nodes: Vec<NodeReport>,
    /// Whether rows of nodes that failed are missing; only where the client allowed it. Who failed and why is in `nodes`.
    pub partial: bool,
    /// How long each step took, in their order. A step that was not needed is missing; time that the client took to take rows
    /// is counted where it passed.
    pub steps: Vec<(Step, Duration)>,
    /// Up to where in the log everything was seen, at least; none where the nodes are not replicated.
    pub position: Option<Position>,
}

/// A step of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Reading, routing, planning.
    Plan,
    /// From asking the nodes until each had answered its first rows.
    Nodes,
    /// Putting the rows together, or loading them.
    Merge,
    /// The final statement.
    Last,
}

impl Step {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Nodes => "nodes",
            Self::Merge => "merge",
            Self::Last => "final",
        }
    }
}

/// The summary of an answer that is under way.
#[derive(Debug, Default)]
pub struct Report(Mutex<Summary>);

impl Report {
    /// One that knows this much.
    pub fn new(summary: Summary) -> Self {
        Self(Mutex::new(summary))
    }

    /// What is known now.
    pub fn read(&self) -> Summary {
        self.change(|summary| summary.clone())
    }

    /// Up to where in the log everything is seen, as [`Summary::position`] has it; known before the first row.
    pub fn position(&self) -> Option<Position> {
        self.change(|summary| summary.position)
    }

    /// Adds to the time of a step.
    pub(super) fn took(&self, step: Step, time: Duration) {
        self.change(|summary| match summary.steps.iter_mut().find(|(known, _)| *known == step) {
            Some((_, total)) => *total += time,
            None => summary.steps.push((step, time)),
        });
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Summary) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a statement would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// How it would be answered.
    pub course: Course,
    /// What the nodes would be asked.
    pub nodes: Vec<NodePlan>,
    /// The statement that runs over the rows of the nodes; none where there is none.
    pub last: Option<String>,
}

/// One statement that a node would be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Which node; of several that hold the shard, all, with commas.
    pub name: String,
    /// The name of the shard.
    pub shard: String,
    /// The statement.
    pub sql: String,
}
