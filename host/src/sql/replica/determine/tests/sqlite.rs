//! SQLite: each construct and what becomes of it.

use rusqlite::Connection;

use super::super::catalog::{facts, table};
use super::*;

/// Tables of every kind.
pub(super) const SCHEMA: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL);
    CREATE TABLE kept (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER);
    CREATE TABLE keyed (k TEXT, n INTEGER, v, u INTEGER UNIQUE, PRIMARY KEY (k, n)) WITHOUT ROWID;
    CREATE TABLE loose (k TEXT PRIMARY KEY, a);
    CREATE TABLE bare (a INTEGER, b TEXT);
    CREATE TABLE born (id INTEGER PRIMARY KEY, a, at TEXT DEFAULT CURRENT_TIMESTAMP, on_day TEXT DEFAULT (date('now')),
        token TEXT DEFAULT (hex(randomblob(4))), state TEXT DEFAULT 'new', half GENERATED ALWAYS AS (a / 2));
    CREATE TABLE odd (id INTEGER PRIMARY KEY, v DEFAULT (last_insert_rowid()));
    CREATE TABLE partly (id INTEGER PRIMARY KEY, a INTEGER, active INTEGER);
    CREATE UNIQUE INDEX only_active ON partly (a) WHERE active;
    CREATE TABLE computed (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, d INTEGER GENERATED ALWAYS AS (a * b) UNIQUE);
    CREATE TABLE ruled (id INTEGER PRIMARY KEY, a TEXT, u INTEGER UNIQUE ON CONFLICT REPLACE,
        s TEXT DEFAULT 'x' UNIQUE ON CONFLICT IGNORE);
    CREATE TABLE tree (id INTEGER PRIMARY KEY, a, p INTEGER REFERENCES tree ON DELETE CASCADE);
    CREATE TABLE watched (id INTEGER PRIMARY KEY, a);
    CREATE TRIGGER watch AFTER INSERT ON watched BEGIN UPDATE watched SET a = random() WHERE id = new.id; END;
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent ON DELETE CASCADE);
    CREATE TRIGGER orphan AFTER DELETE ON child BEGIN DELETE FROM t; END;
    CREATE VIEW v AS SELECT * FROM t LIMIT 1;
    CREATE VIRTUAL TABLE words USING fts5(word);
";

pub(super) fn opened() -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    connection.execute_batch(SCHEMA).expect("tables");
    connection
}

pub(super) fn value(value: rusqlite::types::Value) -> Value {
    use rusqlite::types::Value as Stored;
    match value {
        Stored::Null => Value::Null,
        Stored::Integer(number) => Value::Integer(number),
        Stored::Real(number) => Value::Real(number),
        Stored::Text(text) => Value::Text(text),
        Stored::Blob(bytes) => Value::Blob(bytes),
    }
}

pub(super) fn rows(connection: &Connection, sql: &str, params: &[Value]) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let params = params.iter().map(|value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Bool(is) => i64::from(*is).into(),
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) | Value::Decimal(text) => text.clone().into(),
        Value::Blob(bytes) => bytes.clone().into(),
    });
    let read = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at).map(value)).collect();
    let found = statement.query_map(rusqlite::params_from_iter(params), read)?;
    found.collect()
}

pub(super) fn tables_of(connection: &Connection, sql: &str) -> Tables {
    let mut tables = Tables::new();
    for name in names(&read(Dialect::Sqlite, sql)) {
        let facts = facts(Dialect::Sqlite, &name);
        let rows = rows(connection, facts.sql, &facts.params).expect("facts");
        if let Some(found) = table(&rows).expect("a table") {
            tables.insert(name, found);
        }
    }
    tables
}

fn each(cases: &[(&str, &str)]) {
    let connection = opened();
    let all = "SELECT * FROM t, kept, keyed, loose, bare, born, odd, partly, computed, ruled, tree, watched, parent, child, v, words";
    hold(Dialect::Sqlite, &tables_of(&connection, all), cases);
}

