//! PostgreSQL's answers to what the planner asks of a dialect.

use std::ops::Range;

use sqlparser::{
    ast::{Expr, Function, Ident, TypedString, Value},
    tokenizer::Token,
};

use super::super::{Call, Names, Nature, Partials, Rules, SortBy, arguments};
use super::{Postgres, functions, kinds, names};
use crate::sql::{
    plan::Blocked,
    shape::{ColumnShape, Kind, Scope},
};

/// Zeros that give a square root so many more digits that rounding it again changes nothing.
const MORE_DIGITS: &str = "0.0000000000000000000000000000000000000000";

impl Rules for Postgres {
    fn nature(&self, function: &Function) -> Nature {
        functions::nature(function)
    }

    fn is_aggregate_name(&self, word: &str) -> bool {
        functions::AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(word))
    }

    fn column_kind(&self, column: &ColumnShape) -> Kind {
        kinds::declared(&column.declared)
    }

    fn expression_kind(&self, expr: &Expr, scope: &Scope) -> Kind {
        kinds::expression(expr, scope)
    }

    fn has_one_spelling(&self, kind: Kind) -> bool {
        !matches!(kind, Kind::Any | Kind::Decimal | Kind::Other)
    }

    /// Collations of PostgreSQL are deterministic unless they are made otherwise, under a name of the user's.
    fn is_bytewise(&self, collation: &str) -> bool {
        let name = bare(collation);
        is_c(&name)
            || name.is_empty()
            || name == "default"
            || name.ends_with("-x-icu")
            || name.split_once('_').is_some_and(|(language, rest)| {
                language.len() <= 3 && rest.split(['.', '@']).next().is_some_and(|country| country.len() == 2)
            })
            || name.eq_ignore_ascii_case("C.UTF-8")
            || name.eq_ignore_ascii_case("C.utf8")
    }

    fn collation(&self, expr: &Expr, scope: &Scope) -> Option<String> {
        match expr {
            Expr::Nested(inner) => self.collation(inner, scope),
            Expr::Collate { collation, .. } => Some(bare(&collation.to_string())).filter(|name| self.is_bytewise(name)),
            Expr::Value(value) if !matches!(value.value, Value::Placeholder(_)) => Some("default".to_owned()),
            Expr::BinaryOp { left, right, .. } => common([&**left, &**right].into_iter(), scope),
            Expr::Substring { expr, .. } | Expr::Trim { expr, .. } => self.collation(expr, scope),
            Expr::Case { conditions, else_result, .. } => {
                common(conditions.iter().map(|when| &when.result).chain(else_result.as_deref()), scope)
            }
            Expr::Function(function) if functions::nature(function) != Nature::Unknown => {
                common(arguments(function)?.into_iter(), scope)
            }
            _ => match scope.shape_of(expr) {
                Some(shape) if shape.collation.is_empty() => Some("default".to_owned()),
                Some(shape) => Some(shape.collation.clone()),
                None => reads_default_only(expr, scope).then(|| "default".to_owned()),
            },
        }
    }

    fn sort_by(&self, kind: Kind, collation: &str) -> SortBy {
        match kind {
            Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal | Kind::Single | Kind::Real => SortBy::Native,
            Kind::Bool | Kind::Time | Kind::Uuid | Kind::Bytes | Kind::Null => SortBy::Native,
            // Seconds as a decimal: exact, also before Christ and at infinity, where the text would not sort.
            Kind::Date | Kind::Timestamp => SortBy::Hidden("EXTRACT(EPOCH FROM (", "\n))"),
            Kind::Text if is_c(collation) => SortBy::Native,
            Kind::Text | Kind::Padded | Kind::Other | Kind::Any => SortBy::Engine,
        }
    }

    fn loaded_collation(&self, kind: Kind, collation: &str) -> String {
        match kind {
            Kind::Text | Kind::Padded if collation != "default" => collation.to_owned(),
            _ => String::new(),
        }
    }

    /// NULL is larger than every value.
    fn nulls_first(&self, descending: bool) -> bool {
        descending
    }

    fn direction(&self, descending: bool, nulls_first: bool) -> Option<String> {
        let sense = if descending { "DESC" } else { "ASC" };
        let nulls = if nulls_first { "FIRST" } else { "LAST" };
        Some(format!("{sense} NULLS {nulls}"))
    }

    fn same_keys(&self, one: Kind, other: Kind) -> bool {
        let is_integer = |kind| matches!(kind, Kind::Integer | Kind::Big);
        (one == other && one != Kind::Any) || (is_integer(one) && is_integer(other))
    }

    fn combine(&self, call: &Call<'_>, partials: &mut dyn Partials) -> Result<String, Blocked> {
        let unsure = || Blocked::gather(format!("{}() of a type that is not certain", call.name));
        match call.name {
            "count" => Ok(format!("(COALESCE(SUM({}), 0)::bigint)", partials.ask(call.text.to_owned()))),
            "min" | "max" if call.kind != Kind::Any => {
                Ok(format!("{}({})", call.name, partials.ask(call.text.to_owned())))
            }
            "bool_and" | "bool_or" | "every" | "bit_and" | "bit_or" | "bit_xor" => {
                Ok(format!("{}({})", call.name, partials.ask(call.text.to_owned())))
            }
            "sum" => match call.kind {
                Kind::Integer => Ok(format!("(SUM({})::bigint)", partials.ask(call.text.to_owned()))),
                Kind::Big | Kind::Numeric | Kind::Decimal | Kind::Single | Kind::Real => {
                    Ok(format!("SUM({})", partials.ask(call.text.to_owned())))
                }
                _ => Err(unsure()),
            },
            "avg" => average(call, partials).ok_or_else(unsure),
            _ => variance(call, partials).ok_or_else(unsure),
        }
    }

    fn combine_distinct(&self, name: &str, _: Kind, column: &str, _: &mut dyn Partials) -> Result<String, Blocked> {
        Ok(format!("{name}(DISTINCT {column})"))
    }

    fn read_group(&self, name: &str, _: bool) -> String {
        name.to_owned()
    }

    fn group_declared(&self, _: &ColumnShape) -> String {
        String::new()
    }

    fn fold(&self, name: &Ident) -> String {
        names::folded(name)
    }

    fn same_name(&self, one: &str, other: &str) -> bool {
        one == other
    }

    fn shown_name(&self, expr: &Expr, text: &str) -> Option<String> {
        names::shown(expr, text)
    }

    fn names(&self) -> Names {
        Names { aliases_within: false, shown_names: true, rows_and_calls: true }
    }

    fn is_hidden_column(&self, name: &str) -> bool {
        // The last ones are calls without parentheses.
        [
            "tableoid",
            "ctid",
            "xmin",
            "xmax",
            "cmin",
            "cmax",
            "current_role",
            "current_schema",
            "current_catalog",
            "system_user",
        ]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
    }

    fn hindrance(&self, expr: &Expr) -> Option<(String, &'static str)> {
        match expr {
            Expr::Value(value) => quoted(&value.value)
                .filter(|text| self.is_moment(text))
                .map(|text| (format!("'{text}'"), "it may be read as a moment, which differs by shard")),
            Expr::TypedString(typed)
                if typed.value.value.clone().into_string().is_some_and(|text| self.is_moment(&text)) =>
            {
                Some((typed.to_string(), "it differs by moment"))
            }
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => {
                let name = data_type.to_string().to_ascii_lowercase();
                self.is_of_objects(&name).then_some((format!("a cast to {name}"), "numbers of objects differ by node"))
            }
            _ => None,
        }
    }

    fn infers_parameters(&self) -> bool {
        true
    }

    fn is_of_session(&self, function: &str) -> bool {
        // Locks of a transaction go with it (`pg_advisory_xact_lock`), those of a session stay.
        let locks = |kind: &str| function.strip_prefix(kind).is_some_and(|rest| !rest.starts_with("xact_"));
        functions::OF_SESSION.contains(&function) || locks("pg_advisory_") || locks("pg_try_advisory_")
    }

    fn is_counter(&self, function: &str) -> bool {
        matches!(function, "nextval" | "setval")
    }

    /// `regclass`, `pg_catalog.oid`, `"regtype"[]`; and numbers of transactions and of rows.
    fn is_of_objects(&self, declared: &str) -> bool {
        let last = declared.rsplit('.').next().unwrap_or(declared);
        let last = last.split(['[', '(']).next().unwrap_or(last).trim().trim_matches('"');
        let objects = ["class", "collation", "config", "dictionary", "namespace", "oper", "operator", "proc"];
        let is_object = |rest: &str| objects.contains(&rest) || ["procedure", "role", "type"].contains(&rest);
        ["oid", "oidvector", "xid", "xid8", "cid", "tid"].contains(&last)
            || last.strip_prefix("reg").is_some_and(is_object)
    }

    /// Alone, or with a time of day: `'today 10:00'`, `'yesterday allballs'`.
    fn is_moment(&self, text: &str) -> bool {
        let moments = ["now", "today", "tomorrow", "yesterday"];
        let is_any = |word: &str, known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let mut words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
        words.clone().any(|word| is_any(word, &moments))
            && (text.contains(|c: char| c.is_ascii_digit())
                || words.all(|word| is_any(word, &moments) || is_any(word, &["allballs", "utc", "gmt", "z", "zulu"])))
    }
}

