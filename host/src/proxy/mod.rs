//! The data path: listeners, connections to the endpoints, forwarding, and what a client is told when it cannot be done.
//!
//! A worker is a thread with a runtime of its own. All that it holds (listeners, pools, selectors) is its own, so nothing
//! is locked on the way of a request. The control side replaces a worker's world whole (`WorldUpdate`); requests under way
//! finish on what they hold. Which endpoint takes a request is the selector's decision, never this folder's.
//!
//! The way of a request: `listener` accepts what `clients` and `files` leave room for, `connection` speaks HTTP with
//! the client, `admission` refuses what is no sound request, `exchange` routes, `course` picks, `sending` sends and
//! waits, `retry` and `hedge` send again, `pool` and `link` hold the connections to endpoints, which speak `http1`,
//! `forward` and `headers` say what each side gets to see, `upload` and `body` pass the bodies on, `problem` turns an
//! error into the answer. A route may lead to a `service` in place of a cluster, which answers by itself. What is told of a
//! request meanwhile, `record` and `spans` keep.

mod admission;
mod body;
mod budget;
mod client_io;
mod clients;
mod connect;
mod connection;
mod course;
mod deadline;
mod error;
mod exchange;
mod files;
mod forward;
mod head;
mod headers;
mod hedge;
mod http1;
mod line;
mod linger;
mod link;
mod listener;
mod metrics;
mod outbox;
mod pool;
mod problem;
mod queue;
mod record;
mod replay;
mod retry;
mod seat;
mod sending;
mod service;
mod shared;
mod sniff;
mod spans;
mod trial;
mod tunnel;
mod upload;
mod worker;
mod world;

#[cfg(test)]
mod tests;

pub use error::{ClientFault, EndpointFault, Error, HostFault, Reason, Source};
pub use files::FileBudget;
pub use listener::{OpenConnections, bind, probe};
pub use metrics::{ClusterReading, ListenerReading, RESPONSE_TIME_BOUNDS_US, STATUS_CLASSES, Snapshot, WorkerMetrics};
pub use record::{Access, AccessLog, Wanted, Watch};
pub use retry::RetryReason;
pub use service::{Refusal, Service, ServiceBody, ServiceRequest};
pub use shared::ClusterShared;
pub use worker::{Worker, WorkerGone, WorkerHandle};
pub use world::{Applied, ClusterUpdate, ListenerUpdate, WorldUpdate};
