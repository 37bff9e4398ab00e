//! What the workers share of a cluster beside its members and circuits: the turns of its retries, the queue for its
//! endpoints, and the room for connections to them. Touched only by requests for which something went wrong, where
//! endpoints have a limit, and when connections are opened.

use super::budget::RetryBudget;
use super::files::FileBudget;
use super::queue::EndpointQueue;

/// One for each cluster, for as long as its live members.
#[derive(Debug, Default)]
pub struct ClusterShared {
    pub(super) budget: RetryBudget,
    pub(super) queue: EndpointQueue,
    pub(super) files: FileBudget,
}

impl ClusterShared {
    /// That of a new cluster; its connections are no more than the process bears.
    pub fn within(files: &FileBudget) -> Self {
        Self { files: files.clone(), ..Self::default() }
    }
}
