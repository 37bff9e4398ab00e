//! The durable, ordered log of statements: what every node applies, in this order, and nothing else.
//!
//! [`Log`] is a handle that many tasks share. What they append is taken by one thread (`writer`) that writes all that waits in
//! one transaction of a [`Storage`] with one fsync, and answers each with its position. Whoever reads sees an entry only when
//! it is durable. `sqlite` is the storage: a file that people can look into, whose records are chained by checksums, so
//! that one that was changed, moved or lost is an error that names its position and is never skipped. A [`Lease`] has at
//! most one process write; a writer that lost it without knowing is kept out by the epoch, which each new writer raises,
//! to the time at least, so that no two copies of a log have writers of one epoch.
//!
//! Positions count from 1 without gaps. What failed to be appended has no position, and leaves nothing.

mod encode;
mod entry;
mod error;
mod handle;
mod lease;
mod sqlite;
mod storage;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

pub use entry::{Entry, Kind, Outcome, Position, Record, Statement};
pub use error::LogError;
pub use handle::{Appending, Log};
pub use lease::{Claim, FileLease, Hold, Known, Lease, LeaseError};
pub use sqlite::{Look, SqliteStorage, look};
pub use storage::{Changes, Figures, Flush, Identity, NodeMark, Reader, Standing, Storage};
