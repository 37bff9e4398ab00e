//! What makes and ends nodes: the seam between the reconciler, which decides, and processes or containers. A driver does
//! what it is told, once; it neither retries nor decides, and it forgets nothing that runs.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::Notify;

use crate::model::{Address, EndpointName};

/// A node as its driver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique among the nodes of one driver.
    pub name: EndpointName,
    /// Where it listens; none when that is not known, as of one that has ended.
    pub address: Option<Address>,
    /// Whether it runs. One that does not is only what is left of a node.
    pub is_running: bool,
}

/// Why a driver did not do what it was told: one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// What the nodes run on cannot be reached.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// A node does not come up.
    #[error("cannot be started: {0}")]
    Start(String),
    /// A node does not end.
    #[error("cannot be stopped: {0}")]
    Stop(String),
    /// It answered, but not with what it was asked for.
    #[error("did not answer as expected: {0}")]
    Answer(String),
}

/// What a driver is at.
pub type Driving<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes and ends the nodes of one cluster. Calls for different nodes may overlap; for one node there is one at a time.
/// Dropping a future at any moment may leave a node behind, but never one that `list` does not name.
pub trait Driver: Send + Sync + 'static {
    /// All nodes, those that have ended and were not stopped too.
    fn list(&self) -> Driving<'_, Result<Vec<Node>, DriverError>>;

    /// Has a node run, with its address known; that it answers already is not promised. One that runs is left as it is,
    /// what is left of one that ended makes room.
    fn start<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<Node, DriverError>>;

    /// Has a node finish what it has and end, by force when it takes too long; it is gone from `list` when this returns.
    /// One that is not there is gone already.
    fn stop<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<(), DriverError>>;

    /// Woken by `notify_one` when a node may have ended; carries nothing else. There is one listener.
    fn changed(&self) -> &Notify;

    /// Lets go of the nodes: those that cannot do without this process end, the others stay.
    fn close(&self) -> Driving<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
