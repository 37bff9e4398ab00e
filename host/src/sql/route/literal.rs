//! Owns reading a value out of a statement: literals, bound parameters, and the few operations on them whose outcome
//! is the same everywhere. What is not certain has no value here.

use sqlparser::ast::{CastKind, DataType, Expr, UnaryOperator, Value as Literal};

use crate::sql::dialect::Dialect;
use crate::sql::value::Value;

/// How deep signs, casts and parentheses around a literal are followed.
const DEPTH: u8 = 16;

/// The values bound to a statement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// By place, from the first.
    pub positional: &'a [Value],
}

/// Reads values in one dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literals<'a> {
    pub(super) dialect: Dialect,
    pub(super) parameters: Parameters<'a>,
}

impl Literals<'_> {
    /// The value of an expression that is certain.
    pub(super) fn value(&self, expr: &Expr) -> Option<Value> {
        self.value_within(expr, DEPTH)
    }

    fn value_within(&self, expr: &Expr, depth: u8) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        match expr {
            Expr::Value(literal) => self.literal(&literal.value),
            Expr::Nested(inner) => self.value_within(inner, depth),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => negated(self.value_within(expr, depth)?),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => {
                self.value_within(expr, depth).filter(|value| matches!(value, Value::Integer(_) | Value::Real(_)))
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None, .. } => {
                cast(self.value_within(expr, depth)?, data_type)
            }
            _ => None,
        }
    }

    fn literal(&self, literal: &Literal) -> Option<Value> {
        match literal {
            Literal::Null => Some(Value::Null),
            Literal::Boolean(value) => Some(Value::Bool(*value)),
            Literal::Number(text, false) => Some(number(text)),
            // Quotes and backslashes mean different things in different modes of the server.
            Literal::SingleQuotedString(text) if !text.contains(['\'', '\\']) => Some(Value::Text(text.clone())),
            Literal::Placeholder(name) => self.parameter(name),
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        let (sign, rest) = name.split_at_checked(1)?;
        if !matches!((sign, self.dialect), ("?", Dialect::Sqlite | Dialect::MySql) | ("$", Dialect::Postgres)) {
            return None;
        }
        let place = rest.parse::<usize>().ok()?.checked_sub(1)?;
        self.parameters.positional.get(place).cloned()
    }
}

fn number(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text.parse() {
        Ok(number) if text.contains(['e', 'E']) => Value::Real(number),
        _ => Value::Decimal(text.to_owned()),
    }
}

fn negated(value: Value) -> Option<Value> {
    match value {
        Value::Null => Some(Value::Null),
        Value::Integer(number) => number.checked_neg().map(Value::Integer),
        Value::Real(number) => Some(Value::Real(-number)),
        // The lowest integer has no positive twin: it is written as the minus of what is too large.
        Value::Decimal(text) => match text.strip_prefix('-') {
            Some(positive) => Some(Value::Decimal(positive.to_owned())),
            None => Some(number(&format!("-{text}"))),
        },
        Value::Bool(_) | Value::Text(_) | Value::Blob(_) => None,
    }
}

fn cast(value: Value, to: &DataType) -> Option<Value> {
    let to_integer = matches!(
        to,
        DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::Int8(_)
            | DataType::Signed
            | DataType::SignedInteger
    );
    let to_text = matches!(to, DataType::Text);
    match value {
        Value::Null if to_integer || to_text => Some(Value::Null),
        Value::Integer(number) if to_integer => Some(Value::Integer(number)),
        Value::Text(text) if to_integer => {
            let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text)?;
            Some(Value::Integer(number))
        }
        Value::Text(text) if to_text => Some(Value::Text(text)),
        _ => None,
    }
}
