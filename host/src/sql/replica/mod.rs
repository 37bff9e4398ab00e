//! The topology `replicated`: every node holds everything. A SELECT goes to one node, a write to all of them by way of one
//! durable, ordered log of statements, so that a node that was away catches up by going on where it was.
//!
//! `apply` has one task per node, which applies the log and moves the node's watermark (`mark`) in the same transaction. What
//! the nodes say goes to the `board`, the one value in which everything is known that is under way: `ack` decides what an
//! entry's outcome is, `state` how a node stands, `adopt` whether it may follow the log. The `keeper` tells the log what was
//! decided and removes what nobody needs. [`Replicas`] is all of it to those outside.
//!
//! A client's write comes by the `sequence`, which decides in the order of the log what it is logged as, with what it
//! remembers (`memory`) and what a node that is up to date says (`source`). The `seat` has the lease and the log: [`Seat`]; while
//! another proxy has them, the `standby` says which nodes may be read from.
//!
//! `repair` is what operators have done: a node is filled anew (`rebuild` is the log's side of it, `copy` carries the data), and
//! all nodes are compared (`verify`).

mod ack;
mod adopt;
mod apply;
mod board;
mod contents;
mod copy;
pub mod determine;
mod journal;
mod keeper;
mod kept;
pub mod log;
pub mod mark;
mod memory;
mod patience;
mod rebuild;
mod repair;
mod replicas;
mod room;
mod seat;
mod sequence;
mod shared;
mod slot;
mod source;
mod stage;
mod standby;
mod state;
mod tally;
mod trouble;
mod trust;
mod turn;
mod verify;

#[cfg(test)]
mod tests;

pub use ack::{Acknowledgement, Answer};
pub use apply::Timing;
pub use journal::{Durable, Journal, Notes};
pub use rebuild::{NoRebuild, Rebuild};
pub use repair::NoVerify;
pub use replicas::{Freshness, NoReader, Node, NodeStatus, Reader, Replicas, Setup, Status};
pub use seat::{Plan as SeatPlan, Seat};
pub use sequence::{Done, Effect, Functions, One, Prepared, Sequencer};
pub(in crate::sql) use source::others;
pub use source::{Around, NodesNow};
pub use stage::Stage;
pub use standby::{Seen, Standby};
pub use state::{Filling, State};
pub use tally::Rows;
pub use trust::NoTrust;
pub use turn::{Acknowledged, Submitted, Turn, WriteError};
pub use verify::{Check, Difference, Digest, Report as VerifyReport, Running, TableReport};
