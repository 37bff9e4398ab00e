//! Owns planning a write to a table that every shard holds whole: all are told the same, and what could make their copies
//! differ is refused.

use std::ops::ControlFlow;

use sqlparser::ast::{AssignmentTarget, Expr, Insert, SetExpr, Statement, visit_expressions};

use super::calls::Allowed;
use super::change::{finished, over_several, whole};
use super::{Count, Question, Task, WritePlan, fill, question};
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::route::Reads;
use crate::sql::value::Value;

/// Plans it.
pub(super) fn copied(task: &Task<'_>, table: &str, reads: &Reads) -> Result<WritePlan, Refusal> {
    let shards = task.catalog.shards();
    let mut question = None;
    if shards.len() > 1 {
        if let Statement::Insert(insert) = &task.parsed.statement {
            if insert.source.as_ref().is_some_and(|source| !matches!(*source.body, SetExpr::Values(_))) {
                return fill::fill(task, table, None).map(Box::new).map(WritePlan::Fill);
            }
            all_columns_given(task, table, insert)?;
            let certain = question::certain(task, table, insert);
            // Elsewhere copies that are alike count alike.
            if task.parsed.dialect() == Dialect::MySql && certain.len() < names(task, table, insert).len() {
                question = Some(Question::numbering(Dialect::MySql, table, &certain));
            }
        }
        if let Some(read) = reads.tables.first() {
            let why = "read by a write to a table that every shard holds whole, and each has other rows of it";
            return Err(Refusal::new(format!("table {}", read.table), why));
        }
        over_several(task, Allowed::Same)?;
        no_words_for_now(task, table)?;
    }
    let statements = shards.iter().map(|shard| whole(task, *shard)).collect::<Result<_, _>>()?;
    let mut change = finished(task, statements, Count::Same);
    change.questions.extend(question);
    Ok(WritePlan::Change(change))
}

/// Every column of each row must be given: what is not has a default, which may differ by shard.
fn all_columns_given(task: &Task<'_>, table: &str, insert: &Insert) -> Result<(), Refusal> {
    all_columns_listed(task, table, insert)?;
    let width = names(task, table, insert).len();
    let is_whole = match insert.source.as_ref().map(|source| source.body.as_ref()) {
        Some(SetExpr::Values(values)) => values.rows.iter().all(|row| row.content.len() == width),
        _ => !insert.assignments.is_empty(),
    };
    if is_whole {
        return Ok(());
    }
    Err(Refusal::new(
        format!("INSERT INTO {table}"),
        "every shard holds the table whole: give every column of each row",
    ))
}

/// Where columns are listed, all must be.
pub(super) fn all_columns_listed(task: &Task<'_>, table: &str, insert: &Insert) -> Result<(), Refusal> {
    let construct = || format!("INSERT INTO {table}");
    let columns = task.catalog.columns(table).filter(|columns| !columns.is_empty());
    let columns = columns.ok_or_else(|| Refusal::new(construct(), "the columns of the table are not known"))?;
    let given = names(task, table, insert);
    let missing = columns.iter().find(|column| !given.iter().any(|name| name.eq_ignore_ascii_case(&column.name)));
    match missing {
        None => Ok(()),
        Some(column) => {
            let why = format!(
                "every shard holds the table whole, so {} must be given, too: its default may differ",
                column.name
            );
            Err(Refusal::new(construct(), why))
        }
    }
}

/// The columns that an INSERT gives, in its order: those of the table where it lists none.
pub(super) fn names(task: &Task<'_>, table: &str, insert: &Insert) -> Vec<String> {
    let last = |name: &sqlparser::ast::ObjectName| {
        name.0.last().and_then(|part| part.as_ident()).map(|name| task.catalog.topology.folded(name))
    };
    if !insert.assignments.is_empty() {
        let name = |assigned: &sqlparser::ast::Assignment| match &assigned.target {
            AssignmentTarget::ColumnName(name) => last(name),
            AssignmentTarget::Tuple(_) => None,
        };
        return insert.assignments.iter().filter_map(name).collect();
    }
    if insert.columns.is_empty() {
        let columns = task.catalog.columns(table).unwrap_or_default();
        return columns.iter().map(|column| column.name.clone()).collect();
    }
    insert.columns.iter().filter_map(last).collect()
}

/// PostgreSQL takes `'now'` and the like for a moment where a column holds dates or times.
fn no_words_for_now(task: &Task<'_>, table: &str) -> Result<(), Refusal> {
    let is_moment = |declared: &str| {
        let declared = declared.to_ascii_lowercase();
        declared.contains("time") || declared.contains("date")
    };
    let columns = task.catalog.columns(table).unwrap_or_default();
    let has_moments = columns.is_empty() || columns.iter().any(|column| is_moment(&column.declared));
    if task.parsed.dialect() != Dialect::Postgres || !has_moments {
        return Ok(());
    }
    let is_word = |text: &str| {
        let first: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        ["now", "today", "tomorrow", "yesterday"].iter().any(|word| first.eq_ignore_ascii_case(word))
    };
    let of_params = task.params.iter().any(|value| matches!(value, Value::Text(text) if is_word(text)));
    let of_text = visit_expressions(&task.parsed.statement, |expr| match expr {
        Expr::Value(value) if value.value.clone().into_string().is_some_and(|text| is_word(&text)) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    if of_params || of_text.is_break() {
        return Err(Refusal::new("'now'", "as a time it would differ by shard; give the time"));
    }
    Ok(())
}
