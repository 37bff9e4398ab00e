//! Owns writes whose rows one node finds out for all: a query to be asked of a node that has applied everything before, and
//! what its rows become, with their values bound. Nothing of it is logged before all rows are known.

use std::ops::Range;

use sqlparser::ast::{Insert, SetExpr, Statement, Values};

use super::clock::Moment;
use super::defaults::{Instead, instead};
use super::edit::Edits;
use super::insert::keeps_texts;
use super::keyed::Keyed;
use super::look::{Task, Times, may_be_moment};
use super::numbers::{Given, Numbers, given};
use super::place;
use super::tables::{Auto, Table, TableColumn, Tables};
use super::text::{Draft, Part, Text};
use crate::sql::alike::{are_alike, statement};
use crate::sql::dialect::Dialect;
use crate::sql::parse::Parsed;
use crate::sql::plan::Refusal;
use crate::sql::value::{Column, Row, Value};

/// Rows of one statement: a few kilobytes of text.
pub(super) const ROWS: usize = 500;

/// Parameters of one statement: SQLite takes 32,766, the others more.
pub(super) const PARAMETERS: usize = 16_000;

/// Bytes of values in one statement: MySQL takes packets of 16 MiB unless told otherwise.
pub(super) const BYTES: usize = 4 << 20;

/// A write whose rows have yet to be found. Within a transaction of several statements the query must see what those before it
/// have done: it is asked in a transaction that has done them, and is taken back.
#[derive(Clone, Debug)]
pub struct RowsPlan {
    pub(super) query: String,
    pub(super) query_params: Vec<Value>,
    pub(super) whole: Parsed,
    pub(super) bound: Vec<Value>,
    pub(super) tables: Tables,
    pub(super) moment: Moment,
    pub(super) table: Table,
    pub(super) edits: Edits,
    pub(super) form: Form,
}

/// What the rows become.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// INSERT … VALUES.
    Insert { head: Range<usize>, tail: Range<usize>, given: Vec<usize>, list: Option<usize> },
    /// UPDATE or DELETE by the primary key.
    Keyed(Keyed),
}

impl RowsPlan {
    /// The query. It may write nothing: it is for a session that only reads, whose clock (MySQL: the variable `timestamp`) is
    /// set to the entry's moment.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The values that are bound to it.
    pub fn params(&self) -> &[Value] {
        &self.query_params
    }

    /// The table that is written to.
    pub fn table(&self) -> &str {
        &self.table.name
    }

    /// What is logged for these rows, all that the query has found, in their order; `columns` are those that the node tells.
    /// Together they are one transaction. None where there are no rows.
    pub fn statements(
        &self,
        columns: &[Column],
        rows: Vec<Row>,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Draft>, Refusal> {
        match &self.form {
            Form::Insert { .. } => self.batches(rows, |rows| self.fill(columns, rows, random)),
            Form::Keyed(keyed) => keyed.statements(self, columns, rows),
        }
    }

    pub(super) fn task(&self) -> Task<'_> {
        Task { parsed: &self.whole, params: &self.bound, tables: &self.tables, moment: self.moment, with: None }
    }

    /// Divides rows so that no statement is too large.
    pub(super) fn batches(
        &self,
        rows: Vec<Row>,
        mut make: impl FnMut(&[Row]) -> Result<Draft, Refusal>,
    ) -> Result<Vec<Draft>, Refusal> {
        let mut made = Vec::new();
        let mut batch: Vec<Row> = Vec::new();
        let (mut values, mut bytes) = (0, 0);
        for row in rows {
            let weight: usize = row.iter().map(weight).sum();
            let is_full = batch.len() >= ROWS || values + row.len() > PARAMETERS || bytes + weight > BYTES;
            if is_full && !batch.is_empty() {
                made.push(make(&std::mem::take(&mut batch))?);
                (values, bytes) = (0, 0);
            }
            (values, bytes) = (values + row.len(), bytes + weight);
            batch.push(row);
        }
        if !batch.is_empty() {
            made.push(make(&batch)?);
        }
        Ok(made)
    }

