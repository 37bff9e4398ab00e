//! Owns the question whether a node of a database is sound: it is when it answers one statement to its end, whatever the
//! answer is. How often, how long and what follows is not its business.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;

use super::backend::{Backend, Bound, Fault, FaultKind};
use crate::model::Address;

/// Whoever asks keeps the time and gives up much sooner; this is only what the server is told.
const LONGEST: Duration = Duration::from_secs(600);

/// Asks a node.
///
/// # Errors
/// When no session could be had, and when the statement was refused or its answer broke off.
pub async fn check(backend: &dyn Backend, node: &Address, statement: &str) -> Result<(), Fault> {
    let due = Instant::now() + LONGEST;
    let mut session = backend.session(node, due).await?;
    let rows = session.query(Bound { sql: statement, params: &[], due }).await?;
    // Row by row: what a statement answers that was meant to be short may be long.
    rows.batches.try_for_each(|_| std::future::ready(Ok(()))).await
}

/// Whether a failure says that no connection could be made, and not that something was wrong on it.
pub fn is_unreachable(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Connect | FaultKind::Busy)
}
