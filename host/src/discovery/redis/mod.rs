//! Endpoints from a registry in Redis, which several Leverframes and a control plane share. Under a prefix there are the set
//! `backends` of ids, a hash `backend:<id>` for each, and the channel `backend_changes`.
//!
//! `record` is what a backend is and how it is written down (pure), `registry` the commands, `source` the follower. A message
//! on the channel is a hint only: what holds is what the hash says when it is read afterwards, so lost, doubled and reordered
//! messages do no harm.
//!
//! What is *not there* is told apart from what is *not known*. A Redis that is away, still loads its data, or fails a command
//! is an error, and whoever follows keeps the last set. A set `backends` that can be read and is empty is a fact, and all
//! endpoints leave: nobody here can tell a registry that was emptied from one that lost its memory. A Redis that is to
//! survive its own restart must therefore persist (`appendonly yes`), and one that must not empty a cluster can be backed by
//! fixed endpoints in the file.

mod message;
mod record;
mod registry;
mod source;
mod term;

pub use record::{Backend, NoBackend};
pub use registry::{Checked, Entries, Hold, Registry, RegistryAt};
pub use term::{Asked, Term, TermAt};
