//! The vocabulary: the words that all other folders speak. Plain values; no I/O, no async, no serde, and no import from
//! any other folder.

mod catalog;
mod endpoint;
mod names;
mod outcome;
mod request;

pub use catalog::Catalog;
pub use endpoint::{Address, AddressError, Endpoint, EndpointId, EndpointSpec, Labels, Weight};
pub use names::{ClusterName, EndpointName, ListenerName, NameError, PluginName};
pub use outcome::{Failure, Outcome};
pub use request::{Attempt, RequestHead, Statement, StatementClass};