/// Texts with but a line's end between them are one text to the server, and the second is an alias to the grammar.
pub(in crate::sql::dialect) fn objection(tokens: &[(Token, Range<usize>)]) -> Option<(usize, &'static str)> {
    let mut text_before = false;
    for (index, (token, place)) in tokens.iter().enumerate() {
        // The grammar reads some of these as a column `u`, an operator and a name, and all of them without what they stand for.
        let is_escaped = matches!(token, Token::UnicodeStringLiteral(_))
            || matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("u"))
                && is_right_after(tokens, index, place.end);
        if is_escaped {
            return Some((index, "names and texts with U& are not taken: write the characters themselves"));
        }
        let is_text = matches!(
            token,
            Token::SingleQuotedString(_)
                | Token::EscapedStringLiteral(_)
                | Token::UnicodeStringLiteral(_)
                | Token::NationalStringLiteral(_)
                | Token::SingleQuotedByteStringLiteral(_)
                | Token::HexStringLiteral(_)
                | Token::DollarQuotedString(_)
        );
        if is_text && text_before {
            return Some((index, "two texts in a row, which the server makes one: write them as one, or with ||"));
        }
        text_before = is_text || (text_before && matches!(token, Token::Whitespace(_)));
    }
    None
}

/// Whether `&` and a quoted name or text follow at once.
fn is_right_after(tokens: &[(Token, Range<usize>)], index: usize, end: usize) -> bool {
    let (Some((Token::Ampersand, sign)), Some((quoted, place))) = (tokens.get(index + 1), tokens.get(index + 2)) else {
        return false;
    };
    let is_quoted = match quoted {
        Token::Word(word) => word.quote_style.is_some(),
        Token::SingleQuotedString(_) => true,
        _ => false,
    };
    is_quoted && sign.start == end && place.start == sign.end
}

