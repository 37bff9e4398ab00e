//! What the board keeps of each node, and what it leaves to be done outside. Plain data.

use tokio::sync::oneshot;

use super::ack::Presence;
use super::log::Position;
use super::state::{Notice, Standing, State};
use super::tally::Told;

/// Where no node is up, those that are behind by no more than so many entries decide about the next; one that is up is behind
/// another by no more.
pub(super) const CLOSE: u64 = 1_000;

/// What is to be done outside.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// To tell operators, of which node.
    pub(super) notices: Vec<(usize, Notice)>,
    /// To tell clients.
    pub(super) told: Vec<(oneshot::Sender<Told>, Told)>,
    /// There is something to note in the log.
    pub(super) to_note: bool,
    /// Somebody may wait for what has changed.
    pub(super) changed: bool,
}

/// A node.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) standing: Standing,
    /// It was there when the log began, and was not seen yet.
    pub(super) is_new: bool,
    /// The log has to be told how it stands.
    pub(super) is_dirty: bool,
    /// The log knows that it was taken out.
    pub(super) is_known_out: bool,
    /// The last of the entries that it is at.
    pub(super) claim: Option<Position>,
    /// What the log keeps for it while it is filled anew.
    pub(super) holds: Option<Position>,
    /// It has what the log does not know: what is to be said of that.
    pub(super) beyond: Option<String>,
    /// Whether somebody has a session with it to apply the log.
    pub(super) is_attended: bool,
}

impl Slot {
    pub(super) fn new(name: String, standing: Standing, is_new: bool) -> Self {
        Self {
            name,
            // What it begins with is what the log has.
            is_known_out: !standing.state().is_in_service(),
            standing,
            is_new,
            is_dirty: true,
            claim: None,
            holds: None,
            beyond: None,
            is_attended: false,
        }
    }

    /// Whether what it has is, or will be by itself, what all others have.
    pub(super) fn is_in_service(&self) -> bool {
        self.standing.state().is_in_service()
    }

    /// Whether nothing that it says of an entry can count any more, also after a crash.
    pub(super) fn is_past(&self, position: Position) -> bool {
        if self.is_in_service() { self.standing.mark() >= position } else { self.is_known_out }
    }

    /// Whether it has everything, and answers.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.standing.state(), State::Up)
    }

    /// What it has to do with the outcome of an entry.
    pub(super) fn presence(&self, position: Position, is_any_up: bool) -> Presence {
        match self.standing.state() {
            State::Inconsistent { .. } | State::RebuildNeeded { .. } | State::Rebuilding { .. } => Presence::Out,
            State::Up => Presence::Voting,
            _ if !self.standing.was_tried() => Presence::Unknown,
            State::Down { .. } => Presence::Away,
            State::Recovering { .. } => {
                let is_close = self.standing.mark().0 + CLOSE >= position.0;
                if is_close && !is_any_up { Presence::Voting } else { Presence::Watching }
            }
        }
    }
}
