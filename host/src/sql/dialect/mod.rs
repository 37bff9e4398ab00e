//! Owns what the planner must know of a SQL dialect. A backend names its dialect; nothing is guessed.
//!
//! Everything that differs between the dialects stands behind `Rules`, one implementation each: which functions there are and
//! what they are ([`Nature`]), what values columns and expressions have ([`Kind`]), how a partial aggregate is combined, how text
//! and NULL are ordered, what names mean. All of it must err to one side: what a dialect does not know for certain it answers with
//! [`Nature::Unknown`], [`Kind::Any`], `None` or `Blocked`, which cost a gather or a refusal, never a wrong row.

mod lists;
pub(super) mod mysql;
mod postgres;
mod sqlite;

use std::{fmt, ops::Range};

use sqlparser::{
    ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident},
    dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    tokenizer::Token,
};

use super::{
    plan::Blocked,
    shape::{ColumnShape, Kind, Scope},
};

/// The SQL that a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite files, and HTTP nodes with SQLite behind them.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

impl Dialect {
    /// The grammar that reads this dialect.
    pub fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Sqlite => &SQLiteDialect {},
            Self::Postgres => &PostgreSqlDialect {},
            Self::MySql => &MySqlDialect {},
        }
    }

    /// A name quoted so that it can be nothing but a name.
    pub fn quote(self, name: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// Whether a function of this name is known, and leaves the session as it is. (In lower case, without a schema.)
    pub(super) fn leaves_session(self, name: &str) -> bool {
        match self {
            // Nothing of a client's reaches a session there.
            Self::Sqlite => true,
            Self::Postgres => postgres::functions::leaves_session(name),
            Self::MySql => mysql::functions::leaves_session(name),
        }
    }

    /// Why a text is not taken because the server might read it otherwise than the grammar does, and the token that it is
    /// about; `tokens` are all of the text, each with its place in bytes.
    pub(super) fn objection(self, sql: &str, tokens: &[(Token, Range<usize>)]) -> Option<(usize, &'static str)> {
        self.odd_number(sql, tokens).or_else(|| match self {
            Self::Sqlite => sqlite::objection(tokens),
            Self::Postgres => postgres::objection(tokens),
            Self::MySql => mysql::lexis::objection(sql, tokens),
        })
    }

    /// A number that not all versions of all servers read alike: `0b101` is a number to one, and `0 AS b101` to another and to
    /// the grammar. SQLite has always read `0x10` as a number.
    fn odd_number(self, sql: &str, tokens: &[(Token, Range<usize>)]) -> Option<(usize, &'static str)> {
        let mut number_before = false;
        for (index, (token, place)) in tokens.iter().enumerate() {
            if number_before && matches!(token, Token::Word(_) | Token::Number(..)) {
                return Some((index, "it follows a number without a blank between them"));
            }
            let is_hex = matches!(token, Token::HexStringLiteral(_))
                && sql.get(place.clone()).is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()));
            let is_odd = matches!(token, Token::Number(digits, is_long) if *is_long || digits.contains('_'));
            if is_odd || (is_hex && self != Self::Sqlite) {
                return Some((index, "numbers are written in decimal digits alone"));
            }
            number_before = is_hex || matches!(token, Token::Number(..));
        }
        None
    }

    /// What the planner asks of it.
    pub(super) fn rules(self) -> &'static dyn Rules {
        match self {
            Self::Sqlite => &sqlite::Sqlite,
            Self::Postgres => &postgres::Postgres,
            Self::MySql => &mysql::MySql,
        }
    }
}

/// What a function is to the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// An aggregate that `Rules::combine` knows.
    Aggregate,
    /// An aggregate that is the same for every order of rows, but needs all of them in one place: gathered.
    Whole,
    /// An aggregate whose answer depends on the order of rows.
    Ordered,
    /// A scalar function that answers the same everywhere.
    Steady,
    /// A window function.
    Window,
    /// It would differ by shard or by moment.
    Volatile,
    /// Not known.
    Unknown,
}

impl Nature {
    /// Whether it makes one row of many.
    pub(super) fn is_aggregate(self) -> bool {
        matches!(self, Self::Aggregate | Self::Whole | Self::Ordered)
    }
}

