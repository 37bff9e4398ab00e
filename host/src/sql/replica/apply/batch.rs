//! Owns applying many entries in one transaction, so that they share its end, which costs a node a flush: for a node that is
//! far behind those of which the log knows what came of them, and for one that keeps up those that wait for it now. Where that
//! does not work nothing was done, and one by one it is seen which is the cause.

use std::time::Duration;

use tokio::time::Instant as Clock;

use super::entry::{Done, run};
use super::fault::{Blame, blame};
use super::life::{log, node};
use super::link::Link;
use super::{Applier, End};
use crate::sql::backend::Fault;
use crate::sql::dialect::Dialect;
use crate::sql::replica::ack::{self, Answer};
use crate::sql::replica::log::{Entry, Kind, Outcome, Position, Record};
use crate::sql::replica::mark::{Last, Mark, Move};

/// Entries in one transaction: enough that its flush is no matter, and few enough to be done again.
const MOST: usize = 64;
/// How long entries for which clients wait are taken into one transaction: a slow one keeps few from being answered.
const BRIEF: Duration = Duration::from_millis(20);

/// An entry, and what came of it elsewhere, if that is known.
type Part<'a> = (&'a Record, Option<Outcome>);

/// What was done in one transaction.
struct Batch {
    done: Done,
    /// Where the node stands then, and what the last entry did.
    to: Position,
    last: Last,
}

/// What came of several entries.
enum Came {
    /// They are lasting.
    Lasting(Batch),
    /// They were sent to be made lasting, and that failed.
    Doubt(Batch, Fault),
    /// Nothing was done.
    Nothing,
}

impl Applier {
    /// Applies several entries in one transaction; false where nothing was done.
    pub(super) async fn many(&mut self, link: &mut Link, mark: &mut Mark, records: &[Record]) -> Result<bool, End> {
        let behind = self.shared.journal.durable().0.saturating_sub(mark.position.0);
        if behind >= self.timing.behind && self.known(link, mark, records).await? {
            return Ok(true);
        }
        Ok(self.backend.checks_each() && self.waiting(link, mark, records).await?)
    }

    /// The first ones, of which the log knows what came of them: nobody waits for what this node says.
    async fn known(&self, link: &mut Link, mark: &mut Mark, records: &[Record]) -> Result<bool, End> {
        let Some(last) = records.last() else { return Ok(false) };
        let known = self.shared.journal.outcomes(mark.position, last.position).await;
        let mut known = known.map_err(|error| log(&error))?;
        let is_alone = |record: &Record| self.marks.dialect() == Dialect::MySql && record.entry.kind == Kind::Schema;
        let first = records.iter().take(MOST).take_while(|record| !is_alone(record));
        let parts = first.map_while(|record| Some((record, Some(known.remove(&record.position)?))));
        let parts: Vec<Part<'_>> = parts.collect();
        if parts.len() < 2 {
            return Ok(false);
        }
        link.begin().await.map_err(node)?;
        match self.together(link, mark.position, &parts, Duration::MAX).await.map_err(node)? {
            Came::Lasting(Batch { to, last, .. }) => {
                mark.moved(to, last);
                self.shared.with(|board, now| board.passed(self.node, to, now));
                Ok(true)
            }
            // The watermark tells.
            Came::Doubt(_, fault) => Err(node(fault)),
            Came::Nothing => Ok(false),
        }
    }

    /// The first ones, as far as they are one statement each: several may leave open between them what is right at their end.
    async fn waiting(&mut self, link: &mut Link, mark: &mut Mark, records: &[Record]) -> Result<bool, End> {
        let mut parts = Vec::new();
        for record in records.iter().take(MOST).take_while(|record| is_simple(&record.entry)) {
            match self.claim(record).await? {
                // That may not be certain yet.
                Some(Outcome::Refused { .. }) => break,
                expected => parts.push((record, expected)),
            }
        }
        if parts.len() < 2 {
            return Ok(false);
        }
        link.begin_several().await.map_err(node)?;
        let Batch { done, to, last } = match self.together(link, mark.position, &parts, BRIEF).await.map_err(node)? {
            Came::Lasting(batch) => batch,
            Came::Nothing => return Ok(false),
            Came::Doubt(batch, fault) => match self.is_lasting(link, (mark.position, batch.to), &fault).await? {
                Some(true) => batch,
                Some(false) => return Ok(false),
                None => {
                    self.doubt = batch.done;
                    return Err(node(fault));
                }
            },
        };
        mark.moved(to, last);
        self.applied(done);
        self.go_on()?;
        Ok(true)
    }

    /// The entries, as many as come in time, in a transaction that was begun, which ends here. An error is the node's failure;
    /// nothing was made lasting.
    async fn together(
        &self,
        link: &mut Link,
        from: Position,
        parts: &[Part<'_>],
        within: Duration,
    ) -> Result<Came, Fault> {
        let began = Clock::now();
        let mut batch = Batch { done: Vec::with_capacity(parts.len()), to: from, last: Last::Passed };
        for (record, expected) in parts {
            (batch.to, batch.last) = (record.position, Last::Passed);
            if matches!(expected, Some(Outcome::Refused { .. })) {
                continue;
            }
            let effects = match run(link, &self.marks, record).await {
                Ok(effects) => effects,
                Err(fault) if matches!(blame(&fault), Blame::Statement | Blame::Moment) => return nothing(link).await,
                Err(fault) => return Err(fault),
            };
            let answer = Answer::Applied { affected: Some(effects.affected.clone()) };
            if expected.as_ref().and_then(|outcome| ack::differs(outcome, &answer)).is_some() {
                return nothing(link).await;
            }
            batch.last = Last::Applied(effects.affected.iter().sum());
            batch.done.push((record.position, effects));
            if began.elapsed() >= within {
                break;
            }
        }
        if !link.advance(&self.marks, Move { from, to: batch.to, last: batch.last }).await? {
            return nothing(link).await;
        }
        match link.commit().await {
            Ok(()) => Ok(Came::Lasting(batch)),
            Err(fault) => Ok(Came::Doubt(batch, fault)),
        }
    }
}

async fn nothing(link: &mut Link) -> Result<Came, Fault> {
    link.take_back().await?;
    Ok(Came::Nothing)
}

fn is_simple(entry: &Entry) -> bool {
    entry.kind == Kind::Change && entry.statements.len() == 1
}
