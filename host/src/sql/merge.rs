//! Owns putting rows in order: numbers by value, then text by bytes, then blobs by bytes; NULL where a key says.

use std::cmp::Ordering;

mod decimal;

use super::{
    plan::{KeyColumn, MergeKey},
    value::Value,
};

/// The order of two rows by the keys of a merge; `visible` is the number of columns of the answer.
pub fn compare_rows(one: &[Value], other: &[Value], keys: &[MergeKey], visible: usize) -> Ordering {
    for key in keys {
        let at = match key.column {
            KeyColumn::Visible(place) => place,
            KeyColumn::Hidden(place) => visible + place,
        };
        let (left, right) = (one.get(at).unwrap_or(&Value::Null), other.get(at).unwrap_or(&Value::Null));
        let order = match (left, right) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) if key.nulls_first => Ordering::Less,
            (Value::Null, _) => Ordering::Greater,
            (_, Value::Null) if key.nulls_first => Ordering::Greater,
            (_, Value::Null) => Ordering::Less,
            _ if key.descending => compare(right, left),
            _ => compare(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The order of two values. NaN is above all other numbers, and equal to itself (SQLite has none).
pub fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Real(left), Value::Real(right)) => {
            left.partial_cmp(right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
        }
        (Value::Integer(left), Value::Real(right)) => integer_with_real(*left, *right),
        (Value::Real(left), Value::Integer(right)) => integer_with_real(*right, *left).reverse(),
        (Value::Decimal(left), Value::Decimal(right)) => decimal::compare(left, right),
        (Value::Decimal(left), Value::Integer(right)) => decimal::compare(left, &right.to_string()),
        (Value::Integer(left), Value::Decimal(right)) => decimal::compare(&left.to_string(), right),
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => class(one).cmp(&class(other)),
    }
}

/// SQLite's order of different types; other dialects have one type in one column.
fn class(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Integer(_) | Value::Real(_) | Value::Decimal(_) => 2,
        Value::Text(_) => 3,
        Value::Blob(_) => 4,
    }
}

/// Exact: no integer becomes a float.
fn integer_with_real(integer: i64, real: f64) -> Ordering {
    // 2^63, the first double above all integers; its negative is the smallest integer.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() || real >= LIMIT {
        return Ordering::Less;
    }
    if real < -LIMIT {
        return Ordering::Greater;
    }
    #[allow(clippy::cast_possible_truncation, reason = "the bounds were checked, the fraction is compared below")]
    let whole = real.trunc() as i64;
    integer.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&(real - real.trunc())).unwrap_or(Ordering::Equal))
}
