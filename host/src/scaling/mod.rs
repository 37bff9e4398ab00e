//! Who keeps up the number of a cluster's nodes. An operator says how many there are to be; a reconciler compares that with
//! what runs and how it answers, and a driver makes and ends nodes: processes or containers. Who chooses among the nodes,
//! and where the catalog gets them from, is not known here.

mod cooldown;
mod desired;
mod docker;
mod driver;
mod error;
mod growth;
mod process;
mod reconcile;
mod record;
mod round;
mod scaler;
mod status;
mod store;

pub use desired::DesiredError;
pub use docker::DockerDriver;
pub use driver::{Driver, DriverError, Driving, Node};
pub use error::ScaleError;
pub use process::ProcessDriver;
pub use scaler::{Ask, Probe, Scaler, Setup};
pub use status::{NodeState, NodeStatus, Status};
pub use store::StoreError;

#[cfg(test)]
mod tests;