    /// One INSERT of some rows.
    fn fill(&self, columns: &[Column], rows: &[Row], random: &mut dyn FnMut() -> u64) -> Result<Draft, Refusal> {
        let Form::Insert { head, tail, given: places, list } = &self.form else { return Err(unclear()) };
        let task = self.task();
        let dialect = self.whole.dialect();
        let mut numbers = Numbers::default();
        let added = self.left_out(places)?;
        let mut edits = self.edits.clone();
        let names = |columns: &[usize]| -> Vec<String> {
            columns
                .iter()
                .filter_map(|at| self.table.columns.get(*at))
                .map(|one| dialect.quote(&one.shape.name))
                .collect()
        };
        if let (Some(at), false) = (list, added.is_empty()) {
            edits.put(*at, vec![Part::Text(format!(", {}", names(&added).join(", ")))]);
        }
        let mut text = Text::new(&self.whole, &self.bound);
        text.tokens(head.clone(), &edits)?;
        if list.is_none() {
            text.push(&format!(" ({})", [names(places), names(&added)].concat().join(", ")));
        }
        let overriding = added.iter().filter_map(|at| self.table.columns.get(*at)).any(is_always);
        text.push(if overriding { "\nOVERRIDING SYSTEM VALUE\nVALUES" } else { "\nVALUES" });
        for (nth, row) in rows.iter().enumerate() {
            text.push(if nth == 0 { "\n(" } else { ",\n(" });
            if row.len() != places.len() || row.len() != columns.len() {
                return Err(Refusal::new("a row", "of another length than the list of columns"));
            }
            for (index, value) in row.iter().enumerate() {
                text.push(if index == 0 { "" } else { ", " });
                let column = places.get(index).and_then(|at| self.table.columns.get(*at)).ok_or_else(unclear)?;
                self.value(&mut text, column, (value, columns.get(index)), &mut numbers)?;
            }
            for (index, at) in added.iter().enumerate() {
                text.push(if index == 0 && row.is_empty() { "" } else { ", " });
                let column = self.table.columns.get(*at).ok_or_else(unclear)?;
                match instead(&task, &self.table, column, Times::Once, random)? {
                    Instead::Nothing => return Err(unclear()),
                    Instead::Literal(literal) => text.push(&literal),
                    Instead::Number => text.part(&numbers.next(&task, &self.table, column)?),
                }
            }
            text.push(")");
        }
        text.push("\n");
        text.tokens(tail.clone(), &edits)?;
        let returns =
            matches!(place::written(&self.whole.statement).1, Statement::Insert(one) if one.returning.is_some());
        let draft = Draft { needs: numbers.needs, raises: numbers.raises, ..text.draft(returns) };
        self.check(
            &draft.sample().replace("\nOVERRIDING SYSTEM VALUE\n", "\n"),
            rows.len(),
            places.len() + added.len(),
        )?;
        Ok(draft)
    }

    /// One value of a row.
    fn value(
        &self,
        text: &mut Text<'_>,
        column: &TableColumn,
        (value, answered): (&Value, Option<&Column>),
        numbers: &mut Numbers,
    ) -> Result<(), Refusal> {
        if column.auto != Auto::No {
            match given(column, value) {
                Given::Next => {
                    let part = numbers.next(&self.task(), &self.table, column)?;
                    text.part(&part);
                    return Ok(());
                }
                other => numbers.take(&self.task(), &self.table, column, other)?,
            }
        }
        text.bind(value.clone(), &cast(self.whole.dialect(), column, (value, answered))?)
    }

    /// The columns that rows leave out, and which must be given.
    fn left_out(&self, given: &[usize]) -> Result<Vec<usize>, Refusal> {
        let task = self.task();
        let mut added = Vec::new();
        for (at, column) in self.table.columns.iter().enumerate() {
            if given.contains(&at) || column.is_generated {
                continue;
            }
            // Which values they get is asked for each row.
            if instead(&task, &self.table, column, Times::Once, &mut || 0)? != Instead::Nothing {
                added.push(at);
            }
        }
        Ok(added)
    }

    /// Whether a text is the INSERT as it came, but for its rows.
    fn check(&self, sample: &str, rows: usize, width: usize) -> Result<(), Refusal> {
        let found = statement(self.whole.dialect(), sample).ok_or_else(unclear)?;
        let whole = self.edits.applied(&self.whole.statement);
        let (Statement::Insert(found), (_, Statement::Insert(whole))) = (&found, place::written(&whole)) else {
            return Err(unclear());
        };
        let values = found.source.as_ref().map(|source| source.body.as_ref());
        let Some(SetExpr::Values(Values { rows: filled, .. })) = values else { return Err(unclear()) };
        let fits = filled.len() == rows
            && filled.iter().all(|row| row.content.len() == width)
            && found.columns.len() == width
            && found.columns.iter().zip(&whole.columns).all(|(one, other)| one == other);
        let without = |insert: &Insert| Insert { source: None, columns: Vec::new(), ..insert.clone() };
        if fits && are_alike(&without(found), &without(whole)) { Ok(()) } else { Err(unclear()) }
    }
}

fn is_always(column: &TableColumn) -> bool {
    matches!(column.auto, Auto::Sequence { is_always: true, .. })
}

/// The type that PostgreSQL is told for a value, so that it is assigned as the query's own would be; nothing for texts, which
/// take the type of their column. Then a text must not be one that is read as a moment.
pub(super) fn cast(
    dialect: Dialect,
    column: &TableColumn,
    (value, answered): (&Value, Option<&Column>),
) -> Result<String, Refusal> {
    let declared = answered.map(|column| column.declared.as_str()).unwrap_or_default();
    let is_text =
        ["text", "character", "bpchar", "unknown", "name", "\"char\""].iter().any(|word| declared.starts_with(word));
    if dialect != Dialect::Postgres || is_text || declared.is_empty() {
        return match value {
            Value::Text(text) if may_be_moment(dialect, text) && !keeps_texts(dialect, column) => Err(Refusal::new(
                format!("a text for column {}", column.shape.name),
                "it may be read as a moment, which differs by node: cast it in the query",
            )),
            _ => Ok(String::new()),
        };
    }
    Ok(format!("::{declared}"))
}

pub(super) fn weight(value: &Value) -> usize {
    16 + match value {
        Value::Text(text) | Value::Decimal(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Real(_) => 0,
    }
}

pub(super) fn unclear() -> Refusal {
    Refusal::new("INSERT … SELECT", "its query cannot be told apart in the text")
}
