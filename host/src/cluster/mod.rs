//! The live members of each cluster: what the catalog says, turned into members whose load figures survive rediscovery
//! and configuration edits. Knows nothing of plugins, connections or protocols.
//!
//! One writer (the control side) replaces the roster whole; the workers read it, and count into the members' figures.

mod figures;
mod live;
mod member;
mod roster;

pub use figures::{Figures, Load};
pub use live::LiveCluster;
pub use member::{InFlight, Member};
pub use roster::Roster;
