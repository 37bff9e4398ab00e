//! Whether all nodes hold the same, to the last row: counted and hashed table by table, at one position of the log.
//!
//! `digest` sums up rows; `compare` finds where sums differ; `snapshot` has all nodes stand still at one position, for as long
//! as it takes to look; `run` reads them. What was found is a [`Report`].

mod compare;
mod digest;
mod report;
mod run;
mod snapshot;

#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use report::{Check, Difference, Report, Running, TableReport};
pub(super) use run::Verifier;