/// How the host can put rows of several nodes in the order of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortBy {
    /// [`super::merge::compare`] orders the values as they come.
    Native,
    /// It does so with another expression of the key, which stands between these two texts.
    Hidden(&'static str, &'static str),
    /// It cannot: an engine sorts.
    Engine,
}

/// An aggregate to combine: a call of a function that is [`Nature::Aggregate`], without DISTINCT (or where DISTINCT means nothing).
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Its name in lower case.
    pub(super) name: &'a str,
    /// The text of the whole call.
    pub(super) text: &'a str,
    /// The text of its argument; `*` for `COUNT(*)`.
    pub(super) argument: &'a str,
    /// The text of `FILTER (…)`, or nothing.
    pub(super) filter: &'a str,
    /// What values the argument has.
    pub(super) kind: Kind,
}

/// What the nodes are asked for while an aggregate is combined.
pub(super) trait Partials {
    /// Asks each node for an aggregate, given by its text; answers the name of its column in the final statement's table.
    fn ask(&mut self, aggregate: String) -> String;

    /// The final stage must not run where a loaded row fulfils this condition.
    fn guard(&mut self, condition: String);
}

/// Where names in a statement may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Aliases may stand in HAVING and within the expressions of ORDER BY, where no column has the name.
    pub(super) aliases_within: bool,
    /// A plain ORDER BY term may be the name of an output column that has no alias.
    pub(super) shown_names: bool,
    /// A table's name where a column is expected is its whole row, and `table.name` may be a call of a function.
    pub(super) rows_and_calls: bool,
}

/// A dialect's own rules. Pure questions; nothing here reads the statement's text.
pub(super) trait Rules: fmt::Debug + Sync {
    /// What a call is.
    fn nature(&self, function: &Function) -> Nature;

    /// Whether a word could be the name of an aggregate that [`Rules::combine`] knows; a quick look before the call is read.
    fn is_aggregate_name(&self, word: &str) -> bool;

    /// What values a column can have, by its declaration.
    fn column_kind(&self, column: &ColumnShape) -> Kind;

    /// What values an expression can have that is no column; of its parts [`Scope::kind`] is asked.
    fn expression_kind(&self, expr: &Expr, scope: &Scope) -> Kind;

    /// Whether equal values of a kind are always written the same way.
    fn has_one_spelling(&self, kind: Kind) -> bool;

    /// Whether a column of a union has one type, whatever its parts are, so that its values are written one way.
    fn unifies_types(&self) -> bool {
        false
    }

    /// Whether text that is equal under a collation is the same bytes, or the difference is none to the dialect.
    fn is_bytewise(&self, collation: &str) -> bool;

    /// The collation by which an expression is ordered, where it is certain.
    fn collation(&self, expr: &Expr, scope: &Scope) -> Option<String>;

    /// How the host can order values of a kind.
    fn sort_by(&self, kind: Kind, collation: &str) -> SortBy;

    /// The collation to load a column with, given the collation that orders it; empty to leave it to the engine.
    fn loaded_collation(&self, kind: Kind, collation: &str) -> String;

    /// The collation to load a column with that nothing is ordered by; empty to leave it to the engine.
    fn plain_collation(&self) -> String {
        String::new()
    }

    /// Whether types belong to values and not to columns, so that a kind of no certainty can be ordered and any expression may be
    /// text (SQLite).
    fn types_values(&self) -> bool {
        false
    }

    /// Whether NULL is the first of a sort key that does not say.
    fn nulls_first(&self, descending: bool) -> bool;

    /// The direction of a sort key, written out.
    fn direction(&self, descending: bool, nulls_first: bool) -> Option<String>;

    /// Whether two key columns that are equal hold the same key. Of types that are not known nothing is.
    fn same_keys(&self, one: Kind, other: Kind) -> bool {
        one == other && one != Kind::Any
    }