const AS_IT_IS: &[(&str, &str)] = &[
    ("INSERT INTO bare (a, b) VALUES (1, 'x')", "="),
    ("INSERT INTO bare VALUES (1 + 2, upper('x') || 'y')", "="),
    ("INSERT INTO bare DEFAULT VALUES", "="),
    ("INSERT INTO t (id, a) VALUES (7, 1)", "="),
    ("INSERT OR REPLACE INTO t (id, a) VALUES (7, 1)", "="),
    ("REPLACE INTO t (id, a) VALUES (7, 1)", "="),
    ("INSERT INTO t (id, a) VALUES (7, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a + t.a RETURNING *", "="),
    ("INSERT INTO bare (a) VALUES ((SELECT count(*) FROM t))", "="),
    ("INSERT INTO bare (a) VALUES ((SELECT max(a) + 1 FROM t))", "="),
    ("INSERT INTO bare (a) VALUES ((SELECT a FROM t WHERE id = 5))", "="),
    ("INSERT INTO bare (a) VALUES ((SELECT a FROM t ORDER BY id LIMIT 1))", "="),
    ("UPDATE t SET a = a + 1 WHERE b LIKE 'x%'", "="),
    ("UPDATE t SET a = (SELECT n FROM keyed WHERE k = 'a' AND n = 3) WHERE id = 5", "="),
    ("UPDATE t SET b = date('2024-01-31', '+1 month')", "="),
    ("UPDATE t SET b = strftime('%Y', 1000000, 'unixepoch')", "="),
    ("UPDATE main.t AS x SET a = 1 WHERE x.id IN (SELECT a FROM bare)", "="),
    ("DELETE FROM t WHERE a > 5", "="),
    ("DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 10)", "="),
    ("DELETE FROM t WHERE EXISTS (SELECT 1 FROM bare WHERE bare.a = t.a) RETURNING id", "="),
    ("WITH x AS (SELECT a FROM bare) DELETE FROM t WHERE a IN (SELECT a FROM x)", "="),
    ("INSERT INTO bare (b) VALUES ('datetime(now)') RETURNING a + 1", "="),
    ("CREATE TABLE n (id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)", "="),
    ("ALTER TABLE t ADD COLUMN d TEXT DEFAULT 'x'", "="),
    ("CREATE INDEX i ON t (lower(b)) WHERE a > 1", "="),
    ("DROP TABLE t", "="),
];

#[test]
fn what_does_the_same_everywhere_is_logged_as_it_is() {
    each(AS_IT_IS);
}

const CLOCKS: &[(&str, &str)] = &[
    ("UPDATE t SET b = CURRENT_TIMESTAMP", "UPDATE t SET b = '2023-11-14 22:13:20'"),
    ("UPDATE t SET b = current_date, a = 1", "UPDATE t SET b = '2023-11-14', a = 1"),
    ("INSERT INTO bare (b) VALUES (CURRENT_TIME)", "INSERT INTO bare (b) VALUES ('22:13:20')"),
    ("UPDATE t SET b = datetime('now')", "UPDATE t SET b = datetime('2023-11-14 22:13:20.123')"),
    (
        "UPDATE t SET b = datetime ( 'NOW' , '-1 day' ) WHERE b < date('now')",
        "UPDATE t SET b = datetime ( '2023-11-14 22:13:20.123' , '-1 day' ) WHERE b < date('2023-11-14 22:13:20.123')",
    ),
    (
        "UPDATE t SET b = strftime('%Y-%m-%d %H:%M:%f', 'now')",
        "UPDATE t SET b = strftime('%Y-%m-%d %H:%M:%f', '2023-11-14 22:13:20.123')",
    ),
    ("UPDATE t SET b = strftime('%s')", "UPDATE t SET b = strftime('%s', '2023-11-14 22:13:20.123')"),
    (
        "UPDATE t SET b = datetime(), a = unixepoch(), c = julianday()",
        "UPDATE t SET b = datetime('2023-11-14 22:13:20.123'), a = unixepoch('2023-11-14 22:13:20.123'), c = julianday('2023-11-14 22:13:20.123')",
    ),
    ("UPDATE t SET a = unixepoch('now', 'subsec')", "UPDATE t SET a = unixepoch('2023-11-14 22:13:20.123', 'subsec')"),
    (
        "UPDATE t SET b = timediff('now', '2020-01-01')",
        "UPDATE t SET b = timediff('2023-11-14 22:13:20.123', '2020-01-01')",
    ),
    (
        "DELETE FROM t WHERE b < datetime('now', '-' || a || ' days')",
        "? SELECT \"t\".\"id\" FROM t WHERE b < datetime('2023-11-14 22:13:20.123', '-' || a || ' days')",
    ),
    (
        "INSERT INTO bare (b) SELECT b FROM t WHERE b > datetime('now')",
        "? SELECT b FROM t WHERE b > datetime('2023-11-14 22:13:20.123')",
    ),
    (
        "UPDATE t SET b = (SELECT max(a) FROM bare WHERE b < CURRENT_TIMESTAMP)",
        "UPDATE t SET b = (SELECT max(a) FROM bare WHERE b < '2023-11-14 22:13:20')",
    ),
    (
        "INSERT INTO t (id, b) VALUES (1, 'x') ON CONFLICT DO UPDATE SET b = CURRENT_TIMESTAMP",
        "INSERT INTO t (id, b) VALUES (1, 'x') ON CONFLICT DO UPDATE SET b = '2023-11-14 22:13:20'",
    ),
    ("UPDATE t SET b = datetime('now', 'localtime')", "! 'localtime': each node has its own time zone"),
    ("UPDATE t SET b = datetime('now', 'utc')", "! 'utc': each node has its own time zone"),
    ("UPDATE t SET b = unixepoch('subsec')", "! unixepoch('subsec'): write 'now' before it"),
    ("UPDATE t SET b = date(b)", "? SELECT \"t\".\"id\", (date(b)\n) FROM t"),
    (
        "UPDATE bare SET b = date(b)",
        "! date(): a value such as 'now' would be another time on each node, and \"bare\" has no primary key by which its rows could be named",
    ),
    ("UPDATE t SET b = datetime(\"now\")", "? SELECT \"t\".\"id\", (datetime(\"now\")\n) FROM t"),
    ("UPDATE t SET b = datetime(('now'))", "? SELECT \"t\".\"id\", (datetime(('now'))\n) FROM t"),
    ("UPDATE t SET b = datetime('n' || 'ow')", "? SELECT \"t\".\"id\", (datetime('n' || 'ow')\n) FROM t"),
];

