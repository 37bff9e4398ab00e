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
use crate::sql::backend::{Fault, may_stain};
use crate::sql::dialect::Dialect;
use crate::sql::replica::ack::{self, Answer};
use crate::sql::replica::log::{Entry, Kind, Outcome, Position, Record};
use crate::sql::replica::mark::{Last, Mark, Move};
use crate::sql::replica::slot::Slot;

/// Entries in one transaction: enough that its flush is no matter, and few enough to be done again.
const MOST: usize = 64;
/// How long entries for which clients wait are taken into one transaction: a slow one keeps few from being answered.
const BRIEF: Duration = Duration::from_millis(20);
/// The same of entries that nobody waits for: a connection that does not live long gets somewhere.
const LONG: Duration = Duration::from_secs(1);

/// An entry, and what came of it elsewhere, if that is known.
type Part<'a> = (&'a Record, Option<Outcome>);

/// What was done in one transaction.
struct Batch {
    done: Done,
    step: Move,
}

/// What came of several entries.
enum Came {
    /// They are lasting.
    Lasting(Batch),
    /// They were sent to be made lasting, and that failed.
    Doubt(Batch, Fault),
    /// Nothing was done, because of this one, if one was.
    Nothing(Option<Position>),
}

impl Applier {
    /// Applies several entries in one transaction; false where nothing was done.
    pub(super) async fn many(&mut self, link: &mut Link, mark: &mut Mark, records: &[Record]) -> Result<bool, End> {
        let (parts, are_settled) = self.parts(mark, records).await?;
        let [(first, _), .., (last, _)] = parts.as_slice() else { return Ok(false) };
        // Should the session end in the middle, then it is not tried again so.
        self.apart = Some(first.position..=last.position);
        let begun = if self.backend.checks_each() { link.begin_several().await } else { link.begin().await };
        begun.map_err(node)?;
        let within = if are_settled { LONG } else { BRIEF };
        let batch = match self.together(link, mark.position, &parts, within).await.map_err(node)? {
            Came::Lasting(batch) => batch,
            Came::Nothing(cause) => {
                self.apart = cause.map_or(self.apart.take(), |at| Some(at..=at));
                return Ok(false);
            }
            Came::Doubt(batch, fault) => {
                match self.is_lasting(link, (mark.position, batch.step.to()), &fault).await? {
                    Some(true) => batch,
                    Some(false) => return Ok(false),
                    None => {
                        // Of those that are settled the watermark tells enough.
                        self.doubt = if are_settled { Done::new() } else { batch.done };
                        return Err(node(fault));
                    }
                }
            }
        };
        self.apart = None;
        mark.moved(batch.step);
        match are_settled {
            true => self.shared.with(|board, now| board.passed(self.node, mark.position, now)),
            false => self.applied(batch.done),
        }
        Ok(true)
    }

    /// The first ones that may be applied together, and whether they are settled.
    async fn parts<'a>(&self, mark: &Mark, records: &'a [Record]) -> Result<(Vec<Part<'a>>, bool), End> {
        let is_apart = |record: &Record| self.apart.as_ref().is_some_and(|apart| apart.contains(&record.position));
        let first = records.iter().take(MOST).take_while(|record| !is_apart(record));
        if self.is_behind(mark) {
            let settled = self.settled(mark, first.clone()).await?;
            if settled.len() > 1 {
                return Ok((settled, true));
            }
        }
        let mut parts = Vec::new();
        if records.len() > 1 && self.backend.checks_each() {
            for record in first.take_while(|record| is_simple(&record.entry, self.marks.dialect())) {
                match self.claim(record).await? {
                    // That may not be certain yet.
                    Some(Outcome::Refused { .. }) => break,
                    expected => parts.push((record, expected)),
                }
            }
        }
        Ok((parts, false))
    }

    fn is_behind(&self, mark: &Mark) -> bool {
        let is_up = self.shared.with(|board, _| board.slots.get(self.node).is_some_and(Slot::is_up));
        !is_up && self.shared.journal.durable().0.saturating_sub(mark.position.0) >= self.timing.behind
    }

    /// Those at the front of which the log knows what came of them: nobody waits for what this node says.
    async fn settled<'a>(
        &self,
        mark: &Mark,
        records: impl Iterator<Item = &'a Record> + Clone,
    ) -> Result<Vec<Part<'a>>, End> {
        let Some(last) = records.clone().last() else { return Ok(Vec::new()) };
        let known = self.shared.journal.outcomes(mark.position, last.position).await;
        let mut known = known.map_err(|error| log(&error))?;
        let is_alone = |record: &Record| self.marks.dialect() == Dialect::MySql && record.entry.kind == Kind::Schema;
        let parts = records.take_while(|record| !is_alone(record));
        Ok(parts.map_while(|record| Some((record, Some(known.remove(&record.position)?)))).collect())
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
        let mut batch = Batch { done: Done::with_capacity(parts.len()), step: Move { from, did: Vec::new() } };
        for (record, expected) in parts {
            if matches!(expected, Some(Outcome::Refused { .. })) {
                batch.step.did.push(Last::Passed);
                continue;
            }
            let effects = match run(link, &self.marks, record).await {
                Ok(effects) => effects,
                Err(fault) if matches!(blame(&fault), Blame::Statement | Blame::Moment) => {
                    return nothing(link, Some(record.position)).await;
                }
                Err(fault) => return Err(fault),
            };
            let answer = Answer::Applied { affected: Some(effects.affected.clone()) };
            if expected.as_ref().and_then(|outcome| ack::differs(outcome, &answer)).is_some() {
                return nothing(link, Some(record.position)).await;
            }
            batch.step.did.push(effects.did());
            batch.done.push((record.position, effects));
            if began.elapsed() >= within {
                break;
            }
        }
        if !link.advance(&self.marks, &batch.step).await? {
            return nothing(link, None).await;
        }
        match link.commit().await {
            Ok(()) => Ok(Came::Lasting(batch)),
            Err(fault) => Ok(Came::Doubt(batch, fault)),
        }
    }
}

async fn nothing(link: &mut Link, cause: Option<Position>) -> Result<Came, Fault> {
    link.take_back().await?;
    Ok(Came::Nothing(cause))
}

/// Whether an entry leaves nothing in its transaction that the next one could meet: it is one statement (several may leave
/// open between them what is right at their end) and calls no function of which that is not known.
fn is_simple(entry: &Entry, dialect: Dialect) -> bool {
    let [only] = entry.statements.as_slice() else { return false };
    entry.kind == Kind::Change && !may_stain(&only.sql, dialect)
}
