//! Waiting for what happens in its own time: looked at often, and with an end, so that a test neither hopes nor hangs.

use std::future::Future;
use std::time::{Duration, Instant};

/// Far above what anything here takes, since the machine may be busy; only a failing test waits so long.
const LIMIT: Duration = Duration::from_secs(20);
/// Short enough not to be felt, long enough not to be a load of its own.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is something to see, and returns it.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sees to it that something stays true for a while: for what must not happen.
pub(crate) async fn holds<F: Future<Output = bool>>(what: &str, time: Duration, mut look: impl FnMut() -> F) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(look().await, "did not hold: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
