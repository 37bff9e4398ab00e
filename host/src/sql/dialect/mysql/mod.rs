//! Owns the rules of MySQL and MariaDB, under the `sql_mode` that the backend sets in each session.
//!
//! - Columns and expressions have types, and values of one column are always written the same way, decimals with their scale.
//!   Sums of integers and decimals are exact in any order; `SUM` of them is a decimal, and a sum of such decimals has its scale.
//! - `AVG` is the server's own division of the sum by the count: as many digits are shown, and as many are inside.
//! - A quotient has more digits inside than are shown: what may contain one is not summed by shard ([`kinds`]).
//! - Sums and averages of floats are added by shard: the last digits may differ, as they may on one server from run to run.
//!   The variances are computed where all rows are.
//! - Which text stands for a group of texts that a collation holds equal is arbitrary to the server itself: any is right here,
//!   too. Tables that take rows of nodes have the collation that the nodes tell of their answers, so groups are the server's.
//! - Text is merged by the bytes of `WEIGHT_STRING`, where those are known to be ordered as the server orders the text: padded
//!   to more characters than there are under collations that fill up with blanks. Otherwise a server sorts.

use sqlparser::ast::{Expr, Function, Ident, Value};

use super::{Call, Names, Nature, Partials, Rules, SortBy};
use crate::sql::{
    plan::Blocked,
    shape::{ColumnShape, Kind, Scope},
};

pub(in crate::sql) mod functions;
mod kinds;
pub(in crate::sql) mod lexis;

/// An alias may have so many characters.
const LONGEST_ALIAS: usize = 64;

/// MySQL and MariaDB.
#[derive(Clone, Copy, Debug)]
pub(super) struct MySql;

impl Rules for MySql {
    fn nature(&self, function: &Function) -> Nature {
        functions::nature(function)
    }

    fn is_aggregate_name(&self, word: &str) -> bool {
        functions::is_combined(word)
    }

    fn column_kind(&self, column: &ColumnShape) -> Kind {
        kinds::declared(&column.declared)
    }

    fn expression_kind(&self, expr: &Expr, scope: &Scope) -> Kind {
        kinds::expression(expr, scope)
    }

    /// Where the spelling of equal texts differs, any of them is right.
    fn has_one_spelling(&self, _: Kind) -> bool {
        true
    }

    fn unifies_types(&self) -> bool {
        true
    }

    /// Loaded columns have the collation of the answer that they take, so texts are the same there if they are on one server.
    fn is_bytewise(&self, _: &str) -> bool {
        true
    }

    /// That of a column, with the most characters that it holds. What else orders text only the server knows.
    fn collation(&self, expr: &Expr, scope: &Scope) -> Option<String> {
        let known = scope.shape_of(expr).map(|shape| format!("{} {}", shape.collation, length(&shape.declared)));
        Some(known.unwrap_or_default())
    }

    fn sort_by(&self, kind: Kind, collation: &str) -> SortBy {
        match kind {
            Kind::Integer | Kind::Big | Kind::Numeric | Kind::Single | Kind::Real => SortBy::Native,
            // As text, with all digits: in the order of time.
            Kind::Date | Kind::Timestamp | Kind::Bytes | Kind::Null => SortBy::Native,
            Kind::Text => weighed(collation),
            _ => SortBy::Engine,
        }
    }

    /// Tables that are loaded whole say their collations; others have those of the answers that they take.
    fn loaded_collation(&self, _: Kind, collation: &str) -> String {
        if collation.contains(' ') { String::new() } else { collation.to_owned() }
    }

    /// NULL is smaller than every value.
    fn nulls_first(&self, descending: bool) -> bool {
        !descending
    }

    /// There are no words for another place of NULL.
    fn direction(&self, descending: bool, nulls_first: bool) -> Option<String> {
        let sense = if descending { "DESC" } else { "ASC" };
        (nulls_first != descending).then(|| sense.to_owned())
    }

    /// Texts that are equal may be different keys, and lie on different shards.
    fn same_keys(&self, one: Kind, other: Kind) -> bool {
        let is_integer = |kind| matches!(kind, Kind::Integer | Kind::Big);
        is_integer(one) && is_integer(other)
    }

