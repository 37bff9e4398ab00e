//! Owns planning an INSERT of what a query finds: the query by itself, to be answered as any other, and the INSERTs with
//! bound values that its rows become, each row on the shard of its key. No row is written before all have been read.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use sqlparser::ast::{Expr, Insert, Query, SetExpr, Statement, Values, Visit, Visitor, visit_expressions};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::calls::{Allowed, Look};
use super::cut::{Text, mark_of};
use super::{Change, Count, Question, ShardStatement, Task, copied, insert, question};
use crate::sql::alike::{are_alike, reads_as, statement};
use crate::sql::dialect::Dialect;
use crate::sql::parse::{Parsed, parse};
use crate::sql::plan::Refusal;
use crate::sql::route;
use crate::sql::shape::ColumnShape;
use crate::sql::topology::{Partition, Shard};
use crate::sql::value::{Column, Row, Value};

/// Rows of one INSERT: a few kilobytes of text.
const ROWS: usize = 500;

/// Parameters of one INSERT: SQLite takes 32,766, the others more.
const PARAMETERS: usize = 16_000;

/// Bytes of values in one INSERT: MySQL takes packets of 16 MiB unless told otherwise.
const BYTES: usize = 4 << 20;

/// An INSERT whose rows have yet to be found.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The query that finds them.
    pub query: Parsed,
    /// The values that are bound to the query.
    pub params: Vec<Value>,
    whole: Parsed,
    bound: Vec<Value>,
    head: Range<usize>,
    tail: Range<usize>,
    table: String,
    /// By what rows are told apart; none where every shard takes all.
    key: Option<(usize, Partition)>,
    shards: Vec<Shard>,
    /// The names of the columns, as far as they are known.
    columns: Vec<String>,
}

/// Plans it; `key_at` is the column of the query that is the key, none for a table that every shard holds whole.
pub(super) fn fill(task: &Task<'_>, table: &str, key_at: Option<usize>) -> Result<Fill, Refusal> {
    let Statement::Insert(insert) = &task.parsed.statement else {
        return Err(Refusal::new("the statement", "no INSERT"));
    };
    insert::conflict_is_on_key(task, table, insert)?;
    insert::all_or_none(insert)?;
    let allowed = if key_at.is_some() { Allowed::PerRow } else { Allowed::Same };
    Look::new(task, allowed).through(&insert.on)?;
    Look::new(task, allowed).through(&insert.returning)?;
    if asks(&insert.on) || asks(&insert.returning) {
        return Err(Refusal::new("a subquery after INSERT … SELECT", "it would see the rows of one shard only"));
    }
    if task.parsed.dialect() == Dialect::MySql && names_a_column(&insert.on) {
        let why = "behind a query a name in it may be a column of the query, too; give plain values, or ask for the rows first";
        return Err(Refusal::new("ON DUPLICATE KEY UPDATE with a column", why));
    }
    if key_at.is_none() {
        copied::all_columns_listed(task, table, insert)?;
    }
    let source = insert.source.as_deref().ok_or_else(unclear)?;
    let place = place(task.parsed, source).ok_or_else(unclear)?;
    let (query, params) = query(task, place.clone(), source)?;
    let key = key_at.map(|at| {
        let partition = task.catalog.topology.partition(table).cloned();
        partition.map(|partition| (at, partition)).ok_or_else(unclear)
    });
    Ok(Fill {
        query,
        params,
        whole: task.parsed.clone(),
        bound: task.params.to_vec(),
        head: 0..place.start,
        tail: place.end..task.parsed.pieces.len(),
        table: table.to_owned(),
        key: key.transpose()?,
        shards: task.catalog.shards().into_iter().collect(),
        columns: copied::names(task, table, insert),
    })
}

fn unclear() -> Refusal {
    Refusal::new("INSERT … SELECT", "its query cannot be told apart in the text")
}

fn query(task: &Task<'_>, place: Range<usize>, source: &Query) -> Result<(Parsed, Vec<Value>), Refusal> {
    let mut text = Text::new(task.parsed);
    text.tokens(place)?;
    let (sql, params) = text.bound(task.params)?;
    let meant = Statement::Query(Box::new(source.clone()));
    match parse(task.parsed.dialect(), &sql) {
        Ok(query) if reads_as(task.parsed.dialect(), &sql, &meant) => Ok((query, params)),
        _ => Err(unclear()),
    }
}

