//! Where statements go: what narrows them to shards, what is an error, and what asks everybody.

use std::num::NonZeroU16;
use std::ops::Bound::{Excluded, Included};

use sqlparser::parser::Parser;

use super::*;
use crate::sql::dialect::Dialect;
use crate::sql::topology::{Collation, Holding, Key, KeyKind, KeyRange, Partition, Placement, Split};
use crate::sql::value::Value;

/// users(id) and orders(user_id): [0, 10), [10, 20), [20, 30); events(name) by hash; countries everywhere.
fn topology(dialect: Dialect) -> Topology {
    let range = |shard: u16| {
        let from = i64::from(shard) * 10;
        KeyRange { from: Included(Key::Int(from)), to: Excluded(Key::Int(from + 10)), shard: Shard(shard) }
    };
    let ranges = Placement::ranges(KeyKind::Integer, (0..3).map(range).collect()).unwrap();
    let by = |key: &str| {
        Holding::Partitioned(Partition { key: key.into(), kind: KeyKind::Integer, placement: ranges.clone() })
    };
    let events = Partition {
        key: "name".into(),
        kind: KeyKind::Text(Collation::BytesWhenEqual),
        placement: Placement::hashed((0..3).map(Shard).collect()).unwrap(),
    };
    let tables = [
        ("users", by("id")),
        ("orders", by("user_id")),
        ("events", Holding::Partitioned(events)),
        ("countries", Holding::Reference),
    ];
    let tables = tables.map(|(name, holding)| (name.to_owned(), holding));
    Topology::partitioned(dialect, NonZeroU16::new(3).unwrap(), tables).unwrap()
}

fn routed_in(dialect: Dialect, sql: &str, values: &[Value]) -> Result<Route, Refusal> {
    let statements = Parser::parse_sql(dialect.grammar(), sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    route(&statements[0], Parameters { positional: values }, &topology(dialect))
}

fn shown(routing: &Routing) -> String {
    match routing {
        Routing::All => "all".to_owned(),
        Routing::Nowhere => "none".to_owned(),
        Routing::Shards(shards) => shards.iter().map(|shard| shard.0.to_string()).collect::<Vec<_>>().join(" "),
    }
}

fn outcome(route: Result<Route, Refusal>) -> String {
    match route {
        Ok(Route::Read(reads)) => shown(&reads.routing),
        Ok(Route::Change { routing, reads, .. }) if reads.tables.is_empty() => format!("change {}", shown(&routing)),
        Ok(Route::Change { routing, reads, .. }) => {
            format!("change {}, read {}", shown(&routing), shown(&reads.routing))
        }
        Ok(Route::Insert { rows, .. }) => {
            format!("rows {}", rows.iter().map(|row| row.0.to_string()).collect::<String>())
        }
        Ok(Route::InsertSelect { key_at, reads, .. }) => format!("key {key_at}, read {}", shown(&reads.routing)),
        Ok(Route::Copied { reads, .. }) => format!("copied, {} read", reads.tables.len()),
        Err(refusal) => format!("refused: {refusal}"),
    }
}

fn check(dialect: Dialect, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        let values = [Value::Integer(5), Value::Integer(25)];
        assert_eq!(outcome(routed_in(dialect, sql, &values)), *expected, "{sql}");
    }
}

fn check_where(dialect: Dialect, cases: &[(&str, &str)]) {
    for (predicate, expected) in cases {
        let sql = format!("SELECT * FROM users WHERE {predicate}");
        let values = [Value::Integer(5), Value::Integer(25)];
        assert_eq!(outcome(routed_in(dialect, &sql, &values)), *expected, "{sql}");
    }
}

