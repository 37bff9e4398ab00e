//! Owns what is known of all nodes and of the entries under way, in one value: every change goes through here, and what
//! follows from it is decided here. No I/O and no clock; what is to be done outside is left in the [`Outbox`].
//!
//! An entry is *decided* once, by [`ack`](super::ack); that is *lasting* when the log has it, or at once where every node in
//! service has applied it. Before that neither a client is told nor does a node pass an entry that it refused: what was decided
//! can then not come out otherwise after a crash. An entry is forgotten here when all nodes that are up are past it; for the
//! others the log knows what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::ack::{self, Acknowledgement, Answer, Vote};
use super::log::{Outcome, Position, Record};
use super::slot::{Outbox, Slot};
use super::state::{Notice, Standing};
use super::tally::{Rows, Stage, Tally, Told, Waiter};
use crate::sql::dialect::Dialect;

/// What is known of an entry that a node is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// What was decided; it may not be lasting yet.
    Known(Outcome),
    /// Nothing yet.
    Fresh,
    /// The log may know.
    AskLog,
    /// The node gets nothing any more.
    Halted,
}

/// What a node that has refused an entry is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Pass it.
    Pass,
    /// It gets nothing any more.
    Halted,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct Board {
    policy: Acknowledgement,
    dialect: Dialect,
    pub(super) slots: Vec<Slot>,
    open: BTreeMap<Position, Tally>,
    /// The last entry that was there before: nobody here waits for it and those before it.
    inherited: Position,
    /// The last entry that was forgotten: for none before it will anybody come.
    forgotten: Position,
    /// The last entry.
    pub(super) last: Position,
    /// The last entry of which a client was told.
    pub(super) acknowledged: Position,
    /// The epoch of a later writer.
    pub(super) fenced: Option<u64>,
    pub(super) out: Outbox,
    /// What a node has said that is past an entry of which nothing else is known.
    passed: Answer,
}

impl Board {
    /// Nodes that speak a dialect, and have a log up to a position.
    pub(super) fn new(policy: Acknowledgement, dialect: Dialect, slots: Vec<Slot>, last: Position) -> Self {
        let passed = Answer::Applied { affected: None };
        Self {
            policy,
            dialect,
            slots,
            open: BTreeMap::new(),
            inherited: last,
            forgotten: last,
            last,
            acknowledged: last,
            fenced: None,
            out: Outbox::default(),
            passed,
        }
    }

    /// How many nodes are up, and how many must be for a write.
    pub(super) fn strength(&self) -> (usize, usize) {
        let up = self.slots.iter().filter(|slot| slot.is_up()).count();
        (up, self.policy.least(self.slots.len()))
    }

    /// Whether every node was asked at least once.
    pub(super) fn all_tried(&self) -> bool {
        self.slots.iter().all(|slot| slot.standing.was_tried())
    }

    /// A change of one node's standing, with all that follows.
    pub(super) fn stand(&mut self, node: usize, change: impl FnOnce(&mut Standing) -> Vec<Notice>) {
        self.change(node, change);
        self.evaluate_all();
    }

    /// A node comes to an entry.
    pub(super) fn claim(&mut self, node: usize, record: &Record) -> Claimed {
        self.last = self.last.max(record.position);
        let Some(slot) = self.slots.get_mut(node) else { return Claimed::Halted };
        if !slot.is_in_service() {
            return Claimed::Halted;
        }
        slot.claim = Some(record.position);
        let is_up = slot.is_up();
        let tally = self.tally(record.position);
        tally.entry.get_or_insert_with(|| Arc::clone(&record.entry));
        match &tally.stage {
            Stage::Decided(outcome) | Stage::Settling(outcome) | Stage::Lasting { outcome, .. } => {
                Claimed::Known(outcome.clone())
            }
            Stage::Open => Claimed::Fresh,
            // While a node is up, nothing that it is not past is forgotten.
            Stage::Unasked if is_up => {
                tally.stage = Stage::Open;
                Claimed::Fresh
            }
            Stage::Unasked => Claimed::AskLog,
        }
    }

    /// What the log knows of an entry.
    pub(super) fn recall(&mut self, position: Position, known: Option<Outcome>) {
        let tally = self.tally(position);
        if tally.stage == Stage::Unasked {
            tally.stage = match known {
                Some(outcome) => Stage::Lasting { outcome, is_settled: true },
                None => Stage::Open,
            };
        }
        self.evaluate(position);
    }