#[test]
fn clocks_are_frozen() {
    each(CLOCKS);
}

const RANDOM: &[(&str, &str)] = &[
    ("INSERT INTO bare (a) VALUES (random())", "INSERT INTO bare (a) VALUES ((-5225608189600411232))"),
    (
        "INSERT INTO bare (a, b) VALUES (abs(random() % 5), hex(randomblob(3))), (random(), randomblob(2))",
        "INSERT INTO bare (a, b) VALUES (abs((-5225608189600411232) % 5), hex(x'5e0bb9')), ((-7036458801432265024), x'75a8')",
    ),
    ("INSERT INTO bare (a) VALUES (5-random())", "INSERT INTO bare (a) VALUES (5-(-5225608189600411232))"),
    ("UPDATE t SET a = random() WHERE id = 5", "UPDATE t SET a = (-5225608189600411232) WHERE id = 5"),
    (
        "UPDATE keyed SET v = random() WHERE k = 'a' AND n = 3",
        "UPDATE keyed SET v = (-5225608189600411232) WHERE k = 'a' AND n = 3",
    ),
    (
        "UPDATE keyed SET v = random() WHERE k = 'a'",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\", (random()\n) FROM keyed WHERE k = 'a'",
    ),
    ("UPDATE t SET a = random()", "? SELECT \"t\".\"id\", (random()\n) FROM t"),
    (
        "UPDATE bare SET a = random()",
        "! random(): it is another value for each row, and on each node, and \"bare\" has no primary key by which its rows could be named",
    ),
    ("UPDATE t SET a = random() WHERE id = '5'", "? SELECT \"t\".\"id\", (random()\n) FROM t WHERE id = '5'"),
    ("DELETE FROM t WHERE random() % 2 = 0", "? SELECT \"t\".\"id\" FROM t WHERE random() % 2 = 0"),
    (
        "DELETE FROM bare WHERE random() % 2 = 0",
        "! random(): it is another value for each row, and on each node, and \"bare\" has no primary key by which its rows could be named",
    ),
    ("INSERT INTO bare (a) VALUES ((SELECT random()))", "? SELECT (SELECT random())"),
    ("INSERT INTO bare (b) VALUES (randomblob(a))", "? SELECT randomblob(a)"),
    ("INSERT INTO bare (b) VALUES (randomblob(1000000))", "? SELECT randomblob(1000000)"),
    (
        "INSERT INTO t (id, a) VALUES (1, 2), (2, 3) ON CONFLICT DO UPDATE SET a = random()",
        "! random(): it is another value for each row, and on each node",
    ),
    (
        "INSERT INTO t (id, a) VALUES (1, 2) ON CONFLICT DO UPDATE SET a = random()",
        "INSERT INTO t (id, a) VALUES (1, 2) ON CONFLICT DO UPDATE SET a = (-5225608189600411232)",
    ),
];