#[test]
fn predicates_on_the_key_narrow() {
    check_where(
        Dialect::Sqlite,
        &[
            ("id = 5", "0"),
            ("5 = id", "0"),
            ("id == 5", "0"),
            ("((id)) = (5)", "0"),
            ("users.id = 5", "0"),
            ("ID = 5 AND name = 'x'", "0"),
            ("id = 5 OR name = 'x'", "all"),
            ("id IN (5, 25)", "0 2"),
            ("id NOT IN (5, 25)", "all"),
            ("id BETWEEN 5 AND 15", "0 1"),
            ("id NOT BETWEEN 0 AND 19", "2"),
            ("id BETWEEN 15 AND 5", "none"),
            ("id < 10", "0"),
            ("id <= 10", "0 1"),
            ("10 > id", "0"),
            ("19 < id", "2"),
            ("id > 19", "2"),
            ("id >= 10.5 AND id < 19.5", "1"),
            ("NOT (id < 20)", "2"),
            ("NOT (id < 20 OR id = 25)", "2"),
            ("NOT id <> 15", "1"),
            ("id = 1 AND id = 2", "none"),
            ("id > 7 AND id < 8", "none"),
            ("id > 29", "none"),
            ("id = NULL", "none"),
            ("id <> NULL", "none"),
            ("id IN (5, NULL)", "0"),
            ("id IS NULL", "all"),
            ("id IS NOT NULL", "all"),
            ("id IS NOT DISTINCT FROM 5", "0"),
            ("(id = 5) IS TRUE", "0"),
            ("(id = 5) IS NOT TRUE", "all"),
            ("id = -5 OR id > 25", "2"),
            ("id = '5'", "0"),
            ("id = '5 '", "all"),
            ("id = CAST('5' AS INTEGER)", "0"),
            ("CAST(id AS TEXT) = '5'", "all"),
            ("+id = 5", "all"),
            ("id + 0 = 5", "all"),
            ("id = 4 + 1", "all"),
            ("id = ?1", "0"),
            ("id IN (?1, ?2)", "0 2"),
            ("id = ?3", "all"),
            ("FALSE", "none"),
            ("1 = 0", "none"),
            ("1 = 1", "all"),
            ("id = 5.5", "none"),
            ("id < 9223372036854775808", "all"),
            ("id > 9223372036854775807", "none"),
            ("id < -9223372036854775808", "none"),
            ("id >= -9223372036854775808 AND id < 3", "0"),
            ("id = 5 AND 'a' || 'b' = 'ab'", "0"),
            ("id = (SELECT 5)", "all"),
        ],
    );
}

#[test]
fn a_key_in_no_range_is_an_error_and_never_a_broadcast() {
    let refused = |key: &str| format!("refused: users: the key {key} lies in no range of any shard");
    check_where(
        Dialect::Sqlite,
        &[
            ("id = 30", &refused("30")),
            ("id = -1", &refused("-1")),
            ("id IN (5, 99)", &refused("99")),
            ("id = 9223372036854775807", &refused("9223372036854775807")),
            ("id = -9223372036854775808", &refused("-9223372036854775808")),
        ],
    );
}

#[test]
fn each_dialect_has_its_names_and_parameters() {
    check_where(
        Dialect::Postgres,
        &[("id = $1", "0"), ("id = $2::bigint", "2"), ("\"ID\" = 5", "all"), ("ID = 5", "0")],
    );
    check_where(Dialect::Postgres, &[("users.\"id\" = 5", "0"), ("id = 5 AND a || b = 'x'", "0")]);
    check_where(Dialect::MySql, &[("`ID` = 5", "0"), ("id <=> 5", "0"), ("id <=> NULL", "all"), ("id = ?1", "0")]);
    check_where(Dialect::MySql, &[("id BETWEEN '5' AND '6'", "all"), ("id = \"5\"", "all"), ("id = 'a\\'b'", "all")]);
}

#[test]
fn text_keys_are_equal_by_bytes_and_in_no_known_order() {
    let one = outcome(routed_in(Dialect::Postgres, "SELECT * FROM events WHERE name = 'a'", &[]));
    assert_eq!(one.len(), 1, "{one}");
    check(
        Dialect::Postgres,
        &[
            ("SELECT * FROM events WHERE name = 'a' AND name = 'b'", "none"),
            ("SELECT * FROM events WHERE name < 'b'", "all"),
            ("SELECT * FROM events WHERE name < NULL", "none"),
            ("SELECT * FROM events WHERE name = 5", "all"),
            ("SELECT * FROM events WHERE name = 'a' COLLATE \"x\"", "all"),
        ],
    );
}

