//! Owns an operator's word that one node holds what is right, where there is no other to go by: it follows the log from
//! where it stands, and all others must be filled from it. It is taken only where nobody else knows better, or could.

use std::time::{Duration, Instant};

use super::adopt::is_of_another;
use super::board::Board;
use super::journal::{Notes, written};
use super::keeper::kept;
use super::log::{Flush, LogError, Outcome, Position};
use super::mark::{Last, Mark};
use super::patience::{bounded, due};
use super::rebuild::Rebuild;
use super::replicas::Replicas;
use super::sequence::Sequencer;
use super::slot::Slot;
use super::state::State;
use super::trouble::Trouble;
use super::turn::WriteError;
use crate::sql::backend::{Fault, Session, Step};

/// How long each half of it may take: having the turn to write, and moving the watermark.
const WITHIN: Duration = Duration::from_secs(30);

/// Why a node is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTrust {
    /// There is no such node.
    #[error("there is no node {0}")]
    Unknown(String),
    /// There are others to go by.
    #[error("{0} holds all that was written: fill the node anew from it instead")]
    Needless(String),
    /// It is being filled.
    #[error("{0} is filled anew just now")]
    UnderWay(String),
    /// Nobody knows yet what there is.
    #[error("not all nodes were asked yet what they hold: try again in a moment")]
    Unasked,
    /// Another one may know better.
    #[error("{0} does not answer, and may hold more: wait for it, or add ?force=true where it will not come back")]
    Away(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

impl Sequencer {
    /// Takes what a node holds for all that was written, but for what the log has yet. The others must be filled anew.
    /// `is_forced`: also where one that does not answer may hold more, and past an entry that it would not do.
    ///
    /// # Errors
    /// Where that is not so, or could not be done.
    pub async fn trust(&self, name: &str, is_forced: bool) -> Result<Position, NoTrust> {
        self.replicas().trust((name, is_forced), || self.memory().forget()).await
    }
}

impl Replicas {
    /// As [`Sequencer::trust`]; `forget` is called while nothing is written.
    pub(super) async fn trust(
        &self,
        (name, is_forced): (&str, bool),
        forget: impl FnOnce(),
    ) -> Result<Position, NoTrust> {
        let node = self.nodes.iter().find(|node| node.name.as_str() == name);
        let node = node.ok_or_else(|| NoTrust::Unknown(name.to_owned()))?;
        let failed = |fault: Fault| NoTrust::Failed(format!("{name}: {fault}"));
        let begun = due(WITHIN);
        let mut session = bounded(begun, self.backend.session(&node.address, begun)).await.map_err(failed)?;
        bounded(begun, self.marks.ensure(session.as_mut(), begun)).await.map_err(failed)?;
        let late = |error: WriteError| NoTrust::Failed(error.to_string());
        let turn = self.quiet(begun).await.map_err(late)?;
        let last = turn.last(begun).await.map_err(late)?;
        let (trusted, differed) = self.trusted((name, is_forced))?;
        trusted.clear().await.map_err(NoTrust::Failed)?;
        // What was begun on it before may have taken long to end.
        let due = due(WITHIN);
        let found = bounded(due, self.marks.read(session.as_mut(), due)).await.map_err(failed)?;
        let at = found.as_ref().map(|mark| mark.position).unwrap_or_default();
        let written = written(self.shared.journal.as_ref(), at).await;
        let written = written.map_err(|error| NoTrust::Failed(error.to_string()))?;
        let found = found.filter(|mark| mark.log == self.marks.log().0 && !is_of_another(mark, written));
        let at = place(found.as_ref(), differed.filter(|_| is_forced), (self.shared.journal.figures().trimmed, last));
        let did = self.did(at).await?;
        // It may have rows with numbers that the log has never given.
        self.shared.journal.forget_counters().await.map_err(|error| NoTrust::Failed(error.to_string()))?;
        forget();
        let stands = |mark: &Mark| {
            let is_as_known = did.as_ref().is_none_or(|did| mark.last.last() == Some(did));
            mark.position == at && mark.last.len() <= 1 && is_as_known
        };
        // What it has noted of a change of the schema is needed yet.
        if !found.is_some_and(|mark| stands(&mark) && mark.epoch <= self.marks.epoch()) {
            self.put(session.as_mut(), (at, did.as_slice()), due).await.map_err(failed)?;
        }
        self.condemn((name, is_forced)).await?;
        trusted.finish(at).await;
        drop(turn);
        Ok(at)
    }

    /// Puts the watermark of a node somewhere else. At once: without one nobody would know what it has.
    async fn put(&self, session: &mut dyn Session, to: (Position, &[Last]), due: Instant) -> Result<(), Fault> {
        bounded(due, session.transact(Step::Begin, due)).await?;
        bounded(due, self.marks.forget(session, due)).await?;
        bounded(due, self.marks.adopt(session, to, due)).await?;
        bounded(due, session.transact(Step::Commit, due)).await
    }

    /// Takes a node out, to be trusted; and the entry with which it did something else than the others, if that is why it was.
    fn trusted(&self, (name, is_forced): (&str, bool)) -> Result<(Rebuild, Option<Position>), NoTrust> {
        let (node, differed) = self.shared.with(|board, _| {
            may_be(board, name, is_forced)?;
            let node = board.slots.iter().position(|slot| slot.name == name);
            let node = node.ok_or_else(|| NoTrust::Unknown(name.to_owned()))?;
            let differed = match board.slots.get(node).map(|slot| slot.standing.state()) {
                Some(State::Inconsistent { position, .. }) => Some(*position),
                _ => None,
            };
            Ok((node, differed))
        })?;
        Ok((Rebuild::trusted(&self.shared, node), differed))
    }

    /// Takes all others out, and has the log know it, now that the node is there to fill them from.
    async fn condemn(&self, (name, is_forced): (&str, bool)) -> Result<(), NoTrust> {
        let nodes = self.shared.with(|board, _| {
            // One of them may have come back meanwhile.
            may_be(board, name, is_forced)?;
            for node in 0..board.slots.len() {
                let Some(slot) = board.slots.get_mut(node) else { continue };
                (slot.is_new, slot.beyond) = (false, None);
                if slot.name != name {
                    board.stand(node, |standing| standing.needs_rebuild(&format!("{name} is trusted instead")));
                }
            }
            Ok(board.slots.iter().map(|slot| kept(slot, false)).collect())
        })?;
        let failed = |error: LogError| NoTrust::Failed(error.to_string());
        self.shared.journal.note(Notes { nodes, outcomes: Vec::new() }, Flush::Now).await.map_err(failed)
    }

    /// What an entry did, as far as the log knows, so that the node may stand behind it.
    async fn did(&self, at: Position) -> Result<Option<Last>, NoTrust> {
        let failed = |error: LogError| NoTrust::Failed(error.to_string());
        let before = Position(at.0.saturating_sub(1));
        let known = self.shared.journal.outcomes(before, at).await.map_err(failed)?;
        Ok(known.get(&at).map(|outcome| match outcome {
            Outcome::Applied { affected } => Last::Applied(affected.clone()),
            Outcome::Refused { .. } => Last::Passed,
        }))
    }
}

/// Whether nobody knows better than a node, or could.
fn may_be(board: &Board, name: &str, is_forced: bool) -> Result<(), NoTrust> {
    if !board.all_tried() {
        return Err(NoTrust::Unasked);
    }
    let is_older = matches!(board.trouble(), Some(Trouble::Older(_)));
    let knows = |slot: &Slot| matches!(slot.standing.state(), State::Up | State::Recovering { .. });
    for slot in board.slots.iter().filter(|slot| slot.name != name || knows(slot)) {
        let name = || slot.name.clone();
        match slot.standing.state() {
            State::Rebuilding { .. } => return Err(NoTrust::UnderWay(name())),
            _ if knows(slot) && !is_older => return Err(NoTrust::Needless(name())),
            // Of one that has more than the log it is known what it has.
            State::Down { .. } if !is_forced && slot.beyond.is_none() => return Err(NoTrust::Away(name())),
            _ => {}
        }
    }
    Ok(())
}

/// From where on a node follows the log whose entries after `trimmed` are there: from where it stands, so that it gets what the
/// log has yet; where nobody knows, or the log cannot help it, from its end. Past an entry that it `differed` with, if one is
/// given.
fn place(found: Option<&Mark>, differed: Option<Position>, (trimmed, last): (Position, Position)) -> Position {
    match found.map(|mark| mark.position) {
        Some(at) if (trimmed..=last).contains(&at) => differed.map_or(at, |differed| at.max(differed)).min(last),
        _ => last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_trusted_gets_what_the_log_has_yet() {
        let mark = |at| Mark { log: "a".into(), epoch: 1, position: Position(at), last: Vec::new(), pending: None };
        let log = (Position(40), Position(100));
        let at =
            |found: Option<u64>, differed: Option<u64>| place(found.map(mark).as_ref(), differed.map(Position), log).0;
        assert_eq!((at(Some(50), None), at(Some(40), None), at(Some(100), None)), (50, 40, 100));
        // With what it cannot do it is not stuck for good.
        assert_eq!((at(Some(50), Some(51)), at(Some(51), Some(51))), (51, 51));
        // The log ends before, or cannot help, or nobody knows.
        assert_eq!((at(Some(101), None), at(Some(39), None), at(None, None)), (100, 100, 100));
    }
}
