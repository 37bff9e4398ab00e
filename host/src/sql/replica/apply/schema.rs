//! Owns changes of the schema where they are lasting at once (MySQL, MariaDB): no transaction holds them together with the
//! watermark. So the node notes what its schema was before, and whoever comes later compares: a schema that has not changed
//! says that the change was not done, and it is done then; one that has changed says that it was. Neither could be said while
//! one that was begun before may still be done: the session is its owner's alone (`Session::own`).

use super::entry::{Attempt, Effects};
use super::fault::{Blame, blame};
use super::link::Link;
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::replica::log::{Position, Record};
use crate::sql::replica::mark::{Last, Mark, Marks, Move, Pending};
use crate::sql::topology::{Key, hash};
use crate::sql::value::Value;

/// What makes up the schema of the database that a session is in. Rows are sorted here, as collations differ.
const QUESTIONS: [&str; 6] = [
    "SELECT 'c', table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra, collation_name, \
     column_comment, generation_expression FROM information_schema.columns WHERE table_schema = DATABASE()",
    "SELECT 'i', table_name, index_name, seq_in_index, column_name, non_unique, sub_part, index_type \
     FROM information_schema.statistics WHERE table_schema = DATABASE()",
    "SELECT 't', table_name, table_type, engine, row_format, table_collation, create_options, table_comment \
     FROM information_schema.tables WHERE table_schema = DATABASE()",
    "SELECT 'k', k.table_name, k.constraint_name, k.column_name, k.ordinal_position, k.referenced_table_name, \
     k.referenced_column_name, c.constraint_type FROM information_schema.key_column_usage k \
     JOIN information_schema.table_constraints c ON c.constraint_schema = k.constraint_schema \
     AND c.table_name = k.table_name AND c.constraint_name = k.constraint_name WHERE k.table_schema = DATABASE()",
    "SELECT 'v', table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()",
    "SELECT 'x', constraint_name, check_clause FROM information_schema.check_constraints \
     WHERE constraint_schema = DATABASE()",
];

/// A number for what the schema of a node is.
pub(super) async fn print_of(link: &mut Link) -> Result<String, Fault> {
    let mut lines = Vec::new();
    for question in QUESTIONS {
        let rows = link.rows(question).await?;
        lines.extend(rows.iter().map(|row| line(row)));
    }
    Ok(print(lines))
}

/// A number for a schema that is told in lines.
fn print(mut lines: Vec<String>) -> String {
    lines.sort_unstable();
    format!("{:016x}", hash(&Key::Text(lines.join("\n"))))
}

fn line(row: &[Value]) -> String {
    let values: Vec<String> = row.iter().map(|value| format!("{value:?}")).collect();
    values.join("\u{1f}")
}

/// Whether the node has begun an entry, and has done it.
pub(super) async fn was_done(link: &mut Link, mark: &Mark, position: Position) -> Result<bool, Fault> {
    match &mark.pending {
        Some(pending) if pending.position == position => Ok(print_of(link).await? != pending.print),
        _ => Ok(false),
    }
}

/// Applies a change of the schema. An error is the node's failure; whether it was done is found out the next time.
pub(super) async fn attempt(
    link: &mut Link,
    marks: &Marks,
    mark: &mut Mark,
    record: &Record,
) -> Result<Attempt, Fault> {
    let [statement] = record.entry.statements.as_slice() else {
        let why = "a change of the schema is lasting at once, and cannot be part of a transaction";
        return Ok(Attempt::Refused(Fault::new(FaultKind::Unsupported, why)));
    };
    if was_done(link, mark, record.position).await? {
        return finish(link, marks, record.position).await;
    }
    let is_known = mark.pending.as_ref().is_some_and(|pending| pending.position == record.position);
    if !is_known {
        let pending = Pending { position: record.position, print: print_of(link).await? };
        // Of what was applied together the answers have been given.
        mark.last = mark.last.pop().into_iter().collect();
        if !link.begin_schema(marks, mark, &pending).await? {
            return Ok(Attempt::Moved);
        }
        mark.pending = Some(pending);
    }
    link.pretend(record.entry.moment).await?;
    match link.run(statement).await {
        Ok(_) => finish(link, marks, record.position).await,
        Err(fault) => match blame(&fault) {
            Blame::Slow | Blame::Node => Err(fault),
            Blame::Moment => Ok(Attempt::Again(fault)),
            // One that was sent over a connection that broke may have been done only now.
            Blame::Statement if is_known && was_done(link, mark, record.position).await? => {
                finish(link, marks, record.position).await
            }
            Blame::Statement => Ok(Attempt::Refused(fault)),
        },
    }
}

async fn finish(link: &mut Link, marks: &Marks, position: Position) -> Result<Attempt, Fault> {
    // What the server counts here is not there any more after a crash, so that it cannot be compared.
    match link.advance(marks, &Move::past(position, Last::Applied(vec![0]))).await? {
        true => Ok(Attempt::Applied(Effects::of(vec![0]))),
        false => Ok(Attempt::Moved),
    }
}