#[test]
fn joins_on_the_key_hand_the_restriction_on() {
    let join = "SELECT * FROM users u JOIN orders o ON u.id = o.user_id";
    let left = "SELECT * FROM users u LEFT JOIN orders o ON u.id = o.user_id";
    let cases = [
        (format!("{join} WHERE u.id = 5"), "0"),
        (format!("{join} WHERE user_id = 5"), "0"),
        (format!("{join} WHERE u.id = 5 AND o.user_id = 15"), "none"),
        (format!("{join} AND o.user_id IN (5, 15)"), "0 1"),
        (format!("{left} WHERE u.id = 5"), "0"),
        (format!("{left} AND o.user_id = 5"), "all"),
        (format!("{left} AND u.id = 5"), "all"),
        (format!("{left} WHERE o.user_id IS NULL"), "all"),
        ("SELECT * FROM users u, orders o WHERE u.id = o.user_id AND u.id = 25".into(), "2"),
        ("SELECT * FROM users u JOIN orders o ON u.id = o.id WHERE u.id = 25".into(), "all"),
        ("SELECT * FROM users a JOIN users b USING (id) WHERE id = 5".into(), "0"),
        ("SELECT * FROM users a LEFT JOIN users b USING (id) WHERE a.id = 5".into(), "0"),
        ("SELECT * FROM users u JOIN countries c ON c.id = u.country WHERE u.id = 5".into(), "0"),
        ("SELECT * FROM users u WHERE users.id = 5".into(), "all"),
        ("SELECT * FROM users AS u(a, id) WHERE u.id = 5".into(), "all"),
        ("SELECT * FROM countries".into(), "none"),
    ];
    for (sql, expected) in &cases {
        check(Dialect::Postgres, &[(sql, expected)]);
    }
    let Ok(Route::Read(reads)) = routed_in(Dialect::Postgres, join, &[]) else { panic!() };
    assert_eq!(reads.tables[0].group, reads.tables[1].group);
    let apart = [
        "SELECT * FROM users u JOIN orders o ON u.id = o.product",
        // The equality does not decide which of these two meet.
        "SELECT * FROM users u JOIN orders o ON u.x = o.x LEFT JOIN users v ON u.id = o.user_id",
    ];
    for sql in apart {
        let Ok(Route::Read(reads)) = routed_in(Dialect::Postgres, sql, &[]) else { panic!() };
        assert_ne!(reads.tables[0].group, reads.tables[1].group, "{sql}");
    }
}

#[test]
fn tables_at_any_depth_count() {
    check(
        Dialect::Sqlite,
        &[
            ("SELECT * FROM users WHERE id = 5 AND x IN (SELECT x FROM orders)", "all"),
            ("SELECT * FROM users WHERE id = 5 AND x IN (SELECT x FROM orders WHERE user_id = 15)", "0 1"),
            ("SELECT * FROM (SELECT * FROM users WHERE id = 5) u WHERE u.x = 1", "0"),
            ("WITH v AS (SELECT * FROM users WHERE id = 5) SELECT * FROM v", "0"),
            ("SELECT * FROM users WHERE id = 5 UNION ALL SELECT * FROM users WHERE id = 15", "0 1"),
            ("SELECT * FROM main.users WHERE users.id = 5", "refused: table main.users is not in the topology"),
            ("SELECT * FROM users WHERE main.users.id = 5", "all"),
            ("SELECT * FROM unknown", "refused: table unknown is not in the topology"),
            ("SELECT (SELECT max(id) FROM users) FROM countries", "all"),
        ],
    );
}

