//! Owns INSERT and REPLACE of rows that are given: values are computed once, and what a row leaves out is written down where
//! its default would not be the same on every node.

use std::ops::Range;

use sqlparser::ast::{
    AssignmentTarget, Expr, Ident, Insert, MysqlInsertPriority, ObjectName, Parens, SetExpr, SqliteOnConflict,
    TableObject,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::defaults::{Instead, instead};
use super::look::{Found, Look, Task, Times};
use super::numbers::{Given, Numbers, written};
use super::tables::{Auto, Table, TableColumn};
use super::text::Part;
use super::{Determined, cast, compose, conflicts, place, source};
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::shape::{Bound, Kind, Scope};
use crate::sql::value::Value;

/// An INSERT and the table that it writes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) insert: &'a Insert,
    pub(super) table: &'a Table,
}

/// What is written besides what the client wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    /// Columns that rows leave out, and which must be given.
    pub(super) columns: Vec<usize>,
    /// Their values, for each row.
    pub(super) rows: Vec<Vec<Vec<Part>>>,
    /// Whether a number is written where the server would take only its own.
    pub(super) is_overriding: bool,
}

/// Determines it.
pub(super) fn insert(task: &Task<'_>, insert: &Insert, random: &mut dyn FnMut() -> u64) -> Result<Determined, Refusal> {
    refuse_forms(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(Refusal::new("INSERT", "its target is no table"));
    };
    let target = Target { insert, table: table(task, name)? };
    let mut look = Look::new(task, random);
    look.scopes.push(scope(task, target.table, insert.table_alias.as_ref().map(|alias| &alias.alias)));
    look.through_with()?;
    let mut numbers = Numbers::default();
    let width = width(&target);
    let given = columns(task, &target, width)?;
    let rows = match (&insert.source, insert.assignments.as_slice()) {
        (None, []) => vec![Vec::new()],
        (None, assigned) => vec![assigned.iter().map(|assigned| &assigned.value).collect()],
        (Some(source), _) => match source.body.as_ref() {
            SetExpr::Values(values)
                if source.with.is_none() && source.order_by.is_none() && source.limit_clause.is_none() =>
            {
                values.rows.iter().map(|row| row.content.iter().collect()).collect()
            }
            _ => {
                look.through(source.as_ref(), Times::Each)?;
                // One node computes the query.
                look.found.rows = None;
                let is_auto = |at: &usize| target.table.columns.get(*at).is_some_and(|column| column.auto != Auto::No);
                conflicts::refuse_choice(&target, given.iter().any(is_auto))?;
                conflicts::after(&mut look, &target, Times::Each)?;
                let found = look.found;
                return source::select(task, &target, &given, found).map(|plan| Determined::Rows(Box::new(plan)));
            }
        },
    };
    let times = if rows.len() == 1 { Times::Once } else { Times::Each };
    let mut added = Added::default();
    values(&mut look, &target, &given, &rows, (&mut numbers, &mut added))?;
    left_out(&mut look, &target, &given, rows.len(), (&mut numbers, &mut added))?;
    conflicts::refuse_choice(&target, !numbers.raises.is_empty())?;
    conflicts::after(&mut look, &target, times)?;
    let Found { edits, rows: reason } = look.found;
    if let Some(reason) = reason {
        return by_rows(task, &target, (&given, &rows), reason, random);
    }
    compose::insert(task, &target, edits, (&given, &added), numbers).map(Determined::Logged)
}

/// One row whose values one node must find out.
fn by_rows(
    task: &Task<'_>,
    target: &Target<'_>,
    (given, rows): (&[usize], &[Vec<&Expr>]),
    reason: Refusal,
    random: &mut dyn FnMut() -> u64,
) -> Result<Determined, Refusal> {
    let [row] = rows else { return Err(reason) };
    if target.insert.source.is_none() || row.iter().any(|value| is_default(value)) {
        return Err(reason);
    }
    // Values are asked for as they were written; what stands for a number comes back as NULL.
    let mut look = Look::new(task, random);
    look.scopes.push(scope(task, target.table, None));
    look.through_with()?;
    for value in row {
        look.through(*value, Times::Each)?;
    }
    look.found.rows = None;
    conflicts::after(&mut look, target, Times::Once)?;
    if look.found.rows.is_some() {
        return Err(reason);
    }
    let found = look.found;
    source::values(task, target, given, found).map(|plan| Determined::Rows(Box::new(plan)))
}

fn refuse_forms(insert: &Insert) -> Result<(), Refusal> {
    let odd = insert.overwrite
        || insert.partitioned.is_some()
        || !insert.after_columns.is_empty()
        || insert.output.is_some()
        || insert.settings.is_some()
        || insert.format_clause.is_some()
        || insert.multi_table_insert_type.is_some()
        || matches!(insert.priority, Some(MysqlInsertPriority::Delayed));
    if odd {
        return Err(Refusal::new("INSERT", "not in a form that is known"));
    }
    match &insert.or {
        Some(or @ (SqliteOnConflict::Fail | SqliteOnConflict::Rollback)) => {
            Err(Refusal::new(format!("INSERT {or}"), "it is done whole or not at all"))
        }
        _ => Ok(()),
    }
}

