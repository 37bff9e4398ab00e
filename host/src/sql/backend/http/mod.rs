//! HTTP nodes: databases behind `POST /query`, spoken to with hyper. Nodes have SQLite behind them, so the engine for final
//! statements is that of [`super::sqlite`].

mod answer;
mod link;
mod session;
pub mod wire;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use link::Dial;
use session::HttpSession;

use super::pools::Pools;
use super::sqlite::Engines;
use super::{Backend, Fault, Session};
use crate::model::Address;
use crate::sql::dialect::Dialect;

/// The backend of HTTP nodes: a pool of connections for each.
pub struct Http {
    pools: Pools<Dial>,
    engines: Engines,
}

impl Http {
    /// At most so many connections to each node; each is to be open within `connect`.
    pub fn new(connections: usize, connect: Duration) -> Self {
        Self { pools: Pools::new(Dial, connections, connect), engines: Engines::new(connections) }
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Backend for Http {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let link = self.pools.get(node, due).await?;
            Ok(Box::new(HttpSession::new(link, node.clone(), self.pools.within())) as Box<dyn Session>)
        })
    }

    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        Some(self.engines.engine())
    }
}
