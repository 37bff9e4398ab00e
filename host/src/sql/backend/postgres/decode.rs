//! Owns reading a value of a row from the binary form. Exact: what cannot be carried exactly is refused by its column's name.

use std::error::Error;

use tokio_postgres::types::{FromSql, Kind, Type};
use tokio_postgres::{Row, Statement};

use super::{array, text};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::Value;

/// How the values of a column are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Jsonb,
    Void,
    Array(Box<Self>),
}

/// Bytes of a row, as they came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How the columns of a statement are read; refuses those that are not carried.
pub(super) fn decoders(statement: &Statement) -> Result<Vec<Decoder>, Fault> {
    let of = |column: &tokio_postgres::Column| {
        Decoder::of(column.type_()).ok_or_else(|| {
            let (name, kind) = (column.name(), column.type_().name());
            let why = format!("column {name} has the type {kind}, which is not carried: cast it to text");
            Fault::new(FaultKind::Unsupported, why)
        })
    };
    statement.columns().iter().map(of).collect()
}

impl Decoder {
    fn of(kind: &Type) -> Option<Self> {
        Some(match *kind {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN => Self::Text,
            Type::BYTEA => Self::Bytea,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMETZ => Self::TimeTz,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::TimestampTz,
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::JSONB => Self::Jsonb,
            Type::VOID => Self::Void,
            // Not arrays in how they are written.
            Type::INT2_VECTOR | Type::OID_VECTOR => return None,
            _ => match kind.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Domain(base) => Self::of(base)?,
                Kind::Array(item) => Self::Array(Box::new(Self::of(item).filter(|item| *item != Self::Void)?)),
                _ if kind.name() == "citext" => Self::Text,
                _ => return None,
            },
        })
    }

    /// The value of a row's column.
    pub(super) fn value(&self, row: &Row, index: usize) -> Result<Value, Fault> {
        let raw: Option<Raw<'_>> = row.try_get(index).map_err(|error| Fault::lost(&error.to_string()))?;
        match raw {
            None => Ok(Value::Null),
            Some(Raw(bytes)) => self.decode(bytes).ok_or_else(|| {
                let name = row.columns().get(index).map_or("?", tokio_postgres::Column::name);
                Fault::new(FaultKind::Unsupported, format!("column {name} has a value that cannot be read"))
            }),
        }
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Bool => Value::Bool(*bytes.first()? != 0),
            Self::Int2 => Value::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int4 => Value::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Int8 => Value::Integer(long(bytes)?),
            Self::Oid => Value::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Float4 => Value::Real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
            Self::Float8 => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
            Self::Numeric => Value::Decimal(text::numeric(bytes)?),
            Self::Text => Value::Text(utf8(bytes)?),
            Self::Bytea => Value::Blob(bytes.to_vec()),
            Self::Date => Value::Text(text::date(int(bytes)?)),
            Self::Time => Value::Text(text::time(long(bytes)?)),
            Self::TimeTz => {
                let (micros, west) = bytes.split_at_checked(8)?;
                Value::Text(text::time_with_zone(long(micros)?, int(west)?))
            }
            Self::Timestamp => Value::Text(text::timestamp(long(bytes)?, false)),
            Self::TimestampTz => Value::Text(text::timestamp(long(bytes)?, true)),
            Self::Interval => {
                let (micros, rest) = bytes.split_at_checked(8)?;
                let (days, months) = rest.split_at_checked(4)?;
                Value::Text(text::interval(long(micros)?, int(days)?, int(months)?))
            }
            Self::Uuid => Value::Text(text::uuid(bytes.try_into().ok()?)),
            // A version, then the text.
            Self::Jsonb => Value::Text(utf8(bytes.strip_prefix(&[1])?)?),
            Self::Void => Value::Text(String::new()),
            Self::Array(item) => Value::Text(array::array(item, bytes)?),
        })
    }

    /// The value as the server writes it.
    pub(super) fn written(&self, bytes: &[u8]) -> Option<String> {
        if let Self::Float4 = self {
            return Some(text::float(f32::from_be_bytes(bytes.try_into().ok()?)));
        }
        Some(match self.decode(bytes)? {
            Value::Null => return None,
            Value::Bool(value) => if value { "t" } else { "f" }.to_owned(),
            Value::Integer(value) => value.to_string(),
            Value::Real(value) => text::double(value),
            Value::Decimal(value) | Value::Text(value) => value,
            Value::Blob(value) => text::hex(&value),
        })
    }
}

fn int(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

fn long(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
