//! Owns filling a node anew, as far as the others are concerned: it gets nothing meanwhile, the log keeps what it will need, and
//! it goes on from the watermark that it was filled with. Who copies the data is somebody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::journal::Notes;
use super::keeper::kept;
use super::log::{Flush, LogError, Position};
use super::shared::Shared;
use super::slot::Slot;
use super::state::{Filling, State};
use super::trouble::Trouble;
use super::turn::WriteError;
use crate::model::{EndpointName, ReplicaChange, Work, WorkKind};

/// How long whoever applies the log to the node may take to leave it: what it has begun there may be long.
const LEAVE: Duration = Duration::from_secs(120);
/// How often it is shown how far it is, and how often told as an event.
const SHOWN: Duration = Duration::from_millis(200);
const TOLD: Duration = Duration::from_secs(5);

/// Why a node cannot be filled anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRebuild {
    /// There is no such node.
    #[error("there is no node {0}")]
    Unknown(String),
    /// No other node is up.
    #[error("no other node is up, from which {0} could be filled")]
    NoSource(String),
    /// It is filled anew already.
    #[error("{0} is filled anew already")]
    UnderWay(String),
    /// It does not answer.
    #[error("{0} cannot be filled: {1}")]
    Away(String, String),
    /// Which node is right is not known.
    #[error("{0}")]
    Unclear(String),
}

/// A node that is filled anew. Dropped before its end, the node needs it still.
pub struct Rebuild {
    shared: Arc<Shared>,
    node: usize,
    sources: Vec<EndpointName>,
    filling: Filling,
    shown: Instant,
    told: Instant,
    is_over: bool,
    /// None where nothing is copied.
    work: Option<Work>,
}

impl Rebuild {
    pub(super) fn begin(shared: &Arc<Shared>, name: &EndpointName) -> Result<Self, NoRebuild> {
        let text = || name.as_str().to_owned();
        let found = shared.with(|board, _| {
            let node = board.slots.iter().position(|slot| slot.name == name.as_str());
            let node = node.ok_or_else(|| NoRebuild::Unknown(text()))?;
            match board.trouble() {
                Some(Trouble::Older(why)) => return Err(NoRebuild::Unclear(why)),
                Some(Trouble::Fenced(epoch)) => return Err(NoRebuild::Unclear(WriteError::Fenced(epoch).to_string())),
                None => {}
            }
            let is_source =
                |(place, slot): &(usize, &Slot)| *place != node && matches!(slot.standing.state(), State::Up);
            let sources: Vec<String> =
                board.slots.iter().enumerate().filter(is_source).map(|(_, slot)| slot.name.clone()).collect();
            let is_under_way =
                board.slots.get(node).is_some_and(|slot| matches!(slot.standing.state(), State::Rebuilding { .. }));
            if is_under_way {
                return Err(NoRebuild::UnderWay(text()));
            }
            let Some(from) = sources.first().cloned() else { return Err(NoRebuild::NoSource(text())) };
            let filling = Filling { from, ..Filling::default() };
            board.stand(node, |standing| standing.rebuilding(filling.clone()));
            // A copy that is made later has at least what all others have now.
            let held = board.least();
            if let Some(slot) = board.slots.get_mut(node) {
                // Without a watermark it must not be taken for one that begins with the log.
                (slot.holds, slot.is_new) = (Some(held), false);
            }
            Ok((node, sources, filling))
        });
        let (node, sources, filling) = found?;
        let sources = sources.iter().filter_map(|name| EndpointName::new(name).ok()).collect();
        let work = Some(shared.work(WorkKind::Rebuild, Some(node), "rows"));
        let (shared, now) = (Arc::clone(shared), Instant::now());
        Ok(Self { shared, node, sources, filling, shown: now, told: now, is_over: false, work })
    }

    /// A node that is taken as it is.
    pub(super) fn trusted(shared: &Arc<Shared>, node: usize) -> Self {
        let filling = Filling { from: "an operator's word".to_owned(), ..Filling::default() };
        shared.with(|board, _| board.stand(node, |standing| standing.rebuilding(filling.clone())));
        let now = Instant::now();
        let (shared, sources) = (Arc::clone(shared), Vec::new());
        Self { shared, node, sources, filling, shown: now, told: now, is_over: false, work: None }
    }

    /// The nodes that it can be filled from. The first one is.
    pub fn sources(&self) -> &[EndpointName] {
        &self.sources
    }

