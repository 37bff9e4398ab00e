//! Every strategy that is built in, held to the laws of a strategy, natively and as a component: what it picks is a
//! candidate that was not tried, whatever the cluster goes through, and both forms decide alike. Where a decision can be
//! worked out by hand, it was.

mod agreement;
mod by_hand;
mod cluster;
mod laws;
mod native;
mod subjects;
