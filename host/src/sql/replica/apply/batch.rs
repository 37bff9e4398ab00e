//! Owns applying many entries in one transaction, for a node that is far behind: only entries of which the log knows what came
//! of them, so that nothing about them is still open.

use std::collections::BTreeMap;

use super::entry::run;
use super::fault::{Blame, blame};
use super::link::Link;
use crate::sql::backend::Fault;
use crate::sql::dialect::Dialect;
use crate::sql::replica::ack::{self, Answer};
use crate::sql::replica::log::{Kind, Outcome, Position, Record};
use crate::sql::replica::mark::{Last, Marks, Move};

/// Entries in one transaction: enough that its fsync is no matter, and few enough to be done again.
const MOST: usize = 64;

/// The first of these that can be applied together, each with what came of it.
pub(super) fn together<'a>(
    dialect: Dialect,
    records: &'a [Record],
    known: &'a BTreeMap<Position, Outcome>,
) -> Vec<(&'a Record, &'a Outcome)> {
    let settled = |record: &'a Record| {
        let is_alone = dialect == Dialect::MySql && record.entry.kind == Kind::Schema;
        known.get(&record.position).filter(|_| !is_alone).map(|outcome| (record, outcome))
    };
    records.iter().take(MOST).map_while(settled).collect()
}

/// Applies them. False where it did not work, and nothing was done: one by one it is seen which is the cause. An error is the
/// node's failure; whether it was made lasting is told by the watermark.
pub(super) async fn apply(
    link: &mut Link,
    marks: &Marks,
    from: Position,
    entries: &[(&Record, &Outcome)],
) -> Result<bool, Fault> {
    let Some((last, _)) = entries.last() else { return Ok(false) };
    link.begin().await?;
    let mut did = Last::Passed;
    for (record, outcome) in entries {
        did = Last::Passed;
        if matches!(outcome, Outcome::Refused { .. }) {
            continue;
        }
        let effects = match run(link, marks, record).await {
            Ok(effects) => effects,
            Err(fault) if matches!(blame(&fault), Blame::Statement | Blame::Moment) => {
                link.take_back().await?;
                return Ok(false);
            }
            Err(fault) => return Err(fault),
        };
        did = Last::Applied(effects.affected.iter().sum());
        if ack::differs(outcome, &Answer::Applied { affected: Some(effects.affected) }).is_some() {
            link.take_back().await?;
            return Ok(false);
        }
    }
    if !link.advance(marks, Move { from, to: last.position, last: did }).await? {
        link.take_back().await?;
        return Ok(false);
    }
    link.commit().await?;
    Ok(true)
}
