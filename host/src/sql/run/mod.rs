//! Carrying out: from a client's statement to rows. [`Entry`] is the whole of it to those outside.
//!
//! `entry` decides which way a statement goes; `site` holds the nodes as they are laid out. Where rows are `spread`, `reading`
//! and `writing` take it through: planned, bounded, carried out; where nodes are `replicated`, one answers or all write. `nodes`
//! has the strategy choose who of the holders of a shard is asked, told by an `asker`, and opens sessions; `asking` runs one statement on one node, and `flow`
//! carries its rows here, with a task of its own or without; `heads` waits for all and compares their columns; `last` makes
//! one stream of rows of them, or `engine` has a database do it. `shapes` knows the columns of tables, `fit` whether their keys
//! are what is said of them, `settled` what was asked of them before writes; `course` and `report`
//! tell how it went. What can be decided without waiting (`window`, `ladder`, `budget`) is plain structs.
//!
//! Rows may be missing only where the client allows it: then those of a node that fails are left out, in every tier, and it
//! is told. Where all nodes fail that one table is read from, the statement fails all the same.

mod asker;
mod asking;
mod budget;
mod course;
mod engine;
mod entry;
mod fit;
mod flow;
mod heads;
mod ladder;
mod last;
mod nodes;
mod reading;
mod replicated;
mod report;
mod settled;
mod shapes;
mod site;
mod spans;
mod spread;
mod window;
mod writing;

#[cfg(test)]
mod tests;

pub use asker::Asker;
pub(in crate::sql) use asking::NAMING;
pub use entry::{Answer, Entry, Query, Rows};
pub use nodes::{NodeSession, Nodes, Unopened, Wanted};
pub use replicated::Logged;
pub use report::{Course, Explanation, NodePlan, NodeReport, NodeStatus, Report, Step, Summary};
