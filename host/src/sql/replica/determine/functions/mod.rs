//! Owns what a call is to a statement that every node carries out by itself: the same everywhere, to be computed once before it
//! is logged, or not to be logged at all. What is not listed is refused.

mod mysql;
mod postgres;
mod sqlite;

use sqlparser::ast::{Function, ObjectName};

use super::clock::Clock;
use super::random::Random;
use crate::sql::dialect::{Dialect, Nature};

/// What a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same everywhere, given the same arguments.
    Steady,
    /// It tells the time.
    Clock(Clock),
    /// A function of dates, which reads the clock where its arguments say so (SQLite).
    Dates,
    /// Another value at each call; what to write in its place, where that is known.
    Random(Option<Random>),
    /// An aggregate.
    Aggregate,
    /// Its answer may depend on the order of rows.
    Ordered,
    /// A library of the node computes it: what it answers may differ a little by node.
    Library,
    /// It answers several rows (PostgreSQL).
    Rows,
    /// Not to be logged.
    Refused(&'static str),
}

const SESSION: &str = "its answer belongs to a session or a server, and would differ by node";
const WRITES: &str = "it changes something besides rows, which the log does not hold";
const UNKNOWN: &str = "not a function that is known to answer the same on every node";

/// What a call is; `is_trusted` says whether the functions of a name are the user's own and said to be steady.
pub(super) fn verdict(dialect: Dialect, function: &Function, is_trusted: &dyn Fn(&str) -> bool) -> Verdict {
    let Some(name) = name(dialect, &function.name) else { return Verdict::Refused(UNKNOWN) };
    if function.over.is_some() {
        return Verdict::Ordered;
    }
    let special = match dialect {
        Dialect::Sqlite => sqlite::special(&name, function),
        Dialect::Postgres => postgres::special(&name, function),
        Dialect::MySql => mysql::special(&name, function),
    };
    if let Some(verdict) = special {
        return verdict;
    }
    if writes(dialect, &name) {
        return Verdict::Refused(WRITES);
    }
    match dialect.rules().nature(function) {
        Nature::Steady => Verdict::Steady,
        Nature::Aggregate | Nature::Whole => Verdict::Aggregate,
        Nature::Ordered | Nature::Window => Verdict::Ordered,
        Nature::Volatile => Verdict::Refused(SESSION),
        Nature::Unknown if is_trusted(&name) => Verdict::Steady,
        Nature::Unknown => Verdict::Refused(UNKNOWN),
    }
}

/// Whether a function, by its name in lower case, is known to change something.
pub(super) fn writes(dialect: Dialect, name: &str) -> bool {
    match dialect {
        Dialect::Sqlite => sqlite::WRITERS.contains(&name),
        Dialect::Postgres => {
            postgres::WRITERS.contains(&name) || name.starts_with("lo_") || name.starts_with("pg_advisory")
        }
        Dialect::MySql => mysql::WRITERS.contains(&name),
    }
}

/// A function's name in lower case; none where it is that of a schema's own.
pub(super) fn name(dialect: Dialect, name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    match parts?.as_slice() {
        [only] if dialect == Dialect::Postgres => Some(dialect.rules().fold(only)),
        [only] => Some(only.value.to_ascii_lowercase()),
        [schema, only] if dialect == Dialect::Postgres && schema.value == "pg_catalog" => {
            Some(dialect.rules().fold(only))
        }
        _ => None,
    }
}

/// How many arguments a call has.
fn count(function: &Function) -> usize {
    match &function.args {
        sqlparser::ast::FunctionArguments::List(list) => list.args.len(),
        _ => 0,
    }
}
