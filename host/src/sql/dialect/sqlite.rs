//! Owns SQLite's rules: its functions, affinities, collations and names.
//!
//! A function that is not listed is refused over several shards, never guessed at. SQLite types values, not columns: what a
//! column can hold follows from its affinity, and where that leaves doubt a guard asks at run time.

use std::ops::Range;

use sqlparser::{
    ast::{BinaryOperator, CastKind, DataType, Expr, Function, Ident, UnaryOperator, Value},
    tokenizer::Token,
};

use super::lists::{Lists, argument_count};
use super::{Call, Names, Nature, Partials, Rules, SortBy, arguments, either};
use crate::sql::{
    plan::{Blocked, Refusal},
    shape::{ColumnShape, Kind, Scope},
};

/// SQLite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sqlite;

const AGGREGATES: &[&str] = &["count", "sum", "total", "avg", "min", "max"];
#[rustfmt::skip]
const STEADY: &[&str] = &[
    "abs", "acos", "asin", "atan", "atan2", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "cos", "degrees",
    "exp", "floor", "format", "glob", "hex", "ifnull", "iif", "if", "instr", "length", "like", "likelihood", "likely", "ln",
    "log", "log10", "log2", "lower", "ltrim", "max", "min", "mod", "nullif", "octet_length", "pi", "pow", "power", "printf",
    "quote", "radians", "replace", "round", "rtrim", "sign", "sin", "sqrt", "substr", "substring", "tan", "trim", "trunc",
    "typeof", "unhex", "unicode", "unlikely", "upper", "zeroblob", "json", "json_extract", "json_array_length", "json_type",
    "json_valid",
];
const CLOCK: &[&str] = &["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"];
#[rustfmt::skip]
const WINDOW: &[&str] = &[
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value",
    "nth_value",
];
#[rustfmt::skip]
const ORDERED: &[&str] = &[
    "group_concat", "string_agg", "json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object",
];
#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "random", "randomblob", "changes", "total_changes", "last_insert_rowid", "current_timestamp", "current_date",
    "current_time", "sqlite_version", "sqlite_source_id",
];

const LISTS: Lists = Lists { whole: &[], ordered: ORDERED, volatile: VOLATILE, window: WINDOW, steady: STEADY };

impl Rules for Sqlite {
    fn nature(&self, function: &Function) -> Nature {
        let name = function.name.to_string().to_ascii_lowercase();
        let is_one_of = |names: &[&str]| names.contains(&name.as_str());
        if is_one_of(AGGREGATES) && (name == "count" || argument_count(function) == 1) {
            Nature::Aggregate
        } else if is_one_of(CLOCK) {
            if reads_clock(function) { Nature::Volatile } else { Nature::Steady }
        } else {
            LISTS.nature(&name)
        }
    }