/// A table that may be written to.
pub(super) fn table<'a>(task: &Task<'a>, name: &ObjectName) -> Result<&'a Table, Refusal> {
    let construct = || format!("table {name}");
    let unknown = || {
        let why = match task.parsed.dialect() {
            Dialect::Sqlite => "it is not known, or no plain table",
            Dialect::Postgres => "it is not known, or no plain table that is logged",
            Dialect::MySql => "it is not known, or no plain table of InnoDB",
        };
        Refusal::new(construct(), why)
    };
    let table = task.tables.get(task.parsed.dialect(), name).ok_or_else(unknown)?;
    match table.triggers.first() {
        Some(trigger) => {
            Err(Refusal::new(construct(), format!("a write to it runs {trigger}, whose body is not seen")))
        }
        None => Ok(table),
    }
}

/// The columns of a table as those of a query.
pub(super) fn scope(task: &Task<'_>, table: &Table, alias: Option<&Ident>) -> Scope {
    let rules = task.parsed.dialect().rules();
    let mut scope = Scope::new(rules);
    let alias = alias.map_or_else(|| table.name.clone(), |alias| rules.fold(alias));
    let columns = table.columns.iter().map(|column| column.shape.clone()).collect();
    scope.tables.push(Bound { table: table.name.clone(), alias, columns, key: None, nullable: false });
    scope
}

/// How many values each row has; none where that is up to a query.
fn width(target: &Target<'_>) -> Option<usize> {
    match (&target.insert.source, target.insert.assignments.as_slice()) {
        (None, assigned) => Some(assigned.len()),
        (Some(source), _) => match source.body.as_ref() {
            SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
            _ => None,
        },
    }
}

/// The columns that are given, in the order in which they are.
fn columns(task: &Task<'_>, target: &Target<'_>, width: Option<usize>) -> Result<Vec<usize>, Refusal> {
    let (insert, table, dialect) = (target.insert, target.table, task.parsed.dialect());
    let named = |name: &ObjectName| {
        let at = name.0.last().and_then(|part| part.as_ident()).and_then(|name| table.place(dialect, name));
        at.ok_or_else(|| Refusal::new(format!("column {name}"), format!("{} has no such column", table.name)))
    };
    let mut given = Vec::new();
    if insert.assignments.is_empty() {
        insert.columns.iter().map(named).try_for_each(|at| at.map(|at| given.push(at)))?;
    }
    for assigned in &insert.assignments {
        match &assigned.target {
            AssignmentTarget::ColumnName(name) => given.push(named(name)?),
            AssignmentTarget::Tuple(_) => return Err(Refusal::new("SET (…)", "not in a form that is known")),
        }
    }
    if given.is_empty() {
        if table.traits.hides_columns && width != Some(0) {
            let why = "a column of it is invisible: list the columns that are given";
            return Err(Refusal::new(format!("table {}", table.name), why));
        }
        // SQLite leaves generated columns out of what it expects, the others take DEFAULT for them.
        let is_expected = |column: &TableColumn| dialect != Dialect::Sqlite || !column.is_generated;
        given = table.columns.iter().enumerate().filter(|(_, column)| is_expected(column)).map(|(at, _)| at).collect();
        given.truncate(width.unwrap_or(given.len()));
    }
    let again = given.iter().enumerate().find(|(nth, at)| given.iter().take(*nth).any(|before| before == *at));
    if let Some(column) = again.and_then(|(_, at)| table.columns.get(*at)) {
        return Err(Refusal::new(format!("column {}", column.shape.name), "it is given twice"));
    }
    Ok(given)
}

/// Looks at the values that are given.
fn values(
    look: &mut Look<'_, '_>,
    target: &Target<'_>,
    given: &[usize],
    rows: &[Vec<&Expr>],
    (numbers, added): (&mut Numbers, &mut Added),
) -> Result<(), Refusal> {
    for row in rows {
        if row.len() != given.len() {
            return Err(Refusal::new("a row", "of another length than the list of columns"));
        }
        for (at, expr) in given.iter().zip(row) {
            let Some(column) = target.table.columns.get(*at) else { continue };
            let is_default = is_default(expr);
            let number = written(look.task, column, expr);
            if is_default || (number == Given::Next && column.auto != Auto::No) {
                let parts = match instead(look.task, target.table, column, Times::Once, look.random)? {
                    Instead::Nothing => continue,
                    Instead::Literal(text) => vec![Part::Text(text)],
                    Instead::Number => {
                        added.is_overriding |= matches!(column.auto, Auto::Sequence { is_always: true, .. });
                        vec![numbers.next(look.task, target.table, column)?]
                    }
                };
                replace(look, expr, parts)?;
                continue;
            }
            if column.auto != Auto::No {
                numbers.take(look.task, target.table, column, number)?;
            }
            if !is_plain_text(look, column, expr) {
                look.through(*expr, Times::Once)?;
            }
        }
    }
    Ok(())
}