/// The tokens of the query within its INSERT.
fn place(parsed: &Parsed, source: &Query) -> Option<Range<usize>> {
    let total = parsed.pieces.len();
    let mut outer = Vec::new();
    let mut at = 0;
    while at < total {
        outer.push(at);
        at = if parsed.at(at, &Token::LParen) { parsed.closing(at)? } else { at + 1 };
    }
    let begins =
        |at: &usize| matches!(parsed.keyword(*at), Keyword::SELECT | Keyword::WITH) || parsed.at(*at, &Token::LParen);
    let ends = |at: &usize| matches!(parsed.keyword(*at), Keyword::ON | Keyword::RETURNING);
    let ends: Vec<usize> = outer.iter().copied().filter(ends).rev().collect();
    for start in outer.iter().copied().filter(begins) {
        for end in std::iter::once(total).chain(ends.iter().copied().filter(|end| *end > start)) {
            if is_query(parsed, &(start..end), source) {
                return Some(start..end);
            }
        }
    }
    None
}

fn is_query(parsed: &Parsed, range: &Range<usize>, wanted: &Query) -> bool {
    let parser = Parser::new(parsed.dialect().grammar()).try_with_sql(parsed.slice(range));
    let Ok(mut parser) = parser else { return false };
    parser.parse_query().is_ok_and(|found| *found == *wanted) && parser.peek_token().token == Token::EOF
}