#[test]
fn random_values_are_frozen_where_they_are_computed_once() {
    each(RANDOM);
}

const LEFT_OUT: &[(&str, &str)] = &[
    ("INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a, \"id\") VALUES (1, 101)"),
    (
        "INSERT INTO t (a) VALUES (1), (2) RETURNING id",
        "INSERT INTO t (a, \"id\") VALUES (1, 101), (2, 102) RETURNING id",
    ),
    (
        "INSERT INTO t VALUES (NULL, 1, 'x', 2.5), (9, 1, 'x', 2.5)",
        "INSERT INTO t VALUES (101, 1, 'x', 2.5), (9, 1, 'x', 2.5)",
    ),
    ("INSERT INTO t (id, a) VALUES (-1, 1)", "="),
    (
        "INSERT INTO t (id, a) VALUES (1 + 1, 1)",
        "! column \"id\": it numbers rows: give a number, as a literal or a parameter, or leave it out",
    ),
    (
        "INSERT INTO t (id, a) VALUES ('x', 1)",
        "! column \"id\": it numbers rows: give a number, as a literal or a parameter, or leave it out",
    ),
    ("INSERT INTO t DEFAULT VALUES", "INSERT INTO t (\"id\") VALUES (101)"),
    ("INSERT INTO t DEFAULT VALUES RETURNING id", "INSERT INTO t (\"id\") VALUES (101) RETURNING id"),
    ("INSERT INTO kept (a) VALUES (1)", "INSERT INTO kept (a, \"id\") VALUES (1, 101)"),
    ("INSERT OR IGNORE INTO kept (a) VALUES (1)", "INSERT OR IGNORE INTO kept (a, \"id\") VALUES (1, 101)"),
    (
        "INSERT INTO born (a) VALUES (1), (2)",
        "INSERT INTO born (a, \"id\", \"at\", \"on_day\", \"token\") VALUES (1, 101, '2023-11-14 22:13:20', date('2023-11-14 22:13:20.123'), hex(x'c1675e0b')), (2, 102, '2023-11-14 22:13:20', date('2023-11-14 22:13:20.123'), hex(x'b980a575'))",
    ),
    (
        "INSERT INTO born (id, a, at, token) VALUES (1, 1, 'x', 'y')",
        "INSERT INTO born (id, a, at, token, \"on_day\") VALUES (1, 1, 'x', 'y', date('2023-11-14 22:13:20.123'))",
    ),
    ("INSERT INTO born (id, a, on_day, at, token) VALUES (1, 1, 'x', 'y', 'z')", "="),
    (
        "INSERT INTO odd (id) VALUES (1)",
        "! the default of \"odd\".\"v\": last_insert_rowid(): its answer belongs to a session or a server, and would differ by node",
    ),
    ("INSERT INTO odd (id, v) VALUES (1, 2)", "="),
    ("INSERT INTO born (a) SELECT a FROM t", "? SELECT a FROM t"),
    ("UPDATE t SET id = 500 WHERE id = 5", "="),
    ("UPDATE t SET id = id + 1", "! column id: it numbers rows: give a number, as a literal or a parameter"),
    ("INSERT INTO t (rowid, a) VALUES (1, 2)", "! column rowid: \"t\" has no such column"),
    ("INSERT INTO bare (a, a) VALUES (1, 2)", "! column a: it is given twice"),
    ("INSERT INTO bare (a) VALUES (1, 2)", "! a row: of another length than the list of columns"),
];

#[test]
fn what_a_row_leaves_out_is_written_down() {
    each(LEFT_OUT);
}

