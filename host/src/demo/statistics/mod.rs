//! What became of the requests of all nodes that share a file: counted in memory as they are answered, written as sums
//! a few times a second, read back for `/worker/stats`. A node answers on while the file cannot be written.

mod ledger;
mod recorder;
mod tally;

pub(super) use recorder::Recorder;
pub(super) use tally::report;
