//! PostgreSQL nodes, over `tokio-postgres`. Owns everything that is PostgreSQL's: connections and their settings, values in
//! the binary form, temporary tables, cancelling.
//!
//! A connection is in plain text: TLS is not spoken yet. It is made for one session at a time, so a proxy that shares server
//! connections between statements (PgBouncer in transaction mode) must not stand between.
//!
//! What a statement costs: one round trip when its text was prepared on this connection before, two when not. Settings that
//! must change (deadline, read or write), `BEGIN` and the making of a temporary table travel ahead of a statement without
//! waiting for an answer. The server's own `statement_timeout` is set in powers of two at or above the time left, so that it
//! rarely changes; the exact deadline is kept by a timer here, which cancels the statement.
//!
//! Outside of transactions `query` runs with `default_transaction_read_only`, so that it cannot write.

mod array;
mod bind;
mod decode;
mod fault;
mod link;
mod load;
mod session;
mod shape;
mod stream;
mod text;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use self::link::Dial;
use super::lease::Lease;
use super::pools::Pools;
use super::{Backend, Fault, Session};
use crate::config::DatabaseSpec;
use crate::model::Address;
use crate::sql::dialect::Dialect;

/// PostgreSQL servers, with a pool for each.
pub struct Postgres {
    pools: Pools<Dial>,
}

impl Postgres {
    /// Up to `connections` to each node, with these credentials; each is to be open within `connect`.
    pub fn new(database: &DatabaseSpec, connections: usize, connect: Duration) -> Self {
        Self { pools: Pools::new(Dial::new(database), connections, connect) }
    }
}

impl Backend for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn checks_each(&self) -> bool {
        true
    }

    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        Lease::of(&self.pools, node, due)
    }
}
