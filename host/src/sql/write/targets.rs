//! Owns the names that a write gives to what it writes: a spelling of the key that routing does not see, and a column that
//! is named twice, are refused. Where a row lies follows from one value of the key, which must be the one that is stored.

use sqlparser::ast::{Assignment, AssignmentTarget, Ident, Insert, ObjectName, OnConflictAction, OnInsert, Statement};

use super::Task;
use super::calls::ROW_NUMBERS;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;

/// Looks through the names of one statement.
pub(super) fn look(task: &Task<'_>, table: &str) -> Result<(), Refusal> {
    if task.catalog.shards().len() <= 1 {
        return Ok(());
    }
    let mut names = Vec::new();
    match &task.parsed.statement {
        Statement::Insert(insert) => {
            names.extend(insert.columns.iter().filter_map(last));
            once(task, &names)?;
            names.extend(assigned(&insert.assignments));
            names.extend(assigned(conflict(insert)));
        }
        Statement::Update(update) => names.extend(assigned(&update.assignments)),
        _ => {}
    }
    match names.into_iter().find(|name| is_row_number(task, table, name)) {
        Some(name) => Err(Refusal::new(&name.value, "it is another name of a column, or the server's to give")),
        None => Ok(()),
    }
}

/// SQLite takes a column twice, and stores the last value of a key where routing took the first.
fn once(task: &Task<'_>, names: &[&Ident]) -> Result<(), Refusal> {
    let fold = |name: &Ident| task.catalog.topology.folded(name);
    let is_again = |(at, name): &(usize, &&Ident)| names.iter().take(*at).any(|before| fold(before) == fold(name));
    match names.iter().enumerate().find(is_again) {
        Some((_, name)) => Err(Refusal::new(format!("column {name}"), "it is given twice")),
        None => Ok(()),
    }
}

fn conflict(insert: &Insert) -> &[Assignment] {
    match &insert.on {
        Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments,
        Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
            OnConflictAction::DoUpdate(update) => &update.assignments,
            OnConflictAction::DoNothing => &[],
        },
        _ => &[],
    }
}

fn assigned(assignments: &[Assignment]) -> impl Iterator<Item = &Ident> {
    assignments.iter().flat_map(|assigned| match &assigned.target {
        AssignmentTarget::ColumnName(name) => last(name).into_iter().collect::<Vec<_>>(),
        AssignmentTarget::Tuple(names) => names.iter().filter_map(last).collect(),
    })
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(|part| part.as_ident())
}

/// Whether it is SQLite's own name of a row's number, and no column that was declared.
fn is_row_number(task: &Task<'_>, table: &str, name: &Ident) -> bool {
    let is = |other: &str| name.value.eq_ignore_ascii_case(other);
    let declared = task.catalog.columns(table).unwrap_or_default();
    task.catalog.topology.dialect() == Dialect::Sqlite
        && ROW_NUMBERS.iter().any(|known| is(known))
        && !declared.iter().any(|column| is(&column.name))
}