    fn is_aggregate_name(&self, word: &str) -> bool {
        AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(word))
    }

    /// "Determination of column affinity" in its manual.
    fn column_kind(&self, column: &ColumnShape) -> Kind {
        affinity(&column.declared)
    }

    fn expression_kind(&self, expr: &Expr, scope: &Scope) -> Kind {
        match expr {
            Expr::Value(value) => literal(&value.value),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => scope.kind(expr),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(scope.kind(expr)),
            Expr::UnaryOp { op: UnaryOperator::Not, .. } => Kind::Integer,
            Expr::BinaryOp { left, op, right } => operation(op, scope.kind(left), scope.kind(right)),
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
                Kind::Integer
            }
            Expr::Between { .. } | Expr::InList { .. } | Expr::Like { .. } => Kind::Integer,
            Expr::Cast { kind: CastKind::Cast, data_type, .. } => cast(data_type),
            Expr::Case { conditions, else_result, .. } => conditions
                .iter()
                .map(|when| &when.result)
                .chain(else_result.as_deref())
                .fold(Kind::Null, |so_far, result| either(so_far, scope.kind(result))),
            Expr::Substring { .. } | Expr::Trim { .. } => Kind::Text,
            Expr::Function(function) => call(function, scope),
            _ => Kind::Any,
        }
    }

    fn has_one_spelling(&self, kind: Kind) -> bool {
        kind != Kind::Any
    }

    fn is_bytewise(&self, collation: &str) -> bool {
        collation.eq_ignore_ascii_case("BINARY")
    }

    fn collation(&self, expr: &Expr, scope: &Scope) -> Option<String> {
        match expr {
            Expr::Nested(inner) => self.collation(inner, scope),
            Expr::Collate { collation, .. } => {
                let name = collation.to_string().to_ascii_uppercase();
                ["BINARY", "NOCASE", "RTRIM"].contains(&name.as_str()).then_some(name)
            }
            _ => match scope.shape_of(expr) {
                Some(shape) => Some(shape.collation.to_ascii_uppercase()),
                None => (!has_collate(expr) && scope.is_bytewise(expr)).then(|| "BINARY".to_owned()),
            },
        }
    }

    fn sort_by(&self, _: Kind, collation: &str) -> SortBy {
        if self.is_bytewise(collation) { SortBy::Native } else { SortBy::Engine }
    }

    fn loaded_collation(&self, _: Kind, collation: &str) -> String {
        collation.to_owned()
    }

    fn plain_collation(&self) -> String {
        "BINARY".to_owned()
    }

    fn types_values(&self) -> bool {
        true
    }

    /// NULL is its smallest value.
    fn nulls_first(&self, descending: bool) -> bool {
        !descending
    }

    fn direction(&self, descending: bool, nulls_first: bool) -> Option<String> {
        let sense = if descending { "DESC" } else { "ASC" };
        let nulls = if nulls_first { "FIRST" } else { "LAST" };
        Some(format!("{sense} NULLS {nulls}"))
    }

    fn combine(&self, call: &Call<'_>, partials: &mut dyn Partials) -> Result<String, Blocked> {
        summed(call.name, call.kind)?;
        let renamed = |name: &str| format!("{name}({}\n) {}", call.argument, call.filter);
        let integers = |partials: &mut dyn Partials, aggregate: String| {
            let column = partials.ask(aggregate);
            partials.guard(format!("typeof({column}) NOT IN ('integer', 'null')"));
            column
        };
        match call.name {
            "count" => Ok(format!("COALESCE(SUM({}), 0)", partials.ask(call.text.to_owned()))),
            "min" | "max" => Ok(format!("{}({})", call.name, partials.ask(call.text.to_owned()))),
            "sum" => Ok(format!("SUM({})", integers(partials, call.text.to_owned()))),
            "total" => {
                let sum = integers(partials, renamed("SUM"));
                Ok(format!("(+CAST(COALESCE(SUM({sum}), 0) AS REAL))"))
            }
            "avg" => {
                let (sum, count) = (integers(partials, renamed("SUM")), partials.ask(renamed("COUNT")));
                Ok(format!("(CAST(SUM({sum}) AS REAL) / SUM({count}))"))
            }
            other => Err(Blocked::gather(format!("{other}()"))),
        }
    }

    fn combine_distinct(
        &self,
        name: &str,
        kind: Kind,
        column: &str,
        partials: &mut dyn Partials,
    ) -> Result<String, Blocked> {
        summed(name, kind)?;
        if name == "count" {
            return Ok(format!("COUNT(DISTINCT {column})"));
        }
        partials.guard(format!("typeof({column}) NOT IN ('integer', 'null')"));
        match name {
            "sum" => Ok(format!("SUM(DISTINCT {column})")),
            "total" => Ok(format!("(+CAST(COALESCE(SUM(DISTINCT {column}), 0) AS REAL))")),
            "avg" => Ok(format!("(CAST(SUM(DISTINCT {column}) AS REAL) / COUNT(DISTINCT {column}))")),
            other => {
                Err(Blocked::Refuse(Refusal::new(format!("{other}(DISTINCT …)"), "not an aggregate that is known")))
            }
        }
    }

    /// An expression has no affinity, so its column must be read without one.
    fn read_group(&self, name: &str, is_column: bool) -> String {
        if is_column { name.to_owned() } else { format!("(+{name})") }
    }

    fn group_declared(&self, column: &ColumnShape) -> String {
        column.declared.clone()
    }

    fn fold(&self, name: &Ident) -> String {
        name.value.clone()
    }

    fn shown_name(&self, _: &Expr, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn names(&self) -> Names {
        Names { aliases_within: true, shown_names: false, rows_and_calls: false }
    }

    fn window(&self, limit: Option<u64>, offset: u64) -> String {
        match limit {
            Some(limit) => format!("LIMIT {limit} OFFSET {offset}"),
            None => format!("LIMIT -1 OFFSET {offset}"),
        }
    }

    fn allows_negative_window(&self) -> bool {
        true
    }

    fn is_hidden_column(&self, name: &str) -> bool {
        ["rowid", "oid", "_rowid_"].iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn is_of_session(&self, function: &str) -> bool {
        ["changes", "total_changes", "last_insert_rowid"].contains(&function)
    }

    fn hindrance(&self, _: &Expr) -> Option<(String, &'static str)> {
        None
    }
}

/// `$1` is a name to SQLite: its place is where it stands first, which is another one in each part of a statement.
pub(super) fn objection(tokens: &[(Token, Range<usize>)]) -> Option<(usize, &'static str)> {
    let is_named =
        |(token, _): &(Token, Range<usize>)| matches!(token, Token::Placeholder(mark) if !mark.starts_with('?'));
    tokens.iter().position(is_named).map(|at| (at, "parameters are given by position, as ? or ?1"))
}

/// Integers alone are added exactly, in any order; of a column of no known type a guard asks.
fn summed(name: &str, kind: Kind) -> Result<(), Blocked> {
    let adds = matches!(name, "sum" | "avg" | "total");
    if adds && matches!(kind, Kind::Real | Kind::Numeric | Kind::Text) {
        return Err(Blocked::gather("a sum of floats, which depends on the order of addition"));
    }
    Ok(())
}

fn has_collate(expr: &Expr) -> bool {
    sqlparser::ast::visit_expressions(expr, |part| match part {
        Expr::Collate { .. } => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    })
    .is_break()
}

fn affinity(declared: &str) -> Kind {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["INT"]) {
        Kind::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Kind::Text
    } else if declared.is_empty() || has(&["BLOB"]) {
        Kind::Any
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Kind::Real
    } else {
        Kind::Numeric
    }
}

