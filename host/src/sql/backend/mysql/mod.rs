//! MySQL and MariaDB nodes, over `mysql_async`. Owns everything that is theirs: connections and their settings, values in the
//! binary form, temporary tables, cancelling.
//!
//! A connection is in plain text: TLS is not spoken yet. All statements of clients are prepared: one round trip when the
//! text was prepared on this connection before, two when not, and one more when the server's own time limit
//! (`max_statement_time`, or `max_execution_time` on MySQL) has to change, which is set in powers of two at or above the
//! time left. The exact deadline is kept by a timer here, which has the server kill the statement.
//!
//! Text is sent in the character set of its column (`character_set_results` is NULL), because only then the server says which
//! collation a column of an answer has, which a temporary table needs. UTF-8, ASCII and latin1 are read.
//!
//! Parameters that are decimals are bound as text where they are inserted only: elsewhere the server would compare them as
//! doubles, so they are refused. MySQL (not MariaDB) refuses a statement that names one temporary table twice.

mod bind;
mod decode;
mod fault;
mod link;
mod load;
mod own;
mod places;
mod session;
mod shape;
mod stream;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use self::link::Dial;
use super::lease::Lease;
use super::pools::Pools;
use super::{Backend, Fault, Session};
use crate::config::DatabaseSpec;
use crate::model::Address;
use crate::sql::dialect::Dialect;

/// MySQL or MariaDB servers, with a pool for each.
pub struct MySql {
    pools: Pools<Dial>,
}

impl MySql {
    /// Up to `connections` to each node, with these credentials; each is to be open within `connect`.
    pub fn new(database: &DatabaseSpec, connections: usize, connect: Duration) -> Self {
        Self { pools: Pools::new(Dial::new(database), connections, connect) }
    }
}

impl Backend for MySql {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn checks_each(&self) -> bool {
        true
    }

    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        Lease::of(&self.pools, node, due)
    }
}
