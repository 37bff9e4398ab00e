//! Owns telling the types of PostgreSQL's columns and expressions. It errs to [`Kind::Any`]: only built-in types and operators
//! whose result type is certain are told.

use sqlparser::ast::{BinaryOperator, CastKind, DateTimeField, Expr, Function, UnaryOperator, Value};

use super::{
    super::{arguments, either},
    functions,
};
use crate::sql::shape::{Kind, Scope};

/// The kind of a type, written as the server or a statement writes it.
pub(super) fn declared(text: &str) -> Kind {
    let text = text.trim().to_ascii_lowercase();
    if text.ends_with(']') || text.contains('"') {
        return Kind::Any;
    }
    // `timestamp(3) with time zone`: what stands in parentheses, and what after them.
    let (name, scale, rest) = match text.split_once('(') {
        Some((name, inside)) => inside.split_once(')').map_or((name, "", inside), |(scale, rest)| (name, scale, rest)),
        None => (text.as_str(), "", ""),
    };
    let has_scale = !scale.is_empty();
    let name = [name.trim(), rest.trim()].join(" ");
    match name.trim() {
        "smallint" | "int2" | "integer" | "int" | "int4" => Kind::Integer,
        "bigint" | "int8" => Kind::Big,
        "numeric" | "decimal" | "dec" if has_scale => Kind::Numeric,
        "numeric" | "decimal" | "dec" => Kind::Decimal,
        "real" | "float4" => Kind::Single,
        "double precision" | "float8" => Kind::Real,
        "float" if !has_scale => Kind::Real,
        "boolean" | "bool" => Kind::Bool,
        "text" | "character varying" | "varchar" | "char varying" => Kind::Text,
        "character" | "char" | "bpchar" => Kind::Padded,
        "date" => Kind::Date,
        "timestamptz" | "timestamp" | "timestamp without time zone" | "timestamp with time zone" => Kind::Timestamp,
        "time" | "time without time zone" => Kind::Time,
        "timetz" | "time with time zone" => Kind::Other,
        "uuid" => Kind::Uuid,
        "bytea" => Kind::Bytes,
        "interval" | "json" | "jsonb" => Kind::Other,
        _ => Kind::Any,
    }
}

/// The kind of an expression that is no column.
pub(super) fn expression(expr: &Expr, scope: &Scope) -> Kind {
    match expr {
        Expr::Value(value) => literal(&value.value),
        Expr::TypedString(typed) => declared(&typed.data_type.to_string()),
        Expr::Interval(_) => Kind::Other,
        Expr::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus, expr } => number(scope.kind(expr)),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Kind::Bool,
        Expr::BinaryOp { left, op, right } => operation(op, scope.kind(left), scope.kind(right)),
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, data_type, .. } => {
            match declared(&data_type.to_string()) {
                // A value that is cast to `char(n)` and back may come out shorter; of a scale that is given, all are the same.
                Kind::Padded => Kind::Any,
                kind => kind,
            }
        }
        Expr::Case { conditions, else_result, .. } => {
            unified(conditions.iter().map(|when| &when.result).chain(else_result.as_deref()), scope)
        }
        Expr::Substring { expr, .. } if scope.kind(expr) == Kind::Text => Kind::Text,
        Expr::Trim { expr, .. } if scope.kind(expr) == Kind::Text => Kind::Text,
        Expr::Position { .. } => Kind::Integer,
        Expr::Ceil { expr, .. } | Expr::Floor { expr, .. } => whole(scope.kind(expr)),
        Expr::Extract { field, .. } => extracted(field),
        Expr::Function(function) => call(function, scope),
        _ if is_condition(expr) => Kind::Bool,
        _ => Kind::Any,
    }
}

fn is_condition(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
    )
}

fn literal(value: &Value) -> Kind {
    match value {
        Value::Number(text, _) if text.parse::<i32>().is_ok() => Kind::Integer,
        Value::Number(text, _) if text.parse::<i64>().is_ok() => Kind::Big,
        Value::Number(..) => Kind::Numeric,
        Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::DollarQuotedString(_) => Kind::Text,
        Value::Boolean(_) => Kind::Bool,
        Value::Null => Kind::Null,
        _ => Kind::Any,
    }
}

fn is_quoted(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if literal(&value.value) == Kind::Text)
}

/// The one kind of several expressions: a quoted constant takes that of the others.
fn unified<'a>(parts: impl Iterator<Item = &'a Expr>, scope: &Scope) -> Kind {
    let (mut kind, mut quoted) = (Kind::Null, false);
    for part in parts {
        if is_quoted(part) {
            quoted = true;
            continue;
        }
        kind = match (kind, scope.kind(part)) {
            // Of two scales.
            (Kind::Numeric | Kind::Decimal, Kind::Numeric | Kind::Decimal | Kind::Integer | Kind::Big)
            | (Kind::Integer | Kind::Big, Kind::Numeric | Kind::Decimal) => Kind::Decimal,
            (Kind::Integer, Kind::Big) | (Kind::Big, Kind::Integer) => Kind::Big,
            (one, other) => either(one, other),
        };
    }
    match kind {
        Kind::Null if quoted => Kind::Text,
        // A constant may be written in another scale.
        Kind::Numeric if quoted => Kind::Decimal,
        kind => kind,
    }
}

fn number(kind: Kind) -> Kind {
    match kind {
        Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal | Kind::Single | Kind::Real => kind,
        _ => Kind::Any,
    }
}

