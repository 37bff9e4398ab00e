//! Owns what a session has of a connection: its statements, and the end of a transaction.

use std::time::Instant;

use super::link::Link;
use super::shape::quoted;
use super::stream::Flight;
use super::{load, own, shape, stream};
use crate::sql::backend::lease::{Line, Part, Transaction};
use crate::sql::backend::{Bound, Fault, FaultKind, Rows};
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
        let mut text = if is_commit { "COMMIT" } else { "ROLLBACK" }.to_owned();
        if !self.loaded.is_empty() {
            let names: Vec<_> = self.loaded.iter().map(|name| quoted(name)).collect();
            // Within the transaction: outside of it the session may only read.
            text = format!("DROP TEMPORARY TABLE IF EXISTS {}; {text}", names.join(", "));
        }
        let mut flight = Flight::new(self, due);
        let done = flight.say(Some(text)).await;
        match &done {
            Ok(()) => {
                flight.land();
                flight.link.transaction = Transaction::None;
                flight.link.loaded.clear();
            }
            // Whether it was done is not known.
            Err(fault) if fault.kind == FaultKind::TimedOut => {
                return Err(Fault::lost("no answer to the end of a transaction"));
            }
            Err(_) => {
                flight.land();
                flight.link.abandon();
            }
        }
        done
    }

    fn pretend(&mut self, moment: i64) {
        Self::pretend(self, moment);
    }

    async fn own(&mut self, owner: &str, due: Instant) -> Result<(), Fault> {
        own::own(self, owner, due).await
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
