//! Endpoints from names in the DNS: the addresses of a name, or the services of one, asked for anew whenever the
//! answer's time to live is over.
//!
//! That there are no records is an answer, and the set is empty then. A server that does not answer, or answers that it
//! cannot, is a loss of sight, which changes nothing. One half of an answer is none: an address is not taken to be gone
//! because one of two questions failed.
//!
//! `answer` makes endpoints of records and `search` says which names a name stands for; both are pure. `servers` asks,
//! and `source` makes a source of what the configuration says.

mod answer;
mod search;
mod servers;
mod source;
