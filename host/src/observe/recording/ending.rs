//! The end of a recorder: it comes by itself once nobody records with it any more, and sooner where it is asked to.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

/// Waits for the end of a recorder.
pub struct Ending {
    ask: Box<dyn FnOnce() + Send + Sync>,
    over: oneshot::Receiver<()>,
    /// What to tell where it does not come in time.
    late: &'static str,
}

impl Ending {
    /// Of one that ends when it is asked by `ask`, and tells `over` when it has.
    pub(super) fn new(
        ask: impl FnOnce() + Send + Sync + 'static,
        over: oneshot::Receiver<()>,
        late: &'static str,
    ) -> Self {
        Self { ask: Box::new(ask), over, late }
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.over.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    /// Has it record what there is, unless that takes longer than `limit`.
    pub async fn within(self, limit: Duration) {
        (self.ask)();
        // One that cannot end is left where it is.
        if tokio::time::timeout(limit, self.over).await.is_err() {
            tracing::warn!("{}", self.late);
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("late", &self.late).finish_non_exhaustive()
    }
}
