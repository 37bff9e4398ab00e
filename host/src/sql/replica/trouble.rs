//! Owns what keeps everybody from writing, however many nodes are up: another writer, or a log that is not the one that the nodes
//! have followed. Neither goes away by itself, and so each says what to do.

use super::board::Board;
use super::log::Position;
use super::replicas::Replicas;
use super::shared::Shared;

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nodes follow a later writer, of this epoch.
    Fenced(u64),
    /// Nodes have what the log does not know.
    Older(String),
}

impl Board {
    /// What is the trouble, if there is any.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let older = || {
            let beyond = self.slots.iter().find_map(|slot| Some((slot.name.as_str(), slot.beyond.as_deref()?)));
            beyond.map(|(name, why)| Trouble::Older(format!("{name}: {why}")))
        };
        self.fenced.map(Trouble::Fenced).or_else(older)
    }
}

impl Shared {
    /// A node stands where the log has never been. What to say of it.
    pub(super) fn beyond(&self, node: usize, (at, epoch): (Position, u64)) -> String {
        let last = self.journal.durable();
        let why = format!(
            "it is at position {at} of epoch {epoch}, and the log ends at {last} of epoch {}: the log is an older copy than what \
             the nodes hold. Put the right log in its place; where there is none any more, have the node be trusted that holds \
             what is right, and fill the others from it",
            self.journal.epoch()
        );
        self.with(|board, _| {
            if let Some(slot) = board.slots.get_mut(node) {
                slot.beyond = Some(why.clone());
            }
            board.out.changed = true;
        });
        why
    }
}

impl Replicas {
    /// Why neither reads nor writes are right, where the log is older than what the nodes hold.
    pub(super) fn older(&self) -> Option<String> {
        self.shared.with(|board, _| match board.trouble() {
            Some(Trouble::Older(why)) => Some(why),
            Some(Trouble::Fenced(_)) | None => None,
        })
    }
}