/// Whether there is a query in a part of a statement.
fn asks(part: &impl Visit) -> bool {
    struct Asks;
    impl Visitor for Asks {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    part.visit(&mut Asks).is_break()
}

/// Whether a value is computed from a column.
fn names_a_column(part: &impl Visit) -> bool {
    let found = visit_expressions(part, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Whether a value of a type becomes another one by way of a parameter, where the column is of another type.
fn is_recast(declared: &str) -> bool {
    let item = declared.trim_end_matches("[]");
    let name = item.split('(').next().unwrap_or_default();
    matches!(name, "real" | "double precision" | "character" | "bpchar")
}

impl Fill {
    /// The table that is filled.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The INSERTs of these rows: all that the query has found.
    pub fn change(&self, rows: Vec<Row>) -> Result<Change, Refusal> {
        let mut shards: BTreeMap<Shard, Vec<Row>> = BTreeMap::new();
        let dialect = self.whole.dialect();
        let (certain, mut questions) = (self.certain(&rows), Vec::new());
        // Copies that are alike count alike, but for MySQL's, whose counters do not go back. They are given all columns.
        let may_count = self.key.is_some() || (dialect == Dialect::MySql && certain.len() < self.columns.len());
        if may_count && !rows.is_empty() {
            questions.push(Question::numbering(dialect, &self.table, &certain));
        }
        match &self.key {
            Some((at, partition)) => {
                for row in rows {
                    shards.entry(self.shard_of(&row, *at, partition)?).or_default().push(row);
                }
            }
            None => {
                shards.extend(self.shards.iter().filter(|_| !rows.is_empty()).map(|shard| (*shard, rows.clone())));
            }
        }
        let mut statements = Vec::new();
        for (shard, rows) in shards {
            self.batches(shard, rows, &mut statements)?;
        }
        let Statement::Insert(insert) = &self.whole.statement else { return Err(unclear()) };
        let count = if self.key.is_some() { Count::Sum } else { Count::Same };
        let returns = insert.returning.is_some();
        let change = Change { dialect, statements, count, returns, questions, verify: None };
        Ok(change.asking_first(&self.table))
    }

    fn shard_of(&self, row: &[Value], at: usize, partition: &Partition) -> Result<Shard, Refusal> {
        let construct = || format!("INSERT INTO {}", self.table);
        let key = row.get(at).and_then(|value| partition.kind.stored(value)).ok_or_else(|| {
            Refusal::new(construct(), format!("the query finds a row without a certain {}", partition.key))
        })?;
        if key.may_be_numbered(self.whole.dialect()) {
            let refusal = route::Refusal::ZeroKey { table: self.table.clone(), key: partition.key.clone() };
            return Err(Refusal::new(construct(), refusal.to_string()));
        }
        partition.placement.shard_of(&key).map_err(|error| Refusal::new(construct(), error.to_string()))
    }

    /// The columns that no row leaves to a counter.
    fn certain(&self, rows: &[Row]) -> Vec<String> {
        let dialect = self.whole.dialect();
        let is_open = |at: usize| rows.iter().any(|row| question::may_be_numbered(dialect, row.get(at)));
        self.columns.iter().enumerate().filter(|(at, _)| !is_open(*at)).map(|(_, name)| name.clone()).collect()
    }

    /// Whether what is bound for the rows of a query with these columns is what one database would have stored. A float is
    /// bound as a double and padded text with its blanks; a column of another type would make something else of those.
    pub fn fits(&self, found: &[Column], target: &[ColumnShape]) -> Result<(), Refusal> {
        if self.whole.dialect() != Dialect::Postgres {
            return Ok(());
        }
        for (column, name) in found.iter().zip(&self.columns) {
            let to = target.iter().find(|shape| shape.name == *name).map_or("", |shape| shape.declared.as_str());
            if is_recast(&column.declared) && column.declared != to {
                let why = format!("{name} is of type {to}: cast it to that in the query");
                return Err(Refusal::new(format!("a value of type {} for {name}", column.declared), why));
            }
        }
        Ok(())
    }

    fn batches(&self, shard: Shard, rows: Vec<Row>, statements: &mut Vec<ShardStatement>) -> Result<(), Refusal> {
        let mut batch: Vec<Row> = Vec::new();
        let (mut values, mut bytes) = (0, 0);
        for row in rows {
            let weight: usize = row.iter().map(Value::bytes).sum();
            let is_full = batch.len() >= ROWS || values + row.len() > PARAMETERS || bytes + weight > BYTES;
            if is_full && !batch.is_empty() {
                statements.push(self.batch(shard, std::mem::take(&mut batch))?);
                (values, bytes) = (0, 0);
            }
            (values, bytes) = (values + row.len(), bytes + weight);
            batch.push(row);
        }
        if !batch.is_empty() {
            statements.push(self.batch(shard, batch)?);
        }
        Ok(())
    }

    fn batch(&self, shard: Shard, rows: Vec<Row>) -> Result<ShardStatement, Refusal> {
        let dialect = self.whole.dialect();
        let mut text = Text::new(&self.whole);
        text.tokens(self.head.clone())?;
        text.push("\nVALUES");
        let mut number = 0;
        for (nth, row) in rows.iter().enumerate() {
            text.push(if nth == 0 { "\n(" } else { ",\n(" });
            for at in 0..row.len() {
                number += 1;
                text.push(if at == 0 { "" } else { ", " });
                text.push(&mark_of(dialect, number));
            }
            text.push(")");
        }
        text.push("\n");
        text.number_from(number);
        text.tokens(self.tail.clone())?;
        let (sql, tail) = text.bound(&self.bound)?;
        if !self.is_meant(&sql, &rows) {
            return Err(unclear());
        }
        let params = rows.into_iter().flatten().chain(tail).collect();
        Ok(ShardStatement { shard, sql, params })
    }

    /// Whether a text is the INSERT as it came, but for its rows, which are parameters only.
    fn is_meant(&self, sql: &str, rows: &[Row]) -> bool {
        let Some(Statement::Insert(insert)) = statement(self.whole.dialect(), sql) else { return false };
        let Statement::Insert(whole) = &self.whole.statement else { return false };
        let values = insert.source.as_ref().map(|source| source.body.as_ref());
        let Some(SetExpr::Values(Values { rows: found, .. })) = values else { return false };
        let widths_fit =
            found.len() == rows.len() && found.iter().zip(rows).all(|(found, row)| found.content.len() == row.len());
        let without = |insert: &Insert| Insert { source: None, ..insert.clone() };
        widths_fit && are_alike(&without(&insert), &without(whole))
    }
}
