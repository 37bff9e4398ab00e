//! What is recorded of requests: spans on their way to a collector, and the lines of the access log on theirs to a file.
//! Whoever serves requests hands both over and never waits; what there is no room for is dropped and counted.

mod access;
mod counts;
mod ending;
mod line;
mod outlet;
mod traces;

#[cfg(test)]
mod tests;

pub use access::AccessLogs;
pub use counts::RecordingCounts;
pub use ending::Ending;
pub use traces::Traces;
