//! Why the log did not do what it was asked.

use super::Position;

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A record is not what was written, or is not there.
    #[error("the statement log is damaged at position {position}: {why}")]
    Corrupt {
        /// Which.
        position: Position,
        /// How that is seen.
        why: &'static str,
    },
    /// The file is something else, or of a later version of this program.
    #[error("{0} is no statement log that this version knows")]
    Unknown(String),
    /// The storage failed. Nothing was done, and nothing of it will be found later.
    #[error("the statement log: {0}")]
    Storage(String),
    /// The storage failed, or its writer did, and it is not known whether what was asked is lasting.
    #[error("the statement log, and whether it was written is not known: {0}")]
    InDoubt(String),
    /// Another writer has raised the epoch. Nothing was done.
    #[error("the statement log has a later writer, of epoch {0}")]
    Fenced(u64),
    /// The lease is no longer held. Nothing was done.
    #[error("the lease of the statement log is lost")]
    LeaseLost,
    /// The entry is too large. Nothing was done.
    #[error("an entry of {bytes} bytes is too large for the statement log: {most} is the most")]
    TooLarge {
        /// Of the entry.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The entries asked for were removed.
    #[error("the statement log begins after position {0}")]
    Trimmed(Position),
    /// The writer of the log has ended. Nothing was done.
    #[error("the writer of the statement log has ended")]
    Ended,
}

impl LogError {
    /// Whether what was asked may have been done all the same, or may be found done later.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_))
    }
}
