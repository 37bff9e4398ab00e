//! Owns the numbers that columns give to rows by themselves: which values that a client gives stand for the next number, which
//! are numbers of its own, and how many a statement needs.

use sqlparser::ast::{Expr, UnaryOperator, Value as Literal};

use super::look::Task;
use super::tables::{Auto, Counter, Table, TableColumn};
use super::text::{Need, Part, Raise, number_of};
use crate::sql::plan::Refusal;
use crate::sql::value::Value;

/// What is given for a column that numbers rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The next number is wanted.
    Next,
    /// A number.
    Number(i64),
    /// Something that only the server knows.
    Unknown,
}

/// What a value is for a column.
pub(super) fn given(column: &TableColumn, value: &Value) -> Given {
    let number = match value {
        Value::Null if matches!(column.auto, Auto::Rowid { .. } | Auto::Increment) => return Given::Next,
        Value::Integer(number) => Some(*number),
        Value::Decimal(text) | Value::Text(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Real(_) | Value::Blob(_) => None,
    };
    match (number, &column.auto) {
        (Some(0), Auto::Increment) => Given::Next,
        (Some(number), _) => Given::Number(number),
        (None, _) => Given::Unknown,
    }
}

/// What an expression is for a column.
pub(super) fn written(task: &Task<'_>, column: &TableColumn, expr: &Expr) -> Given {
    match expr {
        Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default") => {
            Given::Next
        }
        Expr::Nested(inner) => written(task, column, inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match written(task, column, expr) {
            Given::Number(number) => number.checked_neg().map_or(Given::Unknown, Given::Number),
            Given::Next | Given::Unknown => Given::Unknown,
        },
        Expr::Value(literal) => match &literal.value {
            Literal::Placeholder(mark) => {
                let value = number_of(mark).and_then(|at| task.params.get(at));
                value.map_or(Given::Unknown, |value| given(column, value))
            }
            Literal::Null => given(column, &Value::Null),
            Literal::Number(digits, _) => given(column, &Value::Decimal(digits.clone())),
            other => match other.clone().into_string() {
                Some(text) => given(column, &Value::Text(text)),
                None => Given::Unknown,
            },
        },
        _ => Given::Unknown,
    }
}

/// The numbers of one statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) needs: Vec<Need>,
    pub(super) raises: Vec<Raise>,
}

impl Numbers {
    /// Asks for one more.
    pub(super) fn next(&mut self, task: &Task<'_>, table: &Table, column: &TableColumn) -> Result<Part, Refusal> {
        let counter = counter(task, table, column)?;
        let need = match self.needs.iter().position(|need| need.counter == counter) {
            Some(at) => at,
            None => {
                self.needs.push(Need { counter, count: 0 });
                self.needs.len() - 1
            }
        };
        let known =
            self.needs.get_mut(need).ok_or_else(|| Refusal::new("the statement", "its numbers cannot be counted"))?;
        known.count += 1;
        Ok(Part::Id { need, nth: known.count - 1 })
    }

    /// Takes down what a client gives itself; refuses what nobody can know beforehand.
    pub(super) fn take(
        &mut self,
        task: &Task<'_>,
        table: &Table,
        column: &TableColumn,
        given: Given,
    ) -> Result<(), Refusal> {
        let name = task.parsed.dialect().quote(&column.shape.name);
        match (given, &column.auto) {
            (_, Auto::Sequence { is_always: true, .. }) => {
                Err(Refusal::new(format!("column {name}"), "it is GENERATED ALWAYS, and takes no value"))
            }
            (Given::Number(given), _) => {
                self.raises.push(Raise { counter: counter(task, table, column)?, given });
                Ok(())
            }
            // What a client gives itself does not move a sequence.
            (_, Auto::No | Auto::Sequence { .. }) => Ok(()),
            (_, Auto::Rowid { .. } | Auto::Increment) => {
                let why = "it numbers rows: give a number, as a literal or a parameter, or leave it out";
                Err(Refusal::new(format!("column {name}"), why))
            }
        }
    }
}

fn counter(task: &Task<'_>, table: &Table, column: &TableColumn) -> Result<Counter, Refusal> {
    let counter = table.counter(task.parsed.dialect(), column);
    counter.ok_or_else(|| Refusal::new(format!("table {}", table.name), "a column without a counter is to be numbered"))
}
