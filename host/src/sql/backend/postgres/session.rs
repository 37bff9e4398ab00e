//! Owns what a session has of a connection: its statements, and the end of a transaction.

use std::sync::Arc;
use std::time::Instant;

use super::link::Link;
use super::stream::Flight;
use super::{load, shape, stream};
use crate::sql::backend::lease::{Line, Part, Transaction};
use crate::sql::backend::{Bound, Fault, Rows};
use crate::sql::shape::ColumnShape;

impl Line for Link {
    fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    fn is_idle(&self) -> bool {
        self.is_idle()
    }

    fn rest(&mut self) {
        self.rested = Instant::now();
    }

    async fn ready(&mut self, due: Instant) -> Result<(), Fault> {
        self.ready(due).await
    }

    async fn end(&mut self, is_commit: bool, due: Instant) -> Result<(), Fault> {
        let mut flight = Flight::new(self, due);
        let client = Arc::clone(&flight.link.client);
        let word = if is_commit { "COMMIT" } else { "ROLLBACK" };
        let done = tokio::time::timeout_at(due.into(), client.batch_execute(word)).await;
        flight.land();
        flight.link.transaction = Transaction::None;
        flight.link.loaded.clear();
        if !matches!(done, Ok(Ok(()))) || !is_commit {
            flight.link.forget_settings();
        }
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(flight.fail(&error)),
            // Whether it was done is not known.
            Err(_) => {
                flight.link.spoil();
                Err(Fault::lost(&format!("no answer to {word} in time")))
            }
        }
    }

    async fn query<'a>(&'a mut self, bound: Bound<'a>) -> Result<Rows<'a>, Fault> {
        stream::query(self, bound).await
    }

    async fn execute(&mut self, bound: Bound<'_>) -> Result<u64, Fault> {
        stream::execute(self, bound).await
    }

    async fn load(&mut self, part: Part<'_>, due: Instant) -> Result<(), Fault> {
        load::load(self, part, due).await
    }

    async fn shape(&mut self, table: &str, due: Instant) -> Result<Vec<ColumnShape>, Fault> {
        shape::shape(self, table, due).await
    }
}
