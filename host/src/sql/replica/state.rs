//! Owns how a node stands, and what changes it. Pure: what was seen goes in with the time, what to tell operators comes out.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::log::Position;
use crate::model::ReplicaChange;

/// A node that comes and goes more often than so in [`WINDOW`] is flapping.
const MOST_CHANGES: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
/// One that was flapping is read from again when it was up for so long.
const STEADY: Duration = Duration::from_secs(10);
/// How often the rate of recovery is measured anew: long enough to be steady, short enough to be watched.
const MEASURED: Duration = Duration::from_secs(1);

/// How a node stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It has everything that was written, and answers.
    Up,
    /// It does not answer.
    Down {
        /// Why.
        why: String,
    },
    /// It applies what was written while it was away.
    Recovering {
        /// Entries left.
        left: u64,
        /// Entries per second, lately.
        rate: f64,
    },
    /// It did something else than the others, and gets nothing any more.
    Inconsistent {
        /// With which entry.
        position: Position,
        /// Its statement.
        statement: String,
        /// What it did.
        why: String,
    },
    /// What it has cannot be brought up to date by the log.
    RebuildNeeded {
        /// Why.
        why: String,
    },
    /// It is filled anew.
    Rebuilding {
        /// How far that is.
        progress: Filling,
    },
}

/// How far filling a node anew is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// The node that it is filled from.
    pub from: String,
    /// Tables that were begun.
    pub tables: u64,
    /// Rows that were copied.
    pub rows: u64,
    /// Bytes of them, about.
    pub bytes: u64,
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, tables, rows, bytes } = self;
        write!(f, "from {from}: {tables} tables, {rows} rows, {bytes} bytes so far")
    }
}

impl State {
    /// As operators read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down { .. } => "DOWN",
            Self::Recovering { .. } => "RECOVERING",
            Self::Inconsistent { .. } => "INCONSISTENT",
            Self::RebuildNeeded { .. } => "REBUILD NEEDED",
            Self::Rebuilding { .. } => "REBUILDING",
        }
    }

    /// Why it stands so, or how far it is; nothing where all is well.
    pub fn why(&self) -> String {
        match self {
            Self::Up => String::new(),
            Self::Down { why } | Self::RebuildNeeded { why } => why.clone(),
            Self::Recovering { left, rate } => format!("{left} entries left, {rate:.0} per second"),
            Self::Inconsistent { position, statement, why } => format!("at {position}, {why}: {statement}"),
            Self::Rebuilding { progress } => progress.to_string(),
        }
    }

    /// Whether what it has is, or will be by itself, what all others have.
    pub fn is_in_service(&self) -> bool {
        matches!(self, Self::Up | Self::Down { .. } | Self::Recovering { .. })
    }
}

/// Something to tell operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// What.
    pub change: ReplicaChange,
    /// Why.
    pub cause: String,
}

fn notice(change: ReplicaChange, cause: impl Into<String>) -> Notice {
    Notice { change, cause: cause.into() }
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    state: State,
    mark: Position,
    was_tried: bool,
    /// Operators know that it is down.
    is_told: bool,
    /// When it came or went, lately.
    changes: VecDeque<Instant>,
    is_flapping: bool,
    up_since: Option<Instant>,
    /// Where it was at the last measurement, and how fast.
    measured: Option<(Instant, Position)>,
    rate: f64,
}

impl Standing {
    /// A node that was not asked yet, with what is known of it.
    pub(super) fn new(mark: Position) -> Self {
        Self {
            state: State::Down { why: "not asked yet".to_owned() },
            mark,
            was_tried: false,
            is_told: false,
            changes: VecDeque::new(),
            is_flapping: false,
            up_since: None,
            measured: None,
            rate: 0.0,
        }
    }

    /// How it stands.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Up to where it has applied the log, as far as is known.
    pub(super) fn mark(&self) -> Position {
        self.mark
    }

    /// Whether it was asked at all.
    pub(super) fn was_tried(&self) -> bool {
        self.was_tried
    }

    /// Whether it comes and goes.
    pub(super) fn is_flapping(&self) -> bool {
        self.is_flapping
    }

    /// Whether it may be read from: it is up, and for long enough if it was flapping.
    pub(super) fn is_readable(&self, now: Instant) -> bool {
        let steady = self.up_since.is_some_and(|since| now.saturating_duration_since(since) >= STEADY);
        self.state == State::Up && (!self.is_flapping || steady)
    }

    /// It answers, and stands at `mark` of a log that goes up to `last`.
    pub(super) fn connected(&mut self, mark: Position, last: Position, now: Instant) -> Vec<Notice> {
        self.was_tried = true;
        if !self.state.is_in_service() {
            return Vec::new();
        }
        self.is_told = false;
        let mut told = Vec::new();
        if mark < self.mark {
            let had = self.mark;
            told.push(notice(ReplicaChange::OlderData, format!("it is at {mark}, and was at {had} before")));
        }
        self.mark = mark;
        if mark >= last {
            told.extend(self.up(now));
            return told;
        }
        let left = last.0 - mark.0;
        if !matches!(self.state, State::Recovering { .. }) {
            told.push(notice(ReplicaChange::Recovering, format!("{left} entries left")));
        }
        self.measured = Some((now, mark));
        self.rate = 0.0;
        self.state = State::Recovering { left, rate: 0.0 };
        told
    }

