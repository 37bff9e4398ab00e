//! Owns the names that PostgreSQL gives to columns of an answer without an alias (`FigureColname` of its parser).

use sqlparser::ast::{Expr, Ident, TrimWhereField, Value};

use super::functions;

/// A name in the form in which the server compares it.
pub(super) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// A name, and whether it is a weak one that a cast around it replaces.
struct Figured {
    name: String,
    is_weak: bool,
}

impl Figured {
    fn strong(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_weak: false }
    }

    fn weak(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_weak: true }
    }
}

/// The name that is shown for an expression; `None` where it is not certain.
pub(super) fn shown(expr: &Expr, text: &str) -> Option<String> {
    Some(figure(expr, text)?.map_or_else(|| "?column?".to_owned(), |figured| figured.name))
}

/// The name of an expression: not certain, none, or this one.
fn figure(expr: &Expr, text: &str) -> Option<Option<Figured>> {
    let named = |name: &str| Some(Some(Figured::strong(name)));
    match expr {
        Expr::Nested(inner) => figure(inner, text.trim_start_matches(['(', ' ', '\n', '\t'])),
        Expr::Identifier(name) => named(&folded(name)),
        Expr::CompoundIdentifier(parts) => named(&folded(parts.last()?)),
        Expr::Collate { expr, .. } => figure(expr, text),
        Expr::Value(value) => match &value.value {
            Value::Boolean(_) => Some(Some(Figured::weak("bool"))),
            _ => Some(None),
        },
        Expr::TypedString(typed) => Some(Some(Figured::weak(type_name(&typed.data_type.to_string())?))),
        Expr::Interval(_) => Some(Some(Figured::weak("interval"))),
        Expr::Cast { expr, data_type, .. } => match figure(expr, "")? {
            Some(figured) if !figured.is_weak => Some(Some(figured)),
            _ => Some(Some(Figured::weak(type_name(&data_type.to_string())?))),
        },
        Expr::Function(function) => named(&functions::name(function)),
        Expr::Substring { shorthand, .. } => named(if *shorthand { "substr" } else { "substring" }),
        Expr::Trim { trim_where, .. } => named(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            Some(TrimWhereField::Both) | None => "btrim",
        }),
        Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. }
        | Expr::Overlay { .. }
        | Expr::Extract { .. } => {
            let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
            if word.is_empty() { None } else { named(&word.to_ascii_lowercase()) }
        }
        Expr::Case { else_result, .. } => {
            let otherwise = else_result.as_ref().map_or(Some(None), |otherwise| figure(otherwise, ""))?;
            Some(Some(otherwise.filter(|figured| !figured.is_weak).unwrap_or_else(|| Figured::weak("case"))))
        }
        Expr::AtTimeZone { .. } => named("timezone"),
        Expr::Exists { .. } => named("exists"),
        Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. } => Some(None),
        _ => None,
    }
}

/// The server's own name of a type.
fn type_name(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let bare = text.split('(').next().unwrap_or_default().trim();
    Some(match bare {
        "smallint" | "int2" => "int2",
        "integer" | "int" | "int4" => "int4",
        "bigint" | "int8" => "int8",
        "numeric" | "decimal" | "dec" => "numeric",
        "real" | "float4" => "float4",
        "double precision" | "float8" => "float8",
        "boolean" | "bool" => "bool",
        "text" => "text",
        "character varying" | "varchar" => "varchar",
        "character" | "char" => "bpchar",
        "date" => "date",
        "timestamp" | "timestamp without time zone" if text == bare => "timestamp",
        "timestamptz" | "timestamp with time zone" if text == bare => "timestamptz",
        "time" | "time without time zone" if text == bare => "time",
        "uuid" => "uuid",
        "bytea" => "bytea",
        "json" => "json",
        "jsonb" => "jsonb",
        _ => return None,
    })
}
