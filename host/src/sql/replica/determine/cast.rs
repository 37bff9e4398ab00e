//! Owns what becomes of a value whose type is named: it may be a moment that passes, or the number of an object. A type that is
//! not the server's own may be either by another name.

use std::ops::ControlFlow;

use sqlparser::ast::{DataType, Expr, SelectItem, TypedString};

use super::functions::{Verdict, verdict};
use super::look::{Look, refuse};
use super::tables::TableColumn;
use crate::sql::dialect::Dialect;
use crate::sql::plan::Refusal;
use crate::sql::shape::Kind;

/// PostgreSQL's types, none of whose values is a moment or the number of an object.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "boolean", "bool", "smallint", "int2", "integer", "int", "int4", "bigint", "int8", "numeric", "decimal", "dec", "real",
    "float4", "float8", "float", "double precision", "double", "money", "text", "varchar", "character varying", "char varying",
    "char", "character", "bpchar", "name", "uuid", "bytea", "json", "jsonb", "jsonpath", "xml", "bit", "bit varying", "varbit",
    "interval", "inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon",
    "circle", "int4range", "int8range", "numrange", "int4multirange", "int8multirange", "nummultirange", "pg_lsn",
];

/// Its types of moments and ranges of them.
#[rustfmt::skip]
const MOMENTS: &[&str] = &[
    "timestamp", "timestamp without time zone", "timestamp with time zone", "timestamptz", "date", "time",
    "time without time zone", "time with time zone", "timetz", "tsrange", "tstzrange", "daterange", "tsmultirange",
    "tstzmultirange", "datemultirange",
];

/// Looks at a cast.
pub(super) fn cast(look: &mut Look<'_, '_>, inner: &Expr, data_type: &DataType) -> ControlFlow<Refusal> {
    let is_sure = match inner {
        Expr::Value(_) => true,
        Expr::Function(function) => matches!(verdict(look.dialect(), function, &|_| false), Verdict::Clock(_)),
        Expr::Cast { data_type, .. } => MOMENTS.contains(&bare(&data_type.to_string().to_ascii_lowercase()).as_str()),
        other => matches!(look.kind(other), Kind::Date | Kind::Timestamp | Kind::Time | Kind::Null),
    };
    named(look, data_type, is_sure)
}

/// Looks at a text with its type before it.
pub(super) fn typed(look: &mut Look<'_, '_>, typed: &TypedString) -> ControlFlow<Refusal> {
    named(look, &typed.data_type, true)
}

/// Refuses `regproc 'x'`: what the server reads as a text with its type before it, the grammar reads as a column with a name.
pub(super) fn refuse_types(projection: &[SelectItem]) -> ControlFlow<Refusal> {
    let is_text = |item: &&SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => alias.quote_style == Some('\''),
        _ => false,
    };
    match projection.iter().find(is_text) {
        Some(item) => {
            refuse(item.to_string(), "write a name in double quotes, and the type of a text behind it, with ::")
        }
        None => ControlFlow::Continue(()),
    }
}

/// Whether a text is cast to the type of the column that it goes into, which it would become there anyway.
pub(super) fn is_own(look: &Look<'_, '_>, column: &TableColumn, expr: &Expr) -> bool {
    let Expr::Cast { expr: inner, data_type, format: None, .. } = expr else { return false };
    let Expr::Value(value) = inner.as_ref() else { return false };
    let name = data_type.to_string();
    let name = if name.contains('"') { name } else { name.to_ascii_lowercase() };
    let local = |name: &str| bare(name.trim_start_matches("public.").trim_start_matches("\"public\"."));
    look.dialect() == Dialect::Postgres
        && local(&name) == local(&column.shape.declared)
        && !look.dialect().rules().is_of_objects(&name)
        && look.moment(&value.value).is_continue()
}

/// Looks at the type of a value; `is_sure` says that the value is no text that is not seen.
fn named(look: &mut Look<'_, '_>, data_type: &DataType, is_sure: bool) -> ControlFlow<Refusal> {
    if look.dialect() != Dialect::Postgres {
        return ControlFlow::Continue(());
    }
    let name = data_type.to_string().to_ascii_lowercase();
    if look.dialect().rules().is_of_objects(&name) {
        return refuse(format!("a cast to {name}"), "numbers of objects differ by node");
    }
    let bare = bare(&name);
    let why = match () {
        () if PLAIN.contains(&bare.as_str()) => return ControlFlow::Continue(()),
        () if !MOMENTS.contains(&bare.as_str()) => {
            "it is no type that is known, and may stand for another on each node"
        }
        () if !is_sure => "a text such as 'now' would be another moment on each node",
        () => return ControlFlow::Continue(()),
    };
    look.by_rows(format!("a cast to {name}"), why);
    ControlFlow::Continue(())
}

/// A type's name, of a list that of its elements, without lengths and digits.
fn bare(name: &str) -> String {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let name = name.split('[').next().unwrap_or(name).trim();
    let (before, rest) = match (name.find('('), name.find(')')) {
        (Some(open), Some(close)) => name
            .split_at_checked(open)
            .zip(name.get(close + 1..))
            .map_or((name, ""), |((before, _), rest)| (before, rest)),
        _ => (name, ""),
    };
    format!("{}{rest}", before.trim_end())
}