const ORDER: &[(&str, &str)] = &[
    (
        "WITH v AS (SELECT * FROM v) UPDATE t SET a = 1 WHERE a IN (SELECT a FROM v)",
        "? WITH v AS (SELECT * FROM v) SELECT \"t\".\"id\" FROM t WHERE a IN (SELECT a FROM v)",
    ),
    (
        "WITH x AS (SELECT * FROM v), v AS (SELECT 1 AS a) UPDATE t SET a = 1 WHERE a IN (SELECT a FROM x)",
        "? WITH x AS (SELECT * FROM v), v AS (SELECT 1 AS a) SELECT \"t\".\"id\" FROM t WHERE a IN (SELECT a FROM x)",
    ),
    (
        "UPDATE t SET a = 1 WHERE a IN (WITH v AS (SELECT 1 AS a) SELECT a FROM v)",
        "? SELECT \"t\".\"id\" FROM t WHERE a IN (WITH v AS (SELECT 1 AS a) SELECT a FROM v)",
    ),
    (
        "UPDATE t SET a = (SELECT max(x.a) FROM t AS x WHERE x.id <> t.id)",
        "? SELECT \"t\".\"id\", ((SELECT max(x.a) FROM t AS x WHERE x.id <> t.id)\n) FROM t",
    ),
    ("UPDATE t SET a = (SELECT max(a) FROM bare) WHERE a = (SELECT min(a) FROM t)", "="),
    ("INSERT INTO t (a) VALUES ((SELECT a FROM bare))", "? SELECT (SELECT a FROM bare)"),
    (
        "INSERT INTO t VALUES (NULL, 1, (SELECT b FROM bare LIMIT 1), random()) RETURNING id",
        "? SELECT NULL, 1, (SELECT b FROM bare LIMIT 1), random()",
    ),
    (
        "INSERT INTO t (a) VALUES ((SELECT a FROM bare)), (2)",
        "! a subquery for a value: it may find several rows, and which is the first may differ by node",
    ),
    (
        "DELETE FROM loose WHERE k IN (SELECT k FROM loose ORDER BY k LIMIT 1)",
        "? SELECT \"loose\".\"k\" FROM loose WHERE k IN (SELECT k FROM loose ORDER BY k LIMIT 1)",
    ),
    ("INSERT INTO bare SELECT a, b FROM t", "? SELECT a, b FROM t"),
    ("INSERT INTO t (a, b) SELECT a, b FROM bare WHERE a > 1 LIMIT 5", "? SELECT a, b FROM bare WHERE a > 1 LIMIT 5"),
    (
        "WITH x AS (SELECT a FROM t) INSERT INTO bare (a) SELECT a FROM x ON CONFLICT DO NOTHING",
        "? WITH x AS (SELECT a FROM t) SELECT a FROM x",
    ),
    (
        "INSERT INTO t (id, a) SELECT a, count(*) FROM bare WHERE true GROUP BY a ON CONFLICT DO UPDATE SET a = excluded.a",
        "? SELECT a, count(*) FROM bare WHERE true GROUP BY a",
    ),
    ("INSERT INTO bare (a) VALUES ((SELECT a FROM t LIMIT 1))", "? SELECT (SELECT a FROM t LIMIT 1)"),
    ("INSERT INTO bare (a) VALUES ((SELECT a FROM t))", "? SELECT (SELECT a FROM t)"),
    ("INSERT INTO bare (a) VALUES ((SELECT sum(c) FROM t))", "? SELECT (SELECT sum(c) FROM t)"),
    ("INSERT INTO bare (b) VALUES ((SELECT group_concat(b) FROM t))", "? SELECT (SELECT group_concat(b) FROM t)"),
    (
        "UPDATE t SET b = (SELECT group_concat(b) FROM bare WHERE bare.a = t.a), a = a + 1 WHERE id > 3 RETURNING b",
        "? SELECT \"t\".\"id\", ((SELECT group_concat(b) FROM bare WHERE bare.a = t.a)\n), (a + 1\n) FROM t WHERE id > 3",
    ),
    (
        "UPDATE t SET b = (SELECT b FROM bare WHERE bare.a = t.a)",
        "? SELECT \"t\".\"id\", ((SELECT b FROM bare WHERE bare.a = t.a)\n) FROM t",
    ),
    (
        "UPDATE t SET b = (SELECT b FROM bare WHERE bare.a = t.a ORDER BY a LIMIT 1)",
        "? SELECT \"t\".\"id\", ((SELECT b FROM bare WHERE bare.a = t.a ORDER BY a LIMIT 1)\n) FROM t",
    ),
    (
        "UPDATE t SET a = bare.a FROM bare WHERE bare.b = t.b",
        "? SELECT \"t\".\"id\", (bare.a\n) FROM t, bare WHERE bare.b = t.b",
    ),
    (
        "UPDATE t SET a = (SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY b) AS n FROM bare))",
        "? SELECT \"t\".\"id\", ((SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY b) AS n FROM bare))\n) FROM t",
    ),
    (
        "UPDATE OR IGNORE keyed SET u = 1 WHERE n > 2",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed WHERE n > 2",
    ),
    (
        "INSERT INTO keyed (k, n, u) VALUES ('a', 1, 1) ON CONFLICT DO UPDATE SET v = 1",
        "! ON CONFLICT DO UPDATE: \"keyed\" has several unique keys, and which row it updates differs by node",
    ),
    ("INSERT INTO keyed (k, n, u) VALUES ('a', 1, 1) ON CONFLICT (u) DO UPDATE SET v = 1", "="),
    ("INSERT INTO keyed (k, n, u) VALUES ('a', 1, 1) ON CONFLICT DO NOTHING", "="),
    (
        "INSERT INTO partly (a) VALUES (1) ON CONFLICT DO UPDATE SET active = 1",
        "INSERT INTO partly (a, \"id\") VALUES (1, 101) ON CONFLICT DO UPDATE SET active = 1",
    ),
    (
        "INSERT INTO partly (id, a) VALUES (5, 1) ON CONFLICT DO UPDATE SET active = 1",
        "! ON CONFLICT DO UPDATE: \"partly\" has several unique keys, and which row it updates differs by node",
    ),
    ("DELETE FROM tree WHERE a = 1", "? SELECT \"tree\".\"id\" FROM tree WHERE a = 1"),
    ("DELETE FROM tree WHERE id = 1", "="),
    ("UPDATE ruled SET u = 1", "? SELECT \"ruled\".\"id\" FROM ruled"),
    ("UPDATE ruled SET u = NULL", "? SELECT \"ruled\".\"id\" FROM ruled"),
    ("UPDATE ruled SET s = 'y' WHERE a = 'z'", "? SELECT \"ruled\".\"id\" FROM ruled WHERE a = 'z'"),
    ("UPDATE ruled SET s = upper('y')", "? SELECT \"ruled\".\"id\" FROM ruled"),
    ("UPDATE ruled SET (a, u) = ('y', 5)", "? SELECT \"ruled\".\"id\" FROM ruled"),
    ("UPDATE ruled SET u = 1 WHERE id = 5", "="),
    ("UPDATE ruled SET a = 'y'", "="),
    ("UPDATE OR FAIL keyed SET u = 1", "! UPDATE OR FAIL: it is done whole or not at all"),
    ("UPDATE keyed SET u = u + 1", "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed"),
    ("UPDATE keyed SET u = u + 1 WHERE k = 'a' AND n = 1", "="),
    ("UPDATE partly SET active = NOT active", "? SELECT \"partly\".\"id\" FROM partly"),
    ("UPDATE partly SET active = 1 WHERE id = 5", "="),
    ("UPDATE computed SET a = a + 1", "? SELECT \"computed\".\"id\" FROM computed"),
    ("UPDATE computed SET a = 3", "? SELECT \"computed\".\"id\" FROM computed"),
    (
        "DELETE FROM t WHERE b IN (SELECT v FROM (SELECT u AS k, n, v FROM keyed ORDER BY k, n LIMIT 1))",
        "? SELECT \"t\".\"id\" FROM t WHERE b IN (SELECT v FROM (SELECT u AS k, n, v FROM keyed ORDER BY k, n LIMIT 1))",
    ),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT 10)",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT id FROM t LIMIT 10)",
    ),
    (
        "DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY a LIMIT 10)",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT id FROM t ORDER BY a LIMIT 10)",
    ),
    (
        "DELETE FROM t WHERE id IN (SELECT DISTINCT a FROM bare)",
        "? SELECT \"t\".\"id\" FROM t WHERE id IN (SELECT DISTINCT a FROM bare)",
    ),
    (
        "DELETE FROM t WHERE a IN (SELECT a FROM bare UNION SELECT n FROM keyed)",
        "? SELECT \"t\".\"id\" FROM t WHERE a IN (SELECT a FROM bare UNION SELECT n FROM keyed)",
    ),
    (
        "DELETE FROM keyed WHERE n = (SELECT a FROM v)",
        "? SELECT \"keyed\".\"k\", \"keyed\".\"n\" FROM keyed WHERE n = (SELECT a FROM v)",
    ),
    (
        "WITH x AS (SELECT a FROM bare LIMIT 1) UPDATE t SET a = 1 WHERE a IN (SELECT a FROM x)",
        "? WITH x AS (SELECT a FROM bare LIMIT 1) SELECT \"t\".\"id\" FROM t WHERE a IN (SELECT a FROM x)",
    ),
];

