//! Owns one attempt at one entry: its statements and the watermark, in one transaction of the node.

use super::fault::{Blame, blame};
use super::link::Link;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::dialect::Dialect;
use crate::sql::replica::ack::{self, Answer};
use crate::sql::replica::log::{Outcome, Position, Record};
use crate::sql::replica::mark::{Last, Marks, Move};
use crate::sql::replica::tally::Rows;

/// What was done, if it is lasting.
#[derive(Debug)]
pub(in crate::sql::replica) struct Effects {
    /// Rows that each statement changed.
    pub(super) affected: Vec<u64>,
    /// What the statements have answered with, if any was to.
    pub(super) rows: Option<Rows>,
}

impl Effects {
    /// Of which only is known how many rows were changed.
    pub(super) fn of(affected: Vec<u64>) -> Self {
        Self { affected, rows: None }
    }

    /// As the node's watermark has it.
    pub(super) fn did(&self) -> Last {
        Last::Applied(self.affected.clone())
    }
}

/// Entries in order, and what each has done.
pub(in crate::sql::replica) type Done = Vec<(Position, Effects)>;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is lasting.
    Applied(Effects),
    /// The node refuses it, and nothing has changed.
    Refused(Fault),
    /// Something was in its way, and nothing has changed.
    Again(Fault),
    /// It would do something else than on the others, and was taken back.
    Differs(String),
    /// The watermark is not where it was thought to be; it was taken back.
    Moved,
    /// It was sent to be made lasting, and that failed.
    Doubt(Effects, Fault),
}

/// Applies an entry of which `expected` is what came of it elsewhere. An error is the node's failure; nothing was made lasting.
pub(super) async fn attempt(
    link: &mut Link,
    marks: &Marks,
    record: &Record,
    expected: Option<&Outcome>,
) -> Result<Attempt, Fault> {
    link.begin().await?;
    let effects = match run(link, marks, record).await {
        Ok(effects) => effects,
        Err(fault) if blame(&fault) == Blame::Statement => return refused(link, marks, record, fault).await,
        Err(fault) => return failed(link, fault).await,
    };
    match link.advance(marks, &Move::past(record.position, effects.did())).await {
        Ok(true) => {}
        Ok(false) => {
            link.take_back().await?;
            return Ok(Attempt::Moved);
        }
        // Its own update is never the statement's fault.
        Err(fault) => return failed(link, fault).await,
    }
    // Only now is it certain that the entry was not there already: a commit that was given up may have come late.
    let answer = Answer::Applied { affected: Some(effects.affected.clone()) };
    if let Some(why) = expected.and_then(|outcome| ack::differs(outcome, &answer)) {
        link.take_back().await?;
        return Ok(Attempt::Differs(why));
    }
    match link.commit().await {
        Ok(()) => Ok(Attempt::Applied(effects)),
        Err(fault) => Ok(Attempt::Doubt(effects, fault)),
    }
}

/// A commit that was given up may have come late: what the statement has met may be its own doing.
async fn refused(link: &mut Link, marks: &Marks, record: &Record, fault: Fault) -> Result<Attempt, Fault> {
    link.take_back().await?;
    let before = Move::past(record.position, Last::Passed).from;
    let stands = link.mark(marks).await?.is_some_and(|mark| mark.position == before);
    Ok(if stands { Attempt::Refused(fault) } else { Attempt::Moved })
}

/// The moment was not right for it, or the node has failed.
async fn failed(link: &mut Link, fault: Fault) -> Result<Attempt, Fault> {
    if blame(&fault) != Blame::Moment {
        return Err(fault);
    }
    link.take_back().await?;
    Ok(Attempt::Again(fault))
}

/// Runs the statements of an entry within a transaction.
pub(super) async fn run(link: &mut Link, marks: &Marks, record: &Record) -> Result<Effects, Fault> {
    let entry = &record.entry;
    let mut effects = Effects { affected: Vec::with_capacity(entry.statements.len()), rows: None };
    let mut rows = Vec::new();
    for statement in &entry.statements {
        if marks.dialect() == Dialect::MySql {
            link.pretend(entry.moment).await?;
        }
        let effect = link.run(statement).await?;
        if let Some(named) = statement.named.filter(|named| *named != effect.affected) {
            let why = format!("it names {named} rows by their keys, and touches {}", effect.affected);
            return Err(Fault::new(FaultKind::Statement, why));
        }
        effects.affected.push(effect.affected);
        rows.push(effect.returned);
    }
    effects.rows = rows.iter().any(Option::is_some).then_some(rows);
    Ok(effects)
}
