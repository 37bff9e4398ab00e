//! Owns telling what values columns and expressions have in MySQL and MariaDB.
//!
//! What matters most is what is *not* told: a division has more digits inside than the server shows, so a sum of shown
//! quotients is not the sum of quotients. Whatever may have one within it is [`Kind::Any`], and gathered.

use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, Function, UnaryOperator, Value};

use super::super::{arguments, either};
use crate::sql::shape::{Kind, Scope};

/// What a declared type holds.
pub(super) fn declared(declared: &str) -> Kind {
    let declared = declared.to_ascii_lowercase();
    let name = declared.split(['(', ' ']).next().unwrap_or_default();
    match name {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "year" => Kind::Integer,
        "bigint" => Kind::Big,
        "decimal" | "numeric" | "dec" | "fixed" => Kind::Numeric,
        "float" => Kind::Single,
        "double" | "real" => Kind::Real,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Kind::Text,
        "date" => Kind::Date,
        "datetime" | "timestamp" => Kind::Timestamp,
        "time" => Kind::Time,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Bytes,
        // Enumerations and sets are ordered by the places of their members; JSON, bits, geometries have rules of their own.
        _ => Kind::Any,
    }
}

/// What an expression holds that is no column.
pub(super) fn expression(expr: &Expr, scope: &Scope) -> Kind {
    match expr {
        Expr::Value(value) => literal(&value.value),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => scope.kind(expr),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => signed(scope.kind(expr)),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Kind::Integer,
        Expr::BinaryOp { left, op, right } => operation(op, scope.kind(left), scope.kind(right)),
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsTrue(_) | Expr::IsFalse(_) => Kind::Integer,
        Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::Between { .. } | Expr::InList { .. } => Kind::Integer,
        Expr::Like { .. } | Expr::RLike { .. } => Kind::Integer,
        Expr::Cast { kind: CastKind::Cast, data_type, format: None, .. } => cast(data_type),
        Expr::Case { conditions, else_result, .. } => conditions
            .iter()
            .map(|when| &when.result)
            .chain(else_result.as_deref())
            .fold(Kind::Null, |so_far, result| widest(so_far, scope.kind(result))),
        Expr::Substring { .. } | Expr::Trim { .. } => Kind::Text,
        Expr::Ceil { .. } | Expr::Floor { .. } => Kind::Any,
        Expr::Extract { .. } | Expr::Position { .. } => Kind::Integer,
        Expr::Function(function) if function.over.is_none() => call(function, scope),
        _ => Kind::Any,
    }
}

fn literal(value: &Value) -> Kind {
    match value {
        Value::Number(digits, _) if digits.contains(['e', 'E']) => Kind::Real,
        Value::Number(digits, _) if digits.contains('.') => Kind::Numeric,
        Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Kind::Integer,
        Value::Number(digits, _) if digits.parse::<i64>().is_ok() => Kind::Big,
        Value::SingleQuotedString(_) | Value::DoubleQuotedString(_) => Kind::Text,
        Value::Boolean(_) => Kind::Integer,
        Value::Null => Kind::Null,
        _ => Kind::Any,
    }
}

fn operation(op: &BinaryOperator, left: Kind, right: Kind) -> Kind {
    use BinaryOperator as Op;
    match op {
        Op::Plus | Op::Minus | Op::Multiply => match (left, right) {
            (Kind::Integer | Kind::Big, Kind::Integer | Kind::Big) => Kind::Big,
            (Kind::Real | Kind::Single, other) | (other, Kind::Real | Kind::Single) if is_number(other) => Kind::Real,
            (one, other) if is_number(one) && is_number(other) => Kind::Numeric,
            _ => Kind::Any,
        },
        Op::Modulo => match (left, right) {
            (Kind::Integer | Kind::Big, Kind::Integer | Kind::Big) => Kind::Big,
            _ => Kind::Any,
        },
        Op::Divide => match (left, right) {
            (Kind::Real | Kind::Single, other) | (other, Kind::Real | Kind::Single) if is_number(other) => Kind::Real,
            _ => Kind::Any,
        },
        Op::MyIntegerDivide if is_number(left) && is_number(right) => Kind::Big,
        Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::Spaceship | Op::And | Op::Or | Op::Regexp => {
            Kind::Integer
        }
        _ => Kind::Any,
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Integer | Kind::Big | Kind::Numeric | Kind::Single | Kind::Real)
}

fn signed(kind: Kind) -> Kind {
    match kind {
        Kind::Integer | Kind::Big => Kind::Big,
        Kind::Numeric => Kind::Numeric,
        Kind::Real | Kind::Single => Kind::Real,
        _ => Kind::Any,
    }
}

/// The kind of a value that is one of two.
fn widest(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (Kind::Integer | Kind::Big, Kind::Integer | Kind::Big) => Kind::Big,
        (Kind::Numeric, Kind::Integer | Kind::Big) | (Kind::Integer | Kind::Big, Kind::Numeric) => Kind::Numeric,
        (one, other) => either(one, other),
    }
}

fn cast(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Signed | DataType::Unsigned | DataType::SignedInteger | DataType::UnsignedInteger => Kind::Big,
        DataType::Decimal(_) | DataType::Dec(_) => Kind::Numeric,
        DataType::Double(_) | DataType::Real => Kind::Real,
        DataType::Date => Kind::Date,
        _ => Kind::Any,
    }
}

fn call(function: &Function, scope: &Scope) -> Kind {
    let Some(given) = arguments(function) else { return Kind::Any };
    let of = |at: usize| given.get(at).map_or(Kind::Any, |argument| scope.kind(argument));
    let among = |from: usize| given.iter().skip(from).fold(Kind::Null, |so_far, one| widest(so_far, scope.kind(one)));
    match function.name.to_string().to_ascii_lowercase().as_str() {
        "char_length" | "character_length" | "length" | "octet_length" | "bit_length" | "ascii" | "instr"
        | "locate" | "strcmp" | "sign" | "isnull" | "year" | "month" | "day" | "dayofmonth" | "dayofweek"
        | "dayofyear" | "hour" | "minute" | "second" | "quarter" | "week" | "weekday" | "datediff" => Kind::Integer,
        "upper" | "ucase" | "lower" | "lcase" | "concat" | "concat_ws" | "left" | "right" | "substr" | "substring"
        | "mid" | "replace" | "trim" | "ltrim" | "rtrim" | "reverse" | "repeat" | "lpad" | "rpad" | "hex" | "md5"
        | "date_format" | "dayname" | "monthname" => Kind::Text,
        "abs" => signed(of(0)),
        // Rounded where it is computed: no more digits than are shown. A number of digits that differs by row would not be.
        "round" | "truncate" if given.len() == 1 || given.get(1).is_some_and(|digits| is_plain_integer(digits)) => {
            signed(of(0))
        }
        "coalesce" | "ifnull" | "greatest" | "least" => among(0),
        "if" => among(1),
        "nullif" => of(0),
        "date" | "last_day" | "makedate" | "from_days" => Kind::Date,
        _ => Kind::Any,
    }
}

fn is_plain_integer(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _) if digits.parse::<u8>().is_ok()))
}