    /// It has applied, or passed, everything up to `mark`.
    pub(super) fn moved(&mut self, mark: Position, last: Position, now: Instant) -> Vec<Notice> {
        self.mark = self.mark.max(mark);
        if !matches!(self.state, State::Recovering { .. }) {
            return Vec::new();
        }
        if self.mark >= last {
            return self.up(now);
        }
        let (at, from) = *self.measured.get_or_insert((now, self.mark));
        let took = now.saturating_duration_since(at);
        if took >= MEASURED {
            let entries = u32::try_from(self.mark.0.saturating_sub(from.0)).unwrap_or(u32::MAX);
            self.rate = f64::from(entries) / took.as_secs_f64();
            self.measured = Some((now, self.mark));
        }
        self.state = State::Recovering { left: last.0 - self.mark.0, rate: self.rate };
        Vec::new()
    }

    /// It was up, and the others have gone far ahead.
    pub(super) fn fell_behind(&mut self, last: Position, now: Instant) -> Vec<Notice> {
        let left = last.0.saturating_sub(self.mark.0);
        self.leave(State::Recovering { left, rate: 0.0 });
        (self.measured, self.rate) = (Some((now, self.mark)), 0.0);
        vec![notice(ReplicaChange::Recovering, format!("{left} entries left"))]
    }

    /// It does not answer, or not rightly.
    pub(super) fn failed(&mut self, why: &str, now: Instant) -> Vec<Notice> {
        self.was_tried = true;
        if !self.state.is_in_service() {
            return Vec::new();
        }
        self.state = State::Down { why: why.to_owned() };
        self.up_since = None;
        if self.is_told {
            return Vec::new();
        }
        self.is_told = true;
        let mut told = vec![notice(ReplicaChange::Down, why)];
        told.extend(self.changed(now));
        told
    }

    /// It did something else than the others.
    pub(super) fn differs(&mut self, position: Position, statement: &str, why: &str) -> Vec<Notice> {
        if !self.state.is_in_service() {
            return Vec::new();
        }
        self.leave(State::Inconsistent { position, statement: statement.to_owned(), why: why.to_owned() });
        vec![notice(ReplicaChange::Inconsistent, format!("at {position}, {why}: {statement}"))]
    }

    /// The log cannot help it.
    pub(super) fn needs_rebuild(&mut self, why: &str) -> Vec<Notice> {
        self.was_tried = true;
        if matches!(self.state, State::RebuildNeeded { .. }) {
            return Vec::new();
        }
        self.leave(State::RebuildNeeded { why: why.to_owned() });
        vec![notice(ReplicaChange::RebuildNeeded, why)]
    }

    /// It is filled anew.
    pub(super) fn rebuilding(&mut self, progress: Filling) -> Vec<Notice> {
        let is_new = !matches!(self.state, State::Rebuilding { .. });
        let told = is_new.then(|| notice(ReplicaChange::Rebuilding, format!("from {}", progress.from)));
        self.leave(State::Rebuilding { progress });
        self.was_tried = true;
        told.into_iter().collect()
    }

    /// It was filled anew, and stands at `mark`: what it was before is over.
    pub(super) fn rebuilt(&mut self, mark: Position) {
        self.state = State::Down { why: "filled anew, not asked yet".to_owned() };
        self.mark = mark;
    }

    /// Takes it for what it was when the process before this one ended.
    pub(super) fn remember(&mut self, state: State) {
        self.leave(state);
        self.was_tried = true;
    }

    /// Time passes: whether one that was flapping is steady again.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Notice> {
        if self.is_flapping && self.is_readable(now) {
            self.is_flapping = false;
            self.changes.clear();
            return vec![notice(ReplicaChange::Flapping(false), format!("up for {STEADY:?}"))];
        }
        Vec::new()
    }

    fn leave(&mut self, state: State) {
        self.state = state;
        self.up_since = None;
    }

    fn up(&mut self, now: Instant) -> Vec<Notice> {
        if self.state == State::Up {
            return Vec::new();
        }
        self.state = State::Up;
        self.up_since = Some(now);
        let mut told = vec![notice(ReplicaChange::Up, format!("it has everything up to {}", self.mark))];
        told.extend(self.changed(now));
        told
    }

    fn changed(&mut self, now: Instant) -> Option<Notice> {
        self.changes.push_back(now);
        while self.changes.front().is_some_and(|at| now.saturating_duration_since(*at) > WINDOW) {
            self.changes.pop_front();
        }
        if self.is_flapping || self.changes.len() <= MOST_CHANGES {
            return None;
        }
        self.is_flapping = true;
        Some(notice(ReplicaChange::Flapping(true), format!("{} changes within {WINDOW:?}", self.changes.len())))
    }
}