/// The text that a literal quotes.
fn quoted(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(text),
        Value::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}

/// A collation's name without schema and quotes.
fn bare(collation: &str) -> String {
    let last = collation.strip_prefix("pg_catalog.").unwrap_or(collation);
    match last.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(name) => name.to_owned(),
        None => last.to_owned(),
    }
}

fn is_c(collation: &str) -> bool {
    matches!(collation, "C" | "POSIX" | "ucs_basic")
}

/// The collation of an operation: that of its parts which is not the default, if there is but one.
fn common<'a>(parts: impl Iterator<Item = &'a Expr>, scope: &Scope) -> Option<String> {
    let mut found = "default".to_owned();
    for part in parts {
        let one = Postgres.collation(part, scope)?;
        if found == "default" {
            found = one;
        } else if one != "default" && one != found {
            return None;
        }
    }
    Some(found)
}

/// Whether an expression reads no column with a collation of its own, and names none.
fn reads_default_only(expr: &Expr, scope: &Scope) -> bool {
    sqlparser::ast::visit_expressions(expr, |part| {
        let differs = match part {
            Expr::Collate { .. } => true,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                scope.shape_of(part).is_none_or(|shape| !matches!(shape.collation.as_str(), "" | "default"))
            }
            _ => false,
        };
        if differs { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    })
    .is_continue()
}

