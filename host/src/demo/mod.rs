//! The demo: nodes to send traffic to, the configuration that sends it there, and what to try. Runs inside the one
//! process, so that nothing else need be installed.
//!
//! The proxy in front of the nodes is the real one, run from a configuration text as from a file; what is in here must
//! not reach round it.

mod config;
mod fault;
mod handler;
mod node;
mod query;
mod registration;
mod settings;
mod sql;
mod statistics;
mod welcome;

pub use config::{ADMIN_ADDRESS, NODES, PROXY_ADDRESS, Plan, node_database};
pub use node::Node;
pub use registration::{Orchestrator, OrchestratorError, Registration};
pub use settings::{NodeSettings, Work};
pub use sql::{DatabaseSettings, Part, PartError, Users};
pub use welcome::welcome;