/// Of `ceil` and `floor`: an integer becomes a double.
fn whole(kind: Kind) -> Kind {
    match kind {
        Kind::Integer | Kind::Big | Kind::Single | Kind::Real => Kind::Real,
        Kind::Numeric | Kind::Decimal => Kind::Numeric,
        _ => Kind::Any,
    }
}

/// Numeric since PostgreSQL 14, double before: the scale is that of the field.
fn extracted(field: &DateTimeField) -> Kind {
    match field {
        DateTimeField::Year
        | DateTimeField::Month
        | DateTimeField::Day
        | DateTimeField::Hour
        | DateTimeField::Minute => Kind::Numeric,
        _ => Kind::Any,
    }
}

fn call(function: &Function, scope: &Scope) -> Kind {
    let given = arguments(function).unwrap_or_default();
    let of = |at: usize| given.get(at).map_or(Kind::Any, |argument| scope.kind(argument));
    let text = |kind: Kind| if kind == Kind::Text { Kind::Text } else { Kind::Any };
    match functions::name(function).as_str() {
        "length" | "char_length" | "character_length" | "octet_length" | "strpos" | "ascii" => Kind::Integer,
        "upper" | "lower" | "initcap" | "replace" | "translate" | "ltrim" | "rtrim" | "btrim" | "trim" | "substr"
        | "substring" | "left" | "right" | "lpad" | "rpad" | "reverse" | "repeat" | "split_part" => text(of(0)),
        "concat" | "concat_ws" | "md5" | "to_hex" | "to_char" | "chr" => Kind::Text,
        "abs" => number(of(0)),
        "ceil" | "ceiling" | "floor" => whole(of(0)),
        "round" | "trunc" if given.len() == 1 => whole(of(0)),
        "round" | "trunc" => match (of(0), given.get(1)) {
            (Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal, Some(Expr::Value(_))) => Kind::Numeric,
            _ => Kind::Any,
        },
        "mod" => operation(&BinaryOperator::Modulo, of(0), of(1)),
        "coalesce" | "greatest" | "least" => unified(given.iter().copied(), scope),
        "nullif" => match of(0) {
            Kind::Numeric => Kind::Numeric,
            kind if kind == of(1) => kind,
            _ => Kind::Any,
        },
        "date_trunc" if of(1) == Kind::Timestamp => Kind::Timestamp,
        "make_date" | "to_date" => Kind::Date,
        "starts_with" | "regexp_like" | "bool_and" | "bool_or" | "every" => Kind::Bool,
        "count" => Kind::Big,
        "sum" => match of(0) {
            Kind::Integer => Kind::Big,
            // Of one scale, as its values are.
            Kind::Big | Kind::Numeric => Kind::Numeric,
            kind @ (Kind::Decimal | Kind::Single | Kind::Real) => kind,
            _ => Kind::Any,
        },
        "avg" => match of(0) {
            Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal => Kind::Decimal,
            Kind::Single | Kind::Real => Kind::Real,
            _ => Kind::Any,
        },
        "min" | "max" => of(0),
        _ => Kind::Any,
    }
}

fn operation(op: &BinaryOperator, left: Kind, right: Kind) -> Kind {
    use BinaryOperator as Op;
    match op {
        Op::StringConcat if left == Kind::Text || right == Kind::Text => Kind::Text,
        Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => arithmetic(op, left, right),
        Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::And | Op::Or => Kind::Bool,
        _ => Kind::Any,
    }
}

fn arithmetic(op: &BinaryOperator, left: Kind, right: Kind) -> Kind {
    let has_scale = matches!(op, BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply);
    match (left, right) {
        (Kind::Integer, Kind::Integer) => Kind::Integer,
        (Kind::Integer | Kind::Big, Kind::Integer | Kind::Big) => Kind::Big,
        (Kind::Numeric | Kind::Integer | Kind::Big, Kind::Numeric | Kind::Integer | Kind::Big) if has_scale => {
            Kind::Numeric
        }
        (
            Kind::Numeric | Kind::Decimal | Kind::Integer | Kind::Big,
            Kind::Numeric | Kind::Decimal | Kind::Integer | Kind::Big,
        ) => Kind::Decimal,
        (Kind::Real, other) | (other, Kind::Real) if number(other) != Kind::Any => Kind::Real,
        (Kind::Single, Kind::Single) => Kind::Single,
        (Kind::Date, Kind::Integer) if has_scale => Kind::Date,
        (Kind::Date, Kind::Date) => Kind::Integer,
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_its_whole_name() {
        for (text, kind) in [
            ("timestamp without time zone", Kind::Timestamp),
            ("timestamp(3) with time zone", Kind::Timestamp),
            ("TIMESTAMP(3)", Kind::Timestamp),
            ("timestamptz(0)", Kind::Timestamp),
            ("time(6) without time zone", Kind::Time),
            ("time", Kind::Time),
            ("time(3) with time zone", Kind::Other),
            ("timetz", Kind::Other),
            ("numeric(10,2)", Kind::Numeric),
            ("numeric", Kind::Decimal),
            ("character varying(20)", Kind::Text),
            ("character(3)", Kind::Padded),
        ] {
            assert_eq!(declared(text), kind, "{text}");
        }
        for own in [
            "timeslot",
            "timestamp_kind",
            "times",
            "timeofday",
            "textual",
            "integers",
            "shop.text",
            "\"time\"",
            "time[]",
        ] {
            assert_eq!(declared(own), Kind::Any, "{own}");
        }
    }
}