/// Puts a default or a number in place of the word or the NULL that stands for it.
fn replace(look: &mut Look<'_, '_>, expr: &Expr, parts: Vec<Part>) -> Result<(), Refusal> {
    let mut leaf = expr;
    while let Expr::Nested(inner) = leaf {
        leaf = inner;
    }
    let unclear = || Refusal::new("a row", "a value of it cannot be told apart in the text");
    let at = super::edit::place_of(leaf).ok_or_else(unclear)?;
    look.found.edits.replace(look.task.parsed, at, leaf, parts)
}

pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

/// A text that goes into a column of texts is nothing but a text, whatever it says; so is one of the column's own type.
pub(super) fn is_plain_text(look: &Look<'_, '_>, column: &TableColumn, expr: &Expr) -> bool {
    if cast::is_own(look, column, expr) {
        return true;
    }
    let Expr::Value(value) = expr else { return false };
    let is_text =
        matches!(look.parameter(&value.value), Some(Value::Text(_))) || value.value.clone().into_string().is_some();
    is_text && keeps_texts(look.dialect(), column)
}

/// Whether what a column holds is the text as it is given, not what that is read as.
pub(super) fn keeps_texts(dialect: Dialect, column: &TableColumn) -> bool {
    let is_document = dialect == Dialect::Postgres && matches!(column.shape.declared.as_str(), "json" | "jsonb");
    is_document || matches!(dialect.rules().column_kind(&column.shape), Kind::Text | Kind::Padded)
}

/// Looks at the columns that are left out.
fn left_out(
    look: &mut Look<'_, '_>,
    target: &Target<'_>,
    given: &[usize],
    rows: usize,
    (numbers, added): (&mut Numbers, &mut Added),
) -> Result<(), Refusal> {
    added.rows = vec![Vec::new(); rows];
    for (at, column) in target.table.columns.iter().enumerate().filter(|(at, _)| !given.contains(at)) {
        if column.is_generated {
            continue;
        }
        for row in &mut added.rows {
            let parts = match instead(look.task, target.table, column, Times::Once, look.random)? {
                Instead::Nothing => break,
                Instead::Literal(text) => vec![Part::Text(text)],
                Instead::Number => vec![numbers.next(look.task, target.table, column)?],
            };
            if added.columns.last() != Some(&at) {
                added.columns.push(at);
            }
            added.is_overriding |= matches!(column.auto, Auto::Sequence { is_always: true, .. });
            row.push(parts);
        }
    }
    Ok(())
}

/// The list of columns in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// It ends before this token.
    Ends(usize),
    /// It is empty, and its closing parenthesis is this token (MySQL).
    Empty(usize),
    /// There is none: it would stand before this token.
    Missing(usize),
}

/// Finds the list of columns.
pub(super) fn list(parsed: &Parsed, target: &Target<'_>) -> Option<List> {
    if let Some(first) = target.insert.columns.first() {
        let name = parsed.token_at(first.0.first()?.as_ident()?.span.start)?;
        return Some(List::Ends(parsed.closing(name.checked_sub(1)?)?.checked_sub(1)?));
    }
    let source = target.insert.source.as_ref()?;
    let SetExpr::Values(values) = source.body.as_ref() else { return None };
    let open = row(parsed, values.rows.first()?)?.start;
    let word = open.checked_sub(1)?;
    let close = word.checked_sub(1)?;
    match parsed.keyword(word) {
        Keyword::VALUES | Keyword::VALUE if parsed.at(close, &Token::RParen) => Some(List::Empty(close)),
        Keyword::VALUES | Keyword::VALUE => Some(List::Missing(word)),
        _ => None,
    }
}

/// The tokens of a row, parentheses included.
pub(super) fn row(parsed: &Parsed, row: &Parens<Vec<Expr>>) -> Option<Range<usize>> {
    let open = parsed.token_at(row.opening_token.0.span.start)?;
    let close = parsed.token_at(row.closing_token.0.span.start)?;
    (parsed.closing(open)? == close + 1).then_some(open..close + 1)
}

/// Where `DEFAULT VALUES` stands.
pub(super) fn default_values(parsed: &Parsed) -> Option<usize> {
    let outer = place::outer(parsed, 0..parsed.pieces.len())?;
    let mut found = outer
        .into_iter()
        .filter(|at| parsed.keyword(*at) == Keyword::DEFAULT && parsed.keyword(at + 1) == Keyword::VALUES);
    found.next().filter(|_| found.next().is_none())
}
