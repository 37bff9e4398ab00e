//! One SQL entry over many databases, held against one plain database of the same kind.

mod backends;
mod differential;
mod entry;
mod faults;
mod replicated;
