//! Owns the task that tells the log what was decided and how the nodes stand, and removes from it what nobody needs. What
//! comes while it waits for the log goes with the next time, all at once.

use std::sync::Arc;
use std::time::Duration;

use super::apply::Timing;
use super::journal::Notes;
use super::kept::Kept;
use super::log::{Flush, NodeMark, Position};
use super::shared::Shared;
use super::slot::Slot;
use super::state::Notice;

/// Before the log is asked again when it has failed.
const PAUSE: Duration = Duration::from_millis(200);

/// Keeps the log.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) timing: Timing,
    /// The log may be so long.
    pub(super) most_bytes: u64,
}

/// What the log keeps of a node, which may be one that was not seen yet.
pub(super) fn kept(slot: &Slot, is_new: bool) -> (String, NodeMark) {
    let state = Kept::of(slot.standing.state(), is_new).text();
    (slot.name.clone(), NodeMark { watermark: slot.standing.mark(), state: Some(state) })
}

impl Keeper {
    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let mut ticks = tokio::time::interval(self.timing.keep);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_tick = tokio::select! {
                biased;
                _ = ticks.tick() => true,
                () = self.shared.to_note.notified() => false,
            };
            if !self.note(is_tick).await {
                tokio::time::sleep(PAUSE).await;
                self.shared.to_note.notify_one();
            } else if is_tick {
                self.tidy().await;
            }
        }
    }

    /// Tells the log; `all` also how far the nodes are. False where it could not be told.
    async fn note(&self, all: bool) -> bool {
        let notes = self.shared.with(|board, _| {
            let wanted = |slot: &&mut Slot| {
                // Of one that was not seen yet the log knows that, until its applier says otherwise.
                let is_due = all && !slot.is_new;
                slot.is_dirty && (is_due || !slot.standing.state().is_in_service())
            };
            let nodes = board.slots.iter_mut().filter(wanted).map(|slot| {
                slot.is_dirty = false;
                kept(slot, false)
            });
            let nodes = nodes.collect();
            Notes { nodes, outcomes: board.take_decided() }
        });
        if notes == Notes::default() {
            return true;
        }
        let positions: Vec<Position> = notes.outcomes.iter().map(|(position, _)| *position).collect();
        let names: Vec<String> = notes.nodes.iter().map(|(name, _)| name.clone()).collect();
        let flush = if all && positions.is_empty() { Flush::Later } else { Flush::Now };
        let noted = self.shared.journal.note(notes, flush).await;
        if let Err(error) = &noted {
            tracing::warn!(%error, "what became of writes could not be recorded");
        }
        self.shared.with(|board, _| {
            board.settled(&positions, noted.is_ok());
            for slot in board.slots.iter_mut().filter(|slot| names.contains(&slot.name)) {
                match noted {
                    Err(_) => slot.is_dirty = true,
                    // Otherwise it has changed meanwhile.
                    Ok(()) if !slot.is_dirty => slot.is_known_out = !slot.is_in_service(),
                    Ok(()) => {}
                }
            }
        });
        noted.is_ok()
    }

    /// Removes what nobody needs, gives up whom the log has become too long for, and sees who is steady again.
    async fn tidy(&self) {
        let figures = self.shared.journal.figures();
        let needless = self.shared.with(|board, now| {
            for node in 0..board.slots.len() {
                let told = board.slots.get_mut(node).map(|slot| slot.standing.tick(now)).unwrap_or_default();
                board.out.changed |= !told.is_empty();
                board.out.notices.extend(told.into_iter().map(|notice: Notice| (node, notice)));
            }
            board.leave_behind(now);
            let is_full = figures.bytes > self.most_bytes;
            if is_full {
                board.give_up_last(&format!("the log has more than {} bytes that it would need", self.most_bytes));
            }
            board.needless(!is_full)
        });
        if needless > figures.trimmed
            && let Err(error) = self.shared.journal.trim(needless).await
        {
            tracing::warn!(%error, "what nobody needs could not be removed from the log");
        }
    }
}
