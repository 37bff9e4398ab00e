//! Owns planning an INSERT of rows that are given: each row's text goes to the shard of its key, between the head and the
//! tail that all have in common. A row is never taken apart.

use std::collections::BTreeMap;
use std::ops::Range;

use sqlparser::ast::{
    ConflictTarget, Expr, Insert, OnConflictAction, OnInsert, Parens, Query, SetExpr, SqliteOnConflict, Statement,
    Values,
};

use super::calls::{Allowed, Look};
use super::cut::Text;
use super::{Change, Count, Question, ShardStatement, Task, change, question};
use crate::sql::catalog::Role;
use crate::sql::plan::Refusal;
use crate::sql::route::Reads;
use crate::sql::topology::{Collation, KeyKind, Shard};

/// Plans it; `rows` are the shards of its rows.
pub(super) fn insert(task: &Task<'_>, table: &str, rows: &[Shard], reads: &Reads) -> Result<Change, Refusal> {
    let Statement::Insert(insert) = &task.parsed.statement else {
        return Err(Refusal::new("the statement", "no INSERT"));
    };
    conflict_is_on_key(task, table, insert)?;
    let mut shards: BTreeMap<Shard, Vec<usize>> = BTreeMap::new();
    for (at, shard) in rows.iter().enumerate() {
        shards.entry(*shard).or_default().push(at);
    }
    let statements = match shards.first_key_value() {
        None => return Err(Refusal::new("INSERT", "no row is given")),
        Some((shard, _)) if shards.len() == 1 => {
            change::reads_lie_within(reads, *shard)?;
            vec![change::whole(task, *shard)?]
        }
        Some(_) => split(task, insert, reads, &shards)?,
    };
    let returns = insert.returning.is_some();
    let mut questions = Vec::new();
    if task.catalog.shards().len() > 1 {
        questions.push(Question::numbering(task.parsed.dialect(), table, &question::certain(task, table, insert)));
    }
    Ok(Change { dialect: task.parsed.dialect(), statements, count: Count::Sum, returns, questions, verify: None })
}

fn split(
    task: &Task<'_>,
    insert: &Insert,
    reads: &Reads,
    shards: &BTreeMap<Shard, Vec<usize>>,
) -> Result<Vec<ShardStatement>, Refusal> {
    if let Some(read) = reads.tables.first() {
        let why = "read by an INSERT into several shards, each of which has only rows of its own";
        return Err(Refusal::new(format!("table {}", read.table), why));
    }
    all_or_none(insert)?;
    Look::computed_once(task).through(&insert.source)?;
    Look::new(task, Allowed::PerRow).through(&insert.on)?;
    Look::new(task, Allowed::PerRow).through(&insert.returning)?;
    let values = values(insert).ok_or_else(|| Refusal::new("INSERT", "its rows are not given as VALUES"))?;
    let places: Option<Vec<Range<usize>>> = values.rows.iter().map(|row| place(task, row)).collect();
    let places = places.filter(|_| !values.explicit_row).ok_or_else(unclear)?;
    let (first, last) = places.first().zip(places.last()).ok_or_else(unclear)?;
    let mut statements = Vec::with_capacity(shards.len());
    for (shard, rows) in shards {
        let mut text = Text::new(task.parsed);
        text.tokens(0..first.start)?;
        for (nth, row) in rows.iter().enumerate() {
            text.push(if nth == 0 { "\n" } else { ",\n" });
            text.tokens(places.get(*row).cloned().ok_or_else(unclear)?)?;
        }
        text.push("\n");
        text.tokens(last.end..task.parsed.pieces.len())?;
        statements.push(text.statement(*shard, task.params, &meant(insert, values, rows)?)?);
    }
    Ok(statements)
}

fn unclear() -> Refusal {
    Refusal::new("INSERT", "its rows cannot be told apart in the text")
}

fn values(insert: &Insert) -> Option<&Values> {
    match insert.source.as_ref()?.body.as_ref() {
        SetExpr::Values(values) => Some(values),
        _ => None,
    }
}

/// The tokens of a row, parentheses included.
fn place(task: &Task<'_>, row: &Parens<Vec<Expr>>) -> Option<Range<usize>> {
    let open = task.parsed.token_at(row.opening_token.0.span.start)?;
    let close = task.parsed.token_at(row.closing_token.0.span.start)?;
    (task.parsed.closing(open)? == close + 1).then_some(open..close + 1)
}

/// The same INSERT of some of its rows.
fn meant(insert: &Insert, values: &Values, rows: &[usize]) -> Result<Statement, Refusal> {
    let source = insert.source.as_ref().ok_or_else(unclear)?;
    let kept: Option<Vec<_>> = rows.iter().map(|row| values.rows.get(*row).cloned()).collect();
    let rows = kept.ok_or_else(unclear)?;
    let kept = Values { explicit_row: false, value_keyword: values.value_keyword, rows };
    let query = Query { body: Box::new(SetExpr::Values(kept)), ..bare(source) };
    Ok(Statement::Insert(Insert { source: Some(Box::new(query)), ..insert.clone() }))
}

/// The query around the rows, without them: they may be many.
fn bare(query: &Query) -> Query {
    let nothing = Values { explicit_row: false, value_keyword: false, rows: Vec::new() };
    Query {
        with: query.with.clone(),
        body: Box::new(SetExpr::Values(nothing)),
        order_by: query.order_by.clone(),
        limit_clause: query.limit_clause.clone(),
        fetch: query.fetch.clone(),
        locks: query.locks.clone(),
        for_clause: query.for_clause.clone(),
        settings: query.settings.clone(),
        format_clause: query.format_clause.clone(),
        pipe_operators: query.pipe_operators.clone(),
    }
}

/// SQLite can leave a write half done; over several shards it is not made so.
pub(super) fn all_or_none(insert: &Insert) -> Result<(), Refusal> {
    match &insert.or {
        Some(or @ (SqliteOnConflict::Fail | SqliteOnConflict::Rollback)) => {
            let why = "over several shards all rows are written or none";
            Err(Refusal::new(format!("INSERT {or}"), why))
        }
        _ => Ok(()),
    }
}

/// A conflict that is named and handled must be one that cannot be with a row of another shard.
pub(super) fn conflict_is_on_key(task: &Task<'_>, table: &str, insert: &Insert) -> Result<(), Refusal> {
    let decides = insert.on.is_some() || insert.or.is_some() || insert.ignore || insert.replace_into;
    let other = KeyKind::Text(Collation::Other);
    let may_be_apart = task.catalog.partition(table).is_some_and(|partition| partition.kind == other);
    if decides && may_be_apart && task.catalog.shards().len() > 1 {
        let why = "keys that its collation may hold equal lie on several shards, so none of them sees every conflict";
        return Err(Refusal::new(format!("INSERT INTO {table} with a rule for conflicts"), why));
    }
    let Some(OnInsert::OnConflict(conflict)) = &insert.on else { return Ok(()) };
    let Some(Role::Partitioned { key }) = task.catalog.role(table) else { return Ok(()) };
    let is_on_key = match &conflict.conflict_target {
        Some(ConflictTarget::Columns(columns)) => {
            columns.iter().any(|column| task.catalog.topology.is_column(column, &key))
        }
        // Any unique constraint: those that do not have the key are the shards' own, as for every INSERT.
        None => matches!(conflict.action, OnConflictAction::DoNothing),
        // What a name stands for is not known here.
        Some(ConflictTarget::OnConstraint(_)) => false,
    };
    if is_on_key {
        return Ok(());
    }
    Err(Refusal::new("ON CONFLICT", format!("only conflicts on columns with {key} among them are seen by its shard")))
}