#[test]
fn what_depends_on_the_order_of_rows_is_done_by_rows_or_refused() {
    each(ORDER);
}

const SESSION: &[(&str, &str)] = &[
    (
        "INSERT INTO bare (a) VALUES (1) RETURNING json(random())",
        "! random() in RETURNING: it is another value for each row, and on each node",
    ),
    ("INSERT INTO bare (a) VALUES (1) RETURNING (SELECT a FROM v)", "! …"),
    (
        "DELETE FROM 'leverframe_watermark'",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "UPDATE main.'LEVERFRAME_watermark' SET position = 1",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "DROP TABLE 'leverframe_watermark'",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "ALTER TABLE 'leverframe_watermark' RENAME TO x",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "DELETE FROM leverframe_watermark",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "DROP TABLE \"Leverframe_Watermark\"",
        "! leverframe_watermark: it tells what the node has applied, and is not for others to write",
    ),
    (
        "INSERT INTO bare (a) VALUES (last_insert_rowid())",
        "! last_insert_rowid(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = changes()",
        "! changes(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET a = total_changes()",
        "! total_changes(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = sqlite_version()",
        "! sqlite_version(): its answer belongs to a session or a server, and would differ by node",
    ),
    (
        "UPDATE t SET b = my_function(b)",
        "! my_function(): not a function that is known to answer the same on every node",
    ),
    ("UPDATE t SET a = rowid", "! rowid: each node has its own: numbers of rows, of transactions, of sessions"),
    (
        "UPDATE bare SET a = 1 WHERE rowid = 5",
        "! rowid: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    (
        "DELETE FROM t WHERE _rowid_ = 5",
        "! _rowid_: each node has its own: numbers of rows, of transactions, of sessions",
    ),
    ("INSERT INTO watched (a) VALUES (1)", "! table watched: a write to it runs trigger watch, whose body is not seen"),
    ("DELETE FROM parent WHERE id = 1", "! table parent: a write to it runs trigger orphan, whose body is not seen"),
    ("INSERT INTO unknown VALUES (1)", "! table unknown: it is not known, or no plain table"),
    ("INSERT INTO v VALUES (1)", "! table v: it is not known, or no plain table"),
    ("INSERT INTO words VALUES ('x')", "! table words: it is not known, or no plain table"),
    ("INSERT OR FAIL INTO bare VALUES (1, 'x')", "! INSERT OR FAIL: it is done whole or not at all"),
    ("INSERT OR ROLLBACK INTO bare VALUES (1, 'x')", "! INSERT OR ROLLBACK: it is done whole or not at all"),
    ("CREATE TABLE n AS SELECT * FROM t", "! CREATE TABLE … AS: make the table, then fill it with INSERT"),
    (
        "CREATE TEMP TABLE n (a)",
        "! CREATE TEMPORARY TABLE: it belongs to a session, and statements have none that lasts",
    ),
    (
        "ALTER TABLE t ADD COLUMN d TEXT DEFAULT CURRENT_TIMESTAMP",
        "! ADD COLUMN … DEFAULT a clock in the making of a table: the rows that are there would get another one on each node: add the column, then UPDATE",
    ),
    (
        "CREATE TABLE n (a CHECK (a < datetime('now')))",
        "! a clock in the making of a table: it would be read on each node by itself",
    ),
    ("UPDATE t SET b = b MATCH 'x'", "! MATCH: not an operator that is known"),
    (
        "INSERT INTO bare (b) VALUES (load_extension('x'))",
        "! load_extension(): it changes something besides rows, which the log does not hold",
    ),
];

#[test]
fn what_belongs_to_a_session_or_is_not_known_is_refused() {
    each(SESSION);
}
