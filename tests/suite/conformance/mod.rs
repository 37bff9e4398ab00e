//! Every plugin that is built in, held to the laws of its kind, natively and as a component. What a strategy picks is a
//! candidate that was not tried, whatever the cluster goes through; a policy keeps within the ranges and never improves on
//! the verdict in front of it; both forms decide alike. Where a decision can be worked out by hand, it was.

mod agreement;
mod by_hand;
mod cluster;
mod judges;
mod laws;
mod native;
mod policies;
mod subjects;

pub(crate) use subjects::engine;