/// `numeric_avg` of the server divides the sum by the count; so does this, with the same operands.
fn average(call: &Call<'_>, partials: &mut dyn Partials) -> Option<String> {
    let cast = match call.kind {
        Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal => "numeric",
        Kind::Single | Kind::Real => "double precision",
        _ => return None,
    };
    // Floats of 32 bits are averaged as doubles.
    let wide = if call.kind == Kind::Single { "::double precision" } else { "" };
    let sum = partials.ask(format!("SUM(({}\n){wide}) {}", call.argument, call.filter));
    let count = partials.ask(format!("COUNT({}\n) {}", call.argument, call.filter));
    Some(format!("(SUM({sum})::{cast} / SUM({count})::{cast})"))
}

/// `numeric_stddev_internal` of the server: `(N * sum(x²) - sum(x)²) / (N * (N - 1))`, and its root to as many digits.
fn variance(call: &Call<'_>, partials: &mut dyn Partials) -> Option<String> {
    let (is_root, is_sample) = match call.name {
        "variance" | "var_samp" => (false, true),
        "var_pop" => (false, false),
        "stddev" | "stddev_samp" => (true, true),
        "stddev_pop" => (true, false),
        _ => return None,
    };
    if !matches!(call.kind, Kind::Integer | Kind::Big | Kind::Numeric | Kind::Decimal) {
        return None;
    }
    let (argument, filter) = (call.argument, call.filter);
    let count = partials.ask(format!("COUNT({argument}\n) {filter}"));
    let sum = partials.ask(format!("SUM(({argument}\n)::numeric) {filter}"));
    let squares = partials.ask(format!("SUM(({argument}\n)::numeric * ({argument}\n)::numeric) {filter}"));
    let (count, sum, squares) = (format!("SUM({count})"), format!("SUM({sum})"), format!("SUM({squares})"));
    let (least, below) =
        if is_sample { (1, format!("{count} * ({count} - 1)")) } else { (0, format!("{count} * {count}")) };
    let above = format!("{count} * {squares} - {sum} * {sum}");
    let variance = format!(
        "CASE WHEN {count} > {least} THEN CASE WHEN {above} <= 0 THEN 0::numeric ELSE ({above}) / ({below}) END END"
    );
    Some(if is_root {
        format!("(COALESCE(round(sqrt(({variance}) + {MORE_DIGITS}), scale({variance})), ({variance})))")
    } else {
        format!("({variance})")
    })
}

#[cfg(test)]
mod tests {
    use crate::sql::dialect::Dialect;
    use crate::sql::parse::parse;

    #[test]
    fn what_is_written_with_escapes_of_its_own_is_refused() {
        for sql in [
            r#"SELECT U&"set\005fconfig"('search_path', 'evil', false)"#,
            r#"SELECT u&"d\0061ta" FROM t"#,
            r"SELECT U&'d\0061ta' FROM t",
            r"SELECT u&'d!0061ta' UESCAPE '!' FROM t",
        ] {
            let refused = parse(Dialect::Postgres, sql).unwrap_err();
            assert!(refused.to_string().contains("U&"), "{sql}: {refused}");
        }
        for sql in [r#"SELECT u & "set" FROM t"#, "SELECT u&a FROM t", "SELECT 'U&' FROM t", r#"SELECT "U" FROM t"#] {
            assert!(parse(Dialect::Postgres, sql).is_ok(), "{sql}");
        }
    }
}
