//! Owns UPDATE and DELETE by the primary key of rows that one node has found: the statements that change these rows and no
//! others.

use std::collections::HashSet;
use std::ops::Range;

use sqlparser::ast::{Assignment, AssignmentTarget, Delete, Expr, Statement, TableWithJoins, Update};

use super::edit::Edits;
use super::find::{Finding, find};
use super::insert::is_default;
use super::look::Task;
use super::order::Shown;
use super::place::{clauses, divided, written};
use super::rows::{Form, RowsPlan, cast};
use super::tables::TableColumn;
use super::text::{Draft, Part, Raise, Text};
use crate::sql::alike::{are_alike, statement};
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::value::{Column, Row, Value};

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Search<'a> {
    /// The table that is written to.
    pub(super) shown: &'a Shown<'a>,
    /// Other tables.
    pub(super) from: &'a [TableWithJoins],
    /// The condition.
    pub(super) condition: Option<&'a Expr>,
    /// Whether the values are found with the rows.
    pub(super) values: bool,
    /// Whether each row takes a statement of its own.
    pub(super) is_each: bool,
    /// Why it cannot be logged as it is.
    pub(super) reason: Refusal,
}

/// How rows are changed by their keys.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    /// What comes before the values that are set, or before WHERE.
    head: Range<usize>,
    /// What is assigned: the column, and its text where no value is found for it.
    set: Vec<(usize, Option<Range<usize>>)>,
    /// RETURNING.
    tail: Range<usize>,
    /// The columns of the key.
    key: Vec<usize>,
    is_each: bool,
    /// Whether the server counts as many rows as are named: none is passed over, or gone when its turn comes.
    is_counted: bool,
    returns: bool,
    /// The numbers that the client gives to rows.
    raises: Vec<Raise>,
}

pub(super) fn unclear() -> Refusal {
    Refusal::new("the statement", "its clauses cannot be told apart in the text")
}

/// Plans an UPDATE, with the numbers that it gives to rows.
pub(super) fn update(
    task: &Task<'_>,
    update: &Update,
    search: Search<'_>,
    (edits, raises): (Edits, Vec<Raise>),
) -> Result<RowsPlan, Refusal> {
    let places = clauses(task.parsed).ok_or_else(unclear)?;
    let mut set = Vec::new();
    let mut found = Vec::new();
    if search.values {
        if update.returning.is_some() && !search.from.is_empty() {
            return Err(Refusal::new("UPDATE … FROM … RETURNING", "leave RETURNING out, or write it without FROM"));
        }
        for (place, assigned) in
            divided(task.parsed, places.set.clone()).ok_or_else(unclear)?.into_iter().zip(&update.assignments)
        {
            set.push(assignment(task, &search, update, (&place, assigned), &mut found)?);
        }
        if set.len() != update.assignments.len() {
            return Err(unclear());
        }
    }
    let head = if search.values { places.start..places.set.start } else { 0..places.set.end };
    let order = (update.order_by.as_slice(), update.limit.as_ref());
    let clauses =
        Finding { places: &places, order, target: places.target.clone(), table: &update.table, values: found };
    let key = key(&search)?;
    let (query, query_params) = find(task, &search, &edits, &clauses)?;
    let returns = update.returning.is_some();
    // MySQL counts only the rows that an UPDATE changes.
    let is_counted =
        task.parsed.dialect() != Dialect::MySql && update.or.is_none() && !search.shown.table.traits.settles_conflicts;
    let (tail, is_each) = (places.returning.clone(), search.is_each);
    let form = Keyed { head, set, tail, key, is_each, is_counted, returns, raises };
    Ok(plan(task, &search, (query, query_params), edits, form))
}

/// Plans a DELETE.
pub(super) fn delete(task: &Task<'_>, delete: &Delete, search: Search<'_>, edits: Edits) -> Result<RowsPlan, Refusal> {
    let places = clauses(task.parsed).ok_or_else(unclear)?;
    let (sqlparser::ast::FromTable::WithFromKeyword(from) | sqlparser::ast::FromTable::WithoutKeyword(from)) =
        &delete.from;
    let table = from.first().ok_or_else(unclear)?;
    let order = (delete.order_by.as_slice(), delete.limit.as_ref());
    let clauses = Finding { places: &places, order, target: places.from.clone(), table, values: Vec::new() };
    let key = key(&search)?;
    let (query, query_params) = find(task, &search, &edits, &clauses)?;
    let returns = delete.returning.is_some();
    let head = 0..places.from.end;
    let (tail, is_each) = (places.returning.clone(), search.is_each);
    // One may be gone with another that it refers to.
    let form = Keyed { head, set: Vec::new(), tail, key, is_each, is_counted: !is_each, returns, raises: Vec::new() };
    Ok(plan(task, &search, (query, query_params), edits, form))
}