    fn combine(&self, call: &Call<'_>, partials: &mut dyn Partials) -> Result<String, Blocked> {
        let unsure = || Blocked::gather(format!("{}() of a type that is not certain", call.name.to_uppercase()));
        let is_exact = matches!(call.kind, Kind::Integer | Kind::Big | Kind::Numeric);
        let is_float = matches!(call.kind, Kind::Single | Kind::Real);
        match call.name {
            "count" => Ok(format!("CAST(COALESCE(SUM({}), 0) AS SIGNED)", partials.ask(call.text.to_owned()))),
            "min" | "max" if call.kind != Kind::Any => {
                Ok(format!("{}({})", call.name, partials.ask(call.text.to_owned())))
            }
            "bit_and" | "bit_or" | "bit_xor" if matches!(call.kind, Kind::Integer | Kind::Big) => {
                Ok(format!("{}({})", call.name, partials.ask(call.text.to_owned())))
            }
            "sum" if is_exact || is_float => Ok(format!("SUM({})", partials.ask(call.text.to_owned()))),
            "avg" if is_exact || is_float => {
                let sum = partials.ask(format!("SUM({}\n)", call.argument));
                let count = partials.ask(format!("COUNT({}\n)", call.argument));
                Ok(format!("(SUM({sum}) / SUM({count}))"))
            }
            _ => Err(unsure()),
        }
    }

    fn combine_distinct(&self, name: &str, kind: Kind, column: &str, _: &mut dyn Partials) -> Result<String, Blocked> {
        let is_number = matches!(kind, Kind::Integer | Kind::Big | Kind::Numeric | Kind::Single | Kind::Real);
        let is_known = match name {
            "count" => is_number || matches!(kind, Kind::Text | Kind::Date | Kind::Timestamp),
            "sum" | "avg" => is_number,
            _ => false,
        };
        if is_known {
            Ok(format!("{name}(DISTINCT {column})"))
        } else {
            Err(Blocked::gather(format!("{name}(DISTINCT …) of a type that is not certain")))
        }
    }

    fn read_group(&self, name: &str, _: bool) -> String {
        name.to_owned()
    }

    fn group_declared(&self, _: &ColumnShape) -> String {
        String::new()
    }

    fn fold(&self, name: &Ident) -> String {
        name.value.clone()
    }

    fn shown_name(&self, expr: &Expr, text: &str) -> Option<String> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Some(digits.clone()),
                _ => None,
            },
            // Longer ones are cut, and white space or comments within are the server's to show.
            _ if text.chars().count() > LONGEST_ALIAS || text.contains(['?', '\n', '`']) => None,
            _ => Some(text.to_owned()),
        }
    }

    /// An alias of an aggregate may stand in HAVING, and not within an expression of ORDER BY: the server decides.
    fn names(&self) -> Names {
        Names { aliases_within: false, shown_names: false, rows_and_calls: false }
    }

    fn quote_mark(&self) -> char {
        '`'
    }

    fn window(&self, limit: Option<u64>, offset: u64) -> String {
        format!("LIMIT {} OFFSET {offset}", limit.unwrap_or(u64::MAX))
    }

    fn is_hidden_column(&self, name: &str) -> bool {
        // The others are calls without parentheses.
        ["_rowid", "utc_timestamp", "utc_date", "utc_time", "current_user", "current_role", "sysdate"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }

    fn is_of_session(&self, function: &str) -> bool {
        functions::OF_SESSION.contains(&function)
    }

    fn is_counter(&self, function: &str) -> bool {
        matches!(function, "nextval" | "setval")
    }

    fn hindrance(&self, expr: &Expr) -> Option<(String, &'static str)> {
        match expr {
            Expr::MatchAgainst { .. } => {
                Some(("MATCH … AGAINST".to_owned(), "how well a row matches depends on all rows of its server"))
            }
            _ => None,
        }
    }
}

/// The most characters that a type holds, by its declaration.
fn length(declared: &str) -> u32 {
    let inside = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.and_then(|(length, _)| length.trim().parse().ok()).unwrap_or(u32::MAX)
}

/// How the host orders text of a collation and a length.
fn weighed(collation: &str) -> SortBy {
    let Some((name, length)) = collation.split_once(' ') else { return SortBy::Engine };
    let length: u32 = length.parse().unwrap_or(u32::MAX);
    // One weight for each character; what is filled up and what is compared are the same.
    let is_simple = name.ends_with("_general_ci") || name.ends_with("_bin");
    match length {
        // No blanks are added: the shorter text is the smaller one, as it is of bytes.
        _ if name.contains("_nopad_") || name.contains("_0900_") => SortBy::Hidden("WEIGHT_STRING(", "\n)"),
        0..=64 if is_simple => SortBy::Hidden("WEIGHT_STRING(", "\nAS CHAR(64))"),
        65..=255 if is_simple => SortBy::Hidden("WEIGHT_STRING(", "\nAS CHAR(255))"),
        _ => SortBy::Engine,
    }
}
