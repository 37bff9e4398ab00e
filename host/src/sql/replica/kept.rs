//! What of a node's standing outlives the process, as the log keeps it. Plain text that people can read.

use serde::{Deserialize, Serialize};

use super::log::Position;
use super::state::State;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    /// It was there when the log began, and was not seen yet.
    New,
    /// It follows the log.
    Following,
    /// It did something else than the others.
    Inconsistent { position: u64, statement: String, why: String },
    /// It must be filled anew.
    RebuildNeeded { why: String },
}

impl Kept {
    /// Of a node that stands so.
    pub(super) fn of(state: &State, is_new: bool) -> Self {
        match state {
            State::Inconsistent { position, statement, why } => {
                Self::Inconsistent { position: position.0, statement: statement.clone(), why: why.clone() }
            }
            State::RebuildNeeded { why } => Self::RebuildNeeded { why: why.clone() },
            State::Rebuilding { .. } => Self::RebuildNeeded { why: "it was not filled to its end".to_owned() },
            State::Up | State::Down { .. } | State::Recovering { .. } if is_new => Self::New,
            State::Up | State::Down { .. } | State::Recovering { .. } => Self::Following,
        }
    }

    /// How a node of which this was kept stands; none where it is asked.
    pub(super) fn state(&self) -> Option<State> {
        match self {
            Self::New | Self::Following => None,
            Self::Inconsistent { position, statement, why } => Some(State::Inconsistent {
                position: Position(*position),
                statement: statement.clone(),
                why: why.clone(),
            }),
            Self::RebuildNeeded { why } => Some(State::RebuildNeeded { why: why.clone() }),
        }
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        // These have no keys that JSON cannot have.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads it. What cannot be read was written by somebody else: nobody knows what the node has.
    pub(super) fn read(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Following };
        let why = |error| format!("what the log says of it cannot be read ({error})");
        serde_json::from_str(text).unwrap_or_else(|error| Self::RebuildNeeded { why: why(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_nonsense_is_no_node_that_may_go_on() {
        let inconsistent = Kept::Inconsistent { position: 7, statement: "a \"b\"".into(), why: "c".into() };
        for kept in [Kept::New, Kept::Following, inconsistent, Kept::RebuildNeeded { why: "x".into() }] {
            assert_eq!(Kept::read(Some(&kept.text())), kept);
            assert_eq!(kept.state().map(|state| Kept::of(&state, false)).unwrap_or(kept.clone()), kept);
        }
        assert!(matches!(Kept::read(Some("?")), Kept::RebuildNeeded { .. }));
    }
}
