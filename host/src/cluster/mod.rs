//! The live members of each cluster: what the catalog says, turned into members whose load figures and standing survive
//! rediscovery and configuration edits. Knows nothing of plugins, connections or protocols.
//!
//! The control side replaces the roster whole, one writer at a time; the workers read it, and count into the members'
//! figures.

mod capacity;
mod changes;
mod figures;
mod latency;
mod live;
mod member;
mod ready;
mod roster;
mod standing;

#[cfg(test)]
mod tests;

pub use capacity::{Capacity, CapacityLimits, Overload, Place};
pub use figures::{Figures, Load, Traffic};
pub use latency::Latencies;
pub use live::{LiveCluster, Rules};
pub use member::{InFlight, Member};
pub use roster::Roster;
pub use standing::{Judged, Standing};
