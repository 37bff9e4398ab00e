//! What the workers share of a cluster beside its members and circuits: the turns of its retries, and the queue for its
//! endpoints. Touched only by requests for which something went wrong, and where endpoints have a limit.

use super::budget::RetryBudget;
use super::queue::EndpointQueue;

/// One for each cluster, for as long as its live members.
#[derive(Debug, Default)]
pub struct ClusterShared {
    pub(super) budget: RetryBudget,
    pub(super) queue: EndpointQueue,
}