    /// A node has done an entry, or refused it.
    pub(super) fn answer(
        &mut self,
        node: usize,
        position: Position,
        (answer, rows): (Answer, Option<Rows>),
        now: Instant,
    ) {
        // One that was taken out while it was at it says nothing any more.
        if !self.is_in_service(node) {
            return;
        }
        let is_applied = matches!(answer, Answer::Applied { .. });
        let tally = self.tally(position);
        if tally.stage == Stage::Unasked {
            tally.stage = Stage::Open;
        }
        if tally.rows.is_none() && !matches!(tally.waiter, Waiter::Gone) {
            tally.rows = rows;
        }
        let late = tally.stage.outcome().and_then(|outcome| ack::differs(outcome, &answer));
        tally.answers.insert(node, answer);
        let was = self.slots.get(node).map(|slot| slot.standing.state().name());
        if is_applied {
            let last = self.last;
            self.change(node, |standing| standing.moved(position, last, now));
        }
        match late {
            Some(why) => {
                self.quarantine(node, position, &why);
                self.evaluate_all();
            }
            None if was != self.slots.get(node).map(|slot| slot.standing.state().name()) => self.evaluate_all(),
            None => self.evaluate(position),
        }
    }

    /// A node is past everything up to a position, of all of which is known what came of it.
    pub(super) fn passed(&mut self, node: usize, position: Position, now: Instant) {
        let last = self.last;
        self.change(node, |standing| standing.moved(position, last, now));
        self.evaluate_all();
    }

    /// What a node that has refused an entry is to do, once that is certain.
    pub(super) fn verdict(&self, node: usize, position: Position) -> Option<Verdict> {
        if !self.is_in_service(node) {
            return Some(Verdict::Halted);
        }
        match self.open.get(&position).map(|tally| &tally.stage) {
            Some(Stage::Lasting { outcome: Outcome::Refused { .. }, .. }) => Some(Verdict::Pass),
            _ => None,
        }
    }

    /// Whether a node is to get what is written.
    pub(super) fn is_in_service(&self, node: usize) -> bool {
        self.slots.get(node).is_some_and(Slot::is_in_service)
    }

    /// Somebody waits for an entry that is in the log.
    pub(super) fn wait(&mut self, position: Position, waiter: oneshot::Sender<Told>) {
        self.last = self.last.max(position);
        let tally = self.tally(position);
        tally.waiter = Waiter::Here(waiter);
        if tally.stage == Stage::Unasked {
            tally.stage = Stage::Open;
        }
        self.evaluate(position);
    }

    /// What the log is to be told of entries now.
    pub(super) fn take_decided(&mut self) -> Vec<(Position, Outcome)> {
        let take = |(position, tally): (&Position, &mut Tally)| {
            let Stage::Decided(outcome) = &tally.stage else { return None };
            let outcome = outcome.clone();
            tally.stage = Stage::Settling(outcome.clone());
            Some((*position, outcome))
        };
        self.open.iter_mut().filter_map(take).collect()
    }

    /// The log was told, or could not be.
    pub(super) fn settled(&mut self, positions: &[Position], is_done: bool) {
        for position in positions {
            let Some(tally) = self.open.get_mut(position) else { continue };
            if let Stage::Settling(outcome) = &tally.stage {
                let outcome = outcome.clone();
                tally.stage = match is_done {
                    true => Stage::Lasting { outcome, is_settled: true },
                    false => Stage::Decided(outcome),
                };
            }
            self.evaluate(*position);
        }
    }

    /// Whether all that nodes have said up to a position has come to an end.
    pub(super) fn is_decided(&self, through: Position) -> bool {
        self.open.range(..=through).all(|(_, tally)| tally.stage.outcome().is_some())
    }

    /// A node did something else than the others.
    pub(super) fn quarantine(&mut self, node: usize, position: Position, why: &str) {
        let text = self.open.get(&position).map(|tally| tally.text(self.dialect)).unwrap_or_default();
        self.change(node, |standing| standing.differs(position, &text, why));
    }

