//! Where endpoints come from. Every source says what it sees of one cluster; the directory follows them all, keeps the last
//! good set of one that lost sight, and merges what they say into the catalog.

mod directory;
mod dns;
pub mod docker;
mod follower;
mod merge;
pub mod redis;
mod source;

#[cfg(test)]
mod tests;

pub use directory::{Directory, Prepared, SourceKey, SourceKind, Wanted, Wish, source_of};
pub use follower::{Lost, Moment, Sighting};
pub use source::{Following, Seen, Sight, Skipped, Source, SourceError};