    /// Waits until nobody applies the log to it any more, and has the log know that it is being filled: from then on its data
    /// may be overwritten. Whatever happens, nobody goes on with half of it.
    ///
    /// # Errors
    /// Where the log does not take it, or whoever is at work on the node does not end.
    pub(super) async fn clear(&self) -> Result<(), String> {
        let alone = self.shared.until(|board, _| {
            let slot = board.slots.get(self.node);
            slot.is_none_or(|slot| !slot.is_attended).then_some(())
        });
        timeout(LEAVE, alone).await.map_err(|_| "what was begun on it before has not ended".to_owned())?;
        let note = self.shared.with(|board, _| board.slots.get(self.node).map(|slot| kept(slot, false)));
        let notes = Notes { nodes: note.into_iter().collect(), outcomes: Vec::new() };
        self.shared.journal.note(notes, Flush::Now).await.map_err(|error: LogError| error.to_string())
    }

    /// Tells operators that more was copied.
    pub fn progress(&mut self, tables: u64, rows: u64, bytes: u64) {
        let filling = &mut self.filling;
        filling.tables += tables;
        filling.rows += rows;
        filling.bytes += bytes;
        self.work.as_ref().inspect(|work| work.is_at(filling.rows, None));
        if self.shown.elapsed() >= SHOWN {
            self.shown = Instant::now();
            self.shared.with(|board, _| board.stand(self.node, |standing| standing.rebuilding(self.filling.clone())));
        }
        if self.told.elapsed() >= TOLD {
            self.told = Instant::now();
            self.shared.tell(self.node, ReplicaChange::Rebuilding, self.filling.to_string());
        }
    }

    /// It was filled with what its source had at `mark`, and its watermark says so: it goes on from there, and the log knows that
    /// when this returns. Not where what its source had may not be what all others have: then it needs it still.
    pub async fn finish(mut self, mark: Position) {
        if let Err(why) = self.is_right(mark).await {
            return self.fail(&why);
        }
        self.is_over = true;
        let Filling { from, tables, rows, bytes } = &self.filling;
        let told = format!("filled from {from} up to {mark}: {tables} tables, {rows} rows, {bytes} bytes");
        self.shared.tell(self.node, ReplicaChange::Rebuilding, told);
        let note = self.shared.with(|board, _| {
            if let Some(slot) = board.slots.get_mut(self.node) {
                (slot.is_new, slot.is_dirty, slot.holds) = (false, true, None);
                slot.standing.rebuilt(mark);
            }
            board.out.changed = true;
            board.evaluate_all();
            board.slots.get(self.node).map(|slot| kept(slot, false))
        });
        let notes = Notes { nodes: note.into_iter().collect(), outcomes: Vec::new() };
        if let Err(error) = self.shared.journal.note(notes, Flush::Now).await {
            // It is told again with what is noted next.
            tracing::warn!(%error, "that a node was filled anew could not be recorded");
        }
    }

    /// Whether what its source had is what all others have, once that is known.
    async fn is_right(&self, mark: Position) -> Result<(), String> {
        let Some(source) = self.sources.first() else { return Ok(()) };
        let known = self.shared.until(|board, _| {
            let is_held = board.slots.get(self.node).is_some_and(|slot| slot.holds.is_some());
            let source = board.slots.iter().find(|slot| slot.name == source.as_str())?;
            let state = source.standing.state();
            if !is_held {
                Some(Err("what it would have needed of the log next was too much to be kept".to_owned()))
            } else if !state.is_in_service() {
                Some(Err(format!("{}, from which it was filled, is {}: {}", source.name, state.name(), state.why())))
            } else {
                board.is_decided(mark).then_some(Ok(()))
            }
        });
        let late = |_| format!("what the nodes make of the entries up to {mark} is not decided");
        timeout(LEAVE, known).await.map_err(late)?
    }

    /// It could not be filled.
    pub(super) fn fail(mut self, why: &str) {
        self.give_up(why);
    }

    fn give_up(&mut self, why: &str) {
        self.is_over = true;
        self.shared.with(|board, _| {
            if let Some(slot) = board.slots.get_mut(self.node) {
                slot.holds = None;
            }
            board.stand(self.node, |standing| standing.needs_rebuild(why));
        });
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        if !self.is_over {
            self.give_up("it was not filled to its end");
        }
    }
}
