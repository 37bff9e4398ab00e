//! Owns turning parameters into what the server expects of them, by the types that it has inferred. A value that does not
//! fit is refused by its number; text is read by the server itself, as a literal in quotes would be.

use std::error::Error;

use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, private::BytesMut, to_sql_checked};

use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::Value;

use super::text;

/// Integers up to here are doubles, too.
const EXACT_IN_DOUBLE: u64 = 1 << 53;
/// Integers up to here are floats, too.
const EXACT_IN_FLOAT: u64 = 1 << 24;

/// A parameter in the form in which it is sent.
#[derive(Debug)]
pub(super) enum Param<'a> {
    Null,
    Binary(Vec<u8>),
    Text(String),
    Plain(&'a str),
    Bytes(&'a [u8]),
}

impl ToSql for Param<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let bytes = match self {
            Param::Null => return Ok(IsNull::Yes),
            Param::Binary(bytes) => bytes.as_slice(),
            Param::Text(text) => text.as_bytes(),
            Param::Plain(text) => text.as_bytes(),
            Param::Bytes(bytes) => bytes,
        };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self {
            Param::Text(_) | Param::Plain(_) => Format::Text,
            Param::Null | Param::Binary(_) | Param::Bytes(_) => Format::Binary,
        }
    }

    to_sql_checked!();
}

/// The parameters that a statement takes: the first of those given.
pub(super) fn params<'a>(values: &'a [Value], types: &[Type]) -> Result<Vec<Param<'a>>, Fault> {
    if values.len() < types.len() {
        let why = format!("the statement takes {} parameters, {} are given", types.len(), values.len());
        return Err(Fault::new(FaultKind::Statement, why));
    }
    let each = values.iter().zip(types).enumerate();
    let fit = |(index, (value, kind)): (usize, (&'a Value, &Type))| {
        param(value, kind).ok_or_else(|| {
            let why = format!("parameter {}: {} does not fit the type {}", index + 1, named(value), kind.name());
            Fault::new(FaultKind::Unsupported, why)
        })
    };
    each.map(fit).collect()
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) => "this integer",
        Value::Decimal(_) => "this decimal",
        Value::Real(_) => "this double",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
    }
}

fn param<'a>(value: &'a Value, kind: &Type) -> Option<Param<'a>> {
    if let Kind::Domain(base) = kind.kind() {
        return param(value, base);
    }
    match value {
        Value::Null => Some(Param::Null),
        Value::Bool(value) => (*kind == Type::BOOL).then(|| Param::Binary(vec![u8::from(*value)])),
        Value::Integer(value) => integer(*value, kind),
        Value::Decimal(value) => decimal(value, kind),
        Value::Real(value) => real(*value, kind),
        Value::Text(value) => Some(Param::Plain(value)),
        Value::Blob(value) => (*kind == Type::BYTEA).then_some(Param::Bytes(value)),
    }
}

fn integer<'a>(value: i64, kind: &Type) -> Option<Param<'a>> {
    let bytes = match *kind {
        Type::INT8 => value.to_be_bytes().to_vec(),
        Type::INT4 => i32::try_from(value).ok()?.to_be_bytes().to_vec(),
        Type::INT2 => i16::try_from(value).ok()?.to_be_bytes().to_vec(),
        Type::OID => u32::try_from(value).ok()?.to_be_bytes().to_vec(),
        Type::FLOAT8 if value.unsigned_abs() <= EXACT_IN_DOUBLE => (value as f64).to_be_bytes().to_vec(),
        Type::FLOAT4 if value.unsigned_abs() <= EXACT_IN_FLOAT => (value as f32).to_be_bytes().to_vec(),
        Type::NUMERIC => return Some(Param::Text(value.to_string())),
        _ => return None,
    };
    Some(Param::Binary(bytes))
}

fn decimal<'a>(value: &'a str, kind: &Type) -> Option<Param<'a>> {
    match *kind {
        Type::NUMERIC | Type::FLOAT8 | Type::FLOAT4 => Some(Param::Plain(value)),
        Type::INT8 | Type::INT4 | Type::INT2 => {
            let (whole, part) = value.split_once('.').unwrap_or((value, ""));
            let is_whole = part.bytes().all(|digit| digit == b'0');
            integer(whole.parse().ok().filter(|_| is_whole)?, kind)
        }
        _ => None,
    }
}

fn real<'a>(value: f64, kind: &Type) -> Option<Param<'a>> {
    match *kind {
        Type::FLOAT8 => Some(Param::Binary(value.to_be_bytes().to_vec())),
        Type::FLOAT4 => {
            let narrow = value as f32;
            (narrow.is_finite() || !value.is_finite()).then(|| Param::Binary(narrow.to_be_bytes().to_vec()))
        }
        Type::NUMERIC => Some(Param::Text(text::double(value))),
        // Below 2^53 a whole double is one integer only.
        Type::INT8 | Type::INT4 | Type::INT2 if value.fract() == 0.0 && value.abs() <= EXACT_IN_DOUBLE as f64 => {
            integer(value as i64, kind)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(value: &Value, kind: &Type) -> Result<String, String> {
        let one = params(std::slice::from_ref(value), std::slice::from_ref(kind));
        one.map(|params| format!("{:?}", params[0])).map_err(|fault| fault.message)
    }

    #[test]
    fn a_value_takes_the_type_that_the_server_inferred() {
        assert_eq!(bound(&Value::Integer(1), &Type::INT4), Ok("Binary([0, 0, 0, 1])".to_owned()));
        assert_eq!(bound(&Value::Integer(7), &Type::NUMERIC), Ok("Text(\"7\")".to_owned()));
        assert_eq!(bound(&Value::Decimal("1.00".into()), &Type::INT2), Ok("Binary([0, 1])".to_owned()));
        assert_eq!(bound(&Value::Real(2.0), &Type::INT2), Ok("Binary([0, 2])".to_owned()));
        assert_eq!(bound(&Value::Real(0.1), &Type::NUMERIC), Ok("Text(\"0.1\")".to_owned()));
        assert_eq!(bound(&Value::Text("2024-01-01".into()), &Type::DATE), Ok("Plain(\"2024-01-01\")".to_owned()));
        assert_eq!(bound(&Value::Null, &Type::DATE), Ok("Null".to_owned()));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_by_its_number() {
        let refused = Err("parameter 1: this integer does not fit the type int2".to_owned());
        assert_eq!(bound(&Value::Integer(40_000), &Type::INT2), refused);
        for (value, kind) in [
            (Value::Integer(5), Type::TEXT),
            (Value::Integer(i64::MAX), Type::FLOAT8),
            (Value::Real(0.5), Type::INT4),
            (Value::Real(1e300), Type::FLOAT4),
            (Value::Decimal("1.5".into()), Type::INT8),
            (Value::Bool(true), Type::INT4),
            (Value::Blob(vec![1]), Type::TEXT),
        ] {
            assert!(bound(&value, &kind).is_err(), "{value:?} as {kind}");
        }
        assert!(params(&[], &[Type::INT4]).is_err());
    }
}