fn plan(
    task: &Task<'_>,
    search: &Search<'_>,
    (query, query_params): (String, Vec<Value>),
    edits: Edits,
    keyed: Keyed,
) -> RowsPlan {
    RowsPlan {
        query,
        query_params,
        whole: task.parsed.clone(),
        bound: task.params.to_vec(),
        tables: task.tables.clone(),
        moment: task.moment,
        table: search.shown.table.clone(),
        edits,
        form: Form::Keyed(keyed),
    }
}

/// The columns of the primary key; without one the rows cannot be told apart.
fn key(search: &Search<'_>) -> Result<Vec<usize>, Refusal> {
    let table = search.shown.table;
    let key = table.key().into_iter();
    let key: Option<Vec<usize>> = key.map(|key| table.columns.iter().position(|column| column == key)).collect();
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Ok(key),
        None => {
            let why = format!(
                "{}, and {} has no primary key by which its rows could be named",
                search.reason.why, table.name
            );
            Err(Refusal::new(search.reason.construct.clone(), why))
        }
    }
}

/// One assignment: its column, and where its text stays as it is.
fn assignment(
    task: &Task<'_>,
    search: &Search<'_>,
    update: &Update,
    (place, assigned): (&Range<usize>, &Assignment),
    found: &mut Vec<(Range<usize>, Expr)>,
) -> Result<(usize, Option<Range<usize>>), Refusal> {
    let AssignmentTarget::ColumnName(name) = &assigned.target else {
        return Err(Refusal::new("SET (…) = (…)", format!("{}; assign each column by itself", search.reason.why)));
    };
    let dialect = task.parsed.dialect();
    let column = name.0.last().and_then(|part| part.as_ident());
    let at = column.and_then(|name| search.shown.table.place(dialect, name)).ok_or_else(unclear)?;
    let equals = place.clone().find(|at| task.parsed.at(*at, &sqlparser::tokenizer::Token::Eq)).ok_or_else(unclear)?;
    let value = equals + 1..place.end;
    if !task.parsed.is(&value, &assigned.value) {
        return Err(unclear());
    }
    // What is the same for all rows is not asked for: it takes the type of its column.
    if is_default(&assigned.value) || matches!(assigned.value, Expr::Value(_)) {
        return Ok((at, Some(value)));
    }
    if dialect == Dialect::MySql && reads_assigned(search, update, assigned) {
        let why = "the server would take the new value of a column that is assigned before it";
        return Err(Refusal::new("UPDATE", why));
    }
    found.push((value, assigned.value.clone()));
    Ok((at, None))
}

/// Whether a value is computed from a column that the same UPDATE assigns before it.
fn reads_assigned(search: &Search<'_>, update: &Update, assigned: &Assignment) -> bool {
    let before = update.assignments.iter().take_while(|one| *one != assigned);
    let before: Vec<usize> = before
        .filter_map(|one| match &one.target {
            AssignmentTarget::ColumnName(name) => {
                let last = name.0.last()?.as_ident()?.clone();
                search.shown.column(&Expr::Identifier(last))
            }
            AssignmentTarget::Tuple(_) => None,
        })
        .collect();
    let found = sqlparser::ast::visit_expressions(&assigned.value, |part| match search.shown.column(part) {
        Some(at) if before.contains(&at) => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    });
    found.is_break()
}

impl Keyed {
    /// The statements for some rows.
    pub(super) fn statements(
        &self,
        plan: &RowsPlan,
        columns: &[Column],
        rows: Vec<Row>,
    ) -> Result<Vec<Draft>, Refusal> {
        let width = self.key.len();
        let is_null = |row: &Row| row.iter().take(width).any(|value| *value == Value::Null);
        if rows.iter().any(is_null) {
            let why = "a row that it touches has NULL in its primary key, and cannot be named";
            return Err(Refusal::new(format!("table {}", plan.table()), why));
        }
        let mut seen = HashSet::new();
        // A row that a join finds several times is changed once, by the first.
        let rows = rows.into_iter().filter(|row| {
            let key: Vec<&Value> = row.iter().take(width).collect();
            seen.insert(format!("{key:?}"))
        });
        let rows: Vec<Row> = rows.collect();
        let mut made = if self.is_each {
            rows.iter()
                .map(|row| self.statement(plan, columns, std::slice::from_ref(row)))
                .collect::<Result<Vec<Draft>, Refusal>>()?
        } else {
            plan.batches(rows, |rows| self.statement(plan, columns, rows))?
        };
        // One tells them for all.
        if let Some(first) = made.first_mut() {
            first.raises.clone_from(&self.raises);
        }
        Ok(made)
    }

