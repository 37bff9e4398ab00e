//! The SQL entry from outside: a client posts statements to a listener, SQLite files are the nodes.

mod console;
mod errors;
mod formats;
mod lives;
pub(super) mod scene;
mod schema;
