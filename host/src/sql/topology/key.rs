//! Owns what a partition key is, and where a value of a statement stands among the keys.
//!
//! The three dialects compare values of different types each in its own way. What they all agree on is told exactly;
//! everything else is [`Standing::Unclear`], which makes the router ask every shard.

use std::fmt;

use crate::sql::dialect::Dialect;
use crate::sql::value::Value;

/// Below it every whole number is a double of its own, so comparing as doubles and as integers are the same.
const EXACT_IN_A_DOUBLE: i64 = 1 << 53;

/// A decimal of so many digits keeps its order and its wholeness as a double (`f64::DIGITS`).
const EXACT_DIGITS: usize = f64::DIGITS as usize;

/// The value of a partition key in a row. One key column has keys of one kind only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of an integer column.
    Int(i64),
    /// Of a text column.
    Text(String),
}

impl Key {
    /// Whether the server may store another key in its place: MySQL takes 0 for a number that is yet to be given.
    pub fn may_be_numbered(&self, dialect: Dialect) -> bool {
        dialect == Dialect::MySql && *self == Self::Int(0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(key) => key.fmt(f),
            Self::Text(key) => write!(f, "'{key}'"),
        }
    }
}

/// What the values of a key column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Whole numbers of 64 bits (or NULL), nothing else: a SQLite column must not hold 1.5 or text.
    Integer,
    /// Text.
    Text(Collation),
}

/// What the column's collation lets the router know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collation {
    /// Equal when the bytes are, ordered as the bytes are: SQLite's BINARY, PostgreSQL's C, MySQL's binary without
    /// padding.
    Bytes,
    /// Equal when the bytes are, in an order of its own: PostgreSQL's deterministic collations.
    BytesWhenEqual,
    /// Neither: case-insensitive ones, and those that ignore blanks at the end. Reads go to every shard.
    Other,
}

/// Where a value stands among the keys of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// NULL: no comparison with it is true.
    Null,
    /// It is this key.
    At(Key),
    /// Above this whole number and below the next one.
    Above(i64),
    /// The dialects do not agree, or it takes more to know.
    Unclear,
}

impl KeyKind {
    /// Where `value` stands among keys of this kind.
    pub fn standing(self, value: &Value) -> Standing {
        match (self, value) {
            (_, Value::Null) => Standing::Null,
            (Self::Integer, Value::Integer(number)) => Standing::At(Key::Int(*number)),
            (Self::Integer, Value::Real(number)) => among_integers(*number),
            (Self::Integer, Value::Decimal(text)) => decimal_among_integers(text),
            (Self::Integer, Value::Text(text)) => text_among_integers(text),
            (Self::Text(Collation::Bytes | Collation::BytesWhenEqual), Value::Text(text)) => {
                Standing::At(Key::Text(text.clone()))
            }
            _ => Standing::Unclear,
        }
    }

    /// The key that a row has when `value` is written to the column.
    pub fn stored(self, value: &Value) -> Option<Key> {
        match (self, value) {
            // The bytes are stored as they are, whatever the collation makes of them later.
            (Self::Text(_), Value::Text(text)) => Some(Key::Text(text.clone())),
            _ => match self.standing(value) {
                Standing::At(key) => Some(key),
                Standing::Null | Standing::Above(_) | Standing::Unclear => None,
            },
        }
    }

    /// Whether `<` orders the keys as [`Key`] is ordered.
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Integer | Self::Text(Collation::Bytes))
    }

    /// Whether two columns of these kinds that are equal hold the same key.
    pub fn equal_means_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer, Self::Integer) => true,
            (Self::Text(one), Self::Text(other)) => one != Collation::Other && other != Collation::Other,
            _ => false,
        }
    }

    /// Whether `key` is of this kind.
    pub fn fits(self, key: &Key) -> bool {
        matches!((self, key), (Self::Integer, Key::Int(_)) | (Self::Text(_), Key::Text(_)))
    }
}

fn among_integers(number: f64) -> Standing {
    // NaN fails the comparison, too. Within it the conversions are exact.
    if number.abs() < EXACT_IN_A_DOUBLE as f64 {
        let below = number.floor();
        if below == number { Standing::At(Key::Int(below as i64)) } else { Standing::Above(below as i64) }
    } else {
        Standing::Unclear
    }
}

fn decimal_among_integers(text: &str) -> Standing {
    let digits = text.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(number) if digits <= EXACT_DIGITS => among_integers(number),
        _ => Standing::Unclear,
    }
}

/// `'5'` is 5 for all of them; `' 5'`, `'5.0'` and `'5x'` are not the same to all.
fn text_among_integers(text: &str) -> Standing {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text && number.unsigned_abs() < EXACT_IN_A_DOUBLE.unsigned_abs() => {
            Standing::At(Key::Int(number))
        }
        _ => Standing::Unclear,
    }
}
