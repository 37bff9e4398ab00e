//! Owns a database that is spread over its nodes: what is known of its tables, the plans that are kept, and how many statements
//! may be spread over nodes at a time. How statements are carried out is in `reading` and `writing`.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::entry::{Answer, Asked};
use super::fit::Fit;
use super::settled::Settled;
use super::shapes::Shapes;
use crate::config::SqlEntry;
use crate::sql::cache::PlanCache;
use crate::sql::error::Error;
use crate::sql::write::{Class, class};

/// A database that is spread.
pub(super) struct Spread {
    pub(super) spec: Arc<SqlEntry>,
    pub(super) attempts: u32,
    pub(super) shapes: Shapes,
    pub(super) fit: Fit,
    pub(super) settled: Settled,
    pub(super) plans: Arc<PlanCache>,
    /// Statements that ask several nodes hold a permit for each connection that they may have to one node. So they never
    /// wait for connections that others like them hold and cannot give back.
    pub(super) spread: Arc<Semaphore>,
}

impl Spread {
    pub(super) fn new(spec: Arc<SqlEntry>, plans: Arc<PlanCache>, attempts: u32) -> Self {
        let spread = Arc::new(Semaphore::new(spec.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let (shapes, fit, settled) = (Shapes::default(), Fit::default(), Settled::default());
        Self { spec, attempts, shapes, fit, settled, plans, spread }
    }

    pub(super) async fn answer(self: &Arc<Self>, asked: &Asked) -> Result<Answer, Error> {
        match class(&asked.parsed)? {
            Class::Read => self.read(asked).await,
            Class::Change => Box::pin(self.change(asked)).await,
            Class::Schema => Box::pin(self.reshape(asked)).await,
        }
    }
}
