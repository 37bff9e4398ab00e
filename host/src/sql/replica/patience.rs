//! Owns how long a step with a node may take: each has an end, whether its session keeps to it or not.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::{Instant as Clock, timeout_at};

use crate::sql::backend::{Fault, FaultKind};

/// How much longer than its deadline a step may take to say so itself.
const GRACE: Duration = Duration::from_millis(200);

/// When a step is due that may take so long.
pub(super) fn due(within: Duration) -> Instant {
    (Clock::now() + within).into_std()
}

/// Carries a step out that ends by itself when it is due, or a little later.
pub(super) async fn bounded<T>(due: Instant, step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Fault::new(FaultKind::TimedOut, "it did not answer in time");
    timeout_at((Clock::from_std(due)) + GRACE, step).await.map_err(late)?
}
