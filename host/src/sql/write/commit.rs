//! Owns making a change lasting on shards that have all carried it out: one after the other, on a task of its own that
//! nobody can stop, and telling exactly what came of it when one fails.
//!
//! Where the first to commit refuses, the others are taken back, and nothing was done. Where it is not known whether the
//! first has committed, the others are taken back, too. Once one has committed, all others are told to.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{Instant as Clock, timeout};

use super::Held;
use super::lasting::Making;
use crate::sql::backend::{Fault, FaultKind, Step};
use crate::sql::error::Error;

/// How long each node is given to commit: far more than any needs, as giving up leaves the change half done.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of each node.
#[derive(Debug, Default)]
struct Ledger {
    committed: Vec<String>,
    missing: Vec<(String, Fault)>,
    unknown: Vec<(String, Fault)>,
}

/// Commits all; `making` counts as long as that takes.
pub(super) async fn commit<H: Held + 'static>(held: Vec<H>, making: Making) -> Result<(), Error> {
    let names: Vec<String> = held.iter().map(|held| held.node().to_owned()).collect();
    let task = async move {
        let ledger = one_by_one(held).await;
        drop(making);
        ledger
    };
    match tokio::spawn(task).await {
        Ok(ledger) => ledger.result(),
        Err(error) => Err(in_doubt(names, &error)),
    }
}

/// The error where the task that made a change lasting has broken down.
pub(super) fn in_doubt(names: Vec<String>, error: &JoinError) -> Error {
    let fault = || Fault::new(FaultKind::Lost, format!("committing ended in the middle: {error}"));
    let unknown = names.into_iter().map(|name| (name, fault())).collect();
    Error::HalfCommitted { committed: Vec::new(), missing: Vec::new(), unknown }
}

async fn one_by_one<H: Held>(held: Vec<H>) -> Ledger {
    let mut ledger = Ledger::default();
    for mut one in held {
        let node = one.node().to_owned();
        let step = if ledger.is_lost() { Step::Rollback } else { Step::Commit };
        let due = (Clock::now() + PATIENCE).into_std();
        let result = match timeout(PATIENCE, one.session().transact(step, due)).await {
            Ok(result) => result,
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "did not answer in time")),
        };
        one.finish(result.as_ref().err().map_or(Ok(()), Err));
        ledger.note(node, step, result);
    }
    ledger
}

impl Ledger {
    /// Whether it is better that nobody else commits.
    fn is_lost(&self) -> bool {
        self.committed.is_empty() && !(self.missing.is_empty() && self.unknown.is_empty())
    }

    fn note(&mut self, node: String, step: Step, result: Result<(), Fault>) {
        match (step, result) {
            (Step::Commit, Ok(())) => self.committed.push(node),
            (Step::Commit, Err(fault)) => match fault.kind {
                FaultKind::Lost | FaultKind::TimedOut => self.unknown.push((node, fault)),
                _ => self.missing.push((node, fault)),
            },
            // It never committed: whether it says so or its connection ends, it is taken back.
            _ => self.missing.push((node, Fault::new(FaultKind::Statement, "taken back, as another did not commit"))),
        }
    }

    fn result(self) -> Result<(), Error> {
        let Self { committed, missing, unknown } = self;
        if missing.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        if committed.is_empty() && unknown.is_empty() {
            // The first is the one that refused; the others followed it.
            return Err(Error::of_nodes(missing.into_iter().take(1).collect()));
        }
        Err(Error::HalfCommitted { committed, missing, unknown })
    }
}
