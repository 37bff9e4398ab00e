//! Owns the count of what must not be broken off: tasks that make changes lasting, which go on when their clients have left.
//! Whoever ends the process waits for them here.

use std::sync::Arc;

use tokio::sync::watch;

/// Tasks that make changes lasting. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Lasting(Arc<watch::Sender<usize>>);

impl Lasting {
    /// One begins; it ends when what is returned is dropped.
    pub(super) fn begin(&self) -> Making {
        self.0.send_modify(|count| *count += 1);
        Making(self.clone())
    }

    /// Waits until none is under way.
    pub async fn done(&self) {
        // The sender is at hand, so that the waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Whether nobody else knows of it, so that none can begin any more.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// A task that makes a change lasting.
#[derive(Debug)]
pub(super) struct Making(Lasting);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
