//! Owns how long a step with a node may take: each has an end, whether its session keeps to it or not.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use tokio::time::{Instant as Clock, timeout, timeout_at};

use crate::sql::backend::{Bound, Fault, FaultKind, Rows, Session};
use crate::sql::value::Row;

/// How much longer than its deadline a step may take to say so itself.
const GRACE: Duration = Duration::from_millis(200);
/// How long reading one table may take.
const SCAN: Duration = Duration::from_secs(6 * 3600);

/// When a step is due that may take so long.
pub(super) fn due(within: Duration) -> Instant {
    (Clock::now() + within).into_std()
}

/// Carries a step out that ends by itself when it is due, or a little later.
pub(super) async fn bounded<T>(due: Instant, step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Fault::new(FaultKind::TimedOut, "it did not answer in time");
    timeout_at((Clock::from_std(due)) + GRACE, step).await.map_err(late)?
}

/// A table that is read a batch at a time, each of which has its end.
pub(super) struct Scan<'a> {
    rows: Rows<'a>,
    stall: Duration,
}

impl<'a> Scan<'a> {
    /// The first rows, and each time the next ones, may be waited for so long.
    pub(super) async fn begin(session: &'a mut dyn Session, sql: &'a str, stall: Duration) -> Result<Self, Fault> {
        let asked = session.query(Bound { sql, params: &[], due: due(SCAN) });
        let rows = timeout(stall, asked).await.map_err(|_| Fault::late())??;
        Ok(Self { rows, stall })
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, Fault> {
        timeout(self.stall, self.rows.batches.try_next()).await.map_err(|_| Fault::late())?
    }
}
