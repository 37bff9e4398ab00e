//! Owns refusing statements that would change a session for whoever has it next: transactions by hand, settings, temporary
//! tables, locks. The planner refuses most of them before; this is the second bar. It looks at words only, and rather refuses one
//! too many (a text constant that says `set_config`).
//!
//! What a function does that is not known, nobody can see in the text that calls it: after it, the session is cleaned.

use super::{Fault, FaultKind};
use crate::sql::dialect::Dialect;

/// Statements that begin, end or change what belongs to a session.
const FIRST: [&str; 31] = [
    "ABORT",
    "BEGIN",
    "CALL",
    "CLOSE",
    "COMMIT",
    "COPY",
    "DEALLOCATE",
    "DECLARE",
    "DISCARD",
    "DO",
    "END",
    "EXECUTE",
    "FETCH",
    "FLUSH",
    "HANDLER",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MOVE",
    "PREPARE",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "START",
    "UNLISTEN",
    "UNLOCK",
    "USE",
    "XA",
];
/// Names that reach a session's own state from within any statement.
const ANYWHERE: [&str; 8] = [
    "SET_CONFIG",
    "SETSEED",
    "PG_TEMP",
    "PG_ADVISORY_LOCK",
    "PG_ADVISORY_LOCK_SHARED",
    "PG_TRY_ADVISORY_LOCK",
    "PG_TRY_ADVISORY_LOCK_SHARED",
    "GET_LOCK",
];

/// Refuses a statement that reaches round its session.
pub(super) fn check(sql: &str) -> Result<(), Fault> {
    let mut words = words(without_comments(sql));
    let first = words.next().unwrap_or_default();
    let mut reaches = FIRST.iter().any(|word| first.eq_ignore_ascii_case(word));
    let mut before = first;
    for (index, word) in words.enumerate() {
        let is_temporary = ["TEMP", "TEMPORARY"].iter().any(|other| word.eq_ignore_ascii_case(other));
        let makes = (first.eq_ignore_ascii_case("CREATE") && index < 4) || before.eq_ignore_ascii_case("INTO");
        reaches |= is_temporary && makes;
        reaches |= ANYWHERE.iter().any(|other| word.eq_ignore_ascii_case(other));
        before = word;
    }
    match reaches {
        true => Err(Fault::new(
            FaultKind::Statement,
            format!("{first}: the statement reaches beyond itself, into the session"),
        )),
        false => Ok(()),
    }
}

/// Words that stand before a parenthesis and are no call: those of the grammar that cannot be a function's name, and types.
#[rustfmt::skip]
const GRAMMAR: &[&str] = &[
    "all", "and", "any", "array", "as", "between", "bigint", "binary", "bit", "by", "case", "cast", "char", "character",
    "check", "cube", "datetime", "decimal", "default", "distinct", "else", "except", "exists", "filter", "float", "from",
    "group", "having", "ilike", "in", "int", "integer", "intersect", "interval", "join", "key", "lateral", "like", "limit",
    "materialized", "not", "numeric", "offset", "on", "or", "over", "primary", "references", "returning", "rollup", "row",
    "select", "sets", "some", "then", "time", "timestamp", "union", "unique", "using", "values", "varbinary", "varchar",
    "varying", "when", "where",
];

/// Whether a statement calls a function that is not known to leave its session as it is.
pub(in crate::sql) fn may_stain(sql: &str, dialect: Dialect) -> bool {
    // A comment may stand between a name and its arguments. Texts that were read have none.
    if sql.contains("--") || sql.contains("/*") || (dialect == Dialect::MySql && sql.contains('#')) {
        return true;
    }
    let opened = sql.match_indices('(').filter_map(|(at, _)| sql.get(..at));
    opened.into_iter().any(|before| is_unknown_call(before.trim_end(), dialect))
}

/// Whether what ends here is the name of a function that is not known.
fn is_unknown_call(before: &str, dialect: Dialect) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '"' | '`');
    let start = before.trim_end_matches(is_part).len();
    let (rest, name) = before.split_at_checked(start).unwrap_or((before, ""));
    if name.is_empty() {
        return false;
    }
    // The columns of a table.
    let ahead = rest.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    if ["INTO", "TABLE"].iter().any(|word| ahead.eq_ignore_ascii_case(word)) {
        return false;
    }
    if ahead.ends_with('.') {
        return true;
    }
    let name = name.to_lowercase();
    !GRAMMAR.contains(&name.as_str()) && !dialect.leaves_session(&name)
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').filter(|word| !word.is_empty())
}

/// The text from its first word on.
fn without_comments(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
        let after = if rest.starts_with("/*") {
            rest.split_once("*/")
        } else if rest.starts_with("--") || rest.starts_with('#') {
            rest.split_once('\n')
        } else {
            return rest;
        };
        rest = after.map_or("", |(_, after)| after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_into_the_session_is_refused() {
        for sql in [
            "COMMIT",
            " /* a */ -- b\n begin",
            "set search_path = x",
            "SELECT set_config('timezone', 'x', false)",
            "CREATE UNLOGGED TEMP TABLE t (a int)",
            "create or replace temporary table t (a int)",
            "SELECT 1 INTO TEMP t",
            "CREATE TABLE pg_temp.t (a int)",
            "SELECT GET_LOCK('a', 1)",
            "SELECT pg_try_advisory_lock(1)",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_call_of_what_is_not_known_leaves_a_stain() {
        for sql in [
            "SELECT query_to_xml($1, true, false, '')::text",
            "SELECT count(*), f (a) FROM t",
            "SELECT U&\"set\\005fconfig\"('a', 'b', false)",
            "SELECT \"f\"(1)",
            "SELECT public.abs(1)",
            "SELECT pg_catalog . evil (1)",
            "SELECT a FROM t WHERE a IN (SELECT evil(a))",
            "INSERT INTO t (a) VALUES (nextval('s'))",
            "SELECT évil(1)",
            "SELECT 'insert into' || evil(1)",
            "SELECT public . abs(1)",
            "SELECT abs/**/(1)",
        ] {
            assert!(may_stain(sql, Dialect::Postgres), "{sql}");
        }
        for sql in ["SELECT LAST_INSERT_ID(5)", "SELECT `f`(1)", "SELECT f(1)"] {
            assert!(may_stain(sql, Dialect::MySql), "{sql}");
        }
        for sql in [
            "SELECT count(*), SUM (a), lower(b) FROM t WHERE (a IN (1, 2) AND (b) = 'x') GROUP BY (a)",
            "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)",
            "INSERT INTO shop.t (a, b) VALUES (1, 2)",
            "UPDATE t SET a = coalesce(a, (1 + 2)) WHERE id = 1",
            "SELECT rank() OVER (ORDER BY a) FROM (SELECT 1 AS a) AS q",
            "SELECT CAST(a AS numeric(10,2)) FROM t",
        ] {
            assert!(!may_stain(sql, Dialect::Postgres), "{sql}");
        }
        assert!(!may_stain("SELECT IF(a, LEFT(b, 1), CONCAT(c)) FROM t", Dialect::MySql));
    }

    #[test]
    fn reads_writes_and_definitions_are_let_through() {
        for sql in [
            "SELECT temp, begin FROM t",
            "(SELECT 1) UNION ALL SELECT 2",
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "CREATE TABLE t (a int)",
            "CREATE TABLE t (a int, b int, temp int)",
            "ALTER TABLE t ADD b int",
            "WITH q AS (SELECT 1) SELECT * FROM q",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }
}