#[test]
fn writes_go_where_their_rows_lie() {
    let no_key =
        "refused: users: every row must give id as a plain value that is not NULL, with id in the list of columns";
    let change =
        "refused: users: id says on which shard a row lies and cannot be changed; delete the row and insert it anew";
    check(
        Dialect::Sqlite,
        &[
            ("INSERT INTO users (name, id) VALUES ('a', 5), ('b', 15), ('c', ?2)", "rows 012"),
            ("REPLACE INTO users (id) VALUES (5)", "rows 0"),
            ("INSERT INTO users (id) VALUES (99)", "refused: users: the key 99 lies in no range of any shard"),
            ("INSERT INTO users (id) VALUES (NULL)", no_key),
            ("INSERT INTO users (id) VALUES (random())", no_key),
            ("INSERT INTO users (id) VALUES (5.5)", no_key),
            ("INSERT INTO users (name) VALUES ('a')", no_key),
            ("INSERT INTO users VALUES (5)", no_key),
            ("INSERT INTO users (x, id) SELECT x, user_id FROM orders WHERE user_id = 5", "key 1, read 0"),
            ("INSERT INTO users (id) VALUES (5) ON CONFLICT (id) DO UPDATE SET name = 'x'", "rows 0"),
            ("INSERT INTO users (id) VALUES (5) ON CONFLICT (id) DO UPDATE SET id = 6", change),
            ("INSERT INTO countries (id) VALUES (1)", "copied, 0 read"),
            ("UPDATE users SET name = 'x' WHERE id = 5", "change 0"),
            ("UPDATE users SET name = 'x'", "change all"),
            ("UPDATE users SET name = 'x' WHERE id = 1 AND id = 2", "change none"),
            ("UPDATE users SET ID = 6 WHERE id = 5", change),
            ("UPDATE users SET (name, id) = ('x', 6) WHERE id = 5", change),
            ("UPDATE users SET x = 1 FROM orders o WHERE users.id = o.user_id AND o.user_id = 5", "change 0, read 0"),
            ("UPDATE countries SET x = 1", "copied, 0 read"),
            ("DELETE FROM users WHERE id IN (5, 25)", "change 0 2"),
            ("DELETE FROM users WHERE x IN (SELECT x FROM orders)", "change all, read all"),
            ("DELETE FROM users WHERE id = 31", "refused: users: the key 31 lies in no range of any shard"),
        ],
    );
    check(Dialect::MySql, &[("INSERT INTO users (id) VALUES (5) ON DUPLICATE KEY UPDATE id = 6", change)]);
    check(Dialect::MySql, &[("INSERT INTO users SET name = 'a', id = 15", "rows 1")]);
}

#[test]
fn a_split_scan_leaves_out_nodes_that_have_nothing_to_read() {
    let split = Split::new("users", "id", 10_000).unwrap();
    let topology = Topology::split(Dialect::Sqlite, &split, NonZeroU16::new(6).unwrap()).unwrap();
    let routed = |sql: &str| {
        let statements = Parser::parse_sql(Dialect::Sqlite.grammar(), sql).unwrap();
        outcome(route(&statements[0], Parameters::default(), &topology))
    };
    assert_eq!(routed("SELECT * FROM users WHERE id <= 1667"), "0 1");
    assert_eq!(routed("SELECT * FROM users WHERE id = 99999"), "5");
    assert_eq!(routed("SELECT * FROM users WHERE id = 5 OR id IS NULL"), "0 5");
    assert_eq!(routed("SELECT * FROM users JOIN other ON other.id = users.id"), "all");
    assert!(routed("DELETE FROM users").starts_with("refused"));
}

#[test]
fn long_chains_do_not_overflow_the_stack() {
    // As long as a statement may have them.
    let values: Vec<String> = (0..195).map(|at| format!("id = {}", at % 10)).collect();
    check_where(Dialect::Sqlite, &[(&values.join(" OR "), "0"), (&values.join(" AND "), "none")]);
    check_where(Dialect::Sqlite, &[(&format!("id IN ({})", vec!["5"; 50_000].join(", ")), "0")]);
}

#[test]
fn a_name_of_with_hides_a_table_within_its_query_only() {
    let unknown = |dialect, sql: &str| {
        let topology = Topology::partitioned(dialect, NonZeroU16::new(2).unwrap(), []).unwrap();
        let statements = Parser::parse_sql(dialect.grammar(), sql).unwrap();
        matches!(route(&statements[0], Parameters::default(), &topology), Err(Refusal::UnknownTable(_)))
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        assert!(unknown(dialect, "SELECT 1 FROM s WHERE EXISTS (WITH s AS (SELECT 1) SELECT 1 FROM s)"));
        assert!(!unknown(dialect, "WITH s AS (SELECT 1) SELECT 1 FROM S WHERE EXISTS (SELECT 1 FROM s)"));
        assert!(!unknown(dialect, "WITH RECURSIVE s(x) AS (SELECT 1 UNION SELECT x FROM s) SELECT x FROM s"));
    }
    assert!(unknown(Dialect::Postgres, "WITH s AS (SELECT * FROM s) SELECT * FROM s"));
    assert!(unknown(Dialect::Postgres, "WITH a AS (SELECT * FROM s), s AS (SELECT 1) SELECT * FROM a"));
    assert!(!unknown(Dialect::Postgres, "WITH s AS (SELECT 1), a AS (SELECT * FROM s) SELECT * FROM a"));
}
