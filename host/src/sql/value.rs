//! Owns the values that travel between nodes and the final stage. They are exact: no integer becomes a float on the way.

/// One value of a row or one bound parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// True or false, where the dialect has them as a type of their own.
    Bool(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A decimal number as the server writes it: an optional sign, digits, at most one point; or `NaN`, `Infinity`. Also
    /// unsigned integers above the signed ones.
    Decimal(String),
    /// A double.
    Real(f64),
    /// Text; also dates, times, UUIDs, JSON and the like, as the server writes them.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// How many bytes it is as data, whatever holds it: what rows are counted by.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Integer(_) | Self::Real(_) => 8,
            Self::Decimal(text) | Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }

    /// The text that it is; some servers tell their catalogs as bytes.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Blob(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }
}

/// One row.
pub type Row = Vec<Value>;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the server gives it.
    pub name: String,
    /// Its type as the server calls it, such as `numeric` or `INTEGER`; empty where an expression has none (SQLite).
    pub declared: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_as_the_data_that_it_is() {
        let values =
            [Value::Null, Value::Integer(-1), Value::Real(0.5), Value::Text("Zoë".into()), Value::Blob(vec![0; 3])];
        assert_eq!(values.map(|value| value.bytes()), [1, 8, 8, 4, 3]);
    }
}