    pub(super) fn change(&mut self, node: usize, change: impl FnOnce(&mut Standing) -> Vec<Notice>) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        let (was_in_service, mark) = (slot.is_in_service(), slot.standing.mark());
        let notices = change(&mut slot.standing);
        slot.is_dirty |= was_in_service != slot.is_in_service() || mark != slot.standing.mark();
        slot.is_known_out &= !slot.is_in_service();
        if was_in_service && !slot.is_in_service() {
            self.out.to_note = true;
        }
        self.out.changed = true;
        self.out.notices.extend(notices.into_iter().map(|notice| (node, notice)));
    }

    fn tally(&mut self, position: Position) -> &mut Tally {
        let is_expected = position > self.inherited && position > self.forgotten;
        let waiter = if is_expected { Waiter::Expected } else { Waiter::Gone };
        self.open.entry(position).or_insert_with(|| Tally::new(waiter))
    }

    pub(super) fn evaluate_all(&mut self) {
        let positions: Vec<Position> = self.open.keys().copied().collect();
        for position in positions {
            self.evaluate(position);
        }
    }

    fn evaluate(&mut self, position: Position) {
        self.decide(position);
        self.tell(position);
        self.forget(position);
    }

    fn decide(&mut self, position: Position) {
        let Some(tally) = self.open.get(&position) else { return };
        if tally.stage != Stage::Open {
            return;
        }
        let Some(decision) = ack::decide(self.policy, &self.votes(position, tally)) else { return };
        let is_applied = matches!(decision.outcome, Outcome::Applied { .. });
        let is_everywhere = self.slots.iter().all(|slot| slot.is_past(position));
        let outcome = decision.outcome;
        let stage = if is_applied && is_everywhere && decision.differing.is_empty() {
            Stage::Lasting { outcome, is_settled: false }
        } else {
            self.out.to_note = true;
            Stage::Decided(outcome)
        };
        if let Some(tally) = self.open.get_mut(&position) {
            tally.stage = stage;
        }
        self.out.changed = true;
        let is_split = !decision.differing.is_empty();
        for (node, why) in decision.differing {
            self.quarantine(node, position, &why);
        }
        if is_split {
            self.evaluate_all();
        }
    }

    /// Tells who waits.
    fn tell(&mut self, position: Position) {
        let Some(tally) = self.open.get(&position) else { return };
        let Stage::Lasting { outcome, .. } = &tally.stage else { return };
        if !matches!(tally.waiter, Waiter::Here(_))
            || !ack::is_acknowledged(self.policy, outcome, &self.holders(position, tally))
        {
            return;
        }
        let outcome = outcome.clone();
        let has = |slot: &&Slot| slot.is_in_service() && slot.standing.mark() >= position;
        let nodes = self.slots.iter().filter(has).map(|slot| slot.name.clone()).collect();
        let Some(tally) = self.open.get_mut(&position) else { return };
        let Waiter::Here(waiter) = std::mem::replace(&mut tally.waiter, Waiter::Gone) else { return };
        let rows = tally.rows.take();
        self.out.told.push((waiter, Told { outcome, rows, nodes }));
        self.acknowledged = self.acknowledged.max(position);
        self.out.changed = true;
    }

    /// Forgets an entry that nobody asks for any more.
    fn forget(&mut self, position: Position) {
        let Some(tally) = self.open.get(&position) else { return };
        let Stage::Lasting { is_settled, .. } = &tally.stage else { return };
        let is_past = |slot: &Slot| slot.standing.mark() >= position;
        let is_needed = |slot: &Slot| {
            let is_at = slot.claim >= Some(position) || slot.is_up();
            slot.is_in_service() && !is_past(slot) && (is_at || !is_settled)
        };
        if matches!(tally.waiter, Waiter::Gone) && !self.slots.iter().any(is_needed) {
            self.open.remove(&position);
            self.forgotten = self.forgotten.max(position);
        }
    }

    /// As [`Self::votes`], without those who had it and were restored to what they had before.
    fn holders<'a>(&'a self, position: Position, tally: &'a Tally) -> Vec<Vote<'a>> {
        let mut votes = self.votes(position, tally);
        for (vote, slot) in votes.iter_mut().zip(&self.slots) {
            if slot.standing.mark() < position {
                vote.answer = vote.answer.filter(|answer| matches!(answer, Answer::Refused { .. }));
            }
        }
        votes
    }

    fn votes<'a>(&'a self, position: Position, tally: &'a Tally) -> Vec<Vote<'a>> {
        // Nobody waits for one that was there before: all are heard who are about to come to it, and not only who was ahead.
        let is_any_up = position > self.inherited && self.slots.iter().any(Slot::is_up);
        let vote = |(node, slot): (usize, &'a Slot)| {
            let passed = (slot.standing.mark() >= position).then_some(&self.passed);
            Vote { presence: slot.presence(position, is_any_up), answer: tally.answers.get(&node).or(passed) }
        };
        self.slots.iter().enumerate().map(vote).collect()
    }
}