/// A date function reads the clock where it is given no time, or a word that means the clock or the node's time zone wherever
/// that stands in its arguments; `subsec` is one where it stands in the time's place. A column could hold `'now'`, but so it
/// could on one database, and there the same statement would differ by moment, too.
fn reads_clock(function: &Function) -> bool {
    let Some(given) = arguments(function) else { return true };
    let has_format = function.name.to_string().eq_ignore_ascii_case("strftime");
    given.len() <= usize::from(has_format) || given.into_iter().any(says_clock)
}

fn says_clock(argument: &Expr) -> bool {
    let is_word = |text: &str| {
        let words = ["now", "localtime", "utc", "subsec", "subsecond"];
        words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
    };
    sqlparser::ast::visit_expressions(argument, |part| {
        let says = match part {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => is_word(text),
                Value::Placeholder(_) => true,
                _ => false,
            },
            // What is quoted so is a text where no column has the name.
            Expr::Identifier(name) => name.quote_style.is_some() && is_word(&name.value),
            _ => false,
        };
        if says { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    })
    .is_break()
}

fn call(function: &Function, scope: &Scope) -> Kind {
    let given = arguments(function).unwrap_or_default();
    let of = |at: usize| given.get(at).map_or(Kind::Any, |argument| scope.kind(argument));
    match function.name.to_string().to_ascii_lowercase().as_str() {
        "length" | "instr" | "unicode" | "sign" => Kind::Integer,
        "upper" | "lower" | "hex" | "quote" | "typeof" | "replace" | "ltrim" | "rtrim" | "trim" | "substr" => {
            Kind::Text
        }
        "round" => Kind::Real,
        "abs" => number(of(0)),
        "coalesce" | "ifnull" => given.iter().fold(Kind::Null, |so_far, one| either(so_far, scope.kind(one))),
        "nullif" => of(0),
        _ => Kind::Any,
    }
}

fn literal(value: &Value) -> Kind {
    match value {
        Value::Number(text, _) if text.parse::<i64>().is_ok() => Kind::Integer,
        Value::Number(..) => Kind::Real,
        Value::SingleQuotedString(_) => Kind::Text,
        Value::Null => Kind::Null,
        _ => Kind::Any,
    }
}

fn cast(data_type: &DataType) -> Kind {
    match affinity(&data_type.to_string()) {
        // A column of that affinity makes 1 of 1.0, a cast leaves both as they are.
        Kind::Numeric => Kind::Any,
        kind => kind,
    }
}

fn number(one: Kind) -> Kind {
    match one {
        Kind::Integer => Kind::Integer,
        Kind::Real => Kind::Real,
        _ => Kind::Any,
    }
}

fn operation(op: &BinaryOperator, left: Kind, right: Kind) -> Kind {
    use BinaryOperator as Op;
    match op {
        Op::StringConcat => Kind::Text,
        Op::Plus | Op::Minus | Op::Multiply | Op::Divide => match (left, right) {
            (Kind::Integer, Kind::Integer) => Kind::Integer,
            (Kind::Real, Kind::Real | Kind::Integer | Kind::Numeric) | (Kind::Integer | Kind::Numeric, Kind::Real) => {
                Kind::Real
            }
            _ => Kind::Any,
        },
        Op::Modulo => match (left, right) {
            (Kind::Integer, Kind::Integer) => Kind::Integer,
            _ => Kind::Any,
        },
        Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::And | Op::Or => Kind::Integer,
        _ => Kind::Any,
    }
}