    fn statement(&self, plan: &RowsPlan, columns: &[Column], rows: &[Row]) -> Result<Draft, Refusal> {
        let dialect = plan.whole.dialect();
        let mut text = Text::new(&plan.whole, &plan.bound);
        text.tokens(self.head.clone(), &plan.edits)?;
        let name = |at: usize| -> Result<String, Refusal> {
            let column: &TableColumn = plan.table.columns.get(at).ok_or_else(unclear)?;
            Ok(dialect.quote(&column.shape.name))
        };
        let mut next = self.key.len();
        for (nth, (at, kept)) in self.set.iter().enumerate() {
            text.push(if nth == 0 { " " } else { ", " });
            text.push(&format!("{} = ", name(*at)?));
            match kept {
                Some(place) => text.tokens(place.clone(), &plan.edits)?,
                None => {
                    let value = rows.first().and_then(|row| row.get(next)).ok_or_else(unclear)?;
                    let column = plan.table.columns.get(*at).ok_or_else(unclear)?;
                    text.bind(value.clone(), &cast(dialect, column, (value, columns.get(next)))?)?;
                    next += 1;
                }
            }
        }
        text.push(" WHERE ");
        self.condition(&mut text, rows, &name)?;
        text.push(" ");
        text.tokens(self.tail.clone(), &plan.edits)?;
        let mut draft = text.draft(self.returns);
        if let Some(Part::Text(last)) = draft.parts.last_mut() {
            last.truncate(last.trim_end().len());
        }
        draft.named = self.is_counted.then_some(rows.len());
        self.check(plan, &draft.sample())?;
        Ok(draft)
    }

    /// The condition that only these rows fulfil.
    fn condition(
        &self,
        text: &mut Text<'_>,
        rows: &[Row],
        name: &dyn Fn(usize) -> Result<String, Refusal>,
    ) -> Result<(), Refusal> {
        if let [only] = self.key.as_slice() {
            text.push(&format!("{} IN (", name(*only)?));
            for (nth, row) in rows.iter().enumerate() {
                text.push(if nth == 0 { "" } else { ", " });
                text.bind(row.first().cloned().ok_or_else(unclear)?, "")?;
            }
            text.push(")");
            return Ok(());
        }
        for (nth, row) in rows.iter().enumerate() {
            text.push(if nth == 0 { "(" } else { " OR (" });
            for (index, at) in self.key.iter().enumerate() {
                text.push(if index == 0 { "" } else { " AND " });
                text.push(&format!("{} = ", name(*at)?));
                text.bind(row.get(index).cloned().ok_or_else(unclear)?, "")?;
            }
            text.push(")");
        }
        Ok(())
    }

    /// Whether a text writes to the table that was meant, and answers what was meant.
    fn check(&self, plan: &RowsPlan, sample: &str) -> Result<(), Refusal> {
        let found = statement(plan.whole.dialect(), sample).ok_or_else(unclear)?;
        let whole = plan.edits.applied(&plan.whole.statement);
        let is_meant = match (written(&found).1, written(&whole).1) {
            (Statement::Update(found), Statement::Update(whole)) => {
                let set = self.set.is_empty() && are_alike(&found.assignments, &whole.assignments)
                    || !self.set.is_empty() && found.assignments.len() == self.set.len();
                set && are_alike(&found.table, &whole.table)
                    && are_alike(&found.returning, &whole.returning)
                    && found.or == whole.or
                    && found.from.is_none()
                    && found.limit.is_none()
            }
            (Statement::Delete(found), Statement::Delete(whole)) => {
                let bare =
                    |delete: &Delete| Delete { selection: None, order_by: Vec::new(), limit: None, ..delete.clone() };
                are_alike(&bare(found), &bare(whole)) && found.limit.is_none()
            }
            _ => false,
        };
        if is_meant { Ok(()) } else { Err(unclear()) }
    }
}
