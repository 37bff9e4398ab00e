//! Owns how much of the log is kept, and for whom: what nobody needs, and who is not waited for any more. Removes nothing itself.

use std::time::Instant;

use super::board::Board;
use super::log::Position;
use super::slot::{CLOSE, Slot};

impl Board {
    /// Up to where nobody needs the log. While only one node has everything, the log is the only other copy of it, and is
    /// kept, as long as it `may_grow`.
    pub(super) fn needless(&self, may_grow: bool) -> Position {
        let in_service = self.slots.iter().filter(|slot| slot.is_in_service()).count();
        if may_grow && in_service < 2.min(self.slots.len()) {
            return Position(0);
        }
        self.least()
    }

    /// Up to where everybody is who goes by the log, or will.
    pub(super) fn least(&self) -> Position {
        let held = |slot: &Slot| match slot.holds {
            Some(held) => Some(held),
            None => slot.is_in_service().then(|| slot.standing.mark()),
        };
        self.slots.iter().filter_map(held).min().unwrap_or_default()
    }

    /// The log is as long as it may become: who holds it back, and is not up, is given up, and so is what it keeps for one
    /// that is being filled. Only where one that is up has more, so that it is nowhere lost; and only one that was asked: what
    /// is known of the others may be older than what they have.
    pub(super) fn give_up_last(&mut self, why: &str) {
        let (best, least) = (self.best(), self.least());
        if Some(least) >= best {
            return;
        }
        for node in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(node) else { continue };
            if slot.holds == Some(least) {
                slot.holds = None;
            }
            let is_last = slot.is_in_service() && !slot.is_up() && slot.standing.mark() == least;
            if is_last && slot.standing.was_tried() {
                self.change(node, |standing| standing.needs_rebuild(why));
            }
        }
        self.evaluate_all();
    }

    /// One that is up and far behind another one is recovering: neither is memory kept for it, nor the log without end.
    pub(super) fn leave_behind(&mut self, now: Instant) {
        let (best, last) = (self.best().unwrap_or_default(), self.last);
        for node in 0..self.slots.len() {
            let is_far = |slot: &Slot| slot.is_up() && slot.standing.mark().0.saturating_add(CLOSE) < best.0;
            if self.slots.get(node).is_some_and(is_far) {
                self.stand(node, |standing| standing.fell_behind(last, now));
            }
        }
    }

    /// Up to where one is that is up.
    fn best(&self) -> Option<Position> {
        self.slots.iter().filter(|slot| slot.is_up()).map(|slot| slot.standing.mark()).max()
    }
}
