//! How a seat stands: who takes writes, and who may be read from, or why nobody.

use std::sync::Arc;

use tokio::time::Instant as Clock;

use super::sequence::Sequencer;
use super::standby::Standby;
use crate::sql::error::{Error, Unready};

/// How a seat stands.
#[derive(Clone)]
pub enum Stage {
    /// It is being taken.
    Opening,
    /// Another proxy has it.
    Taken {
        /// Which, for people.
        who: String,
        /// When that was first seen.
        since: Clock,
        /// Knows who may be read from.
        standby: Arc<Standby>,
    },
    /// It cannot be had. It is tried again.
    Failed {
        /// Why.
        why: String,
        /// Knows who may be read from.
        standby: Arc<Standby>,
    },
    /// Writes are taken.
    Open(Arc<Sequencer>),
    /// It was given up.
    Closed,
}

impl Stage {
    /// In one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Taken { .. } => "standby",
            Self::Failed { .. } => "failed",
            Self::Open(_) => "open",
            Self::Closed => "closed",
        }
    }

    /// Why no write is taken; none where they are.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Open(_) => None,
            Self::Opening => Some("the log is being opened".to_owned()),
            Self::Taken { who, .. } => Some(format!("another proxy has the log: {who}")),
            Self::Failed { why, .. } => Some(format!("the log cannot be used: {why}")),
            Self::Closed => Some("the log is being handed over".to_owned()),
        }
    }

    /// Who knows which nodes may be read from, where no writes are taken.
    pub fn standby(&self) -> Option<&Arc<Standby>> {
        match self {
            Self::Taken { standby, .. } | Self::Failed { standby, .. } => Some(standby),
            Self::Opening | Self::Open(_) | Self::Closed => None,
        }
    }

    /// The error of who can wait no longer.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Taken { who, .. } => Error::Standby(who.clone()),
            other => Error::Nobody(Unready { why: other.why().unwrap_or_default(), nodes: Vec::new() }),
        }
    }
}