    /// The final text of an aggregate, and what the nodes are asked for it.
    fn combine(&self, call: &Call<'_>, partials: &mut dyn Partials) -> Result<String, Blocked>;

    /// The final text of an aggregate with DISTINCT over `column`, which holds each distinct argument of each node once.
    fn combine_distinct(
        &self,
        name: &str,
        kind: Kind,
        column: &str,
        partials: &mut dyn Partials,
    ) -> Result<String, Blocked>;

    /// How the final statement reads the column of a group key: a table's column, or an expression.
    fn read_group(&self, name: &str, is_column: bool) -> String;

    /// The declared type of the column that takes a group key which is a table's column; empty for the type that the nodes answer.
    fn group_declared(&self, column: &ColumnShape) -> String;

    /// A name in the form in which it is shown and compared.
    fn fold(&self, name: &Ident) -> String;

    /// Whether two names that [`Rules::fold`] made are the same.
    fn same_name(&self, one: &str, other: &str) -> bool {
        one.eq_ignore_ascii_case(other)
    }

    /// The name that the answer shows for an expression without an alias that is no column; `None` where it is not certain.
    fn shown_name(&self, expr: &Expr, text: &str) -> Option<String>;

    /// Where names come from.
    fn names(&self) -> Names;

    /// What stands around a name that is quoted.
    fn quote_mark(&self) -> char {
        '"'
    }

    /// `LIMIT` and `OFFSET` of a final statement that has at least one of them.
    fn window(&self, limit: Option<u64>, offset: u64) -> String {
        match limit {
            Some(limit) => format!("LIMIT {limit} OFFSET {offset}"),
            None => format!("OFFSET {offset}"),
        }
    }

    /// Whether a negative LIMIT means none and a negative OFFSET 0; an error otherwise.
    fn allows_negative_window(&self) -> bool {
        false
    }

    /// Names that each table has besides its columns, and that differ by shard: row numbers, system columns.
    fn is_hidden_column(&self, name: &str) -> bool;

    /// Why an expression is refused over several shards although all its functions are known, and what it is.
    fn hindrance(&self, expr: &Expr) -> Option<(String, &'static str)>;

    /// Whether parameters have no type of their own, so that one that stands in two places takes its type from the first.
    fn infers_parameters(&self) -> bool {
        false
    }

    /// Whether a function, by its last name in lower case, tells or changes something of the session that it is called in:
    /// who asks next in it is another client.
    fn is_of_session(&self, function: &str) -> bool;

    /// Whether a function, by its last name in lower case, counts on by itself: each shard would have its own count.
    fn is_counter(&self, _function: &str) -> bool {
        false
    }

    /// Whether values of a type, written in lower case, are numbers of objects, which each node has of its own.
    fn is_of_objects(&self, _declared: &str) -> bool {
        false
    }

    /// Whether a text could be read as a moment that passes, such as PostgreSQL's `'today'`.
    fn is_moment(&self, _text: &str) -> bool {
        false
    }
}

/// The arguments of a call that are expressions; `None` where one is not.
pub(super) fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    match &function.args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The kind of a value that is one of several.
pub(super) fn either(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (Kind::Null, kind) | (kind, Kind::Null) => kind,
        (one, other) if one == other => one,
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::parse;

    #[test]
    fn numbers_that_servers_read_in_several_ways_are_refused() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
            for number in ["0X10", "0x10zz", "0b101", "0o17", "1_000", "1e5x", "1x", "1.x", "10L", "1.5e", "1_a", "0b2"]
            {
                let sql = format!("SELECT {number} FROM t");
                assert!(parse(dialect, &sql).is_err(), "{dialect:?}: {sql}");
            }
            for number in
                ["10", "1.5", "1e5", "1.5E-3", ".5", "1 x", "1. ", "10-5", "-1", "1/2", "x1", "t.a1", "1 AS a"]
            {
                let sql = format!("SELECT {number} FROM t");
                assert!(parse(dialect, &sql).is_ok(), "{dialect:?}: {sql}: {:?}", parse(dialect, &sql));
            }
        }
        assert!(parse(Dialect::Postgres, "SELECT 0x10 FROM t").is_err());
        assert!(parse(Dialect::Sqlite, "SELECT 0x10, x'10', ?1 FROM t").is_ok());
    }
}
