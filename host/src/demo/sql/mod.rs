//! A node's SQL: one SQLite database behind `POST /query`, so that there is something to stand behind a SQL entry. It speaks the
//! protocol of the HTTP backend, whose words it uses, over sessions of the SQLite backend.

mod answer;
mod keys;
mod service;
mod transactions;
mod users;

pub(super) use answer::SqlBody;
pub(super) use service::SqlService;
pub use users::{Part, PartError, Users};

use std::path::PathBuf;

/// The database of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Its file, made where there is none; none keeps it in memory.
    pub file: Option<PathBuf>,
    /// The people that its table `users` has; none leaves it without that table.
    pub users: Option<Users>,
}
